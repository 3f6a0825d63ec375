/* SPDX-License-Identifier: MIT
 * An assignment for more classes than a table holds: the largest counts first. */
#include "assign.h"

#include <stdlib.h>

/* A label, a prediction and how many rows have both; count 0: an empty place. */
typedef struct pair {
    int32_t label, prediction, count;
} pair;

typedef struct pairs {
    pair *places; /* a hash table of 2^bits */
    int bits;
    int64_t count, most; /* pairs; the largest count */
} pairs;

static void add_pair(pairs *held, int32_t label, int32_t prediction) {
    uint64_t mixed =
        ((uint64_t)(uint32_t)label << 32 | (uint32_t)prediction) * UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mask = (UINT64_C(1) << held->bits) - 1, at = mixed >> (64 - held->bits);
    while (held->places[at].count > 0 &&
           (held->places[at].label != label || held->places[at].prediction != prediction))
        at = (at + 1) & mask;
    pair *place = &held->places[at];
    held->count += place->count == 0;
    place->label = label;
    place->prediction = prediction;
    place->count++;
    held->most = place->count > held->most ? place->count : held->most;
}

static xent_status count_pairs(const xent_diagnosis *all, enum half which, pairs *held) {
    held->bits = 1;
    while (held->bits < 40 && (INT64_C(1) << held->bits) < 2 * (all->rows + 1))
        held->bits++;
    held->places = take_array(INT64_C(1) << held->bits, sizeof *held->places);
    if (!held->places)
        return XENT_NO_MEMORY;
    for (int64_t row = 0; row < all->rows; row++) {
        if (lies_in(all, row, which))
            add_pair(held, all->labels[row], all->predictions[row]);
    }
    return XENT_OK;
}

/* Among equal counts a class and itself come first. */
static int64_t rank_of(const pair *place) {
    return 2 * (int64_t)place->count + (place->label == place->prediction);
}

/* Places of pairs by rank, the least first: a counting sort. */
static xent_status sort_pairs(const pairs *held, int64_t *order) {
    int64_t ranks = 2 * held->most + 2, places = INT64_C(1) << held->bits, sum = 0;
    int64_t *starts = take_array(ranks, sizeof *starts);
    if (!starts)
        return XENT_NO_MEMORY;
    for (int64_t i = 0; i < places; i++)
        starts[rank_of(&held->places[i])] += held->places[i].count > 0;
    for (int64_t rank = 0; rank < ranks; rank++) {
        int64_t here = starts[rank];
        starts[rank] = sum;
        sum += here;
    }
    for (int64_t i = 0; i < places; i++) {
        if (held->places[i].count > 0)
            order[starts[rank_of(&held->places[i])]++] = i;
    }
    free(starts);
    return XENT_OK;
}

/* Labels without rows keep their class if it is free; else they have none, -1. */
static void assign_rest(int64_t classes, const bool *taken, int32_t *to) {
    for (int64_t c = 0; c < classes; c++) {
        if (to[c] < 0 && !taken[c])
            to[c] = (int32_t)c;
    }
}

static void assign(const pairs *held, const int64_t *order, int64_t classes, bool *taken,
                   int32_t *to) {
    for (int64_t c = 0; c < classes; c++)
        to[c] = -1;
    for (int64_t i = held->count - 1; i >= 0; i--) {
        const pair *place = &held->places[order[i]];
        if (to[place->label] >= 0 || taken[place->prediction])
            continue;
        to[place->label] = place->prediction;
        taken[place->prediction] = true;
    }
    assign_rest(classes, taken, to);
}

xent_status assign_greedily(const xent_diagnosis *all, enum half which, int32_t *to) {
    pairs held = {.places = NULL};
    int64_t *order = NULL;
    bool *taken = take_array(all->classes, sizeof *taken);
    xent_status status = taken ? count_pairs(all, which, &held) : XENT_NO_MEMORY;
    if (status == XENT_OK) {
        order = take_array(held.count, sizeof *order);
        status = order ? sort_pairs(&held, order) : XENT_NO_MEMORY;
    }
    if (status == XENT_OK)
        assign(&held, order, all->classes, taken, to);
    free(held.places);
    free(order);
    free(taken);
    return status;
}
