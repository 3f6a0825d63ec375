/* SPDX-License-Identifier: MIT
 * xent_diagnose: each mistake is named first, and nothing is named where nothing is wrong. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "draw.h"
#include "findings.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct batch batch;

static double evidence(const xent_finding *finding, const char *name) {
    assert_non_null(finding);
    for (int32_t i = 0; i < finding->evidence_count; i++) {
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    }
    fail_msg("%s has no %s", finding->id, name);
    return NAN;
}

static void each_mistake_comes_first(void **state) {
    (void)state;
    for (int i = 0; i < FAULT_COUNT; i++) {
        const struct fault *made = &FAULTS[i];
        draw_batch(&batch, 80);
        made->make(&batch);
        xent_diagnosis *found = diagnose(&batch);
        const xent_finding *first = xent_diagnosis_finding(found, 0);
        if (!first || strcmp(first->id, made->id) != 0) {
            fail_msg("mistake %d: %s, not %s", i, first ? first->id : "nothing", made->id);
            continue;
        }
        assert_int_equal(first->severity, made->severity);
        assert_int_equal(first->unscorable, made->unscorable);
        assert_int_equal(xent_diagnosis_scorable(found), !made->unscorable);
        assert_true(first->message[0] && first->fix[0]);
        if (made->name && evidence(first, made->name) != made->value)
            fail_msg("mistake %d: %s is %g", i, made->name, evidence(first, made->name));
        xent_diagnosis_free(found);
    }
}

static void one_mistake_does_not_hide_another(void **state) {
    (void)state;
    draw_batch(&batch, 80);
    batch.logits[137] = NAN;
    for (int i = 0; i < ROWS; i++)
        batch.label[i] = (batch.label[i] * 7 + i * 377) % CLASSES;
    xent_diagnosis *found = diagnose(&batch);
    assert_non_null(find(found, "nonfinite-rows"));
    assert_non_null(find(found, "labels-shuffled"));
    xent_diagnosis_free(found);
}

/* Of three equal rows two are a pair. */
static void pairs_share_no_row(void **state) {
    (void)state;
    draw_batch(&batch, 80);
    for (int i = 1; i < 3; i++)
        memcpy(batch.logits + i * CLASSES, batch.logits, CLASSES * sizeof *batch.logits);
    batch.label[0] = batch.label[2] = 4;
    batch.label[1] = 5;
    xent_diagnosis *found = diagnose(&batch);
    assert_true(evidence(find(found, "conflicting-duplicates"), "pairs") == 1);
    xent_diagnosis_free(found);
}

/* Right in every row, so that no row speaks for the labels as given; those that say nothing of the
 * one labelling say nothing against the other. */
static void ignored_labels_are_no_evidence(void **state) {
    const int64_t mark = -100;
    (void)state;
    draw_batch(&batch, 100);
    for (int i = ROWS - 1; i > 0; i--)
        batch.label[i] = batch.label[i - 1];
    for (int i = 0; i < ROWS; i++)
        batch.label[i] = chance(&batch.dice, 50) ? mark : batch.label[i];
    batch.options.ignore = &mark;
    batch.options.ignore_count = 1;
    xent_diagnosis *found = diagnose(&batch);
    assert_true(evidence(find(found, "labels-shifted"), "rows_only_given") <= 1);
    xent_diagnosis_free(found);
}

/* Of more rows than are sampled every second one is far too sure, or the first half of them. */
static double find_temperature(bool by_turns) {
    enum { TALL = 6 * ROWS };
    static float logits[TALL * CLASSES];
    static int64_t labels[TALL];
    draw_batch(&batch, 80);
    for (int i = 0; i < TALL; i++) {
        bool sure = by_turns ? i % 2 == 0 : i < TALL / 2;
        labels[i] = batch.label[i % ROWS];
        for (int c = 0; c < CLASSES; c++)
            logits[i * CLASSES + c] = batch.logits[i % ROWS * CLASSES + c] * (sure ? 6.0f : 1.0f);
    }
    const xent_tensor x = xent_matrix(logits, XENT_F32, TALL, CLASSES);
    const xent_tensor y = xent_vector(labels, XENT_I64, TALL);
    xent_diagnosis *found = diagnose_tensors(&x, &y, NULL);
    double temperature = evidence(find(found, "overconfident"), "temperature");
    xent_diagnosis_free(found);
    return temperature;
}

static void the_sample_keeps_no_step_with_the_rows(void **state) {
    (void)state;
    double by_turns = find_temperature(true), by_halves = find_temperature(false);
    assert_true(fabs(log(by_turns / by_halves)) < 0.15);
}

static int count_alarms(const char *name, void (*const made[])(struct batch *b), int count) {
    int alarms = 0;
    for (int i = 0; i < count; i++) {
        draw_batch(&batch, 80);
        made[i](&batch);
        xent_diagnosis *found = diagnose(&batch);
        for (int32_t k = 0; k < xent_diagnosis_count(found); k++) {
            const xent_finding *finding = xent_diagnosis_finding(found, k);
            if (finding->severity == XENT_NOTE)
                continue;
            print_error("%s batch %d: %s: %s\n", name, i, finding->id, finding->message);
            alarms++;
        }
        xent_diagnosis_free(found);
    }
    return alarms;
}

static void nothing_is_found_where_nothing_is_wrong(void **state) {
    (void)state;
    assert_int_equal(count_alarms("clean", CLEAN, CLEAN_COUNT), 0);
    assert_int_equal(count_alarms("usual", HABITS, HABIT_COUNT), 0);
}

/* Of batches of the same model, drawn anew: far fewer alarms than the stated rate of 1 %. */
static void the_rate_of_false_alarms_holds(void **state) {
    const int count = getenv("XENT_SHORT") ? 40 : 400; /* as under valgrind */
    int alarms = 0;
    (void)state;
    for (int i = 0; i < count; i++) {
        draw_batch(&batch, 55 + i % 45);
        batch.x.shape[0] = batch.y.shape[0] = 64 + 7 * (i % 90);
        batch.x.data = batch.logits + i % 300 * CLASSES;
        batch.y.data = batch.label + i % 300;
        xent_diagnosis *found = diagnose(&batch);
        if (xent_diagnosis_count(found) > 0)
            alarms += xent_diagnosis_finding(found, 0)->severity != XENT_NOTE;
        xent_diagnosis_free(found);
    }
    assert_true(alarms <= 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_comes_first),
        cmocka_unit_test(one_mistake_does_not_hide_another),
        cmocka_unit_test(pairs_share_no_row),
        cmocka_unit_test(ignored_labels_are_no_evidence),
        cmocka_unit_test(the_sample_keeps_no_step_with_the_rows),
        cmocka_unit_test(nothing_is_found_where_nothing_is_wrong),
        cmocka_unit_test(the_rate_of_false_alarms_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
