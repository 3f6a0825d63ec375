/* SPDX-License-Identifier: MIT
 * A class that labels rows of all kinds: 0 or 255 as a mark of rows to leave out that nobody
 * declared; and equal rows at the ends of sequences. */
#include "diagnosis.h"
#include "tails.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* Rows labelled with one class, and how many of them are predicted as each other class. */
typedef struct mark {
    int32_t label;
    int64_t rows, failures;
    int64_t *predicted;
    double sure; /* of its failures: sum of the largest probabilities */
} mark;

static void count_failures(const xent_diagnosis *all, mark *of) {
    for (int64_t c = 0; c < all->classes; c++)
        of->predicted[c] = 0;
    for (int64_t row = 0; row < all->rows; row++) {
        int32_t prediction = all->predictions[row];
        if (all->labels[row] == of->label && prediction >= 0 && prediction != of->label) {
            of->predicted[prediction]++;
            of->sure += (double)all->confidence[row];
        }
    }
}

/* How much the failures look like all other rows: sum over classes of the lesser share. Classes
 * that are merely confused fail towards a few others. */
static double overlap(const xent_diagnosis *all, const mark *of) {
    int64_t others = 0;
    double sum = 0.0;
    for (int64_t c = 0; c < all->classes; c++)
        others += c == of->label ? 0 : all->prediction_counts[c] - of->predicted[c];
    for (int64_t c = 0; c < all->classes && others > 0; c++) {
        if (c != of->label)
            sum += fmin((double)of->predicted[c] / (double)of->failures,
                        (double)(all->prediction_counts[c] - of->predicted[c]) / (double)others);
    }
    return sum;
}

/* Rows that are left out are as easy as any: nearly as sure as all rows. Those of a hard class are
 * not. */
static bool is_sure(const xent_diagnosis *all, const mark *of) {
    const double nearly = 0.8;
    return of->sure / (double)of->failures >=
           nearly * all->logit_facts.confidence / (double)all->logit_facts.read;
}

static void report(xent_diagnosis *all, const mark *of, double alike, double chance) {
    double rows = (double)of->rows;
    record *finding = add_finding(all, "undeclared-ignore", XENT_WARNING, 0.2);
    say(finding,
        "label %" PRId32 " seems to mark rows to leave out: %" PRId64 " of the %" PRId64
        " rows that have it are predicted as other classes, as varied as those of all other rows",
        of->label, of->failures, of->rows);
    set_fix(finding, "Mark such rows with a value that is no class, as -100, and declare it "
                     "(--ignore -100).");
    add_evidence(finding, "label", of->label);
    add_evidence(finding, "rows_with_label", rows);
    add_evidence(finding, "failures", (double)of->failures);
    add_evidence(finding, "agreement", (double)all->agreeing / (double)all->judged);
    add_evidence(finding, "agreement_others",
                 (double)(all->agreeing - (of->rows - of->failures)) /
                     ((double)all->judged - rows));
    add_evidence(finding, "overlap", alike);
    add_evidence(finding, "chance", chance);
}

/* The class fails more often than the others by Fisher's test and by a fifth of all rows, and its
 * failures are as varied as all others. */
static bool is_mark(const xent_diagnosis *all, const mark *of, double *alike, double *chance) {
    const double much_worse = 0.2, varied = 0.7;
    int64_t others = all->judged - of->rows, right = all->agreeing - (of->rows - of->failures);
    if (all->classes < 4 || of->failures == 0 || others == 0)
        return false;
    double rate = (double)of->failures / (double)of->rows;
    double other_rate = 1.0 - (double)right / (double)others;
    *chance =
        hypergeometric_above(of->failures, of->rows, all->judged - all->agreeing, all->judged);
    *alike = overlap(all, of);
    return rate >= other_rate + much_worse && *chance <= test_level() && *alike >= varied &&
           is_sure(all, of);
}

static bool judge_marks(xent_diagnosis *all, int64_t *predicted) {
    const int32_t marks[] = {0, 255};
    for (int i = 0; i < 2; i++) {
        double alike, chance;
        mark of = {.label = marks[i], .predicted = predicted};
        if (marks[i] >= all->classes)
            continue;
        of.rows = all->label_counts[of.label];
        of.failures = of.rows - all->agreeing_counts[of.label];
        count_failures(all, &of);
        if (!is_mark(all, &of, &alike, &chance))
            continue;
        report(all, &of, alike, chance);
        return true;
    }
    return false;
}

/* ---- equal rows at the ends ------------------------------------------------------------------ */

/* Rows that are equal to the last of all, with the same label: at the ends of sequences, and
 * elsewhere. */
typedef struct tail {
    int64_t sequences, with, rows, elsewhere;
    int64_t labelled; /* elsewhere, with the label, whatever the row */
} tail;

static bool equals_last(const xent_diagnosis *all, int64_t row) {
    int64_t last = all->rows - 1;
    return all->keys[row] == all->keys[last] && all->labels[row] == all->labels[last] &&
           all->predictions[row] >= 0;
}

/* Sorted labels may end in equal rows of any other class. */
static bool ends_in_mark(const xent_diagnosis *all) {
    int32_t last = all->labels[all->rows - 1];
    return last == 0 || last == 255;
}

static tail find_tail(const xent_diagnosis *all) {
    tail found = {0, 0, 0, 0, 0};
    int64_t length = all->label_shape[all->label_ndim - 1];
    for (int64_t end = length; end <= all->rows; end += length, found.sequences++) {
        int64_t row = end - 1;
        for (; row >= end - length && equals_last(all, row); row--)
            found.rows++;
        found.with += row < end - 1;
        for (; row >= end - length; row--) {
            found.elsewhere += equals_last(all, row);
            found.labelled += all->labels[row] == all->labels[all->rows - 1];
        }
    }
    return found;
}

/* Whether the rows of the label stand at the end of a single sequence, as where rows are sorted. */
static bool is_sorted(const xent_diagnosis *all, const tail *found) {
    int64_t row = all->rows - 1;
    while (row >= 0 && all->labels[row] == all->labels[all->rows - 1])
        row--;
    return found->sequences == 1 && all->rows - 1 - row == found->rows + found->labelled;
}

/* If rows stood in random order, the rows at the ends would be the successes before as many
 * failures as there are sequences (negative binomial). */
static void judge_tail(xent_diagnosis *all) {
    enum { LEAST_ROWS = 5, LEAST_EACH = 3 };
    if (all->label_ndim == 0 || all->logit_facts.other_rows == 0 || !ends_in_mark(all))
        return;
    const tail found = find_tail(all);
    if (found.rows < LEAST_ROWS || found.rows < LEAST_EACH * found.with || is_sorted(all, &found))
        return;
    int64_t others = found.sequences == 1 ? found.labelled : all->rows - found.rows;
    double share = (double)(found.elsewhere + 1) / (double)(others + 1);
    double chance = binomial_above(found.rows, found.rows + found.sequences - 1, share);
    if (chance > test_level())
        return;
    record *finding = add_finding(all, "undeclared-ignore", XENT_MISTAKE, 0.2);
    say(finding,
        "the last %" PRId64 " rows (of %" PRId64 " sequences) are equal and have the label %" PRId32
        ": they seem to be padding",
        found.rows, found.with, all->labels[all->rows - 1]);
    set_fix(finding, "Mark such rows with a value that is no class, as -100, and declare it "
                     "(--ignore -100).");
    add_evidence(finding, "label", all->labels[all->rows - 1]);
    add_evidence(finding, "rows_at_ends", (double)found.rows);
    add_evidence(finding, "sequences", (double)found.with);
    add_evidence(finding, "rows_elsewhere", (double)found.elsewhere);
    add_evidence(finding, "chance", chance);
}

xent_status judge_padding(xent_diagnosis *all) {
    if (all->judged == 0 || hides_agreement(all))
        return XENT_OK;
    int64_t *predicted = take_array(all->classes, sizeof *predicted);
    if (!predicted)
        return XENT_NO_MEMORY;
    if (!judge_marks(all, predicted))
        judge_tail(all);
    free(predicted);
    return XENT_OK;
}
