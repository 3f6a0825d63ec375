/* SPDX-License-Identifier: MIT
 * The linear form: the logits of a chunk of rows as a product, the plain form on them in place, and
 * from the gradient that it leaves there the gradients of features and weight as products.
 *
 * A chunk holds rows that count (or are to be NaN); others are never read. The gradient of the bias
 * is that of the weight of a feature that is always 1, which each row of the chunk ends with. */
#include "linear.h"

#include "call.h"
#include "fail.h"
#include "labels.h"
#include "linear_gradient.h"
#include "linear_memory.h"
#include "product.h"
#include "tasks.h"
#include "total.h"

#include <math.h>
#include <string.h>

/* What all chunks of a call share. */
struct linear {
    const layout *shape;
    const linear_inputs *in;
    const xent_options *options;
    const xent_linear_outputs *out;
    const xent_kernels *elements, *lanes; /* of the features and of what is computed with */
    int64_t features, lane;               /* D, and bytes of a lane */
    double denominator;
    bool wants_grad, wants_scores; /* wants_scores: false where the logits are all */
    bool adds;                     /* to gradients of the weight that are there already */
    int32_t width;                 /* tasks of a product */
    struct linear_memory memory;
    struct call call;
    layout chunk; /* the chunk as a batch of the plain form, its options and weights */
    xent_options chunk_options;
    xent_tensor chunk_weights;
    int64_t count, lost;
    xent_total *total;
};

/* ---- the chunk ---- */

static char *row_of_lanes(const struct linear *job, int64_t i) {
    return job->memory.features_and_one + i * (job->features + 1) * job->lane;
}

static void set_lane(const struct linear *job, void *to, double value) {
    job->lanes->narrow(&value, 1, to, 1);
}

static void gather_features(const struct linear *job) {
    const row_view *view = &job->shape->logits;
    for (int64_t i = 0; i < job->count; i++) {
        char *to = row_of_lanes(job, i);
        job->elements->to_lanes(row_address(view, job->memory.rows[i]), job->features,
                                view->class_stride, to);
        set_lane(job, to + job->features * job->lane, 1);
    }
}

/* A row without a gradient: its features, which may be NaN, have no part in the weight's. */
static bool is_silent(const struct linear *job, int64_t i) {
    bool weighed = job->options->row_weight != NULL;
    return job->denominator == 0 || (weighed && job->memory.weights[i] == 0);
}

static void silence_rows(const struct linear *job) {
    for (int64_t i = 0; i < job->count; i++)
        if (is_silent(job, i))
            memset(row_of_lanes(job, i), 0, (size_t)((job->features + 1) * job->lane));
}

/* ---- products ---- */

static matrix lanes_matrix(const struct linear *job, const void *data, int64_t row_stride,
                           int64_t column_stride) {
    return (matrix){.data = data,
                    .kernels = job->lanes,
                    .element_size = job->lane,
                    .row_stride = row_stride,
                    .column_stride = column_stride};
}

static matrix weight_matrix(const struct linear *job, int row_axis) {
    const xent_tensor *weight = job->in->weight;
    return (matrix){.data = weight->data,
                    .kernels = job->elements,
                    .element_size = dtype_size(weight->dtype),
                    .row_stride = weight->stride[row_axis],
                    .column_stride = weight->stride[1 - row_axis]};
}

static void multiply(const struct linear *job, const struct product *product) {
    run_product(product, job->options, job->width, job->memory.products);
}

static void find_logits(const struct linear *job) {
    struct product product = {
        .rows = job->count,
        .columns = job->shape->classes,
        .depth = job->features,
        .lane_bytes = job->lane,
        .a = lanes_matrix(job, job->memory.features_and_one, job->features + 1, 1),
        .b = weight_matrix(job, 1),
        .start = job->in->bias ? job->memory.bias : NULL,
        .out = job->memory.logits,
        .out_stride = job->shape->classes};
    multiply(job, &product);
}

static void find_grad_features(const struct linear *job) {
    struct product product = {.rows = job->count,
                              .columns = job->features,
                              .depth = job->shape->classes,
                              .lane_bytes = job->lane,
                              .a = lanes_matrix(job, job->memory.logits, job->shape->classes, 1),
                              .b = weight_matrix(job, 0),
                              .out = job->memory.grad_features,
                              .out_stride = job->features};
    multiply(job, &product);
}

/* What rows [row, row + rows) of the chunk add to the gradient of features [first, first + columns)
 * of the weight; feature D is the one of the bias. */
static void add_product(const struct linear *job, int64_t row, int64_t rows,
                        const xent_tensor *grad, int64_t first, int64_t columns) {
    const int64_t classes = job->shape->classes;
    const char *logits = job->memory.logits + row * classes * job->lane;
    bool is_lanes = first == 0 && dtype_size(grad->dtype) == job->lane && grad->stride[1] == 1;
    struct gradient_sum sum = {.gradient = grad, .lanes = job->lanes, .adds = job->adds};
    struct product product = {
        .rows = classes,
        .columns = columns,
        .depth = rows,
        .lane_bytes = job->lane,
        .a = lanes_matrix(job, logits, 1, classes),
        .b = lanes_matrix(job, row_of_lanes(job, row) + first * job->lane, job->features + 1, 1),
        .out = is_lanes ? grad->data : NULL,
        .out_stride = grad->stride[0],
        .sink = add_gradient,
        .context = &sum,
        .adds = job->adds};
    multiply(job, &product);
}

/* PRODUCT_DEPTH rows at a time. */
static void add_grad_weight(struct linear *job) {
    const xent_tensor *weight = job->out->grad_weight, *bias = job->out->grad_bias;
    for (int64_t row = 0; row < job->count; row += PRODUCT_DEPTH) {
        int64_t left = job->count - row, rows = left < PRODUCT_DEPTH ? left : PRODUCT_DEPTH;
        if (weight)
            add_product(job, row, rows, weight, 0, job->features);
        if (bias)
            add_product(job, row, rows, bias, job->features, 1);
        job->adds = true;
    }
}

/* ---- what the caller gets ---- */

static void put_double(const row_view *view, int64_t row, double value) {
    if (view->data)
        xent_kernels_for(view->dtype)->narrow(&value, 1, row_address(view, row), 1);
}

static void put_prediction(const row_view *view, int64_t row, int64_t value) {
    int32_t narrow = (int32_t)value;
    if (view->data && view->dtype == XENT_I64)
        memcpy(row_address(view, row), &value, sizeof value);
    else if (view->data)
        memcpy(row_address(view, row), &narrow, sizeof narrow);
}

/* A row of n elements; lanes NULL: all are `otherwise`. */
static void put_lanes(const struct linear *job, const row_view *view, int64_t row, int64_t n,
                      const char *lanes, double otherwise) {
    enum { SOME = 256 };
    double values[SOME];
    if (!view->data)
        return;
    char *to = row_address(view, row);
    if (lanes && dtype_size(view->dtype) == job->lane && view->class_stride == 1) {
        memcpy(to, lanes, (size_t)(n * job->lane));
        return;
    }
    for (int i = 0; i < SOME; i++)
        values[i] = otherwise;
    for (int64_t done = 0; done < n; done += SOME) {
        int64_t some = n - done < SOME ? n - done : SOME;
        if (lanes)
            job->lanes->widen(lanes + done * job->lane, some, 1, values);
        xent_kernels_for(view->dtype)
            ->narrow(values, some, class_address(view, to, done), view->class_stride);
    }
}

static void put_grad_features(const struct linear *job, int64_t row, const char *lanes) {
    put_lanes(job, &job->shape->grad, row, job->features, lanes, 0);
}

static void put_logits(const struct linear *job, int64_t row, const char *lanes, double otherwise) {
    put_lanes(job, &job->shape->probability, row, job->shape->classes, lanes, otherwise);
}

/* Before the gradient takes their place. */
static void write_logits(const struct linear *job) {
    const struct linear_memory *from = &job->memory;
    for (int64_t i = 0; i < job->count; i++) {
        const char *lanes = from->logits + i * job->shape->classes * job->lane;
        put_logits(job, from->rows[i], from->labels[i] < 0 ? NULL : lanes, NAN);
    }
}

static void skip_row(const struct linear *job, int64_t row) {
    const layout *to = job->shape;
    put_double(&to->loss, row, 0);
    put_double(&to->lse, row, 0);
    put_double(&to->label_probability, row, 0);
    put_double(&to->entropy, row, 0);
    put_prediction(&to->prediction, row, -1);
    put_grad_features(job, row, NULL);
    put_logits(job, row, NULL, 0);
}

static void write_row(const struct linear *job, int64_t i) {
    const layout *to = job->shape;
    const struct linear_memory *from = &job->memory;
    int64_t row = from->rows[i];
    put_double(&to->loss, row, from->loss[i]);
    put_double(&to->lse, row, from->lse[i]);
    put_double(&to->label_probability, row, from->label_probability[i]);
    put_double(&to->entropy, row, from->entropy[i]);
    put_prediction(&to->prediction, row, from->prediction[i]);
    put_grad_features(
        job, row, is_silent(job, i) ? NULL : from->grad_features + i * job->features * job->lane);
}

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

static void run_chunk(struct linear *job) {
    if (job->count == 0)
        return;
    gather_features(job);
    find_logits(job);
    write_logits(job);
    if (job->wants_scores)
        score_chunk(job);
    if (job->wants_grad)
        silence_rows(job);
    if (job->shape->grad.data)
        find_grad_features(job);
    if (job->out->grad_weight || job->out->grad_bias)
        add_grad_weight(job);
    for (int64_t i = 0; job->wants_scores && i < job->count; i++)
        write_row(job, i);
    job->count = job->lost = 0;
}

static void add_row(struct linear *job, int64_t row, int64_t label) {
    bool lost = label == LABEL_BAD && job->options->on_bad_label == XENT_BAD_LABEL_NAN;
    if (label < 0 && !lost) {
        skip_row(job, row);
        return;
    }
    job->memory.rows[job->count] = row;
    job->memory.labels[job->count] = lost ? -1 : label;
    job->memory.weights[job->count] = row_weight_at(job->shape, row);
    job->lost += lost;
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
    return begin_call(&job->call, &job->chunk, &job->chunk_options, &outputs, wants_total);
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
    job.width = choose_width(&job);
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
