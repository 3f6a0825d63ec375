/* SPDX-License-Identifier: MIT
 * An assignment for more classes than a table holds: the largest counts first. */
#include "assign.h"

#include <stdlib.h>

/* Units in the order of labels and, within one, of predictions: neighbours of both are a pair.
 * Memory: at most 16 bytes a unit and 5 a class. */
typedef struct pairs {
    const units *of;
    int64_t classes, held; /* units */
    int32_t *order;        /* the units, in this order */
    int32_t *first;        /* of each pair, its place in `order`; then the end of the last */
    int32_t *ranked;       /* pairs, the least rank first */
    int64_t count, most;   /* pairs; the units of the largest */
} pairs;

static void *take_starts(int64_t keys) {
    return take_array(keys, sizeof(int32_t));
}

/* Counts of keys become the places at which each begins. */
static void add_up(int32_t *starts, int64_t keys) {
    int32_t sum = 0;
    for (int64_t key = 0; key < keys; key++) {
        int32_t here = starts[key];
        starts[key] = sum;
        sum += here;
    }
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* A counting sort that leaves equal keys in order. */
static xent_status sort_by(const pairs *of, const int32_t *keys, const int32_t *from, int32_t *to) {
    int32_t *starts = take_starts(of->classes);
    if (!starts)
        return XENT_NO_MEMORY;
    for (int64_t i = 0; i < of->held; i++)
        starts[keys[from[i]]]++;
    add_up(starts, of->classes);
    for (int64_t i = 0; i < of->held; i++)
        to[starts[keys[from[i]]]++] = from[i];
    free(starts);
    return XENT_OK;
}

static void find_pairs(pairs *of) {
    for (int64_t i = 0; i < of->held; i++) {
        int32_t unit = of->order[i], before = i > 0 ? of->order[i - 1] : unit;
        if (i == 0 || of->of->labels[unit] != of->of->labels[before] ||
            of->of->predictions[unit] != of->of->predictions[before])
            of->first[of->count++] = (int32_t)i;
    }
    of->first[of->count] = (int32_t)of->held;
    for (int64_t p = 0; p < of->count; p++) {
        int64_t size = of->first[p + 1] - of->first[p];
        of->most = size > of->most ? size : of->most;
    }
}

/* Units of the half, by prediction and then by label. */
static xent_status sort_units(pairs *of, enum half which) {
    for (int64_t i = 0; i < of->of->count; i++)
        of->held += lies_in(of->of, i, which);
    of->order = take_array(of->held, sizeof *of->order);
    of->first = take_array(of->held + 1, sizeof *of->first);
    if (!of->order || !of->first)
        return XENT_NO_MEMORY;
    int64_t held = 0;
    for (int64_t i = 0; i < of->of->count; i++) {
        if (lies_in(of->of, i, which))
            of->order[held++] = (int32_t)i;
    }
    xent_status status = sort_by(of, of->of->predictions, of->order, of->first);
    return status == XENT_OK ? sort_by(of, of->of->labels, of->first, of->order) : status;
}

/* ---- ranks ----------------------------------------------------------------------------------- */

/* Among equal counts a class and itself come first. */
static int64_t rank_of(const pairs *of, int64_t pair) {
    int32_t unit = of->order[of->first[pair]];
    int64_t size = of->first[pair + 1] - of->first[pair];
    return 2 * size + (of->of->labels[unit] == of->of->predictions[unit]);
}

static xent_status rank_pairs(pairs *of) {
    int64_t ranks = 2 * of->most + 2;
    int32_t *starts = take_starts(ranks);
    of->ranked = take_array(of->count, sizeof *of->ranked);
    if (starts && of->ranked) {
        for (int64_t pair = 0; pair < of->count; pair++)
            starts[rank_of(of, pair)]++;
        add_up(starts, ranks);
        for (int64_t pair = 0; pair < of->count; pair++)
            of->ranked[starts[rank_of(of, pair)]++] = (int32_t)pair;
    }
    bool taken = starts && of->ranked;
    free(starts);
    return taken ? XENT_OK : XENT_NO_MEMORY;
}

/* ---- assignment ------------------------------------------------------------------------------ */

/* Labels without rows keep their class if it is free; else they have none, -1. */
static void assign_rest(int64_t classes, const bool *taken, int32_t *to) {
    for (int64_t c = 0; c < classes; c++) {
        if (to[c] < 0 && !taken[c])
            to[c] = (int32_t)c;
    }
}

static xent_status assign(const pairs *of, int32_t *to) {
    bool *taken = take_array(of->classes, sizeof *taken);
    if (!taken)
        return XENT_NO_MEMORY;
    for (int64_t c = 0; c < of->classes; c++)
        to[c] = -1;
    for (int64_t i = of->count - 1; i >= 0; i--) {
        int32_t unit = of->order[of->first[of->ranked[i]]];
        int32_t label = of->of->labels[unit], prediction = of->of->predictions[unit];
        if (to[label] >= 0 || taken[prediction])
            continue;
        to[label] = prediction;
        taken[prediction] = true;
    }
    assign_rest(of->classes, taken, to);
    free(taken);
    return XENT_OK;
}

xent_status assign_greedily(const units *of, int64_t classes, enum half which, int32_t *to) {
    pairs made = {.of = of, .classes = classes};
    xent_status status = sort_units(&made, which);
    if (status == XENT_OK) {
        find_pairs(&made);
        status = rank_pairs(&made);
    }
    if (status == XENT_OK)
        status = assign(&made, to);
    free(made.order);
    free(made.first);
    free(made.ranked);
    return status;
}
