/* SPDX-License-Identifier: MIT
 * Reads the logits of a phase of rows: statistics of each row, merged from its blocks in order. */
#include "sweep.h"

#include <math.h>

int64_t block_length(const struct plan *plan, int64_t i) {
    int64_t left = plan->shape.classes - i * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

const double *weights_from(const struct plan *plan, int64_t first) {
    bool weighs = plan->class_weight && plan->options.label_smoothing > 0;
    return weighs ? plan->class_weight + first : NULL;
}

static const char *class_address(const row_view *view, int64_t index, int64_t class) {
    return row_address(view, index) + class * view->class_step;
}

/* Strides in elements, as kernels take them. */
static int64_t class_stride(const row_view *view) {
    return view->class_step / dtype_size(view->dtype);
}

void *kept_terms(const struct plan *plan, struct scratch scratch, int i, int64_t index) {
    if (plan->keeps_in_place)
        return row_address(&plan->shape.grad, index);
    return (char *)scratch.terms + i * plan->shape.classes * lane_size(plan);
}

/* Makes the block's arg count from the row's first class and merges it. */
static void add_block(const struct plan *plan, xent_stats *stats, xent_stats *block, int64_t i) {
    if (block->arg >= 0)
        block->arg += i * BLOCK;
    if (i == 0)
        *stats = *block;
    else
        merge_stats(stats, block, plan->formula.by.scale, plan->math);
}

static void sweep_along(const struct plan *plan, struct scratch scratch, struct row *rows, int i) {
    const row_view *logits = &plan->shape.logits;
    struct row *row = &rows[i];
    const double scale = plan->formula.by.scale;
    char *terms = plan->keeps_terms ? kept_terms(plan, scratch, i, row->index) : NULL;
    for (int64_t b = 0; b < plan->blocks; b++) {
        xent_stats *block = &scratch.blocks[i * plan->blocks + b];
        const char *x = class_address(logits, row->index, b * BLOCK);
        int64_t n = block_length(plan, b);
        void *e = terms ? terms + b * BLOCK * lane_size(plan) : NULL;
        if (plan->more)
            plan->kernels->stats_more(x, n, scale, weights_from(plan, b * BLOCK), e, block);
        else
            plan->kernels->stats(x, n, scale, e, block);
        add_block(plan, &row->stats, block, b);
    }
    row->prediction = row->stats.poisoned ? -1 : row->stats.arg;
}

/* Rows side by side are all counted, or all not, and lie at equal steps in every tensor. */
static int width_across(const struct plan *plan, const struct row *rows, int count) {
    const layout *shape = &plan->shape;
    const row_view *views[] = {&shape->logits, &shape->grad, &shape->probability};
    int64_t most = count < ACROSS ? count : ACROSS, step;
    for (int view = 0; view < 3; view++) {
        int64_t run = row_run(views[view], rows[0].index, &step);
        most = run < most ? run : most;
    }
    int width = 1;
    while (width < most && (rows[width].kind == ROW_COUNTED) == (rows[0].kind == ROW_COUNTED))
        width++;
    return width;
}

int phase_width(const struct plan *plan, const struct row *rows, int count) {
    if (plan->way == WAY_ACROSS)
        return width_across(plan, rows, count);
    return count < plan->phase_rows ? count : plan->phase_rows;
}

static void sweep_across(const struct plan *plan, struct scratch scratch, struct row *rows,
                         int width) {
    const row_view *logits = &plan->shape.logits;
    int64_t row_step = 0;
    row_run(logits, rows[0].index, &row_step);
    /* E of up to TILE classes fits the tile and is kept; of more it is computed again by the
     * gradient */
    void *e = plan->keeps_terms && plan->shape.classes <= TILE ? scratch.terms : NULL;
    for (int64_t b = 0; b < plan->blocks; b++) {
        xent_stats *blocks = &scratch.blocks[b * ACROSS];
        plan->kernels->stats_across(class_address(logits, rows[0].index, b * BLOCK), width,
                                    block_length(plan, b), row_step / dtype_size(logits->dtype),
                                    class_stride(logits), plan->formula.by.scale, plan->more,
                                    weights_from(plan, b * BLOCK), e, blocks);
        for (int j = 0; j < width; j++)
            add_block(plan, &rows[j].stats, &blocks[j], b);
    }
    for (int j = 0; j < width; j++)
        rows[j].prediction = rows[j].stats.poisoned ? -1 : rows[j].stats.arg;
}

void bend_block(const struct plan *plan, int64_t index, int64_t first, int64_t n, double *z,
                double *slope) {
    const row_view *logits = &plan->shape.logits;
    plan->kernels->widen(class_address(logits, index, first), n, class_stride(logits), z);
    plan->math->bend(z, n, plan->options.logit_scale, plan->options.softcap, slope);
}

/* The prediction is of the raw logits, since softcap makes equals of the largest. */
static void sweep_bent(const struct plan *plan, struct row *row) {
    const row_view *logits = &plan->shape.logits;
    double z[BLOCK], largest = -INFINITY;
    row->prediction = -1;
    for (int64_t b = 0; b < plan->blocks; b++) {
        const char *x = class_address(logits, row->index, b * BLOCK);
        int64_t n = block_length(plan, b);
        xent_stats raw, block;
        plan->kernels->widen(x, n, class_stride(logits), z);
        plan->doubles->stats(z, n, 1, NULL, &raw);
        if (raw.arg >= 0 && raw.max > largest) {
            largest = raw.max;
            row->prediction = raw.arg + b * BLOCK;
        }
        plan->math->bend(z, n, plan->options.logit_scale, plan->options.softcap, NULL);
        if (plan->more)
            plan->doubles->stats_more(z, n, 1, weights_from(plan, b * BLOCK), NULL, &block);
        else
            plan->doubles->stats(z, n, 1, NULL, &block);
        add_block(plan, &row->stats, &block, b);
    }
    if (row->stats.poisoned)
        row->prediction = -1;
}

static void read_label_logit(const struct plan *plan, struct row *row) {
    const row_view *logits = &plan->shape.logits;
    if (plan->way == WAY_BENT) {
        bend_block(plan, row->index, row->label, 1, &row->label_logit, &row->label_slope);
        return;
    }
    plan->kernels->widen(class_address(logits, row->index, row->label), 1, 1, &row->label_logit);
    row->label_slope = plan->formula.by.scale;
}

void sweep_rows(const struct plan *plan, struct scratch scratch, struct row *rows, int count) {
    for (int i = 0; i < count; i++)
        if (rows[i].kind == ROW_COUNTED && plan->way != WAY_ALONG)
            read_label_logit(plan, &rows[i]); /* before E is kept where the logits are */
    if (!plan->reads_logits)
        return;
    if (plan->way == WAY_ACROSS && rows[0].kind == ROW_COUNTED)
        sweep_across(plan, scratch, rows, count);
    for (int i = 0; i < count && plan->way != WAY_ACROSS; i++) {
        if (rows[i].kind != ROW_COUNTED)
            continue;
        if (plan->way == WAY_ALONG)
            read_label_logit(plan, &rows[i]); /* before E is kept where the logits are */
        if (plan->way == WAY_ALONG)
            sweep_along(plan, scratch, rows, i);
        else
            sweep_bent(plan, &rows[i]);
    }
}
