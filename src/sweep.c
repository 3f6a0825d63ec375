/* SPDX-License-Identifier: MIT
 * Reads the logits of a phase of rows: statistics of each row, merged from its blocks in order. */
#include "sweep.h"

#include "tasks.h"

#include <math.h>
#include <string.h>

int64_t block_length(const struct plan *plan, int64_t i) {
    int64_t left = plan->shape->classes - i * BLOCK;
    return left < BLOCK ? (left < 0 ? 0 : left) : BLOCK;
}

const double *weights_from(const struct plan *plan, int64_t first) {
    bool weighs = plan->class_weight && plan->options->label_smoothing > 0;
    return weighs ? plan->class_weight + first : NULL;
}

static const void *logit_address(const struct plan *plan, const struct rows *rows, int i,
                                 int64_t class) {
    return class_address(&plan->shape->logits, rows->logits[i], class);
}

static void *kept_terms(const struct plan *plan, struct scratch scratch, const struct rows *rows,
                        int from, int i) {
    if (!plan->keeps_terms)
        return NULL;
    if (plan->keeps_in_place)
        return rows->grad[i];
    return (char *)scratch.terms + (i - from) * plan->shape->classes * lane_size(plan);
}

/* Where the row's gradient will be written, unless reading has fetched that, or no cache will. */
static void *gradient_target(const struct plan *plan, const struct rows *rows, int i) {
    bool missing = plan->shape->grad.data && !plan->in_place && !plan->streams;
    return missing ? rows->grad[i] : NULL;
}

struct along row_along(const struct plan *plan, struct scratch scratch, const struct rows *rows,
                       int from, int i) {
    return (struct along){.plan = plan,
                          .rows = rows,
                          .row = i,
                          .terms = kept_terms(plan, scratch, rows, from, i),
                          .target = gradient_target(plan, rows, i),
                          .blocks = scratch.blocks + (i - from) * plan->blocks};
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

/* n classes of block b. */
static void find_block(const struct plan *plan, const void *x, int64_t n, int64_t b, void *e,
                       const void *target, xent_stats *block) {
    const double scale = plan->options->logit_scale;
    if (plan->more)
        plan->kernels->stats_more(x, n, scale, weights_from(plan, b * BLOCK), e, target, block);
    else
        plan->kernels->stats(x, n, scale, e, target, block);
}

static void sweep_blocks(void *data, int64_t first, int64_t end) {
    const struct along *job = data;
    const struct plan *plan = job->plan;
    const int64_t size = dtype_size(plan->shape->logits.dtype);
    for (int64_t b = first; b < end; b++) {
        const void *x = logit_address(plan, job->rows, job->row, b * BLOCK);
        void *e = job->terms ? job->terms + b * BLOCK * lane_size(plan) : NULL;
        const void *target = job->target ? job->target + b * BLOCK * size : NULL;
        find_block(plan, x, block_length(plan, b), b, e, target, &job->blocks[b]);
    }
}

static void sweep_along(const struct plan *plan, struct scratch scratch, struct rows *rows,
                        int from, int i) {
    struct along job = row_along(plan, scratch, rows, from, i);
    if (plan->known)
        job.blocks = plan->known->blocks + (rows->first + i) * plan->blocks;
    else
        run_ranges(plan->options, plan->split, plan->blocks, sweep_blocks, &job);
    for (int64_t b = 0; b < plan->blocks; b++)
        add_block(plan, &rows->stats[i], &job.blocks[b], b);
    set_columns(rows, i, &rows->stats[i]);
}

/* Neighbours in memory stay together, since vectors hold them as they lie; else only counted rows
 * are taken. */
static void choose_side_by_side(const struct plan *plan, struct rows *rows, int count) {
    struct side_by_side *beside = &rows->beside;
    int counted = 0;
    for (int i = 0; !rows->all_counted && i < count; i++) {
        beside->row[counted] = i;
        counted += rows->kind[i] == ROW_COUNTED;
    }
    beside->whole = rows->all_counted || plan->neighbours;
    beside->count = rows->all_counted || (counted > 0 && plan->neighbours) ? count : counted;
}

int row_beside(const struct rows *rows, int j) {
    return rows->beside.whole ? j : rows->beside.row[j];
}

xent_stats stats_of_column(const struct plan *plan, const xent_stats_columns *columns, int j) {
    const bool more = plan->more;
    return (xent_stats){
        .arg = columns->arg[j],
        .max = columns->max[j],
        .k = (int64_t)columns->k[j],
        .top = columns->top[j],
        .rest = columns->rest[j],
        .mass = more ? columns->mass[j] : 0,
        .gap = more ? columns->gap[j] : 0,
        .heat = more ? columns->heat[j] : 0,
        .shifted = columns->shifted[j] != 0,
        .poisoned = columns->poisoned[j] != 0,
    };
}

/* From the columns of the rows side by side to those of all rows. */
static void spread_columns(const struct plan *plan, const xent_stats_columns *block,
                           struct rows *rows) {
    xent_stats_columns *columns = &rows->columns.stats;
    const struct side_by_side *beside = &rows->beside;
    for (int j = 0; j < beside->count; j++) {
        const int i = beside->row[j];
        rows->prediction[i] = block->arg[j];
        columns->max[i] = block->max[j];
        columns->top[i] = block->top[j];
        columns->rest[i] = block->rest[j];
    }
    for (int j = 0; plan->more && j < beside->count; j++) {
        const int i = beside->row[j];
        columns->mass[i] = block->mass[j];
        columns->gap[i] = block->gap[j];
        columns->heat[i] = block->heat[j];
    }
}

/* The statistics of the rows side by side, from those of their only block. */
static void take_columns(const struct plan *plan, const xent_stats_columns *block,
                         struct rows *rows) {
    const struct side_by_side *beside = &rows->beside;
    int64_t signs = 0;
    if (beside->whole)
        memcpy(rows->prediction, block->arg, (size_t)beside->count * sizeof *block->arg);
    else
        spread_columns(plan, block, rows);
    for (int j = 0; j < beside->count; j++)
        signs |= block->arg[j];
    memset(rows->poisoned, 0, sizeof rows->poisoned);
    for (int j = 0; signs < 0 && j < beside->count; j++)
        rows->poisoned[row_beside(rows, j)] = block->arg[j] < 0;
    rows->any_poisoned |= signs < 0;
}

/* The same of several blocks. */
static void merge_columns(const struct plan *plan, const xent_stats_columns *blocks,
                          struct rows *rows) {
    for (int j = 0; j < rows->beside.count; j++) {
        int i = row_beside(rows, j);
        for (int64_t b = 0; b < plan->blocks; b++) {
            xent_stats stats = stats_of_column(plan, &blocks[b], j);
            add_block(plan, &rows->stats[i], &stats, b);
        }
        set_columns(rows, i, &rows->stats[i]);
    }
}

bool are_neighbours(const struct rows *rows) {
    return rows->beside.whole && rows->neighbours;
}

const void *const *classes_beside(const struct plan *plan, const struct rows *rows, int64_t first,
                                  const void **gathered) {
    if (first == 0 && rows->beside.whole)
        return (const void *const *)rows->logits;
    for (int j = 0; j < rows->beside.count; j++)
        gathered[j] = logit_address(plan, rows, row_beside(rows, j), first);
    return gathered;
}

xent_stats_columns *block_columns(const struct plan *plan, struct scratch scratch,
                                  struct rows *rows, int64_t b) {
    bool in_place = plan->blocks == 1 && rows->beside.whole;
    return in_place ? &rows->columns.stats : &scratch.columns[b];
}

/* Where class `first` of the rows lies that are fetched while these are worked on; NULL: none. */
static const void *logits_ahead(const struct plan *plan, const struct rows *rows, int64_t first) {
    const int64_t row = rows->first + plan->ahead;
    if (plan->ahead == 0 || row >= rows->end || !rows->beside.whole)
        return NULL;
    return class_address(plan->source, row_address(plan->source, row), first);
}

/* E that does not fit the tiles is computed again by the gradient. */
static void sweep_across(const struct plan *plan, struct scratch scratch, struct rows *rows,
                         int count) {
    const void *gathered[MOST_ROWS];
    void *e = plan->fits_tiles ? scratch.terms : NULL;
    choose_side_by_side(plan, rows, count);
    if (rows->beside.count == 0)
        return;
    for (int64_t b = 0; b < plan->blocks; b++)
        plan->kernels->stats_across(classes_beside(plan, rows, b * BLOCK, gathered),
                                    are_neighbours(rows), rows->beside.count, block_length(plan, b),
                                    plan->shape->logits.class_stride, plan->formula.by.scale,
                                    plan->more, weights_from(plan, b * BLOCK), e,
                                    logits_ahead(plan, rows, b * BLOCK), plan->source->class_stride,
                                    block_columns(plan, scratch, rows, b));
    if (plan->blocks == 1)
        take_columns(plan, block_columns(plan, scratch, rows, 0), rows);
    else
        merge_columns(plan, scratch.columns, rows);
}

void bend_block(const struct plan *plan, const struct rows *rows, int i, int64_t first, int64_t n,
                double *z, double *slope) {
    plan->kernels->widen(logit_address(plan, rows, i, first), n, plan->shape->logits.class_stride,
                         z);
    plan->math->bend(z, n, plan->options->logit_scale, plan->options->softcap, slope);
}

/* Before softcap (raw) and under it. */
static void find_bent_block(const struct plan *plan, const void *x, int64_t n, int64_t b,
                            xent_stats *raw, xent_stats *block) {
    const xent_kernels *doubles = xent_kernels_for(XENT_F64);
    double z[BLOCK];
    plan->kernels->widen(x, n, plan->shape->logits.class_stride, z);
    doubles->stats(z, n, 1, NULL, NULL, raw);
    plan->math->bend(z, n, plan->options->logit_scale, plan->options->softcap, NULL);
    if (plan->more)
        doubles->stats_more(z, n, 1, weights_from(plan, b * BLOCK), NULL, NULL, block);
    else
        doubles->stats(z, n, 1, NULL, NULL, block);
}

void know_block(const struct plan *plan, const struct known_rows *known, int64_t row, int64_t b,
                const void *x) {
    int64_t n = block_length(plan, b), place = row * plan->blocks + b;
    if (plan->way == WAY_BENT)
        find_bent_block(plan, x, n, b, &known->raw[place], &known->blocks[place]);
    else
        find_block(plan, x, n, b, NULL, NULL, &known->blocks[place]);
}

static void take_bent_block(const struct plan *plan, const struct rows *rows, int i, int64_t b,
                            xent_stats *raw, xent_stats *block) {
    const int64_t place = (rows->first + i) * plan->blocks + b;
    if (!plan->known) {
        find_bent_block(plan, logit_address(plan, rows, i, b * BLOCK), block_length(plan, b), b,
                        raw, block);
        return;
    }
    *raw = plan->known->raw[place];
    *block = plan->known->blocks[place];
}

/* The prediction is of the raw logits, since softcap makes equals of the largest. */
static void sweep_bent(const struct plan *plan, struct rows *rows, int i) {
    double largest = -INFINITY;
    int64_t prediction = -1;
    for (int64_t b = 0; b < plan->blocks; b++) {
        xent_stats raw, block;
        take_bent_block(plan, rows, i, b, &raw, &block);
        if (raw.arg >= 0 && raw.max > largest) {
            largest = raw.max;
            prediction = raw.arg + b * BLOCK;
        }
        add_block(plan, &rows->stats[i], &block, b);
    }
    set_columns(rows, i, &rows->stats[i]);
    rows->prediction[i] = rows->stats[i].poisoned ? -1 : prediction;
}

static void read_label_logits(const struct plan *plan, struct rows *rows, int from, int count) {
    xent_columns *columns = &rows->columns;
    if (!plan->known)
        plan->kernels->pick((const void *const *)rows->logits + from, rows->label + from,
                            plan->shape->logits.class_step, count, columns->label_logit + from);
    for (int i = from; plan->known && i < from + count; i++)
        columns->label_logit[i] = plan->known->label_logit[rows->first + i];
    for (int i = from; !plan->formula.by.plain && i < from + count; i++)
        columns->label_slope[i] = plan->formula.by.scale;
    for (int i = from; plan->way == WAY_BENT && i < from + count; i++)
        if (rows->kind[i] == ROW_COUNTED)
            plan->math->bend(&columns->label_logit[i], 1, plan->options->logit_scale,
                             plan->options->softcap, &columns->label_slope[i]);
}

/* Where E is kept where the logits are, the label's is read before; else after, when the row is in
 * the first-level cache. */
void sweep_rows(const struct plan *plan, struct scratch scratch, struct rows *rows, int from,
                int count) {
    rows->any_poisoned = false;
    if (plan->way == WAY_ACROSS && plan->reads_logits)
        sweep_across(plan, scratch, rows, count);
    for (int i = from; plan->way == WAY_ALONG && i < from + count; i++) {
        read_label_logits(plan, rows, i, 1);
        if (rows->kind[i] == ROW_COUNTED && plan->reads_logits)
            sweep_along(plan, scratch, rows, from, i);
    }
    for (int i = from; plan->way == WAY_BENT && i < from + count; i++)
        if (rows->kind[i] == ROW_COUNTED && plan->reads_logits)
            sweep_bent(plan, rows, i);
    if (plan->way != WAY_ALONG)
        read_label_logits(plan, rows, from, count);
}
