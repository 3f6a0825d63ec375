/* SPDX-License-Identifier: MIT
 * xent_count_labels: its refusals, and a batch in parts over the denominator that it found. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "draw.h"
#include "xent.h"

#include <math.h>
#include <string.h>

enum { ROWS = 6, CLASSES = 5 };
static int64_t labels[ROWS] = {0, 4, -100, 2, 1, 4};
static float row_weights[ROWS] = {0.3f, 1.7f, 9, 0.1f, 2.9f, 1e-3f};
static double class_weights[CLASSES] = {0.1, 1, 0.7, 3, 1e-9};
static const int64_t ignore[] = {-100};

static xent_options weighted_options(const xent_tensor *by_row, const xent_tensor *by_class) {
    xent_options options = XENT_OPTIONS_INIT;
    options.row_weight = by_row;
    options.class_weight = by_class;
    options.ignore = ignore;
    options.ignore_count = 1;
    return options;
}

/* ---- refusals ---- */

struct given {
    xent_tensor labels, row_weight, class_weight;
    xent_options options;
    int64_t classes;
};

static void float_labels(struct given *call) {
    call->labels.dtype = XENT_F64;
}
static void no_memory_for_labels(struct given *call) {
    call->labels.data = NULL;
}
static void negative_classes(struct given *call) {
    call->classes = -1;
}
static void no_classes(struct given *call) {
    call->classes = 0;
    call->class_weight.shape[0] = 0;
}
static void other_classes(struct given *call) {
    call->classes = CLASSES + 1;
}
static void other_rows(struct given *call) {
    call->row_weight.shape[0] = ROWS - 1;
}
static void undeclared_ignore(struct given *call) {
    call->options.ignore_count = 0;
}
static void negative_class_weight(struct given *call) {
    static double weights[CLASSES] = {1, -1, 1, 1, 1};
    call->class_weight.data = weights;
}
static void unknown_reduction(struct given *call) {
    call->options.reduction = 9;
}
static void unset_options(struct given *call) {
    call->options.struct_size = 0;
}

static const struct {
    void (*edit)(struct given *call);
    xent_status status;
    const char *says;
} refusals[] = {
    {float_labels, XENT_BAD_DTYPE, "labels have dtype f64 but must be integers"},
    {no_memory_for_labels, XENT_BAD_ARGUMENT, "labels: data is NULL"},
    {negative_classes, XENT_BAD_ARGUMENT, "classes = -1"},
    {no_classes, XENT_BAD_SHAPE, "classes is 0 but there are 6 labels"},
    {other_classes, XENT_BAD_SHAPE, "must have one weight per class, shape [6]"},
    {other_rows, XENT_BAD_SHAPE, "options.row_weight has shape [5]"},
    {undeclared_ignore, XENT_BAD_LABEL, "options.ignore = {-100}"},
    {negative_class_weight, XENT_BAD_ARGUMENT, "options.class_weight[1] is -1"},
    {unknown_reduction, XENT_BAD_ARGUMENT, "options.reduction = 9"},
    {unset_options, XENT_BAD_ARGUMENT, "options.struct_size is 0"},
};

static void what_is_wrong_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct given call = {.labels = xent_vector(labels, XENT_I64, ROWS),
                             .row_weight = xent_vector(row_weights, XENT_F32, ROWS),
                             .class_weight = xent_vector(class_weights, XENT_F64, CLASSES),
                             .classes = CLASSES};
        xent_total total, untouched;
        xent_error error;
        memset(&total, 0xa5, sizeof total);
        untouched = total;
        call.options = weighted_options(&call.row_weight, &call.class_weight);
        refusals[i].edit(&call);
        assert_int_equal(
            xent_count_labels(&call.labels, call.classes, &call.options, &total, &error),
            refusals[i].status);
        if (!strstr(error.message, refusals[i].says))
            fail_msg("says: %s", error.message);
        assert_memory_equal(&total, &untouched, sizeof total);
    }
    assert_int_equal(xent_count_labels(NULL, CLASSES, NULL, NULL, NULL), XENT_BAD_ARGUMENT);
}

static void nothing_to_count_is_no_error(void **state) {
    (void)state;
    xent_total total;
    xent_error error = {"left over"};
    xent_tensor none = xent_vector(NULL, XENT_U8, 0);
    xent_tensor one = xent_vector(labels + 2, XENT_I64, 1);
    xent_options options = weighted_options(NULL, NULL);
    assert_int_equal(xent_count_labels(&none, 0, NULL, &total, &error), XENT_OK);
    assert_int_equal(total.rows, 0);
    assert_int_equal(total.first_nonfinite_row, -1);
    assert_int_equal(error.message[0], 0);
    assert_int_equal(xent_count_labels(&one, CLASSES, &options, &total, NULL), XENT_OK);
    assert_int_equal(total.ignored, 1);
    assert_int_equal(xent_count_labels(&one, CLASSES, &options, NULL, NULL), XENT_OK);
}

/* ---- parts ---- */

static void score(int64_t first, int64_t count, double denominator, float *logits, float *grad,
                  xent_total *total) {
    const xent_tensor by_class = xent_vector(class_weights, XENT_F64, CLASSES);
    const xent_tensor by_row = xent_vector(row_weights + first, XENT_F32, count);
    const xent_tensor x = xent_matrix(logits + first * CLASSES, XENT_F32, count, CLASSES);
    const xent_tensor g = xent_matrix(grad + first * CLASSES, XENT_F32, count, CLASSES);
    const xent_tensor y = xent_vector(labels + first, XENT_I64, count);
    xent_options options = weighted_options(&by_row, &by_class);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    options.denominator = denominator;
    options.label_smoothing = 0.1;
    outputs.grad = &g;
    assert_int_equal(xent_cross_entropy(&x, &y, &options, &outputs, total, NULL), XENT_OK);
}

static void parts_over_the_counted_weight_are_the_whole(void **state) {
    (void)state;
    float logits[ROWS * CLASSES], at_once[ROWS * CLASSES], in_parts[ROWS * CLASSES];
    uint64_t dice = 7;
    xent_total whole, counts, merged = XENT_TOTAL_INIT;
    for (int i = 0; i < ROWS * CLASSES; i++)
        logits[i] = (float)draw_normal(&dice, 3);
    const xent_tensor y = xent_vector(labels, XENT_I64, ROWS);
    const xent_tensor by_row = xent_vector(row_weights, XENT_F32, ROWS);
    const xent_tensor by_class = xent_vector(class_weights, XENT_F64, CLASSES);
    const xent_options options = weighted_options(&by_row, &by_class);
    assert_int_equal(xent_count_labels(&y, CLASSES, &options, &counts, NULL), XENT_OK);
    score(0, ROWS, 0, logits, at_once, &whole);
    for (int64_t first = 0; first < ROWS; first += 2) {
        xent_total part;
        score(first, 2, counts.weight_sum, logits, in_parts, &part);
        xent_total_merge(&merged, &part);
    }
    assert_memory_equal(at_once, in_parts, sizeof at_once);
    assert_true(xent_total_loss(&merged, NULL) == xent_total_loss(&whole, NULL));
}

/* Counts are integers, whatever bf16 holds. Rows share two logits by strides of 0. */
static void a_million_bf16_rows_count_exactly(void **state) {
    (void)state;
    enum { MANY = 1000000 };
    static uint8_t all[MANY];
    uint16_t logits[] = {0x0000, 0x3f80}; /* 0, 1: the prediction is class 1 */
    xent_total total;
    for (int row = 0; row < MANY; row++)
        all[row] = row % 3 != 0;
    xent_tensor x = xent_matrix(logits, XENT_BF16, MANY, 2);
    const xent_tensor y = xent_vector(all, XENT_U8, MANY);
    x.stride[0] = 0;
    assert_int_equal(xent_cross_entropy(&x, &y, NULL, NULL, &total, NULL), XENT_OK);
    assert_int_equal(total.rows, MANY);
    assert_int_equal(total.counted, MANY);
    assert_int_equal(total.correct, 666666);
    assert_true(total.weight_sum == MANY && total.weight_sum_low == 0);
    assert_int_equal(xent_count_labels(&y, 2, NULL, &total, NULL), XENT_OK);
    assert_int_equal(total.counted, MANY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(nothing_to_count_is_no_error),
        cmocka_unit_test(a_million_bf16_rows_count_exactly),
        cmocka_unit_test(parts_over_the_counted_weight_are_the_whole),
    };
    return cmocka_run_group_tests_name("count", tests, NULL, NULL);
}
