/* SPDX-License-Identifier: MIT
 * Writes gradient and probability of a phase of rows from E and the rows' coefficients. */
#include "gradient.h"

#include "sweep.h"
#include "tasks.h"

#include <math.h>
#include <string.h>

/* What is written for the classes of one row: a*E - b*weight. */
struct blend {
    double a, b;
};

/* Whether a coefficient keeps its precision as a lane, or is 0. */
static bool fits_lane(const xent_coefficients *by, double coefficient) {
    double size = fabs(coefficient);
    return size == 0 || (size >= by->least && size <= by->most);
}

static bool blend_fits(const struct plan *plan, const struct blend *blend) {
    return fits_lane(&plan->formula.by, blend->a) && fits_lane(&plan->formula.by, blend->b);
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
    if (!blend_fits(plan, blend))
        blend_in_double(plan, blend, weight, e, 1, n, g, 1);
    else if (plan->streams)
        plan->kernels->grad_past_caches(e, n, blend->a, g);
    else if (blend->b == 0)
        plan->kernels->grad(e, n, blend->a, g);
    else
        plan->kernels->grad_more(e, n, blend->a, blend->b, weight, g);
}

/* a and b of rows side by side, 0 where they do not fit a lane; whether all do. */
static bool fit_lanes(const struct plan *plan, const struct blend *blends, int count, double *a,
                      double *b) {
    bool all = true;
    for (int j = 0; j < count; j++) {
        bool fits = blend_fits(plan, &blends[j]);
        a[j] = fits ? blends[j].a : 0;
        b[j] = fits && blends[j].b != 0 ? blends[j].b : 0; /* +0, as where b is left out */
        all &= fits;
    }
    return all;
}

/* Where the first E of row j lies in tiles of rows side by side. */
static const void *tile_lane(const struct plan *plan, const void *tiles, int j) {
    return (const char *)tiles + (j / ACROSS * TILE * ACROSS + j % ACROSS) * lane_size(plan);
}

static void blend_across(const struct plan *plan, const struct blend *blends, const double *weight,
                         const void *tiles, int count, int64_t n, void *const *g, bool neighbours,
                         int64_t stride) {
    double a[MOST_ROWS] = {0}, b[MOST_ROWS] = {0};
    bool all_fit = fit_lanes(plan, blends, count, a, b);
    plan->kernels->grad_across(tiles, count, n, a, b, weight, g, neighbours, stride, NULL);
    for (int j = 0; !all_fit && j < count; j++)
        if (!blend_fits(plan, &blends[j]))
            blend_in_double(plan, &blends[j], weight, tile_lane(plan, tiles, j), ACROSS, n, g[j],
                            stride);
}

/* value in every class of a row. */
static void fill_row(const struct plan *plan, const row_view *view, void *row, double value) {
    char *to = row, element[sizeof(double)];
    const int64_t size = dtype_size(view->dtype);
    plan->kernels->narrow(&value, 1, element, 1);
    for (int64_t c = 0; c < plan->shape->classes; c++)
        memcpy(to + c * view->class_step, element, (size_t)size);
}

/* A block whose terms are all flushed (factor 0) gives no part, however large a is. */
static struct blend gradient_blend(const struct rows *rows, int i, double factor) {
    double a = rows->columns.a[i];
    return (struct blend){factor == 0 ? 0 : a * factor, rows->columns.b[i]};
}

static struct blend probability_blend(const struct rows *rows, int i, double factor) {
    return (struct blend){rows->columns.share[i] * factor, 0};
}

static bool has_gradient(const struct rows *rows, int i) {
    return rows->ordinary ||
           (rows->kind[i] == ROW_COUNTED && !rows->grad_is_zero[i] && !rows->grad_is_nan[i]);
}

static bool has_probability(const struct rows *rows, int i) {
    return rows->ordinary || (rows->kind[i] == ROW_COUNTED && !rows->probability_is_nan[i]);
}

/* E of a block once more; where a is out of a lane's range, it is multiplied in double. */
static void stream_block(const struct along *job, int64_t b, struct blend blend) {
    const struct plan *plan = job->plan;
    const void *x = class_address(&plan->shape->logits, job->rows->logits[job->row], b * BLOCK);
    void *g = class_address(&plan->shape->grad, job->rows->grad[job->row], b * BLOCK);
    int64_t n = block_length(plan, b);
    bool fits = blend_fits(plan, &blend);
    plan->kernels->grad_again(x, n, plan->formula.by.scale, &job->blocks[b], fits ? blend.a : 1, g);
    if (!fits)
        blend_in_double(plan, &blend, NULL, g, 1, n, g, 1);
}

static void write_block(const struct along *job, int64_t b, struct blend share,
                        struct blend blend) {
    const struct plan *plan = job->plan;
    const row_view *grad = &plan->shape->grad, *probability = &plan->shape->probability;
    const char *e = job->terms + b * BLOCK * lane_size(plan);
    if (probability->data && has_probability(job->rows, job->row))
        blend_along(plan, &share, NULL, e, block_length(plan, b),
                    class_address(probability, job->rows->probability[job->row], b * BLOCK));
    if (grad->data && has_gradient(job->rows, job->row))
        blend_along(plan, &blend, weights_from(plan, b * BLOCK), e, block_length(plan, b),
                    class_address(grad, job->rows->grad[job->row], b * BLOCK));
}

static void write_blocks(void *data, int64_t first, int64_t end) {
    const struct along *job = data;
    const struct plan *plan = job->plan;
    const struct rows *rows = job->rows;
    for (int64_t b = first; b < end; b++) {
        double factor = block_factor(&job->blocks[b], &rows->stats[job->row],
                                     plan->formula.by.scale, plan->math);
        struct blend blend = gradient_blend(rows, job->row, factor);
        if (!plan->again)
            write_block(job, b, probability_blend(rows, job->row, factor), blend);
        else if (has_gradient(rows, job->row))
            stream_block(job, b, blend);
    }
    if (plan->streams && plan->split > 1) /* else run_rows does so, once for all its rows */
        plan->kernels->fence();
}

static void write_along(const struct plan *plan, struct scratch scratch, const struct rows *rows,
                        int from, int i) {
    struct along job = row_along(plan, scratch, rows, from, i);
    run_ranges(plan->options, plan->split, plan->blocks, write_blocks, &job);
}

/* The factors of one block of the rows side by side. */
static void block_factors(const struct plan *plan, const xent_stats_columns *block,
                          const struct rows *rows, double *factors) {
    const struct side_by_side *beside = &rows->beside;
    for (int j = 0; j < beside->count; j++) {
        factors[j] = 1;
        if (plan->blocks == 1 || rows->kind[row_beside(rows, j)] != ROW_COUNTED)
            continue;
        xent_stats stats = stats_of_column(plan, block, j);
        factors[j] = block_factor(&stats, &rows->stats[row_beside(rows, j)], plan->formula.by.scale,
                                  plan->math);
    }
}

/* Classes [first, first + n) of the rows side by side, whose E are in the tiles and have these
 * factors. */
static void write_tiles(const struct plan *plan, const struct rows *rows, const double *factors,
                        const void *tiles, int64_t first, int64_t n) {
    const row_view *grad = &plan->shape->grad, *probability = &plan->shape->probability;
    const struct side_by_side *beside = &rows->beside;
    static const struct blend none = {0, 0};
    struct blend blends[MOST_ROWS];
    void *to[MOST_ROWS];
    for (int j = 0; probability->data && j < beside->count; j++) {
        int i = row_beside(rows, j);
        blends[j] = has_probability(rows, i) ? probability_blend(rows, i, factors[j]) : none;
        to[j] = class_address(probability, rows->probability[i], first);
    }
    if (probability->data)
        blend_across(plan, blends, NULL, tiles, beside->count, n, to,
                     beside->whole && rows->probability_neighbours, probability->class_stride);
    for (int j = 0; grad->data && j < beside->count; j++) {
        int i = row_beside(rows, j);
        blends[j] = has_gradient(rows, i) ? gradient_blend(rows, i, factors[j]) : none;
        to[j] = class_address(grad, rows->grad[i], first);
    }
    if (grad->data)
        blend_across(plan, blends, weights_from(plan, first), tiles, beside->count, n, to,
                     beside->whole && rows->grad_neighbours, grad->class_stride);
}

/* Where the classes do not fit the tiles, E is computed again, some classes at a time. */
static void write_again(const struct plan *plan, struct scratch scratch, struct rows *rows) {
    const int64_t classes = plan->shape->classes;
    const void *gathered[MOST_ROWS];
    double factors[MOST_ROWS] = {0};
    for (int64_t first = 0; first < classes; first += TILE) {
        int64_t n = classes - first < TILE ? classes - first : TILE;
        const xent_stats_columns *block = block_columns(plan, scratch, rows, first / BLOCK);
        if (first % BLOCK == 0)
            block_factors(plan, block, rows, factors);
        plan->kernels->terms_across(
            classes_beside(plan, rows, first, gathered), are_neighbours(rows), rows->beside.count,
            n, plan->shape->logits.class_stride, plan->formula.by.scale, block, scratch.terms);
        write_tiles(plan, rows, factors, scratch.terms, first, n);
    }
}

static void write_once(const struct plan *plan, struct scratch scratch, struct rows *rows) {
    double factors[MOST_ROWS] = {0};
    block_factors(plan, scratch.columns, rows, factors);
    write_tiles(plan, rows, factors, scratch.terms, 0, plan->shape->classes);
}

/* Where the gradient of the rows after these begins, which writing in place has fetched already;
 * NULL: nowhere. */
static void *gradient_ahead(const struct plan *plan, const struct rows *rows) {
    const row_view *grad = &plan->shape->grad;
    const int64_t row = rows->first + rows->count;
    if (plan->in_place || row >= rows->end || !rows_are_dense(grad, plan->shape->classes))
        return NULL;
    return row_address(grad, row);
}

/* Where they do and only gradients are wanted, whose coefficients are in the columns as the kernel
 * takes them, there is nothing to prepare. What rows without a gradient get meanwhile does not
 * matter: fill_rows comes last. */
static void write_across(const struct plan *plan, struct scratch scratch, struct rows *rows) {
    const int64_t classes = plan->shape->classes;
    if (rows->beside.count == 0)
        return;
    if (!plan->fits_tiles) {
        write_again(plan, scratch, rows);
    } else if (rows->beside.whole && rows->all_fit && !plan->shape->probability.data) {
        plan->kernels->grad_across(scratch.terms, rows->beside.count, classes, rows->columns.a,
                                   rows->columns.b, weights_from(plan, 0), rows->grad,
                                   rows->grad_neighbours, plan->shape->grad.class_stride,
                                   gradient_ahead(plan, rows));
    } else {
        write_once(plan, scratch, rows);
    }
}

/* Softcap: E of a block is computed again in double, and the result rounded once. */
static void write_bent_block(const struct plan *plan, const struct rows *rows, int i, int64_t b) {
    const row_view *grad = &plan->shape->grad, *probability = &plan->shape->probability;
    const xent_kernels *doubles = xent_kernels_for(XENT_F64);
    double z[BLOCK], slope[BLOCK], values[BLOCK];
    int64_t n = block_length(plan, b);
    xent_stats block;
    bend_block(plan, rows, i, b * BLOCK, n, z, slope);
    doubles->stats(z, n, 1, z, NULL, &block);
    double factor = block_factor(&block, &rows->stats[i], 1, plan->math);
    if (probability->data && has_probability(rows, i)) {
        doubles->grad(z, n, rows->columns.share[i] * factor, values);
        plan->kernels->narrow(values, n,
                              class_address(probability, rows->probability[i], b * BLOCK),
                              probability->class_stride);
    }
    if (grad->data && has_gradient(rows, i)) {
        struct blend blend = gradient_blend(rows, i, factor);
        memcpy(values, z, (size_t)n * sizeof *values);
        blend_values(&blend, weights_from(plan, b * BLOCK), values, n);
        for (int64_t c = 0; c < n; c++)
            values[c] = slope[c] == 0 ? 0 : values[c] * slope[c]; /* also of an infinite part */
        plan->kernels->narrow(values, n, class_address(grad, rows->grad[i], b * BLOCK),
                              grad->class_stride);
    }
}

/* What is the same in every class of rows that have no gradient or no probability. */
static void fill_rows(const struct plan *plan, const struct rows *rows, int from, int count) {
    const row_view *grad = &plan->shape->grad, *probability = &plan->shape->probability;
    bool is_logits = plan->formula.logits_are == XENT_LOGITS;
    for (int i = from; probability->data && i < from + count; i++)
        if (!has_probability(rows, i))
            fill_row(plan, probability, rows->probability[i],
                     rows->probability_is_nan[i] ? (double)NAN : 0);
    for (int i = from; grad->data && i < from + count; i++)
        if (!has_gradient(rows, i) || !is_logits)
            fill_row(plan, grad, rows->grad[i], rows->grad_is_nan[i] ? (double)NAN : 0);
}

/* The label's own entry, which was formed before any rounding. */
static void write_labels(const struct plan *plan, const struct rows *rows, int from, int count) {
    const int64_t step = plan->shape->grad.class_step;
    const double *entries = rows->columns.label_grad;
    double entry[COLUMN];
    int64_t label[MOST_ROWS];
    void *to[MOST_ROWS];
    int n = 0;
    if (rows->ordinary) {
        plan->kernels->put(entries + from, rows->label + from, step, count, rows->grad + from);
        return;
    }
    for (int i = from; i < from + count; i++) {
        entry[n] = entries[i];
        label[n] = rows->label[i];
        to[n] = rows->grad[i];
        n += has_gradient(rows, i);
    }
    plan->kernels->put(entry, label, step, n, to);
}

void write_gradients(const struct plan *plan, struct scratch scratch, struct rows *rows, int from,
                     int count) {
    if (!plan->shape->grad.data && !plan->shape->probability.data)
        return;
    bool is_logits = plan->formula.logits_are == XENT_LOGITS;
    if (plan->way == WAY_ACROSS && is_logits)
        write_across(plan, scratch, rows);
    for (int i = from; plan->way != WAY_ACROSS && is_logits && i < from + count; i++) {
        if (rows->kind[i] == ROW_COUNTED && plan->way == WAY_ALONG)
            write_along(plan, scratch, rows, from, i);
        for (int64_t b = 0;
             rows->kind[i] == ROW_COUNTED && plan->way == WAY_BENT && b < plan->blocks; b++)
            write_bent_block(plan, rows, i, b);
    }
    if (!rows->ordinary)
        fill_rows(plan, rows, from, count);
    if (plan->shape->grad.data)
        write_labels(plan, rows, from, count);
}
