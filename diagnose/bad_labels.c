/* SPDX-License-Identifier: MIT
 * Labels that are no classes: which mistake they look like; and batches in which none is left. */
#include "diagnosis.h"

#include <inttypes.h>

double test_level(void) {
    return XENT_DIAGNOSE_RATE / XENT_DIAGNOSE_TESTS;
}

static bool is_unsigned(int32_t dtype) {
    return dtype == XENT_U8 || dtype == XENT_U16 || dtype == XENT_U32 || dtype == XENT_U64;
}

static int bits_of_type(int32_t dtype) {
    if (dtype == XENT_I8 || dtype == XENT_U8)
        return 8;
    if (dtype == XENT_I16 || dtype == XENT_U16)
        return 16;
    return dtype == XENT_I32 || dtype == XENT_U32 ? 32 : 64;
}

/* A usual mark of rows to leave out: negative, 255, -1 or -100 in an unsigned type, or the largest
 * of a type. */
static bool is_mark(int32_t dtype, int64_t label) {
    int bits = bits_of_type(dtype);
    if (!is_unsigned(dtype))
        return label < 0 || label == 255 || label == INT64_MAX >> (64 - bits);
    uint64_t wrapped = (uint64_t)label - (bits < 64 ? UINT64_C(1) << bits : 0);
    return label == 255 || wrapped == (uint64_t)-1 || wrapped == (uint64_t)-100;
}

/* Every bad label is C and none is 0; what is known without a look at predictions. */
static bool count_from_1(const xent_diagnosis *all) {
    const label_facts *facts = &all->label_facts;
    return all->classes > 1 && facts->zeros == 0 && facts->one_too_many == facts->bad;
}

static void add_bad_evidence(xent_diagnosis *all, record *finding) {
    const label_facts *facts = &all->label_facts;
    bool is_large = all->label_dtype == XENT_U64 && facts->first_bad_label < 0;
    add_evidence(finding, "bad_labels", (double)facts->bad);
    add_evidence(finding, "first_row", (double)facts->first_bad_row);
    add_evidence(finding, "first_label",
                 is_large ? (double)(uint64_t)facts->first_bad_label
                          : (double)facts->first_bad_label);
    if (all->on_bad_label == XENT_BAD_LABEL_ERROR)
        set_unscorable(all, finding);
}

static void report_mark(xent_diagnosis *all) {
    const label_facts *facts = &all->label_facts;
    record *finding = add_finding(all, "undeclared-ignore", XENT_MISTAKE, 0.9);
    say(finding,
        "%" PRId64 " of %" PRId64 " labels are %" PRId64 ", which is no class of %" PRId64
        " but a usual mark of rows to leave out (first in row %" PRId64 ")",
        facts->bad, all->rows, facts->first_bad_label, all->classes, facts->first_bad_row);
    set_fix(finding, "Declare it as an ignore value (--ignore %" PRId64 "), if it is meant so.",
            facts->first_bad_label);
    add_bad_evidence(all, finding);
}

static void report_from_1(xent_diagnosis *all) {
    record *finding = add_finding(all, "labels-one-based", XENT_MISTAKE, 1.0);
    say(finding,
        "no label is 0 and %" PRId64 " are %" PRId64 ", the number of classes: the labels count "
        "from 1",
        all->label_facts.bad, all->classes);
    set_fix(finding, "Subtract 1 from every label that is not ignored.");
    add_bad_evidence(all, finding);
}

static void report_range(xent_diagnosis *all) {
    const label_facts *facts = &all->label_facts;
    record *finding =
        add_finding(all, "label-out-of-range",
                    all->on_bad_label == XENT_BAD_LABEL_ERROR ? XENT_MISTAKE : XENT_WARNING, 0.8);
    say(finding,
        "%" PRId64 " of %" PRId64 " labels lie outside 0 to %" PRId64 ": the first is %" PRId64
        ", in row %" PRId64,
        facts->bad, all->rows, all->classes - 1, facts->first_bad_label, facts->first_bad_row);
    set_fix(finding, "Take logits with as many classes as the labels name, or declare what is to "
                     "be left out (--ignore, --on-bad-label).");
    add_bad_evidence(all, finding);
}

static void report_none(xent_diagnosis *all) {
    record *finding = add_finding(all, "nothing-counted", XENT_MISTAKE, 0.7);
    say(finding,
        "none of the %" PRId64 " rows is counted (ignored: %" PRId64 ", bad: %" PRId64
        "), so there is no mean",
        all->rows, all->label_facts.ignored, all->label_facts.bad);
    set_fix(finding, "Check the ignore values against the labels.");
    add_evidence(finding, "rows", (double)all->rows);
    add_evidence(finding, "ignored", (double)all->label_facts.ignored);
    if (all->on_nothing_counted == XENT_NOTHING_ERROR)
        set_unscorable(all, finding);
}

void judge_labels(xent_diagnosis *all) {
    const label_facts *facts = &all->label_facts;
    if (facts->bad > 0 && count_from_1(all))
        report_from_1(all);
    else if (facts->bad > 0 && facts->same_bad == facts->bad &&
             is_mark(all->label_dtype, facts->first_bad_label))
        report_mark(all);
    else if (facts->bad > 0)
        report_range(all);
    if (all->rows > 0 && facts->bad + facts->ignored == all->rows)
        report_none(all);
    all->total.first_bad_label = facts->bad > 0 ? facts->first_bad_label : 0;
}
