/* SPDX-License-Identifier: MIT
 * Which class of the labels is which class of the predictions: fitted on one half of the rows and
 * tried on the other. */
#include "assign.h"

#include <stdlib.h>
#include <string.h>

typedef struct fitting {
    units of;
    int64_t classes;
    int32_t *counts; /* a table of classes^2; NULL: too many classes */
    int32_t *to;     /* of a half */
} fitting;

units row_units(const xent_diagnosis *all) {
    return (units){all->rows, all->labels, all->predictions, all->half};
}

bool lies_in(const units *of, int64_t i, enum half which) {
    return of->half[i] == which || (which == BOTH_HALVES && of->half[i] < BOTH_HALVES);
}

static void count_pairs(const fitting *fit, enum half which) {
    int64_t classes = fit->classes;
    memset(fit->counts, 0, (size_t)(classes * classes) * sizeof *fit->counts);
    for (int64_t i = 0; i < fit->of.count; i++) {
        if (lies_in(&fit->of, i, which))
            fit->counts[fit->of.labels[i] * classes + fit->of.predictions[i]]++;
    }
}

static xent_status fit_half(const fitting *fit, enum half which, int32_t *to) {
    if (!fit->counts)
        return assign_greedily(&fit->of, fit->classes, which, to);
    count_pairs(fit, which);
    return assign_exactly(fit->counts, (int32_t)fit->classes, to);
}

/* Holds an assignment against the identity, by rows and by columns; returns the larger chance,
 * negative: there is no memory. Repeated rows are no evidence, but they are restored as well. */
static double try_half(const fitting *fit, enum half which, comparison *sum) {
    const units *of = &fit->of;
    comparison found = {0, 0, 0};
    for (int64_t i = 0; i < of->count; i++) {
        bool once = of->half[i] == which;
        if (!once && of->half[i] != which + REPEATED)
            continue;
        bool given = of->predictions[i] == of->labels[i];
        bool other = of->predictions[i] == fit->to[of->labels[i]];
        found.given_only += once && given && !other;
        found.other_only += once && other && !given;
        found.other += other;
    }
    sum->given_only += found.given_only;
    sum->other_only += found.other_only;
    sum->other += found.other;
    double by_rows = chance_of(&found);
    double by_columns = chance_of_columns(of, fit->classes, fit->to, which);
    return by_columns >= 0.0 && by_rows > by_columns ? by_rows : by_columns;
}

/* What any assignment can gain over the identity: of each label the largest count. */
static bool can_gain(const fitting *fit) {
    enum { LEAST_GAIN = 12 }; /* 2^-12 is less than the level of a test */
    int64_t classes = fit->classes, gain = 0;
    for (int64_t c = 0; c < classes; c++) {
        const int32_t *counts = fit->counts + c * classes;
        int32_t most = 0;
        for (int64_t p = 0; p < classes; p++)
            most = counts[p] > most ? counts[p] : most;
        gain += most - counts[c];
    }
    return gain >= LEAST_GAIN;
}

/* The chance of the likelier half, twice since there are two. */
static xent_status try_crosswise(const fitting *fit, comparison *test, double *chance) {
    xent_status status = fit_half(fit, FIRST_HALF, fit->to);
    if (status != XENT_OK)
        return status;
    double first = try_half(fit, OTHER_HALF, test);
    status = fit_half(fit, OTHER_HALF, fit->to);
    if (status != XENT_OK)
        return status;
    double other = try_half(fit, FIRST_HALF, test);
    if (first < 0.0 || other < 0.0)
        return XENT_NO_MEMORY;
    *chance = 2.0 * (first < other ? first : other);
    *chance = *chance < 1.0 ? *chance : 1.0;
    return XENT_OK;
}

/* The best assignment of many classes takes long, and where there is one the largest counts find
 * nearly as good a one. */
enum { MANY_CLASSES = 128 };

static xent_status try_quickly(const fitting *fit, bool *hopeless) {
    const double doubtful = 0.05;
    const fitting quick = {.of = fit->of, .classes = fit->classes, .to = fit->to};
    comparison test = {0, 0, 0};
    double chance;
    *hopeless = false;
    if (fit->classes <= MANY_CLASSES || !fit->counts)
        return XENT_OK;
    xent_status status = try_crosswise(&quick, &test, &chance);
    *hopeless = status == XENT_OK && chance > doubtful;
    return status;
}

static void count_moved(const xent_diagnosis *all, assignment *held) {
    for (int64_t c = 0; c < all->classes; c++)
        held->moved += held->to[c] != c && all->label_counts[c] > 0;
}

static xent_status try_objects(const fitting *rows, const xent_diagnosis *all, assignment *held) {
    objects made = {.count = 0};
    xent_status status = find_objects(all, false, &made);
    if (status == XENT_OK) {
        fitting fit = *rows;
        comparison test = {0, 0, 0};
        fit.of = (units){made.count, made.labels, made.predictions, made.half};
        fit.counts = rows->classes <= MANY_CLASSES ? rows->counts : NULL;
        status = try_crosswise(&fit, &test, &held->chance_of_runs);
    }
    free_objects(&made);
    return status;
}

static xent_status try_rows(const fitting *fit, assignment *held) {
    bool hopeless;
    xent_status status = try_quickly(fit, &hopeless);
    if (status != XENT_OK || hopeless)
        return status;
    status = try_crosswise(fit, &held->test, &held->chance);
    held->found = status == XENT_OK && held->chance <= test_level();
    return held->found ? fit_half(fit, BOTH_HALVES, held->to) : status;
}

static xent_status run(fitting *fit, const xent_diagnosis *all, assignment *held) {
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
    xent_status status = try_rows(fit, held);
    if (status != XENT_OK || !held->found)
        return status;
    count_moved(all, held);
    return try_objects(fit, all, held);
}

xent_status find_assignment(const xent_diagnosis *all, assignment *held) {
    fitting fit = {.of = row_units(all), .classes = all->classes};
    *held = (assignment){.found = false};
    if (all->classes < 2)
        return XENT_OK;
    xent_status status = run(&fit, all, held);
    free(fit.counts);
    free(fit.to);
    return status;
}

void free_assignment(assignment *held) {
    free(held->to);
    held->to = NULL;
}
