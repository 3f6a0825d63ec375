/* SPDX-License-Identifier: MIT
 * Writes gradient and probability of a phase of rows from E and the rows' coefficients. */
#include "gradient.h"

#include "sweep.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* What is written for the classes of one row: a*E - b*weight. */
struct blend {
    double a, b;
};

static int64_t class_stride(const row_view *view) {
    return view->class_step / dtype_size(view->dtype);
}

/* Whether a coefficient keeps its precision as a lane, or is 0. */
static bool fits_lane(int64_t lane_bytes, double coefficient) {
    double size = fabs(coefficient);
    double least = lane_bytes == 8 ? DBL_MIN : FLT_MIN,
           most = lane_bytes == 8 ? DBL_MAX : FLT_MAX / 2;
    return size == 0 || (size >= least && size <= most);
}

static bool blend_fits(int64_t lane_bytes, const struct blend *blend) {
    return fits_lane(lane_bytes, blend->a) && fits_lane(lane_bytes, blend->b);
}

/* For coefficients out of a double's range too: E into what is written. An E of 0 gives no part,
 * however large its coefficient. weight NULL: all 1. */
static void blend_values(const struct blend *blend, const double *weight, double *values,
                         int64_t n) {
    for (int64_t c = 0; c < n; c++) {
        double k = weight ? weight[c] : 1;
        double pull = blend->b == 0 || k == 0 ? 0 : blend->b * k;
        values[c] = values[c] == 0 ? 0 - pull : fma(blend->a, values[c], -pull);
    }
}

/* For coefficients out of a lane's range: in double, whatever the lane. */
static void blend_in_double(const struct plan *plan, const struct blend *blend,
                            const double *weight, const void *e, int64_t e_stride, int64_t n,
                            void *g, int64_t g_stride) {
    double values[BLOCK];
    xent_kernels_for(lane_size(plan) == 8 ? XENT_F64 : XENT_F32)->widen(e, n, e_stride, values);
    blend_values(blend, weight, values, n);
    plan->kernels->narrow(values, n, g, g_stride);
}

static void blend_along(const struct plan *plan, const struct blend *blend, const double *weight,
                        const void *e, int64_t n, void *g) {
    if (!blend_fits(lane_size(plan), blend))
        blend_in_double(plan, blend, weight, e, 1, n, g, 1);
    else if (blend->b == 0)
        plan->kernels->grad(e, n, blend->a, g);
    else
        plan->kernels->grad_more(e, n, blend->a, blend->b, weight, g);
}

static void blend_across(const struct plan *plan, const struct blend *blends, const double *weight,
                         const void *e, int width, int64_t n, char *g, int64_t row_step,
                         int64_t class_step) {
    const int64_t size = dtype_size(plan->shape.logits.dtype);
    double a[ACROSS] = {0}, b[ACROSS] = {0};
    for (int j = 0; j < width; j++) {
        bool fits = blend_fits(lane_size(plan), &blends[j]);
        a[j] = fits ? blends[j].a : 0;
        b[j] = fits && blends[j].b != 0 ? blends[j].b : 0; /* +0, as where b is left out */
    }
    plan->kernels->grad_across(e, width, n, a, b, weight, g, row_step / size, class_step / size);
    for (int j = 0; j < width; j++)
        if (!blend_fits(lane_size(plan), &blends[j]))
            blend_in_double(plan, &blends[j], weight, (const char *)e + j * lane_size(plan), ACROSS,
                            n, g + j * row_step, class_step / size);
}

/* value in every class of a row. */
static void fill_row(const struct plan *plan, const row_view *view, int64_t index, double value) {
    char *to = row_address(view, index), element[sizeof(double)];
    const int64_t size = dtype_size(view->dtype);
    plan->kernels->narrow(&value, 1, element, 1);
    for (int64_t c = 0; c < plan->shape.classes; c++)
        memcpy(to + c * view->class_step, element, (size_t)size);
}

/* A block whose terms are all flushed (factor 0) gives no part, however large a is. */
static struct blend gradient_blend(const struct row *row, double factor) {
    return (struct blend){factor == 0 ? 0 : row->a * factor, row->b};
}

static struct blend probability_blend(const struct row *row, double factor) {
    return (struct blend){row->share * factor, 0};
}

static bool has_gradient(const struct row *row) {
    return row->kind == ROW_COUNTED && !row->grad_is_zero && !row->grad_is_nan;
}

static bool has_probability(const struct row *row) {
    return row->kind == ROW_COUNTED && !row->probability_is_nan;
}

static void write_along(const struct plan *plan, struct scratch scratch, const struct row *row,
                        int i) {
    const row_view *grad = &plan->shape.grad, *probability = &plan->shape.probability;
    const char *terms = kept_terms(plan, scratch, i, row->index);
    for (int64_t b = 0; b < plan->blocks; b++) {
        const xent_stats *block = &scratch.blocks[i * plan->blocks + b];
        const char *e = terms + b * BLOCK * lane_size(plan);
        double factor = block_factor(block, &row->stats, plan->formula.by.scale, plan->math);
        struct blend share = probability_blend(row, factor);
        struct blend blend = gradient_blend(row, factor);
        if (probability->data && has_probability(row))
            blend_along(plan, &share, NULL, e, block_length(plan, b),
                        row_address(probability, row->index) + b * BLOCK * probability->class_step);
        if (grad->data && has_gradient(row))
            blend_along(plan, &blend, weights_from(plan, b * BLOCK), e, block_length(plan, b),
                        row_address(grad, row->index) + b * BLOCK * grad->class_step);
    }
}

/* Classes [first, first + n) of block b of the rows side by side, whose E are in the tile. */
static void write_tile(const struct plan *plan, struct scratch scratch, const struct row *rows,
                       int width, int64_t b, int64_t first, int64_t n) {
    const row_view *grad = &plan->shape.grad, *probability = &plan->shape.probability;
    struct blend blends[ACROSS], shares[ACROSS];
    for (int j = 0; j < width; j++) {
        double factor = block_factor(&scratch.blocks[b * ACROSS + j], &rows[j].stats,
                                     plan->formula.by.scale, plan->math);
        shares[j] = (struct blend){0, 0};
        blends[j] = (struct blend){0, 0};
        if (has_probability(&rows[j]))
            shares[j] = probability_blend(&rows[j], factor);
        if (has_gradient(&rows[j]))
            blends[j] = gradient_blend(&rows[j], factor);
    }
    int64_t step = 0;
    if (probability->data) {
        row_run(probability, rows[0].index, &step);
        blend_across(plan, shares, NULL, scratch.terms, width, n,
                     row_address(probability, rows[0].index) + first * probability->class_step,
                     step, probability->class_step);
    }
    if (grad->data) {
        row_run(grad, rows[0].index, &step);
        blend_across(plan, blends, weights_from(plan, first), scratch.terms, width, n,
                     row_address(grad, rows[0].index) + first * grad->class_step, step,
                     grad->class_step);
    }
}

/* Where the classes do not fit the tile, E is computed again, a tile at a time. */
static void write_across(const struct plan *plan, struct scratch scratch, const struct row *rows,
                         int width) {
    const row_view *logits = &plan->shape.logits;
    int64_t classes = plan->shape.classes, step = 0;
    row_run(logits, rows[0].index, &step);
    for (int64_t first = 0; first < classes; first += TILE) {
        int64_t b = first / BLOCK, n = classes - first < TILE ? classes - first : TILE;
        if (classes > TILE)
            plan->kernels->terms_across(
                row_address(logits, rows[0].index) + first * logits->class_step, width, n,
                step / dtype_size(logits->dtype), class_stride(logits), plan->formula.by.scale,
                &scratch.blocks[b * ACROSS], scratch.terms);
        write_tile(plan, scratch, rows, width, b, first, n);
    }
}

/* Softcap: E of a block is computed again in double, and the result rounded once. */
static void write_bent_block(const struct plan *plan, const struct row *row, int64_t b) {
    const row_view *grad = &plan->shape.grad, *probability = &plan->shape.probability;
    double z[BLOCK], slope[BLOCK], values[BLOCK];
    int64_t n = block_length(plan, b);
    xent_stats block;
    bend_block(plan, row->index, b * BLOCK, n, z, slope);
    plan->doubles->stats(z, n, 1, z, &block);
    double factor = block_factor(&block, &row->stats, 1, plan->math);
    if (probability->data && has_probability(row)) {
        plan->doubles->grad(z, n, row->share * factor, values);
        plan->kernels->narrow(
            values, n, row_address(probability, row->index) + b * BLOCK * probability->class_step,
            class_stride(probability));
    }
    if (grad->data && has_gradient(row)) {
        struct blend blend = gradient_blend(row, factor);
        memcpy(values, z, (size_t)n * sizeof *values);
        blend_values(&blend, weights_from(plan, b * BLOCK), values, n);
        for (int64_t c = 0; c < n; c++)
            values[c] = slope[c] == 0 ? 0 : values[c] * slope[c]; /* also of an infinite part */
        plan->kernels->narrow(values, n,
                              row_address(grad, row->index) + b * BLOCK * grad->class_step,
                              class_stride(grad));
    }
}

/* What is the same in every class, and the label's own entry, which was formed before any
 * rounding. */
static void write_rest(const struct plan *plan, const struct row *row) {
    const row_view *grad = &plan->shape.grad, *probability = &plan->shape.probability;
    bool is_logits = plan->formula.logits_are == XENT_LOGITS;
    if (probability->data && !has_probability(row))
        fill_row(plan, probability, row->index, row->probability_is_nan ? (double)NAN : 0);
    if (!grad->data)
        return;
    if (!has_gradient(row) || !is_logits)
        fill_row(plan, grad, row->index, row->grad_is_nan ? (double)NAN : 0);
    if (has_gradient(row))
        plan->kernels->narrow(&row->label_grad, 1,
                              row_address(grad, row->index) + row->label * grad->class_step, 1);
}

void write_gradients(const struct plan *plan, struct scratch scratch, const struct row *rows,
                     int count) {
    if (!plan->shape.grad.data && !plan->shape.probability.data)
        return;
    bool is_logits = plan->formula.logits_are == XENT_LOGITS;
    if (plan->way == WAY_ACROSS && is_logits && rows[0].kind == ROW_COUNTED)
        write_across(plan, scratch, rows, count);
    for (int i = 0; i < count; i++) {
        if (plan->way == WAY_ALONG && is_logits && rows[i].kind == ROW_COUNTED)
            write_along(plan, scratch, &rows[i], i);
        for (int64_t b = 0;
             plan->way == WAY_BENT && rows[i].kind == ROW_COUNTED && b < plan->blocks; b++)
            write_bent_block(plan, &rows[i], b);
        write_rest(plan, &rows[i]);
    }
}
