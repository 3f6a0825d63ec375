/* SPDX-License-Identifier: MIT
 * Objects: neighbouring rows of one label, as runs of frames and areas of a map, each of which
 * counts once. */
#include "objects.h"

#include <stdlib.h>

/* The first row of an object stands for it. */
static int32_t find_root(int32_t *before, int32_t row) {
    while (before[row] != row) {
        before[row] = before[before[row]];
        row = before[row];
    }
    return row;
}

static void join(int32_t *before, int32_t a, int32_t b) {
    int32_t root = find_root(before, a), other = find_root(before, b);
    if (root < other)
        before[other] = root;
    else
        before[root] = other;
}

/* Each row and the one before it along an axis whose steps are `along` rows. */
static void join_along(const xent_diagnosis *all, bool alike, int32_t *before, int64_t length,
                       int64_t along) {
    for (int64_t row = along; row < all->rows; row++) {
        if (row / along % length != 0 && all->labels[row] == all->labels[row - along] &&
            (!alike || all->predictions[row] == all->predictions[row - along]))
            join(before, (int32_t)(row - along), (int32_t)row);
    }
}

/* Of three axes or more the first counts maps, which have nothing to do with each other. */
static void join_neighbours(const xent_diagnosis *all, bool alike, int32_t *before) {
    int64_t along = 1;
    for (int64_t row = 0; row < all->rows; row++)
        before[row] = (int32_t)row;
    for (int axis = all->label_ndim - 1; axis >= (all->label_ndim > 2); axis--) {
        join_along(all, alike, before, all->label_shape[axis], along);
        along *= all->label_shape[axis];
    }
}

/* What most rows of each object are predicted as, if more than half are (Boyer and Moore 1981), is
 * left in the place of its first row. */
static void vote(const xent_diagnosis *all, bool alike, int32_t *before, int32_t *predictions,
                 int32_t *votes) {
    for (int64_t row = 0; row < all->rows; row++) {
        if (all->half[row] == LEFT_OUT || (!alike && all->half[row] >= REPEATED))
            continue;
        int32_t root = find_root(before, (int32_t)row);
        if (votes[root] == 0)
            predictions[root] = all->predictions[row];
        votes[root] += predictions[root] == all->predictions[row] ? 1 : -1;
    }
}

/* Objects that nobody voted for, or as many against as for, are left out. */
static void gather_objects(const xent_diagnosis *all, objects *made, const int32_t *votes,
                           uint8_t *turns) {
    for (int64_t row = 0; row < all->rows; row++) {
        if (votes[row] == 0)
            continue;
        int32_t label = all->labels[row];
        made->labels[made->count] = label;
        made->predictions[made->count] = made->predictions[row];
        made->half[made->count++] = turns[label];
        turns[label] ^= 1;
    }
}

xent_status find_objects(const xent_diagnosis *all, bool alike, objects *made) {
    int32_t *votes = take_array(all->rows, sizeof *votes);
    uint8_t *turns = take_array(all->classes, sizeof *turns);
    made->count = 0;
    made->labels = take_array(all->rows, sizeof *made->labels);
    made->predictions = take_array(all->rows, sizeof *made->predictions);
    made->half = take_array(all->rows, sizeof *made->half);
    bool taken = votes && turns && made->labels && made->predictions && made->half;
    if (taken) {
        int32_t *before = made->labels; /* until the labels are gathered */
        join_neighbours(all, alike, before);
        vote(all, alike, before, made->predictions, votes);
        gather_objects(all, made, votes, turns);
    }
    free(votes);
    free(turns);
    return taken ? XENT_OK : XENT_NO_MEMORY;
}

void free_objects(objects *made) {
    free(made->labels);
    free(made->predictions);
    free(made->half);
}
