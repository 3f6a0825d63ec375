/* SPDX-License-Identifier: MIT
 * xent_diagnose and its steps: rows parted in any way give the same findings; arguments that are
 * refused; memory that fails. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "draw.h"
#include "executors.h"
#include "findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct batch batch;
static const int64_t MARK[] = {-100};

/* ---- in parts ---- */

static void same_findings(const xent_diagnosis *a, const xent_diagnosis *b) {
    assert_int_equal(xent_diagnosis_count(a), xent_diagnosis_count(b));
    for (int32_t i = 0; i < xent_diagnosis_count(a); i++) {
        const xent_finding *one = xent_diagnosis_finding(a, i);
        const xent_finding *other = xent_diagnosis_finding(b, i);
        assert_string_equal(one->id, other->id);
        assert_string_equal(one->message, other->message);
        assert_int_equal(one->evidence_count, other->evidence_count);
        for (int32_t k = 0; k < one->evidence_count; k++)
            assert_true(fabs(one->evidence[k].value - other->evidence[k].value) <= 1e-12);
    }
}

static xent_diagnosis *diagnose_in_parts(const struct batch *b, int64_t rows) {
    const size_t size = b->x.dtype == XENT_F64 ? 8 : b->x.dtype == XENT_F16 ? 2 : 4;
    xent_diagnosis *found = NULL;
    assert_int_equal(xent_diagnosis_begin(&b->x, &b->y, &b->options, &found, NULL), XENT_OK);
    for (int64_t first = 0; first < b->x.shape[0]; first += rows) {
        xent_tensor part = b->x;
        int64_t left = b->x.shape[0] - first;
        part.shape[0] = left < rows ? left : rows;
        part.data = (char *)b->x.data + (size_t)(first * b->x.stride[0]) * size;
        assert_int_equal(xent_diagnosis_add(found, &part, NULL), XENT_OK);
    }
    assert_int_equal(xent_diagnosis_finish(found, NULL), XENT_OK);
    return found;
}

static void parts_of_any_size_give_the_same(void **state) {
    const int64_t sizes[] = {1, 7, 16, 333, ROWS};
    (void)state;
    for (int i = 0; i < FAULT_COUNT; i += getenv("XENT_SHORT") ? 9 : 1) {
        draw_batch(&batch, 80);
        FAULTS[i].make(&batch);
        xent_diagnosis *whole = diagnose(&batch);
        bool fits =
            !xent_diagnosis_finding(whole, 0)->unscorable || xent_diagnosis_total(whole).rows > 0;
        for (size_t k = 0; fits && k < sizeof sizes / sizeof *sizes; k++) {
            xent_diagnosis *parts = diagnose_in_parts(&batch, sizes[k]);
            same_findings(whole, parts);
            xent_diagnosis_free(parts);
        }
        xent_diagnosis_free(whole);
    }
}

/* Enough logits for several tasks, with rows that are asked more than others: a NaN, constant ones,
 * labels that are no class, and unit rows. */
enum { TALL = 6000, WIDE = 70 };
static void fill_tall(float *logits, int64_t *labels) {
    uint64_t dice = 5;
    for (int i = 0; i < TALL; i++) {
        labels[i] = i % 97 ? draw(&dice, WIDE) : -100;
        for (int c = 0; c < WIDE; c++)
            logits[i * WIDE + c] = (float)draw_normal(&dice, 0.5);
        logits[i * WIDE + (labels[i] < 0 ? 0 : labels[i])] += (float)draw_real(&dice, 0, 8);
        for (int c = 0; i % 50 == 7 && c < WIDE; c++)
            logits[i * WIDE + c] = 3;
    }
    logits[4321 * WIDE + 5] = NAN;
    logits[4322 * WIDE + 5] = INFINITY;
}

static void any_number_of_threads_gives_the_same(void **state) {
    static float logits[TALL * WIDE];
    static int64_t labels[TALL];
    const int64_t turned[] = {WIDE, TALL};
    const xent_executor reverse = reverse_executor(7), threads = thread_executor(5);
    (void)state;
    fill_tall(logits, labels);
    for (int32_t axis = 0; axis < 2; axis++) {
        xent_options options = XENT_OPTIONS_INIT;
        xent_tensor x = axis ? xent_matrix(logits, XENT_F32, TALL, WIDE)
                             : xent_ndarray(logits, XENT_F32, 2, turned);
        const xent_tensor y = xent_vector(labels, XENT_I64, TALL);
        options.class_axis = axis;
        options.on_bad_label = XENT_BAD_LABEL_IGNORE;
        xent_diagnosis *alone = diagnose_tensors(&x, &y, &options);
        for (int i = 0; i < 4; i++) {
            options.threads = i == 0 ? 2 : 9;
            options.executor = i == 2 ? &reverse : i == 3 ? &threads : NULL;
            xent_diagnosis *together = diagnose_tensors(&x, &y, &options);
            same_findings(alone, together);
            xent_diagnosis_free(together);
        }
        xent_diagnosis_free(alone);
    }
}

/* Along axis 0, with strides that are no neighbours. */
static void the_class_axis_may_be_any(void **state) {
    static float turned[ROWS * CLASSES];
    (void)state;
    draw_batch(&batch, 80);
    xent_diagnosis *along = diagnose(&batch);
    for (int i = 0; i < ROWS * CLASSES; i++)
        turned[i % CLASSES * ROWS + i / CLASSES] = batch.logits[i];
    batch.x = xent_matrix(turned, XENT_F32, CLASSES, ROWS);
    batch.options.class_axis = 0;
    xent_diagnosis *across = diagnose(&batch);
    same_findings(along, across);
    xent_diagnosis_free(along);
    xent_diagnosis_free(across);
}

static void the_total_is_that_of_the_loss(void **state) {
    xent_total total;
    (void)state;
    draw_batch(&batch, 80);
    batch.label[5] = -100;
    batch.options.ignore = MARK;
    batch.options.ignore_count = 1;
    xent_cross_entropy(&batch.x, &batch.y, &batch.options, NULL, &total, NULL);
    xent_diagnosis *found = diagnose(&batch);
    const xent_total got = xent_diagnosis_total(found);
    assert_int_equal(got.counted, total.counted);
    assert_int_equal(got.ignored, total.ignored);
    assert_int_equal(got.correct, total.correct);
    assert_true(got.loss_sum == total.loss_sum);
    xent_diagnosis_free(found);
}

/* More classes than the table holds: the assignment is greedy. */
static void many_classes(void **state) {
    enum { MANY = 1500, FEW = 800 };
    static float logits[FEW * MANY];
    static int32_t labels[FEW];
    uint64_t dice = 3;
    (void)state;
    for (int i = 0; i < FEW; i++) {
        int64_t label = draw(&dice, 60);
        for (int c = 0; c < MANY; c++)
            logits[i * MANY + c] = (float)draw_normal(&dice, 0.5);
        logits[i * MANY + label] += 12;
        labels[i] = (int32_t)(label * 7 % 60 + 20);
    }
    xent_tensor x = xent_matrix(logits, XENT_F32, FEW, MANY);
    xent_tensor y = xent_vector(labels, XENT_I32, FEW);
    xent_diagnosis *found = diagnose_tensors(&x, &y, NULL);
    assert_string_equal(xent_diagnosis_finding(found, 0)->id, "class-ids-permuted");
    xent_diagnosis_free(found);
}

/* ---- what is refused ---- */

static void arguments_are_judged(void **state) {
    xent_diagnosis *found = NULL;
    xent_error error;
    (void)state;
    draw_batch(&batch, 80);
    assert_int_equal(xent_diagnose(NULL, &batch.y, NULL, &found, &error), XENT_BAD_ARGUMENT);
    assert_string_equal(error.message, "logits is NULL");
    assert_int_equal(xent_diagnose(&batch.x, &batch.y, NULL, NULL, &error), XENT_BAD_ARGUMENT);
    batch.options.struct_size = 0;
    assert_int_equal(xent_diagnose(&batch.x, &batch.y, &batch.options, &found, &error),
                     XENT_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "struct_size is 0"));
    assert_null(found);
    draw_batch(&batch, 80);
    batch.options.class_axis = 2;
    assert_int_equal(xent_diagnose(&batch.x, &batch.y, &batch.options, &found, &error),
                     XENT_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "class_axis = 2 must lie from -2 to 1"));
    batch.options.class_axis = -1;
    batch.x.dtype = 99;
    assert_int_equal(xent_diagnose(&batch.x, &batch.y, NULL, &found, &error), XENT_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "dtype 99"));
    assert_int_equal(xent_diagnosis_add(NULL, &batch.x, &error), XENT_BAD_ARGUMENT);
    assert_int_equal(xent_diagnosis_finish(NULL, &error), XENT_BAD_ARGUMENT);
    assert_int_equal(xent_diagnosis_count(NULL), 0);
    assert_null(xent_diagnosis_finding(NULL, 0));
    xent_diagnosis_free(NULL);
}

static void calls_come_in_order(void **state) {
    xent_diagnosis *found = NULL;
    xent_error error;
    (void)state;
    draw_batch(&batch, 80);
    assert_int_equal(xent_diagnosis_begin(&batch.x, &batch.y, NULL, &found, &error), XENT_OK);
    assert_int_equal(xent_diagnosis_finish(found, &error), XENT_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "1000 of 1000 rows of logits are missing"));
    xent_tensor part = batch.x;
    part.shape[1] = CLASSES - 1;
    assert_int_equal(xent_diagnosis_add(found, &part, &error), XENT_BAD_SHAPE);
    part = batch.x;
    part.dtype = XENT_F64;
    assert_int_equal(xent_diagnosis_add(found, &part, &error), XENT_BAD_DTYPE);
    assert_int_equal(xent_diagnosis_add(found, &batch.x, &error), XENT_OK);
    assert_int_equal(xent_diagnosis_add(found, &batch.x, &error), XENT_BAD_ARGUMENT);
    assert_int_equal(xent_diagnosis_finish(found, &error), XENT_OK);
    assert_int_equal(xent_diagnosis_finish(found, &error), XENT_OK);
    assert_int_equal(xent_diagnosis_add(found, &batch.x, &error), XENT_BAD_ARGUMENT);
    xent_diagnosis_free(found);
}

static void empty_batches_have_no_findings(void **state) {
    (void)state;
    draw_batch(&batch, 80);
    batch.x.shape[0] = batch.y.shape[0] = 0;
    xent_diagnosis *found = diagnose(&batch);
    assert_int_equal(xent_diagnosis_count(found), 0);
    assert_int_equal(xent_diagnosis_scorable(found), 1);
    xent_diagnosis_free(found);
}

/* ---- memory ---- */

static long allocations_left = -1; /* -1: no limit */
static long allocations_made;
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");

void *wrap_calloc(size_t count, size_t size) {
    allocations_made++;
    if (allocations_left == 0)
        return NULL;
    allocations_left -= allocations_left > 0;
    return real_calloc(count, size);
}

static void memory_may_fail_anywhere(void **state) {
    (void)state;
    for (int i = 0; i < FAULT_COUNT; i += getenv("XENT_SHORT") ? 25 : 1) {
        draw_batch(&batch, 80);
        FAULTS[i].make(&batch);
        allocations_made = 0;
        xent_diagnosis_free(diagnose(&batch));
        long needed = allocations_made;
        for (long n = 0; n < needed; n++) {
            xent_diagnosis *found = NULL;
            xent_error error;
            allocations_left = n;
            xent_status status = xent_diagnose(&batch.x, &batch.y, &batch.options, &found, &error);
            allocations_left = -1;
            assert_int_equal(status, XENT_NO_MEMORY);
            assert_null(found);
            assert_true(error.message[0] != '\0');
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_any_size_give_the_same),
        cmocka_unit_test(any_number_of_threads_gives_the_same),
        cmocka_unit_test(the_class_axis_may_be_any),
        cmocka_unit_test(the_total_is_that_of_the_loss),
        cmocka_unit_test(many_classes),
        cmocka_unit_test(arguments_are_judged),
        cmocka_unit_test(calls_come_in_order),
        cmocka_unit_test(empty_batches_have_no_findings),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
