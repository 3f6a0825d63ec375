/* SPDX-License-Identifier: MIT
 * The linear form: the logits of a chunk of rows as a product, the plain form on them in place, and
 * from the gradient that it leaves there the gradients of features and weight as products.
 *
 * A chunk holds rows that count (or are to be NaN); others are never read. */
#include "linear.h"

#include "fail.h"
#include "labels.h"
#include "linear_gradient.h"
#include "linear_job.h"
#include "tasks.h"
#include "total.h"

/* ---- chunk after chunk ---- */

/* found counts rows of the chunk; the call's total, rows of the call. */
static void add_found(const struct linear *job, xent_total *found) {
    if (job->total->first_nonfinite_row < 0 && found->first_nonfinite_row >= 0)
        job->total->first_nonfinite_row = job->memory.rows[found->first_nonfinite_row];
    found->first_nonfinite_row = -1;
    found->rows = 0;
    xent_total_merge(job->total, found);
}

static void score_chunk(struct linear *job) {
    xent_total found;
    job->chunk.rows = job->count;
    run_call(&job->call, job->lost == 0, job->denominator, &found);
    add_found(job, &found);
}

static void store_logits(const struct linear *job) {
    find_logits(job);
    for (int64_t i = 0; job->out->logits && i < job->count; i++)
        write_logits(job, i, 0, job->shape->classes,
                     job->memory.logits + i * job->memory.pitch * job->lane);
}

static void run_chunk(struct linear *job) {
    if (job->count == 0)
        return;
    take_features(job);
    if (job->memory.forward)
        look_at_logits(job);
    else
        store_logits(job);
    if (job->wants_scores)
        score_chunk(job);
    if (job->out->grad_features)
        find_grad_features(job);
    if (job->out->grad_weight || job->out->grad_bias)
        add_grad_weight(job);
    for (int64_t i = 0; job->wants_scores && i < job->count; i++)
        write_row(job, i);
    job->count = job->lost = job->silent = 0;
}

static void add_row(struct linear *job, int64_t row, int64_t label) {
    bool lost = label == LABEL_BAD && job->options->on_bad_label == XENT_BAD_LABEL_NAN;
    if (label < 0 && !lost) {
        leave_row_out(job, row);
        return;
    }
    job->memory.rows[job->count] = row;
    job->memory.labels[job->count] = lost ? -1 : label;
    job->memory.weights[job->count] = row_weight_at(job->shape, row);
    job->lost += lost;
    job->silent += is_silent(job, job->count);
    job->count++;
    if (job->count == job->memory.chunk_rows)
        run_chunk(job);
}

static void clear_gradients(const xent_linear_outputs *outputs) {
    clear_gradient(outputs->grad_weight);
    clear_gradient(outputs->grad_bias);
}

static void run_all_rows(struct linear *job) {
    enum { SOME = 64 };
    int64_t labels[SOME];
    for (int64_t first = 0; first < job->shape->rows; first += SOME) {
        int64_t left = job->shape->rows - first, n = left < SOME ? left : SOME;
        classify_labels(job->shape, job->options, first, n, labels);
        for (int64_t i = 0; i < n; i++)
            add_row(job, first + i, labels[i]);
    }
    run_chunk(job);
    if (!job->adds)
        clear_gradients(job->out);
}

/* ---- memory ---- */

/* The chunk as a batch of the plain form: contiguous logits, classes as labels, rows of doubles. */
static bool begin_chunk(struct linear *job, bool wants_total) {
    const struct linear_memory *memory = &job->memory;
    const int64_t rows = memory->chunk_rows;
    const int32_t lanes = job->lane == 8 ? XENT_F64 : XENT_F32;
    const xent_linear_outputs *out = job->out;
    xent_tensor logits = xent_matrix(memory->logits, lanes, rows, job->shape->classes);
    logits.stride[0] = memory->pitch;
    xent_tensor labels = xent_vector(memory->labels, XENT_I64, rows);
    xent_tensor loss = xent_vector(memory->loss, XENT_F64, rows);
    xent_tensor lse = xent_vector(memory->lse, XENT_F64, rows);
    xent_tensor probability = xent_vector(memory->label_probability, XENT_F64, rows);
    xent_tensor entropy = xent_vector(memory->entropy, XENT_F64, rows);
    xent_tensor prediction = xent_vector(memory->prediction, XENT_I64, rows);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    outputs.loss = out->loss ? &loss : NULL;
    outputs.lse = out->lse ? &lse : NULL;
    outputs.label_probability = out->label_probability ? &probability : NULL;
    outputs.entropy = out->entropy ? &entropy : NULL;
    outputs.prediction = out->prediction ? &prediction : NULL;
    outputs.grad = job->wants_grad ? &logits : NULL;
    job->chunk_weights = xent_vector(memory->weights, XENT_F64, rows);
    job->chunk_options = *job->options;
    job->chunk_options.ignore_count = 0;
    job->chunk_options.row_weight = job->options->row_weight ? &job->chunk_weights : NULL;
    set_layout(&job->chunk, &logits, &labels, &job->chunk_options, &outputs);
    if (!begin_call(&job->call, &job->chunk, &job->chunk_options, &outputs, wants_total))
        return false;
    job->call.plan.known = memory->forward ? &memory->known : NULL;
    return true;
}

/* Rows of few classes go side by side, so that their logits are stored. */
static bool is_forward(const struct linear *job) {
    bool are_few = job->shape->classes <= LONG_TILE && job->options->softcap == 0;
    return !job->wants_grad && !(job->wants_scores && are_few) &&
           can_forward(job->features, job->lane);
}

static int32_t choose_width(const struct linear *job) {
    const int64_t terms_per_task = 1 << 22; /* of fewer, waking a thread costs more than it saves */
    int64_t per_row = job->shape->classes * (job->features + 1);
    int64_t rows = terms_per_task / (per_row + 1) + 1;
    return task_width(job->options, job->memory.chunk_rows / rows + 1);
}

static void gather_bias(const struct linear *job) {
    const xent_tensor *bias = job->in->bias;
    if (bias)
        xent_kernels_for(bias->dtype)
            ->to_lanes(bias->data, job->shape->classes, bias->stride[0], job->memory.bias);
}

xent_status run_linear(const layout *shape, const linear_inputs *inputs,
                       const xent_options *options, const xent_linear_outputs *outputs,
                       bool wants_total, xent_total *counts, xent_error *error) {
    struct linear job = {.shape = shape,
                         .in = inputs,
                         .options = options,
                         .out = outputs,
                         .elements = xent_kernels_for(shape->logits.dtype),
                         .features = inputs->weight->shape[1],
                         .lane = shape->logits.dtype == XENT_F64 ? 8 : 4,
                         .denominator = gradient_denominator(options, counts),
                         .total = counts};
    if (shape->rows == 0) {
        clear_gradients(outputs);
        return XENT_OK;
    }
    job.lanes = xent_kernels_for(job.lane == 8 ? XENT_F64 : XENT_F32);
    job.wants_grad = outputs->grad_features || outputs->grad_weight || outputs->grad_bias;
    job.wants_scores = wants_total || job.wants_grad || outputs->loss || outputs->lse ||
                       outputs->prediction || outputs->label_probability || outputs->entropy;
    plan_memory(&job.memory, shape->rows, shape->classes, job.features, job.lane);
    if (is_forward(&job))
        plan_forward(&job.memory, shape->rows, options->softcap > 0);
    job.width = choose_width(&job);
    if (!job.memory.forward)
        shorten_chunk(&job.memory, job.width);
    if (!take_memory(&job.memory, job.width))
        return fail(error, XENT_NO_MEMORY,
                    "out of memory: the logits of %lld rows at a time need %zu bytes with all "
                    "that belongs to them",
                    (long long)job.memory.chunk_rows, job.memory.size);
    if (!begin_chunk(&job, wants_total)) {
        give_back_memory(&job.memory);
        return fail(error, XENT_NO_MEMORY, "out of memory: %d tasks need %zu bytes of scratch each",
                    (int)job.call.width, job.call.plan.scratch_size);
    }
    gather_bias(&job);
    run_all_rows(&job);
    end_call(&job.call);
    give_back_memory(&job.memory);
    return XENT_OK;
}
