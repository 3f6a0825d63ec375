/* SPDX-License-Identifier: MIT
 * Other labellings of the same rows: shifted, halves swapped, counted from 1, transposed logits,
 * permuted class ids. The one that fits best is named, if it fits better than the labels given. */
#include "assign.h"
#include "compare.h"
#include "diagnosis.h"
#include "tails.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { SHIFTED, CAUSAL, HALVES, FROM_1, TRANSPOSED, NEGATED, PERMUTED };

/* `by`: row i belongs to the label of row i + by (SHIFTED, in rows; HALVES, round the end). */
typedef struct candidate {
    enum kind kind;
    int64_t by, along; /* a shift is by/along steps of an axis that has `along` rows a step */
    comparison found;
    double chance;
} candidate;

typedef struct contest {
    const xent_diagnosis *all;
    candidate best;
    bool any;
    double least_skill; /* that a labelling must bring out, whatever is claimed */
} contest;

/* Less 1, the labels C are classes too. */
static int64_t compared(const xent_diagnosis *all, const candidate *tried) {
    int64_t more = tried->kind == FROM_1 ? all->label_facts.one_too_many : 0;
    return all->judged + more > 0 ? all->judged + more : 1;
}

static double agreement_after(const xent_diagnosis *all, const candidate *tried) {
    return (double)tried->found.other / (double)compared(all, tried);
}

/* Whether these labels explain the predictions. `expected` is the share of rows in which they agree
 * if they have nothing to do with each other: what knows nothing may suit other labels better by
 * the frequencies of classes alone. And they must bring out a quarter of the skill that is
 * claimed. */
static bool explains(const contest *entered, const candidate *tried, double expected) {
    const xent_diagnosis *all = entered->all;
    double after = agreement_after(all, tried);
    double claimed = all->logit_facts.confidence / (double)all->logit_facts.read;
    return binomial_above(tried->found.other, compared(all, tried), expected) <= test_level() &&
           after - expected >= 0.25 * (claimed - expected) &&
           after - expected >= entered->least_skill * (1.0 - expected);
}

static void enter(contest *entered, candidate tried, double expected) {
    tried.chance = chance_of(&tried.found);
    if (tried.chance > test_level() || !explains(entered, &tried, expected))
        return;
    if (entered->any && tried.found.other <= entered->best.found.other)
        return;
    entered->best = tried;
    entered->any = true;
}

/* The labels less `bias`, or assigned to other classes. */
static double expected_of(const xent_diagnosis *all, int64_t bias, const int32_t *to) {
    double sum = 0.0, rows = (double)(all->judged > 0 ? all->judged : 1);
    for (int64_t c = bias; c < all->classes; c++) {
        int64_t other = to ? to[c] : c - bias;
        if (other >= 0)
            sum +=
                (double)all->label_counts[c] / rows * (double)all->prediction_counts[other] / rows;
    }
    return sum;
}

/* ---- shifts ---------------------------------------------------------------------------------- */

/* Rows [first, first + n) against the labels `by` further on. */
static void compare_moved(const xent_diagnosis *all, comparison *found, int64_t first, int64_t n,
                          int64_t by) {
    const int32_t *predictions = all->predictions + first, *labels = all->labels + first;
    compare_rows(found, predictions, labels, predictions, 0, labels + by, n);
}

static void try_shift(contest *entered, int64_t steps, int64_t along, bool causal) {
    const xent_diagnosis *all = entered->all;
    candidate tried = {.kind = causal ? CAUSAL : SHIFTED, .by = steps * along, .along = along};
    int64_t distance = tried.by < 0 ? -tried.by : tried.by, n = all->rows - distance;
    if (n <= 0)
        return;
    compare_moved(all, &tried.found, tried.by < 0 ? distance : 0, n, tried.by);
    enter(entered, tried, expected_of(all, 0, NULL));
}

/* Up to 3 along the last axis of the labels and along the first. */
static void try_shifts(contest *entered) {
    const xent_diagnosis *all = entered->all;
    int axes = all->label_ndim;
    int64_t first_along = axes > 1 && all->label_shape[0] > 1 ? all->rows / all->label_shape[0] : 1;
    for (int64_t steps = -3; steps <= 3; steps++) {
        if (steps == 0)
            continue;
        try_shift(entered, steps, 1, axes == 2 && steps == 1 && all->class_axis == 2);
        if (first_along > 1)
            try_shift(entered, steps, first_along, false);
    }
}

static void try_turn(contest *entered, int64_t by, int64_t along) {
    const xent_diagnosis *all = entered->all;
    candidate tried = {.kind = HALVES, .by = by, .along = along};
    if (by <= 3 * along || by >= all->rows - 3 * along)
        return;
    compare_moved(all, &tried.found, 0, all->rows - by, by);
    compare_moved(all, &tried.found, all->rows - by, by, by - all->rows);
    enter(entered, tried, expected_of(all, 0, NULL));
}

/* The middle of an odd number lies on either side. */
static void try_halves(contest *entered) {
    const xent_diagnosis *all = entered->all;
    int64_t half = all->rows / 2;
    try_turn(entered, half, 1);
    if (2 * half != all->rows)
        try_turn(entered, half + 1, 1);
    if (all->label_ndim < 2 || all->label_shape[0] % 2 == 0)
        return;
    int64_t along = all->rows / all->label_shape[0];
    half = all->label_shape[0] / 2;
    try_turn(entered, half * along, along);
    try_turn(entered, (half + 1) * along, along);
}

/* ---- other ways ------------------------------------------------------------------------------ */

/* What counts from 1 has no 0. Where few classes are there, a weak model may predict the one below
 * for reasons of its own: the columns tell. */
static xent_status try_from_1(contest *entered) {
    const xent_diagnosis *all = entered->all;
    candidate tried = {.kind = FROM_1};
    if (all->classes < 2 || all->label_facts.zeros > 0)
        return XENT_OK;
    compare_rows(&tried.found, all->predictions, all->labels, all->predictions, 1, all->labels,
                 all->rows);
    if (chance_of(&tried.found) > test_level())
        return XENT_OK;
    int32_t *below = take_array(all->classes, sizeof *below);
    if (!below)
        return XENT_NO_MEMORY;
    for (int64_t c = 0; c < all->classes; c++)
        below[c] = (int32_t)(c - 1);
    const units rows = row_units(all);
    double by_columns = chance_of_columns(&rows, all->classes, below, BOTH_HALVES);
    if (by_columns >= 0.0 && by_columns <= test_level())
        enter(entered, tried, expected_of(all, 1, NULL));
    free(below);
    return by_columns < 0.0 ? XENT_NO_MEMORY : XENT_OK;
}

static void try_transposed(contest *entered) {
    const xent_diagnosis *all = entered->all;
    candidate tried = {.kind = TRANSPOSED};
    if (!all->across)
        return;
    compare_rows(&tried.found, all->predictions, all->labels, all->across, 0, all->labels,
                 all->rows);
    enter(entered, tried, expected_of(all, 0, NULL));
}

/* With two classes it is the same as their exchange. The class frequencies of the least logits are
 * not known, but independent ones agree with no more rows than the most frequent label has. */
static void try_negated(contest *entered) {
    const xent_diagnosis *all = entered->all;
    const logit_facts *facts = &all->logit_facts;
    int64_t most = 0;
    candidate tried = {.kind = NEGATED};
    if (all->classes < 3 || all->judged == 0)
        return;
    for (int64_t c = 0; c < all->classes; c++)
        most = all->label_counts[c] > most ? all->label_counts[c] : most;
    tried.found = (comparison){facts->given_only, facts->least_only, facts->least_agree};
    enter(entered, tried, (double)most / (double)all->judged);
}

/* A permutation is the last to be tried: the other ways are simpler, so it must fit better than
 * the best of them by a test of its own, of the same level. */
static xent_status try_permuted(contest *entered, assignment *held) {
    const xent_diagnosis *all = entered->all;
    xent_status status = find_assignment(all, held);
    if (status != XENT_OK || !held->found)
        return status;
    candidate tried = {.kind = PERMUTED, .found = held->test, .chance = held->chance};
    comparison against = {0, tried.found.other, 0};
    against.given_only = entered->any ? entered->best.found.other : 0;
    if (entered->any && chance_of(&against) > test_level())
        return XENT_OK;
    if (!explains(entered, &tried, expected_of(all, 0, held->to)))
        return XENT_OK;
    entered->best = tried;
    entered->any = true;
    return XENT_OK;
}

/* What is wrong with classes alone. Weights drawn at random send similar rows the same way, so a
 * model that knows nothing suits other names of classes, but brings out less than half of full
 * skill under them; one that is faint and right brings out what it has. */
static xent_status try_classes(contest *entered, assignment *held) {
    entered->least_skill = knows_nothing(entered->all) && !entered->any ? 0.5 : 0.0;
    try_negated(entered);
    xent_status status = try_from_1(entered);
    return status == XENT_OK ? try_permuted(entered, held) : status;
}

/* Whether the labels, and not only the model, are late. A model that follows labels which mostly
 * stay is late at a few of them; labels that are moved belong to no row, so that where they differ
 * from the right ones agreement is that of chance. */
static bool is_moved(const xent_diagnosis *all, const candidate *best) {
    const double much = 0.2, doubtful = 1e-3;
    int64_t distance = best->by < 0 ? -best->by : best->by, differing = 0;
    for (int64_t row = 0; row < all->rows - distance; row++)
        differing += all->labels[row] >= 0 && all->labels[row + distance] >= 0 &&
                     all->labels[row] != all->labels[row + distance];
    double gain = (double)(best->found.other_only - best->found.given_only);
    return gain >= much * (double)(all->rows - distance) &&
           binomial_above(best->found.given_only, differing, expected_agreement(all)) > doubtful;
}

static int32_t severity_of(const xent_diagnosis *all, const candidate *best,
                           const assignment *held) {
    const double doubtful = 0.01;
    if (best->kind == PERMUTED && held->chance_of_runs > test_level())
        return held->chance_of_runs > doubtful ? XENT_NOTE : XENT_WARNING;
    bool shifted = best->kind == SHIFTED || best->kind == CAUSAL;
    return shifted && !is_moved(all, best) ? XENT_NOTE : XENT_MISTAKE;
}

/* ---- report ---------------------------------------------------------------------------------- */

static void say_shifted(record *finding, const candidate *best) {
    int64_t steps = best->by / best->along;
    const char *next = steps > 0 ? "later" : "earlier";
    int64_t distance = steps < 0 ? -steps : steps;
    if (best->along == 1)
        say(finding, "each row's prediction fits the label %" PRId64 " row%s %s", distance,
            distance == 1 ? "" : "s", next);
    else
        say(finding,
            "each row's prediction fits the label %" PRId64 " step%s %s along the first axis",
            distance, distance == 1 ? "" : "s", next);
    set_fix(finding,
            "Move the labels by %" PRId64 " (row i goes with label i %c %" PRId64
            "), and leave out the rows that are left over.",
            -steps, steps < 0 ? '-' : '+', distance);
    add_evidence(finding, "shift", (double)steps);
}

static void say_causal(record *finding, const candidate *best) {
    say(finding, "each position's prediction fits the label of the next position: the logits "
                 "predict the next token, and the labels are not shifted by one");
    set_fix(finding, "Score logits[:, :-1] against labels[:, 1:].");
    add_evidence(finding, "shift", (double)best->by);
}

static void say_halves(record *finding, const candidate *best) {
    say(finding,
        "the predictions fit the labels with their halves swapped (row i goes with label "
        "i + %" PRId64 ", round the end)",
        best->by);
    set_fix(finding, "Put the halves of the labels into the order of the logits.");
    add_evidence(finding, "turned_by", (double)best->by);
}

static void say_from_1(record *finding) {
    say(finding, "the predictions fit the labels less 1: the labels count from 1");
    set_fix(finding, "Subtract 1 from every label that is not ignored.");
}

static void say_transposed(record *finding, const xent_diagnosis *all) {
    say(finding,
        "as many rows as classes (%" PRId64 "), and the labels fit the logits transposed: the "
        "classes come first",
        all->classes);
    set_fix(finding, "Say which axis counts classes (--class-axis %" PRId32 "), or transpose.",
            all->class_axis > 0 ? all->class_axis - 1 : 1);
}

static void say_negated(record *finding) {
    say(finding, "the labels are the classes of the least logits: the logits have the wrong sign");
    set_fix(finding, "Negate the logits: distances, energies and losses are small for the true "
                     "class, logits are large.");
}

/* "0 is 3, 1 is 0, 2 is 5, .." */
static void say_permuted(record *finding, const assignment *held, const xent_diagnosis *all) {
    enum { SHOWN = 4, TEXT = 128 };
    char text[TEXT] = "";
    int used = 0, shown = 0;
    for (int64_t c = 0; c < all->classes && shown < SHOWN; c++) {
        if (held->to[c] != c && all->label_counts[c] > 0)
            used += snprintf(text + used, TEXT - (size_t)used, "%s%" PRId64 " is %" PRId32,
                             shown++ ? ", " : "", c, held->to[c]);
    }
    say(finding,
        "the predictions fit the labels with other class ids: label %s%s (%" PRId64 " of %" PRId64
        " classes differ)",
        text, held->moved > SHOWN ? ", .." : "", held->moved, all->classes);
    set_fix(finding, "Use the class order that the model was trained with (compare the sorted "
                     "names of classes on both sides).");
    add_evidence(finding, "classes_moved", (double)held->moved);
    add_evidence(finding, "chance_of_runs", held->chance_of_runs);
}

static record *report(xent_diagnosis *all, const candidate *best, const assignment *held) {
    static const char *const IDS[] = {
        [SHIFTED] = "labels-shifted",     [CAUSAL] = "labels-shifted",
        [HALVES] = "halves-swapped",      [FROM_1] = "labels-one-based",
        [TRANSPOSED] = "classes-first",   [NEGATED] = "worse-than-chance",
        [PERMUTED] = "class-ids-permuted"};
    double after = agreement_after(all, best);
    record *finding =
        add_finding(all, IDS[best->kind], severity_of(all, best, held), after < 1.0 ? after : 1.0);
    switch (best->kind) {
    case SHIFTED:
        say_shifted(finding, best);
        break;
    case CAUSAL:
        say_causal(finding, best);
        break;
    case HALVES:
        say_halves(finding, best);
        break;
    case FROM_1:
        say_from_1(finding);
        break;
    case TRANSPOSED:
        say_transposed(finding, all);
        break;
    case NEGATED:
        say_negated(finding);
        break;
    case PERMUTED:
        say_permuted(finding, held, all);
        break;
    }
    return finding;
}

/* Whether labels counted from 1 are known by their range already. */
static bool is_known(const xent_diagnosis *all, enum kind kind) {
    return kind == FROM_1 && all->label_facts.bad > 0 && all->label_facts.zeros == 0 &&
           all->label_facts.one_too_many == all->label_facts.bad;
}

xent_status judge_order(xent_diagnosis *all) {
    contest entered = {.all = all};
    assignment held = {0};
    if (has_finding(all, "labels-repeated")) /* they are made up */
        return XENT_OK;
    /* Labels from 1 to C count from 1, in whatever order. */
    if (all->label_facts.zeros > 0 || all->label_facts.one_too_many == 0) {
        try_shifts(&entered);
        try_halves(&entered);
    }
    try_transposed(&entered);
    xent_status status = try_classes(&entered, &held);
    if (status == XENT_OK && entered.any && !is_known(all, entered.best.kind)) {
        const comparison *found = &entered.best.found;
        double judged = (double)(all->judged > 0 ? all->judged : 1);
        record *finding = report(all, &entered.best, &held);
        add_evidence(finding, "agreement", (double)all->agreeing / judged);
        add_evidence(finding, "agreement_after", agreement_after(all, &entered.best));
        add_evidence(finding, "rows_only_given", (double)found->given_only);
        add_evidence(finding, "rows_only_other", (double)found->other_only);
        add_evidence(finding, "chance", entered.best.chance);
    }
    free_assignment(&held);
    return status;
}
