/* SPDX-License-Identifier: MIT
 * Labels repeated until there are enough: part after part, or each several times in a row. */
#include "compare.h"
#include "diagnosis.h"
#include "tails.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* The chance that two labels are equal. */
static double chance_of_equals(const xent_diagnosis *all) {
    double sum = 0.0, rows = (double)(all->judged > 0 ? all->judged : 1);
    for (int64_t c = 0; c < all->classes; c++) {
        double share = (double)all->label_counts[c] / rows;
        sum += share * share;
    }
    return sum;
}

/* ---- part after part ------------------------------------------------------------------------- */

/* The smallest period: rows less the longest border, by the failure function of Knuth, Morris and
 * Pratt 1977. */
static int64_t find_period(const int32_t *labels, int64_t rows, int32_t *border) {
    int64_t length = 0;
    border[0] = 0;
    for (int64_t row = 1; row < rows; row++) {
        while (length > 0 && labels[row] != labels[length])
            length = border[length - 1];
        length += labels[row] == labels[length];
        border[row] = (int32_t)length;
    }
    return rows - length;
}

/* Rows before the period and after, and those of them that agree. */
typedef struct split {
    int64_t first, first_agree, rest, rest_agree;
} split;

static split split_at(const xent_diagnosis *all, int64_t period) {
    split at = {0, 0, 0, 0};
    for (int64_t row = 0; row < period; row++) {
        at.first +=
            all->predictions[row] >= 0 && all->labels[row] >= 0 && all->labels[row] < all->classes;
        at.first_agree += all->predictions[row] == all->labels[row];
    }
    at.rest = all->judged - at.first;
    at.rest_agree = all->agreeing - at.first_agree;
    return at;
}

static double rate(int64_t part, int64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0.0;
}

static void report_period(xent_diagnosis *all, int64_t period, const split *at, double chance) {
    double first = rate(at->first_agree, at->first), rest = rate(at->rest_agree, at->rest);
    record *finding = add_finding(all, "labels-repeated", XENT_MISTAKE, fmax(first, rest));
    say(finding,
        "the labels repeat themselves after %" PRId64 " rows, up to the last of %" PRId64
        ": predictions agree with %.1f %% of the first %" PRId64 " and %.1f %% of the rest",
        period, all->rows, 100.0 * first, period, 100.0 * rest);
    set_fix(finding, "Take one label for each row from where the logits come from; do not tile, "
                     "resize or broadcast labels to fit.");
    add_evidence(finding, "period", (double)period);
    add_evidence(finding, "agreement_first", first);
    add_evidence(finding, "agreement_rest", rest);
    add_evidence(finding, "rows_first", (double)at->first);
    add_evidence(finding, "rows_rest", (double)at->rest);
    add_evidence(finding, "chance", chance);
}

/* Whether so long a border comes about by itself, as where a map begins and ends in its background:
 * what tells are the rows in which the label changes. */
static bool is_accident(const xent_diagnosis *all, int64_t period) {
    int64_t changes = 0;
    for (int64_t row = period + 1; row < all->rows; row++)
        changes += all->labels[row] != all->labels[row - 1];
    return (double)all->rows * pow(chance_of_equals(all), (double)changes) > test_level();
}

/* Labels of other rows agree by chance: not even half of the skill of the first rows, which harder
 * rows keep, and not above what independent labels show. */
static bool is_chance(const xent_diagnosis *all, const split *at) {
    const double doubtful = 1e-3;
    double expected = expected_agreement(all);
    double half = expected + 0.5 * (rate(at->first_agree, at->first) - expected);
    return binomial_below(at->rest_agree, at->rest, half) <= test_level() &&
           binomial_above(at->rest_agree, at->rest, expected) > doubtful;
}

/* The first rows agree, and the rest only by chance. */
static bool judge_period(xent_diagnosis *all, int64_t period) {
    if (period >= all->rows || is_accident(all, period))
        return false;
    split at = split_at(all, period);
    double chance = hypergeometric_above(at.first_agree, at.first, all->agreeing, all->judged);
    if (chance > test_level() || !is_chance(all, &at))
        return false;
    report_period(all, period, &at, chance);
    return true;
}

/* ---- each several times ---------------------------------------------------------------------- */

/* The largest number whose multiples hold every row where the label changes; 0: none does. */
static int64_t find_run(const xent_diagnosis *all) {
    int64_t run = 0;
    for (int64_t row = 1; row < all->rows && run != 1; row++) {
        if (all->labels[row] == all->labels[row - 1])
            continue;
        int64_t a = row, b = run;
        while (b != 0) {
            int64_t rest = a % b;
            a = b;
            b = rest;
        }
        run = a;
    }
    return run;
}

/* Row i against the label that stood at i before each was repeated. */
static void judge_run(xent_diagnosis *all, int64_t run, int32_t *before) {
    comparison found = {0, 0, 0};
    int64_t rows = all->rows / run;
    for (int64_t row = 0; row < rows; row++)
        before[row] = all->labels[row * run];
    compare_rows(&found, all->predictions, all->labels, all->predictions, 0, before, rows);
    double chance = chance_of(&found), after = rate(found.other, rows);
    if (chance > test_level())
        return;
    record *finding = add_finding(all, "labels-repeated", XENT_MISTAKE, after);
    say(finding,
        "the labels stand in runs of %" PRId64 " equal ones, and the first %" PRId64
        " rows fit them with each label taken once: %.1f %% agree, not %.1f %%",
        run, rows, 100.0 * after, 100.0 * rate(all->agreeing, all->judged));
    set_fix(finding, "Take one label for each row from where the logits come from; do not repeat "
                     "each label to fit.");
    add_evidence(finding, "period", (double)rows);
    add_evidence(finding, "repeated_each", (double)run);
    add_evidence(finding, "agreement", rate(all->agreeing, all->judged));
    add_evidence(finding, "agreement_after", after);
    add_evidence(finding, "rows_only_given", (double)found.given_only);
    add_evidence(finding, "rows_only_other", (double)found.other_only);
    add_evidence(finding, "chance", chance);
}

xent_status judge_repeats(xent_diagnosis *all) {
    if (all->rows < 4)
        return XENT_OK;
    int32_t *scratch = take_array(all->rows, sizeof *scratch);
    if (!scratch)
        return XENT_NO_MEMORY;
    int64_t run = find_run(all);
    if (!judge_period(all, find_period(all->labels, all->rows, scratch)) && run > 1)
        judge_run(all, run, scratch);
    free(scratch);
    return XENT_OK;
}
