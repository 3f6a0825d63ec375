/* SPDX-License-Identifier: MIT
 * Reads the logits of a phase of rows: statistics of each row, merged from its blocks in order. */
#include "sweep.h"

#include <math.h>
#include <string.h>

int64_t block_length(const struct plan *plan, int64_t i) {
    int64_t left = plan->shape.classes - i * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

const double *weights_from(const struct plan *plan, int64_t first) {
    bool weighs = plan->class_weight && plan->options.label_smoothing > 0;
    return weighs ? plan->class_weight + first : NULL;
}

/* Strides in elements, as kernels take them. */
static int64_t class_stride(const row_view *view) {
    return view->class_step / dtype_size(view->dtype);
}

static const void *class_address(const struct plan *plan, const struct rows *rows, int i,
                                 int64_t class) {
    return (const char *)rows->logits[i] + class * plan->shape.logits.class_step;
}

void *kept_terms(const struct plan *plan, struct scratch scratch, const struct rows *rows, int from,
                 int i) {
    if (plan->keeps_in_place)
        return rows->grad[i];
    return (char *)scratch.terms + (i - from) * plan->shape.classes * lane_size(plan);
}

/* Makes the block's arg count from the row's first class and merges it. */
static void add_block(const struct plan *plan, xent_stats *stats, xent_stats *block, int64_t b) {
    if (block->arg >= 0)
        block->arg += b * BLOCK;
    if (b == 0)
        *stats = *block;
    else
        merge_stats(stats, block, plan->formula.by.scale, plan->math);
}

static void sweep_along(const struct plan *plan, struct scratch scratch, struct rows *rows,
                        int from, int i) {
    const double scale = plan->formula.by.scale;
    char *terms = plan->keeps_terms ? kept_terms(plan, scratch, rows, from, i) : NULL;
    for (int64_t b = 0; b < plan->blocks; b++) {
        xent_stats *block = &scratch.blocks[(i - from) * plan->blocks + b];
        const void *x = class_address(plan, rows, i, b * BLOCK);
        int64_t n = block_length(plan, b);
        void *e = terms ? terms + b * BLOCK * lane_size(plan) : NULL;
        if (plan->more)
            plan->kernels->stats_more(x, n, scale, weights_from(plan, b * BLOCK), e, block);
        else
            plan->kernels->stats(x, n, scale, e, block);
        add_block(plan, &rows->stats[i], block, b);
    }
    set_columns(rows, i, &rows->stats[i]);
}

/* Neighbours in memory stay together, since vectors hold them as they lie; else only counted rows
 * are taken. */
static int gather_side_by_side(const struct plan *plan, const struct rows *rows, int i, int end,
                               struct side_by_side *group) {
    bool counted = false;
    group->count = 0;
    while (i < end && group->count < ACROSS) {
        bool is_counted = rows->kind[i] == ROW_COUNTED;
        counted |= is_counted;
        if (is_counted || plan->neighbours)
            group->row[group->count++] = i;
        i++;
        if (group->count == ACROSS && !counted)
            group->count = 0;
    }
    if (!counted)
        group->count = 0;
    group->consecutive =
        group->count > 0 && group->row[group->count - 1] == group->row[0] + group->count - 1;
    return i;
}

int next_side_by_side(const struct plan *plan, const struct rows *rows, int i, int end,
                      struct side_by_side *group) {
    if (!rows->all_counted)
        return gather_side_by_side(plan, rows, i, end, group);
    group->consecutive = true;
    group->count = end - i < ACROSS ? end - i : ACROSS;
    for (int j = 0; j < ACROSS; j++)
        group->row[j] = i + j;
    return i + group->count;
}

xent_stats stats_of_column(const xent_stats_columns *columns, int j) {
    return (xent_stats){
        .arg = (int64_t)columns->arg[j],
        .max = columns->max[j],
        .k = (int64_t)columns->k[j],
        .top = columns->top[j],
        .rest = columns->rest[j],
        .mass = columns->mass[j],
        .gap = columns->gap[j],
        .heat = columns->heat[j],
        .shifted = columns->shifted[j] != 0,
        .poisoned = columns->poisoned[j] != 0,
    };
}

static void take_column(const xent_stats_columns *block, int j, struct rows *rows, int i) {
    xent_stats stats = stats_of_column(block, j);
    set_columns(rows, i, &stats);
}

/* All columns of rows from `first` on, which are ordinary so far. */
static void take_columns(const xent_stats_columns *block, int count, struct rows *rows, int first) {
    xent_columns *columns = &rows->columns;
    const size_t size = (size_t)count * sizeof(double);
    memcpy(columns->max + first, block->max, size);
    memcpy(columns->top + first, block->top, size);
    memcpy(columns->rest + first, block->rest, size);
    for (int j = 0; j < count; j++) {
        bool poisoned = (block->poisoned[j] != 0) | (block->arg[j] < 0);
        rows->prediction[first + j] = (int64_t)block->arg[j];
        rows->poisoned[first + j] = poisoned;
        rows->any_poisoned |= poisoned;
    }
}

/* The columns of the only block are those of the rows. */
static void take_block(const struct plan *plan, const xent_stats_columns *block,
                       const struct side_by_side *group, struct rows *rows) {
    if (rows->all_counted && plan->formula.by.plain) {
        take_columns(block, group->count, rows, group->row[0]);
        return;
    }
    for (int j = 0; j < group->count; j++)
        if (rows->kind[group->row[j]] == ROW_COUNTED)
            take_column(block, j, rows, group->row[j]);
}

void *tile_of(const struct plan *plan, struct scratch scratch, int index) {
    return (char *)scratch.terms + index * TILE * ACROSS * lane_size(plan);
}

/* E of up to TILE classes fits the tile and is kept; of more it is computed again by the
 * gradient. */
static void sweep_group(const struct plan *plan, struct scratch scratch,
                        const struct side_by_side *group, int index, struct rows *rows) {
    const void *x[ACROSS];
    void *e =
        plan->keeps_terms && plan->shape.classes <= TILE ? tile_of(plan, scratch, index) : NULL;
    for (int64_t b = 0; b < plan->blocks; b++) {
        xent_stats_columns *block = &scratch.columns[index * plan->blocks + b];
        for (int j = 0; j < group->count; j++)
            x[j] = class_address(plan, rows, group->row[j], b * BLOCK);
        plan->kernels->stats_across(x, group->count, block_length(plan, b),
                                    class_stride(&plan->shape.logits), plan->formula.by.scale,
                                    plan->more, weights_from(plan, b * BLOCK), e, block);
        for (int j = 0; plan->blocks > 1 && j < group->count; j++) {
            xent_stats stats = stats_of_column(block, j);
            add_block(plan, &rows->stats[group->row[j]], &stats, b);
        }
    }
    if (plan->blocks == 1)
        take_block(plan, scratch.columns + index, group, rows);
    for (int j = 0; plan->blocks > 1 && j < group->count; j++)
        set_columns(rows, group->row[j], &rows->stats[group->row[j]]);
}

static void sweep_across(const struct plan *plan, struct scratch scratch, struct rows *rows,
                         int from, int count) {
    struct side_by_side group;
    int i = next_side_by_side(plan, rows, from, from + count, &group);
    for (int index = 0; group.count > 0; index++) {
        sweep_group(plan, scratch, &group, index, rows);
        i = next_side_by_side(plan, rows, i, from + count, &group);
    }
}

void bend_block(const struct plan *plan, const struct rows *rows, int i, int64_t first, int64_t n,
                double *z, double *slope) {
    plan->kernels->widen(class_address(plan, rows, i, first), n, class_stride(&plan->shape.logits),
                         z);
    plan->math->bend(z, n, plan->options.logit_scale, plan->options.softcap, slope);
}

/* The prediction is of the raw logits, since softcap makes equals of the largest. */
static void sweep_bent(const struct plan *plan, struct rows *rows, int i) {
    const row_view *logits = &plan->shape.logits;
    double z[BLOCK], largest = -INFINITY;
    int64_t prediction = -1;
    for (int64_t b = 0; b < plan->blocks; b++) {
        const void *x = class_address(plan, rows, i, b * BLOCK);
        int64_t n = block_length(plan, b);
        xent_stats raw, block;
        plan->kernels->widen(x, n, class_stride(logits), z);
        plan->doubles->stats(z, n, 1, NULL, &raw);
        if (raw.arg >= 0 && raw.max > largest) {
            largest = raw.max;
            prediction = raw.arg + b * BLOCK;
        }
        plan->math->bend(z, n, plan->options.logit_scale, plan->options.softcap, NULL);
        if (plan->more)
            plan->doubles->stats_more(z, n, 1, weights_from(plan, b * BLOCK), NULL, &block);
        else
            plan->doubles->stats(z, n, 1, NULL, &block);
        add_block(plan, &rows->stats[i], &block, b);
    }
    set_columns(rows, i, &rows->stats[i]);
    rows->prediction[i] = rows->stats[i].poisoned ? -1 : prediction;
}

/* Before E is kept where the logits are. */
static void read_label_logits(const struct plan *plan, struct rows *rows, int from, int count) {
    xent_columns *columns = &rows->columns;
    static const double none; /* 0 in every dtype */
    const void *address[MOST_ROWS] = {&none};
    for (int i = from; i < from + count; i++)
        address[i - from] =
            rows->kind[i] == ROW_COUNTED ? class_address(plan, rows, i, rows->label[i]) : &none;
    plan->kernels->pick(address, count, columns->label_logit + from);
    for (int i = from; !plan->formula.by.plain && i < from + count; i++)
        columns->label_slope[i] = plan->formula.by.scale;
    for (int i = from; plan->way == WAY_BENT && i < from + count; i++)
        if (rows->kind[i] == ROW_COUNTED)
            bend_block(plan, rows, i, rows->label[i], 1, &columns->label_logit[i],
                       &columns->label_slope[i]);
}

void sweep_rows(const struct plan *plan, struct scratch scratch, struct rows *rows, int from,
                int count) {
    rows->any_poisoned = false;
    if (plan->way != WAY_ALONG)
        read_label_logits(plan, rows, from, count);
    if (plan->way == WAY_ACROSS && plan->reads_logits)
        sweep_across(plan, scratch, rows, from, count);
    for (int i = from; plan->way != WAY_ACROSS && i < from + count; i++) {
        if (plan->way == WAY_ALONG)
            read_label_logits(plan, rows, i, 1); /* where the row before fetched them ahead */
        if (rows->kind[i] != ROW_COUNTED || !plan->reads_logits)
            continue;
        if (plan->way == WAY_ALONG)
            sweep_along(plan, scratch, rows, from, i);
        else
            sweep_bent(plan, rows, i);
    }
}
