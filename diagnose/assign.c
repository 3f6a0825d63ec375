/* SPDX-License-Identifier: MIT
 * Which class of the labels is which class of the predictions: fitted on one half of the rows and
 * tried on the other. */
#include "assign.h"

#include <stdlib.h>
#include <string.h>

typedef struct fitting {
    const xent_diagnosis *all;
    int32_t *counts; /* a table of classes^2; NULL: too many classes */
    int32_t *to;     /* of a half */
} fitting;

bool lies_in(const xent_diagnosis *all, int64_t row, enum half which) {
    return all->distinct[row] && (which == BOTH_HALVES || (all->keys[row] & 1) == which);
}

static void count_pairs(const fitting *fit, enum half which) {
    const xent_diagnosis *all = fit->all;
    int64_t classes = all->classes;
    memset(fit->counts, 0, (size_t)(classes * classes) * sizeof *fit->counts);
    for (int64_t row = 0; row < all->rows; row++) {
        if (lies_in(all, row, which))
            fit->counts[all->labels[row] * classes + all->predictions[row]]++;
    }
}

static xent_status fit_half(const fitting *fit, enum half which, int32_t *to) {
    if (!fit->counts)
        return assign_greedily(fit->all, which, to);
    count_pairs(fit, which);
    return assign_exactly(fit->counts, (int32_t)fit->all->classes, to);
}

/* Holds an assignment against the identity, by rows and by columns; returns the larger chance,
 * negative: there is no memory. */
static double try_half(const fitting *fit, enum half which, comparison *sum) {
    const xent_diagnosis *all = fit->all;
    comparison found = {0, 0, 0};
    for (int64_t row = 0; row < all->rows; row++) {
        if (!lies_in(all, row, which))
            continue;
        bool given = all->predictions[row] == all->labels[row];
        bool other = all->predictions[row] == fit->to[all->labels[row]];
        found.given_only += given && !other;
        found.other_only += other && !given;
        found.other += other;
    }
    sum->given_only += found.given_only;
    sum->other_only += found.other_only;
    sum->other += found.other;
    double by_rows = chance_of(&found), by_columns = chance_of_columns(all, fit->to, which);
    return by_columns >= 0.0 && by_rows > by_columns ? by_rows : by_columns;
}

/* What any assignment can gain over the identity: of each label the largest count. */
static bool can_gain(const fitting *fit) {
    enum { LEAST_GAIN = 12 }; /* 2^-12 is less than the level of a test */
    int64_t classes = fit->all->classes, gain = 0;
    for (int64_t c = 0; c < classes; c++) {
        const int32_t *counts = fit->counts + c * classes;
        int32_t most = 0;
        for (int64_t p = 0; p < classes; p++)
            most = counts[p] > most ? counts[p] : most;
        gain += most - counts[c];
    }
    return gain >= LEAST_GAIN;
}

static xent_status try_halves_crosswise(const fitting *fit, assignment *held) {
    xent_status status = fit_half(fit, FIRST_HALF, fit->to);
    if (status != XENT_OK)
        return status;
    double chance = try_half(fit, OTHER_HALF, &held->test);
    status = fit_half(fit, OTHER_HALF, fit->to);
    if (status != XENT_OK)
        return status;
    double other = try_half(fit, FIRST_HALF, &held->test);
    if (chance < 0.0 || other < 0.0)
        return XENT_NO_MEMORY;
    chance = 2.0 * (chance < other ? chance : other);
    held->chance = chance < 1.0 ? chance : 1.0;
    held->found = held->chance <= test_level();
    return held->found ? fit_half(fit, BOTH_HALVES, held->to) : XENT_OK;
}

/* The best assignment of many classes takes long, and where there is one the largest counts find
 * nearly as good a one. */
static xent_status try_quickly(const fitting *fit, int32_t *to, bool *hopeless) {
    enum { MANY_CLASSES = 128 };
    const double doubtful = 0.05;
    const fitting quick = {.all = fit->all, .to = fit->to};
    assignment held = {.to = to};
    *hopeless = false;
    if (fit->all->classes <= MANY_CLASSES || !fit->counts)
        return XENT_OK;
    xent_status status = try_halves_crosswise(&quick, &held);
    *hopeless = held.chance > doubtful;
    return status;
}

static void count_moved(const xent_diagnosis *all, assignment *held) {
    for (int64_t c = 0; c < all->classes; c++)
        held->moved += held->to[c] != c && all->label_counts[c] > 0;
}

/* A run counts once, for what most of its rows agree with. */
static void count_runs(const xent_diagnosis *all, assignment *held) {
    comparison runs = {0, 0, 0};
    int64_t balance = 0;
    for (int64_t row = 0; row < all->rows; row++) {
        int32_t label = all->labels[row], prediction = all->predictions[row];
        if (label >= 0 && label < all->classes && held->to[label] != label && prediction >= 0)
            balance += (prediction == held->to[label]) - (prediction == label);
        if (row + 1 < all->rows && all->labels[row + 1] == label)
            continue;
        runs.other_only += balance > 0;
        runs.given_only += balance < 0;
        balance = 0;
    }
    held->chance_of_runs = chance_of(&runs);
}

static xent_status run(fitting *fit, assignment *held) {
    const xent_diagnosis *all = fit->all;
    held->to = take_array(all->classes, sizeof *held->to);
    fit->to = take_array(all->classes, sizeof *fit->to);
    if (!held->to || !fit->to)
        return XENT_NO_MEMORY;
    if (all->classes <= EXACT_CLASSES) {
        fit->counts = take_array(all->classes * all->classes, sizeof *fit->counts);
        if (!fit->counts)
            return XENT_NO_MEMORY;
        count_pairs(fit, BOTH_HALVES);
        if (!can_gain(fit))
            return XENT_OK;
    }
    bool hopeless;
    xent_status status = try_quickly(fit, held->to, &hopeless);
    if (status == XENT_OK && !hopeless)
        status = try_halves_crosswise(fit, held);
    if (status == XENT_OK && held->found) {
        count_moved(all, held);
        count_runs(all, held);
    }
    return status;
}

xent_status find_assignment(const xent_diagnosis *all, assignment *held) {
    fitting fit = {.all = all};
    *held = (assignment){.found = false};
    if (all->classes < 2)
        return XENT_OK;
    xent_status status = run(&fit, held);
    free(fit.counts);
    free(fit.to);
    return status;
}

void free_assignment(assignment *held) {
    free(held->to);
    held->to = NULL;
}
