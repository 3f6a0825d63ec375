/* SPDX-License-Identifier: MIT
 * What the logits are by themselves: NaN, overflow, constant, probabilities. */
#include "diagnosis.h"

#include <inttypes.h>

static double share(int64_t part, int64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0.0;
}

static void judge_poison(xent_diagnosis *all) {
    const logit_facts *facts = &all->logit_facts;
    bool half = all->dtype == XENT_F16 || all->dtype == XENT_BF16;
    if (facts->poisoned_rows == 0 || (half && facts->infinite_rows == facts->poisoned_rows))
        return;
    record *finding = add_finding(all, "nonfinite-rows", XENT_MISTAKE, 0.95);
    say(finding,
        "%" PRId64 " of %" PRId64 " rows hold a NaN or +inf, or nothing but -inf, so their loss is "
        "NaN (first: row %" PRId64 ")",
        facts->poisoned_rows, all->rows, facts->first_poisoned);
    set_fix(finding, "Look for a division by 0, log of 0 or overflow in the model, beginning with "
                     "that row's input; leave a class out by -inf only where others stay finite.");
    add_evidence(finding, "rows_not_finite", (double)facts->poisoned_rows);
    add_evidence(finding, "rows_with_infinity", (double)facts->infinite_rows);
    add_evidence(finding, "first_row", (double)facts->first_poisoned);
}

static void judge_masked(xent_diagnosis *all) {
    int64_t masked = all->total.nonfinite - all->logit_facts.poisoned_rows;
    if (masked <= 0 || all->label_facts.bad > 0 || all->logits_are == XENT_PROBABILITIES)
        return;
    record *finding = add_finding(all, "label-masked", XENT_MISTAKE, 0.6);
    say(finding,
        "%" PRId64 " rows give their own label the logit -inf (or the probability 0), so their "
        "loss is infinite",
        masked);
    set_fix(finding, "Mask only classes that are no label, or ignore these rows.");
    add_evidence(finding, "rows_masked", (double)masked);
}

/* -65504 and the like are usual masks; nothing but overflow makes the largest value. */
static void judge_overflow(xent_diagnosis *all) {
    const logit_facts *facts = &all->logit_facts;
    bool half = all->dtype == XENT_F16 || all->dtype == XENT_BF16;
    int64_t rows = facts->saturated_rows + facts->infinite_rows;
    int64_t first = facts->saturated_rows > 0 ? facts->first_saturated : facts->first_poisoned;
    if (!half || rows == 0)
        return;
    record *finding = add_finding(all, "overflow", XENT_MISTAKE, 0.97);
    say(finding,
        "%" PRId64 " of %" PRId64 " rows hold the largest %s or +inf: larger logits were lost on "
        "the way into this type (first: row %" PRId64 ")",
        rows, all->rows, all->dtype == XENT_F16 ? "float16, 65504," : "bfloat16, 3.39e38,", first);
    set_fix(finding, "Scale or soft-cap the logits before they are rounded, or keep them in "
                     "float32.");
    add_evidence(finding, "rows_saturated", (double)facts->saturated_rows);
    add_evidence(finding, "rows_with_infinity", (double)facts->infinite_rows);
    add_evidence(finding, "first_row", (double)first);
}

/* Rounding to 16 bits, and votes, may make the few logits of a row equal now and then; what is dead
 * gives the same row each time. */
static const double CONSTANT_SHARE = 0.005, CONSTANT_SHARE_OF_FEW = 0.25;
enum { FEW_CLASSES = 4 };

static int64_t count_dead(const xent_diagnosis *all) {
    int64_t dead = 0;
    for (int64_t row = 0; row < all->rows; row++)
        dead += all->predictions[row] >= 0 && all->keys[row] == all->logit_facts.constant_key;
    return dead;
}

static void judge_constant(xent_diagnosis *all) {
    const logit_facts *facts = &all->logit_facts;
    bool same_rows = facts->read > 3 && facts->other_rows == 0;
    if (all->classes < 2 ||
        !(same_rows ||
          (facts->constant_rows > 1 && share(facts->constant_rows, facts->read) >= CONSTANT_SHARE)))
        return;
    int64_t dead = count_dead(all);
    double enough = all->classes <= FEW_CLASSES ? CONSTANT_SHARE_OF_FEW : CONSTANT_SHARE;
    bool many = dead > 1 && share(dead, facts->read) >= enough;
    record *finding =
        add_finding(all, "constant-logits", same_rows || many ? XENT_MISTAKE : XENT_NOTE,
                    same_rows ? 0.9 : share(facts->constant_rows, facts->read));
    if (same_rows && facts->constant_rows < facts->read)
        say(finding, "all %" PRId64 " rows are equal: the logits do not depend on the input",
            facts->read);
    else
        say(finding,
            "%" PRId64 " of %" PRId64 " rows have the same logit for every class (first: row "
            "%" PRId64 ")",
            facts->constant_rows, facts->read, facts->first_constant);
    set_fix(finding, "Look for a layer that is dead, not loaded, or fed with zeros; ignore rows "
                     "that are padding.");
    add_evidence(finding, "rows_constant", (double)facts->constant_rows);
    add_evidence(finding, "rows_constant_and_equal", (double)dead);
    add_evidence(finding, "rows_read", (double)facts->read);
    add_evidence(finding, "all_rows_equal", same_rows);
}

/* ---- probabilities --------------------------------------------------------------------------- */

/* Facts that hold in every row, but for a few that overflowed or were cut. */
static const double NEARLY_ALL = 0.99;

static bool nearly_all(int64_t rows, int64_t read) {
    return read > 0 && share(rows, read) >= NEARLY_ALL;
}

static void add_sum_evidence(xent_diagnosis *all, record *finding) {
    add_evidence(finding, "rows_read", (double)all->logit_facts.read);
    add_evidence(finding, "rows_that_sum_to_1", (double)all->logit_facts.unit_rows);
    add_evidence(finding, "rows_of_log_probabilities", (double)all->logit_facts.log_rows);
}

static void report_probabilities(xent_diagnosis *all) {
    const logit_facts *facts = &all->logit_facts;
    bool twice = facts->twice_rows > 0 && facts->twice_rows == facts->tried_rows &&
                 2 * facts->telling_rows >= facts->twice_rows;
    record *finding =
        add_finding(all, twice ? "softmax-twice" : "probabilities-as-logits", XENT_MISTAKE, 0.96);
    if (twice)
        say(finding,
            "every row adds up to 1, and no entry is more than e = 2.718 times another: the logits "
            "went through softmax twice, and the loss applies it a third time");
    else
        say(finding,
            "the rows lie in [0, 1] and add up to 1 (%" PRId64 " of %" PRId64 "): they are "
            "probabilities, and the loss applies softmax once more",
            facts->unit_rows, facts->read);
    set_fix(finding, twice ? "Pass what enters the first softmax."
                           : "Pass the logits that enter the softmax, or say that these are "
                             "probabilities (--probabilities).");
    add_sum_evidence(all, finding);
}

static void report_log_probabilities(xent_diagnosis *all) {
    record *finding = add_finding(all, "log-probabilities-as-logits", XENT_NOTE, 0.9);
    say(finding, "the rows are log-probabilities (their log-sum-exp is 0). They are valid logits: "
                 "the loss is the same");
    set_fix(finding, "Nothing is wrong; --log-probabilities, or a loss for log-probabilities "
                     "(PyTorch's NLLLoss), saves the second softmax.");
    add_sum_evidence(all, finding);
}

static void report_unnormalised(xent_diagnosis *all, const char *what, int64_t fitting) {
    record *finding = add_finding(all, "not-normalised", XENT_MISTAKE, 0.9);
    say(finding, "these are said to be %s, but %" PRId64 " of %" PRId64 " rows do not add up to 1",
        what, all->logit_facts.read - fitting, all->logit_facts.read);
    set_fix(finding, "If these are logits, say nothing of probabilities; else normalise each row.");
    add_sum_evidence(all, finding);
}

static void judge_sums(xent_diagnosis *all) {
    const logit_facts *facts = &all->logit_facts;
    bool unit = nearly_all(facts->unit_rows, facts->read);
    bool logs = nearly_all(facts->log_rows, facts->read);
    if (all->logits_are == XENT_PROBABILITIES) {
        if (facts->read > 0 && !unit)
            report_unnormalised(all, "probabilities", facts->unit_rows);
        return;
    }
    if (all->logits_are == XENT_LOG_PROBABILITIES) {
        if (facts->read > 0 && !logs)
            report_unnormalised(all, "log-probabilities", facts->log_rows);
        return;
    }
    if (all->classes > 1 && unit)
        report_probabilities(all);
    else if (all->classes > 1 && logs)
        report_log_probabilities(all);
}

void judge_values(xent_diagnosis *all) {
    judge_poison(all);
    judge_masked(all);
    judge_overflow(all);
    judge_constant(all);
    judge_sums(all);
}
