/* SPDX-License-Identifier: MIT
 * The best assignment: shortest augmenting paths over reduced costs (Kuhn 1955, Jonker and
 * Volgenant 1987). Of n labels O(n^3), and O(n^2) where most keep their own class. */
#include "assign.h"

#include <stdlib.h>

/* Labels and predictions are counted from 1; prediction 0 is where a path begins. */
typedef struct search {
    const int32_t *counts;
    int32_t n;
    int64_t *of_label, *of_prediction; /* potentials */
    int64_t *nearest;                  /* cost of the shortest path to each prediction */
    int32_t *label_of;                 /* of each prediction; 0: free */
    int32_t *before;                   /* the prediction before it on its path */
    bool *reached;
} search;

/* A count weighs more than all diagonal entries, so that these decide among equal sums only. */
static int64_t cost_of(const search *at, int32_t label, int32_t prediction) {
    int64_t count = at->counts[(int64_t)(label - 1) * at->n + prediction - 1];
    return -(count * (at->n + (int64_t)1) + (label == prediction));
}

/* Looks from the label of the prediction that was reached last; returns the nearest one that is not
 * reached, and how much further it is. */
static int32_t look_from(search *at, int32_t last, int64_t *further) {
    int32_t label = at->label_of[last], next = 0;
    int64_t least = INT64_MAX;
    for (int32_t j = 1; j <= at->n; j++) {
        if (at->reached[j])
            continue;
        int64_t reduced = cost_of(at, label, j) - at->of_label[label] - at->of_prediction[j];
        if (reduced < at->nearest[j]) {
            at->nearest[j] = reduced;
            at->before[j] = last;
        }
        if (at->nearest[j] < least) {
            least = at->nearest[j];
            next = j;
        }
    }
    *further = least;
    return next;
}

static void shift_potentials(search *at, int64_t by) {
    for (int32_t j = 0; j <= at->n; j++) {
        if (at->reached[j]) {
            at->of_label[at->label_of[j]] += by;
            at->of_prediction[j] -= by;
        } else {
            at->nearest[j] -= by;
        }
    }
}

/* Finds a free prediction for a label, and moves those on the way. */
static void place_label(search *at, int32_t label) {
    int32_t last = 0;
    int64_t further;
    at->label_of[0] = label;
    for (int32_t j = 0; j <= at->n; j++) {
        at->nearest[j] = INT64_MAX / 2;
        at->reached[j] = false;
    }
    do {
        at->reached[last] = true;
        int32_t next = look_from(at, last, &further);
        shift_potentials(at, further);
        last = next;
    } while (at->label_of[last] != 0);
    while (last != 0) {
        int32_t previous = at->before[last];
        at->label_of[last] = at->label_of[previous];
        last = previous;
    }
}

static bool has_rows(const search *at, int32_t label) {
    const int32_t *counts = at->counts + (int64_t)(label - 1) * at->n;
    for (int32_t j = 0; j < at->n; j++) {
        if (counts[j] > 0)
            return true;
    }
    return false;
}

/* Labels without rows keep their class if it is free; else they have none, -1. */
static void read_result(const search *at, int32_t *to) {
    for (int32_t c = 0; c < at->n; c++)
        to[c] = at->label_of[c + 1] == 0 ? c : -1;
    for (int32_t j = 1; j <= at->n; j++) {
        if (at->label_of[j] != 0)
            to[at->label_of[j] - 1] = j - 1;
    }
}

xent_status assign_exactly(const int32_t *counts, int32_t n, int32_t *to) {
    int64_t size = (int64_t)n + 1;
    search at = {.counts = counts, .n = n};
    at.of_label = take_array(size, sizeof *at.of_label);
    at.of_prediction = take_array(size, sizeof *at.of_prediction);
    at.nearest = take_array(size, sizeof *at.nearest);
    at.label_of = take_array(size, sizeof *at.label_of);
    at.before = take_array(size, sizeof *at.before);
    at.reached = take_array(size, sizeof *at.reached);
    bool all_taken =
        at.of_label && at.of_prediction && at.nearest && at.label_of && at.before && at.reached;
    for (int32_t label = 1; all_taken && label <= n; label++) {
        if (has_rows(&at, label))
            place_label(&at, label);
    }
    if (all_taken)
        read_result(&at, to);
    free(at.of_label);
    free(at.of_prediction);
    free(at.nearest);
    free(at.label_of);
    free(at.before);
    free(at.reached);
    return all_taken ? XENT_OK : XENT_NO_MEMORY;
}
