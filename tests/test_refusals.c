/* SPDX-License-Identifier: MIT
 * Labels that do not fit the logits, and batches that cannot be scored: each likely mistake has its
 * sentence, and nothing is written. */
#include "draw.h"
#include "edits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

/* ---- shapes ---------------------------------------------------------------------------------- */

typedef struct axes {
    int ndim;
    int64_t shape[4];
} axes;

typedef struct misfit {
    axes logits, labels;
    int class_axis;
    const char *part;
} misfit;

static const misfit misfits[] = {
    {{2, {4, 3}},
     {1, {2}},
     -1,
     "labels have shape [2] but logits have shape [4, 3]: each of the 4 rows of logits needs "
     "exactly one label, so labels must have shape [4]. Do not repeat or cut labels to fit: rows "
     "would be scored against another row's class."},
    {{2, {4, 3}}, {1, {5}}, 1, "each of the 4 rows of logits needs exactly one label"},
    {{2, {4, 3}}, {1, {0}}, -1, "labels have shape [0] but logits have shape [4, 3]"},
    {{2, {3, 4}},
     {1, {5}},
     0,
     "logits have shape [3, 4] with classes along axis 0: each of the 4 rows"},
    {{3, {2, 5, 3}},
     {2, {2, 6}},
     -1,
     "each of the 10 rows of logits needs exactly one label, so labels must have shape [2, 5]"},
    {{2, {1, 3}},
     {1, {2}},
     -1,
     "each row of logits needs exactly one label, so labels must have shape [1]"},
    {{2, {4, 3}},
     {2, {4, 3}},
     -1,
     "labels have the shape of the logits, [4, 3], so they look one-hot"},
    {{2, {4, 3}}, {2, {4, 3}}, 1, "Take the argmax of the labels along axis 1 (the class axis)"},
    {{3, {2, 3, 5}},
     {3, {2, 3, 5}},
     1,
     "labels must have shape [2, 5]. Take the argmax of the labels along axis 1"},
    {{1, {3}}, {1, {3}}, -1, "so labels must have shape []"},
    {{2, {4, 3}},
     {2, {4, 1}},
     -1,
     "Add or drop the axis of length 1: give the same labels shape [4]"},
    {{2, {4, 3}}, {2, {1, 4}}, -1, "give the same labels shape [4]"},
    {{2, {4, 1}}, {2, {4, 1}}, -1, "give the same labels shape [4]"},
    {{3, {4, 1, 3}}, {1, {4}}, -1, "give the same labels shape [4, 1]"},
    {{2, {3, 4}},
     {1, {3}},
     -1 - 1,
     "They fit if classes lie along axis 1: then set options.class_axis = 1"},
    {{2, {10, 4}},
     {1, {4}},
     -1,
     "They fit if classes lie along axis 0: then set options.class_axis = 0"},
    {{3, {2, 10, 5}},
     {2, {2, 5}},
     -1,
     "They fit if classes lie along axis 1: then set options.class_axis = 1"},
    {{1, {4}},
     {2, {4, 3}},
     -1,
     "so logits and labels look swapped. The logits are the first argument"},
    {{1, {3}},
     {1, {1}},
     -1,
     "logits of shape [3] are one row, so their label is 0-d (shape []), but labels have shape "
     "[1]"},
    {{1, {3}}, {1, {1}}, -1, "give the logits shape [1, 3] and the labels shape [1]"},
    {{3, {2, 5, 3}}, {2, {5, 2}}, -1, "Their axes seem to be in another order: transpose them"},
    {{3, {2, 5, 3}},
     {1, {10}},
     -1,
     "the 10 labels must have shape [2, 5]. If they are in C order, give them this shape"},
    {{2, {4, 3}}, {0, {0}}, -1, "labels have shape [] but logits have shape [4, 3]"},
};

static void test_misfits(void **state) {
    static float logits_memory[64];
    static int64_t label_memory[64];
    (void)state;
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        const misfit *m = &misfits[i];
        xent_tensor logits = xent_ndarray(logits_memory, XENT_F32, m->logits.ndim, m->logits.shape);
        xent_tensor labels = xent_ndarray(label_memory, XENT_I64, m->labels.ndim, m->labels.shape);
        xent_options options = XENT_OPTIONS_INIT;
        xent_error error = {"(no sentence)"};
        options.class_axis = m->class_axis;
        assert_int_equal(xent_cross_entropy(&logits, &labels, &options, NULL, NULL, &error),
                         XENT_BAD_SHAPE);
        if (!sentence_says(&error, m->part))
            fail_msg("\"%s\" does not contain \"%s\"", error.message, m->part);
    }
}

/* ---- label values ---------------------------------------------------------------------------- */

/* The smallest (NULL: 0) and largest value of a dtype, as sentences show them and as bits. */
typedef struct label_type {
    int dtype;
    const char *smallest, *largest;
    int64_t smallest_bits, largest_bits;
} label_type;

static const label_type label_types[] = {
    {XENT_I8, "-128", "127", INT8_MIN, INT8_MAX},
    {XENT_U8, NULL, "255", 0, UINT8_MAX},
    {XENT_I16, "-32768", "32767", INT16_MIN, INT16_MAX},
    {XENT_U16, NULL, "65535", 0, UINT16_MAX},
    {XENT_I32, "-2147483648", "2147483647", INT32_MIN, INT32_MAX},
    {XENT_U32, NULL, "4294967295", 0, UINT32_MAX},
    {XENT_I64, "-9223372036854775808", "9223372036854775807", INT64_MIN, INT64_MAX},
    {XENT_U64, NULL, "18446744073709551615", 0, -1},
};

static void expect_bad_label(const label_type *type, int64_t bits, const char *value) {
    call c;
    xent_error error = {"(no sentence)"};
    char part[160];
    set_valid(&c);
    c.labels.dtype = type->dtype;
    for (int64_t row = 0; row < ROWS; row++)
        store_integer(&c.labels, row, row == 2 ? bits : row % CLASSES);
    snprintf(part, sizeof part,
             "the label of row [2] is %s, but the logits have 3 classes, so labels lie in [0, 3) "
             "(1 of 4 labels do not)",
             value);
    assert_int_equal(run_call(&c, &error), XENT_BAD_LABEL);
    if (!sentence_says(&error, part))
        fail_msg("\"%s\" does not contain \"%s\"", error.message, part);
    assert_true(is_untouched(&c));
}

static void test_labels_outside_the_classes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof label_types / sizeof *label_types; i++) {
        const label_type *type = &label_types[i];
        expect_bad_label(type, CLASSES, "3");
        expect_bad_label(type, type->largest_bits, type->largest);
        if (type->smallest) {
            expect_bad_label(type, type->smallest_bits, type->smallest);
            expect_bad_label(type, -1, "-1");
        }
    }
}

/* ---- what labels and weights show ------------------------------------------------------------ */

typedef struct batch {
    int dtype;
    xent_status status;
    int64_t labels[ROWS];
    edit edits[EDITS];
    const char *part;
} batch;

#define AT(field) offsetof(call, field)

static const batch batches[] = {
    {XENT_I64,
     XENT_BAD_LABEL,
     {1, 2, 3, 1},
     {{NONE, 0, 0}},
     "the labels seem to count from 1: subtract 1 from every label"},
    {XENT_I64, XENT_BAD_LABEL, {1, -100, 3, 1}, {{NONE, 0, 0}}, "the labels seem to count from 1"},
    {XENT_I64,
     XENT_BAD_LABEL,
     {0, 2, 3, 1},
     {{NONE, 0, 0}},
     "The largest label, 3, needs logits of more than 3 classes"},
    {XENT_I64, XENT_BAD_LABEL, {0, 50256, 3, 1}, {{NONE, 0, 0}}, "the label of row [1] is 50256"},
    {XENT_I64,
     XENT_BAD_LABEL,
     {0, 7, 3, 50256},
     {{NONE, 0, 0}},
     "The largest label, 50256, needs logits of more than 50256 classes"},
    {XENT_I64, XENT_BAD_LABEL, {0, 7, 3, 1}, {{NONE, 0, 0}}, "(2 of 4 labels do not)"},
    {XENT_I64,
     XENT_BAD_LABEL,
     {0, 7, 3, 1},
     {{NONE, 0, 0}},
     "set options.on_bad_label = XENT_BAD_LABEL_IGNORE"},
    {XENT_I64,
     XENT_BAD_LABEL,
     {0, -100, 2, 1},
     {{SIZE, AT(options.ignore_count), 0}},
     "If -100 marks rows to leave out, declare it: options.ignore = {-100}"},
    {XENT_I8, XENT_BAD_LABEL, {0, 1, 2, -1}, {{NONE, 0, 0}}, "options.ignore = {-1}"},
    {XENT_I64, XENT_BAD_LABEL, {0, 1, 255, 1}, {{NONE, 0, 0}}, "options.ignore = {255}"},
    {XENT_U8,
     XENT_BAD_LABEL,
     {0, 1, 255, 1},
     {{NONE, 0, 0}},
     "It is -1 stored as u8: if it marks rows to leave out, declare it: options.ignore = {255}"},
    {XENT_U8, XENT_BAD_LABEL, {0, 1, -100, 1}, {{NONE, 0, 0}}, "It is -100 stored as u8"},
    {XENT_U32, XENT_BAD_LABEL, {0, 1, -100, 1}, {{NONE, 0, 0}}, "options.ignore = {4294967196}"},
    {XENT_U64,
     XENT_BAD_LABEL,
     {0, 7, INT64_MIN, 1},
     {{NONE, 0, 0}},
     "The largest label, 9223372036854775807"},
    {XENT_U64,
     XENT_BAD_LABEL,
     {0, 1, -100, 1},
     {{NONE, 0, 0}},
     "It is -100 stored as u64: pass signed labels (i64)"},
    {XENT_U64,
     XENT_BAD_LABEL,
     {0, 1, INT64_MIN, 1},
     {{NONE, 0, 0}},
     "the label of row [2] is 9223372036854775808"},
    {XENT_U64, XENT_BAD_LABEL, {0, 1, INT64_MIN, 1}, {{NONE, 0, 0}}, "read with the right dtype?"},
    {XENT_I64,
     XENT_BAD_ARGUMENT,
     {0, 1, 2, 0},
     {{F64, AT(class_weight_memory), -1.0},
      {I32, AT(class_weight.dtype), XENT_F64},
      {I64, AT(class_weight.stride[0]), 0}},
     "options.class_weight[0] is -1: class weights must be finite and >= 0"},
    {XENT_I64,
     XENT_BAD_ARGUMENT,
     {-100, 3, 0, 0},
     {{F64, AT(class_weight_memory), (double)INFINITY},
      {I32, AT(class_weight.dtype), XENT_F64},
      {I64, AT(class_weight.stride[0]), 0}},
     "options.class_weight[0] is inf"},
    {XENT_I64,
     XENT_BAD_ARGUMENT,
     {0, 0, 0, 0},
     {{F64, AT(class_weight_memory), (double)NAN},
      {I32, AT(class_weight.dtype), XENT_F64},
      {I64, AT(class_weight.stride[0]), 0}},
     "name it in options.ignore"},
    {XENT_I64,
     XENT_NOTHING_COUNTED,
     {-100, -100, -100, -100},
     {{NONE, 0, 0}},
     "would divide by 0: every label is one of options.ignore. For parts"},
    {XENT_I64,
     XENT_NOTHING_COUNTED,
     {-100, -100, -100, -100},
     {{I32, AT(options.reduction), XENT_ROW_MEAN}},
     "the mean over 4 rows (0 counted, 4 ignored, 0 bad) would divide by 0"},
    {XENT_I64,
     XENT_NOTHING_COUNTED,
     {7, -1, 7, 7},
     {{I32, AT(options.on_bad_label), XENT_BAD_LABEL_IGNORE}},
     "every label lies outside the classes"},
    {XENT_I64,
     XENT_NOTHING_COUNTED,
     {7, -1, -100, 7},
     {{I32, AT(options.on_bad_label), XENT_BAD_LABEL_NAN}},
     "every label is one of options.ignore or lies outside the classes"},
    {XENT_I64,
     XENT_NOTHING_COUNTED,
     {0, 1, 2, 0},
     {{F64, AT(row_weight_memory), 0}, {I64, AT(row_weight.stride[0]), 0}},
     "the weights of the counted rows sum to 0"},
};

static void test_batches(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        const batch *b = &batches[i];
        xent_error error = {"(no sentence)"};
        call c;
        set_valid(&c);
        c.labels.dtype = b->dtype;
        for (int64_t row = 0; row < ROWS; row++)
            store_integer(&c.labels, row, b->labels[row]);
        apply_edits(&c, b->edits);
        if (run_call(&c, &error) != b->status || !sentence_says(&error, b->part))
            fail_msg("\"%s\" does not contain \"%s\"", error.message, b->part);
        assert_true(is_untouched(&c));
    }
}

/* The same facts are accepted where the options say so. */
static void test_what_options_allow(void **state) {
    static const edit allowed[][EDITS] = {
        {{I32, AT(options.on_nothing_counted), XENT_NOTHING_NAN}},
        {{I32, AT(options.on_nothing_counted), XENT_NOTHING_ZERO}},
        {{I32, AT(options.reduction), XENT_SUM}},
        {{F64, AT(options.denominator), 2}},
    };
    call c;
    xent_error error;
    (void)state;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        set_valid(&c);
        for (int row = 0; row < ROWS; row++)
            c.label_memory[row] = row % 2 ? -100 : 7;
        apply_edits(&c, allowed[i]);
        c.options.on_bad_label = XENT_BAD_LABEL_IGNORE;
        assert_int_equal(run_call(&c, &error), XENT_OK);
        assert_int_equal(c.memory.total.counted, 0);
        assert_int_equal(c.memory.total.ignored, 2);
        assert_int_equal(c.memory.total.bad, 2);
        assert_int_equal(c.memory.total.first_bad_row, 0);
        assert_int_equal(c.memory.total.first_bad_label, 7);
    }
}

/* Rows are named by their coordinates in the labels' shape. */
static void test_coordinates(void **state) {
    static float logits_memory[2 * 3 * 4 * 5];
    static int16_t label_memory[2 * 3 * 4];
    const int64_t shape[4] = {2, 3, 4, 5};
    xent_tensor logits = xent_ndarray(logits_memory, XENT_F32, 4, shape);
    xent_tensor labels = xent_ndarray(label_memory, XENT_I16, 3, shape);
    xent_error error;
    (void)state;
    label_memory[(1 * 3 + 2) * 4 + 1] = 5;
    assert_int_equal(xent_cross_entropy(&logits, &labels, NULL, NULL, NULL, &error),
                     XENT_BAD_LABEL);
    assert_true(sentence_says(&error, "the label of row [1, 2, 1] is 5"));
    assert_true(sentence_says(&error, "(1 of 24 labels do not)"));
}

/* What xent_mean_loss_f32 refuses; neither loss nor gradient is written. */
static void test_mean_loss(void **state) {
    static float logits[6], grad[6];
    static int64_t labels[2], bad_labels[2] = {0, 3};
    double loss = -7;
    const struct {
        const float *logits;
        const int64_t *labels;
        int64_t rows, classes;
        float *grad;
        double *loss;
        xent_status status;
        const char *part;
    } calls[] = {
        {logits, labels, 2, 3, grad, NULL, XENT_BAD_ARGUMENT, "loss is NULL"},
        {logits, labels, 0, 3, NULL, NULL, XENT_BAD_ARGUMENT, "loss is NULL"},
        {NULL, labels, 2, 3, grad, &loss, XENT_BAD_ARGUMENT, "logits: data is NULL"},
        {logits, NULL, 2, 3, grad, &loss, XENT_BAD_ARGUMENT, "labels: data is NULL"},
        {logits, labels, -2, 3, grad, &loss, XENT_BAD_SHAPE, "logits: shape [-2, 3]"},
        {logits, labels, 2, -3, grad, &loss, XENT_BAD_SHAPE, "logits: shape [2, -3]"},
        {logits, labels, 2, 0, grad, &loss, XENT_BAD_SHAPE, "have rows but no class"},
        {grad, labels, 2, 2, grad + 1, &loss, XENT_OVERLAP, "outputs.grad overlaps the logits"},
        {logits, bad_labels, 2, 3, grad, &loss, XENT_BAD_LABEL, "the label of row [1] is 3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        xent_error error = {"(no sentence)"};
        for (int told = 0; told < 2; told++)
            assert_int_equal(xent_mean_loss_f32(calls[i].logits, calls[i].labels, calls[i].rows,
                                                calls[i].classes, calls[i].grad, calls[i].loss,
                                                told ? &error : NULL),
                             calls[i].status);
        if (!sentence_says(&error, calls[i].part))
            fail_msg("\"%s\" does not contain \"%s\"", error.message, calls[i].part);
        assert_true(loss == -7);
        for (int j = 0; j < 6; j++)
            assert_true(grad[j] == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misfits),     cmocka_unit_test(test_labels_outside_the_classes),
        cmocka_unit_test(test_batches),     cmocka_unit_test(test_what_options_allow),
        cmocka_unit_test(test_coordinates), cmocka_unit_test(test_mean_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
