/* SPDX-License-Identifier: MIT
 * The products of the linear form. The gradient of the bias is that of the weight of a feature that
 * is always 1. */
#include "linear_gradient.h"
#include "linear_job.h"
#include "product.h"
#include "sweep.h"

#include <string.h>

/* ---- matrices ---- */

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

static matrix ones_matrix(const struct linear *job) {
    static const float one_float = 1;
    static const double one_double = 1;
    return lanes_matrix(job, job->lane == 8 ? (const void *)&one_double : &one_float, 0, 0);
}

/* ---- features ---- */

/* Where features of the chunk's first row begin, the steps in elements. */
static matrix given_features(const struct linear *job, int64_t row_stride) {
    const row_view *view = &job->shape->logits;
    return (matrix){.data = row_address(view, job->memory.rows[0]),
                    .kernels = job->elements,
                    .element_size = dtype_size(view->dtype),
                    .row_stride = row_stride,
                    .column_stride = view->class_stride};
}

/* From row `first` of the chunk on. */
static matrix features_matrix(const struct linear *job, int64_t first) {
    matrix features = lanes_matrix(job, job->memory.gathered, job->features, 1);
    int64_t stride;
    if (!job->gathers && lie_evenly(job, &job->shape->logits, &stride))
        features = given_features(job, stride);
    features.data =
        (const char *)features.data + first * features.row_stride * features.element_size;
    return features;
}

/* Products read features where they are if that is no slower, and if none has to become 0. */
static bool must_gather(const struct linear *job) {
    const row_view *view = &job->shape->logits;
    int64_t stride;
    return !lie_evenly(job, view, &stride) || (view->class_stride != 1 && stride != 1) ||
           (job->wants_grad && job->silent > 0);
}

static char *gathered_row(const struct linear *job, int64_t i) {
    return job->memory.gathered + i * job->features * job->lane;
}

void take_features(struct linear *job) {
    const row_view *view = &job->shape->logits;
    job->gathers = must_gather(job);
    for (int64_t i = 0; job->gathers && i < job->count; i++)
        job->elements->to_lanes(row_address(view, job->memory.rows[i]), job->features,
                                view->class_stride, gathered_row(job, i));
}

static void silence_rows(const struct linear *job) {
    for (int64_t i = 0; job->silent > 0 && i < job->count; i++)
        if (is_silent(job, i))
            memset(gathered_row(job, i), 0, (size_t)(job->features * job->lane));
}

/* ---- products ---- */

static void multiply(const struct linear *job, const struct product *product) {
    run_product(product, job->options, job->width, job->memory.products);
}

static struct product logits_product(const struct linear *job) {
    return (struct product){.rows = job->count,
                            .columns = job->shape->classes,
                            .depth = job->features,
                            .lane_bytes = job->lane,
                            .a = features_matrix(job, 0),
                            .b = weight_matrix(job, 1),
                            .start = job->in->bias ? job->memory.bias : NULL};
}

void find_logits(const struct linear *job) {
    struct product product = logits_product(job);
    product.out = job->memory.logits;
    product.out_stride = job->memory.pitch;
    multiply(job, &product);
}

/* Row i of the chunk, of whose logits n, from class `first` on, lie at `lanes`. */
static void look_at_row(const struct linear *job, int64_t i, int64_t first, int64_t n,
                        const char *lanes) {
    const struct known_rows *known = &job->memory.known;
    int64_t label = job->memory.labels[i] - first;
    if (job->out->logits)
        write_logits(job, i, first, n, lanes);
    if (!job->wants_scores)
        return;
    know_block(&job->call.plan, known, i, first / BLOCK, lanes);
    if (label >= 0 && label < n)
        job->lanes->widen(lanes + label * job->lane, 1, 1, &known->label_logit[i]);
}

static void look_at_block(void *context, int64_t row, int64_t column, int64_t rows, int64_t columns,
                          const void *tile, int64_t stride) {
    const struct linear *job = context;
    for (int64_t i = 0; i < rows; i++)
        look_at_row(job, row + i, column, columns, (const char *)tile + i * stride * job->lane);
}

void look_at_logits(struct linear *job) {
    struct product product = logits_product(job);
    product.sink = look_at_block;
    product.context = job;
    for (int64_t i = 0; i < job->count; i++)
        job->memory.known.label_logit[i] = 0;
    run_blocks(&product, job->options, job->width, job->memory.products);
}

void find_grad_features(const struct linear *job) {
    struct product product = {.rows = job->count,
                              .columns = job->features,
                              .depth = job->shape->classes,
                              .lane_bytes = job->lane,
                              .a = lanes_matrix(job, job->memory.logits, job->memory.pitch, 1),
                              .b = weight_matrix(job, 0)};
    product.out = place_of_grad_features(job, &product.out_stride);
    multiply(job, &product);
}

/* What rows [row, row + rows) of the chunk, whose features (or ones) are b, add to a gradient with
 * so many columns. */
static void add_product(const struct linear *job, int64_t row, int64_t rows,
                        const xent_tensor *grad, matrix b, int64_t columns) {
    const int64_t pitch = job->memory.pitch;
    const char *logits = job->memory.logits + row * pitch * job->lane;
    bool is_lanes = dtype_size(grad->dtype) == job->lane && grad->ndim == 2 && grad->stride[1] == 1;
    struct gradient_sum sum = {.gradient = grad, .lanes = job->lanes, .adds = job->adds};
    struct product product = {.rows = job->shape->classes,
                              .columns = columns,
                              .depth = rows,
                              .lane_bytes = job->lane,
                              .a = lanes_matrix(job, logits, 1, pitch),
                              .b = b,
                              .out = is_lanes ? grad->data : NULL,
                              .out_stride = grad->stride[0],
                              .sink = add_gradient,
                              .context = &sum,
                              .adds = job->adds};
    multiply(job, &product);
}

/* PRODUCT_DEPTH rows at a time. */
void add_grad_weight(struct linear *job) {
    const xent_tensor *weight = job->out->grad_weight, *bias = job->out->grad_bias;
    silence_rows(job);
    for (int64_t row = 0; row < job->count; row += PRODUCT_DEPTH) {
        int64_t left = job->count - row, rows = left < PRODUCT_DEPTH ? left : PRODUCT_DEPTH;
        if (weight)
            add_product(job, row, rows, weight, features_matrix(job, row), job->features);
        if (bias)
            add_product(job, row, rows, bias, ones_matrix(job), 1);
        job->adds = true;
    }
}
