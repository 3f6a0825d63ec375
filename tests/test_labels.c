/* SPDX-License-Identifier: MIT
 * Reading, classifying and counting labels of every dtype, shape and stride, against the plain
 * definition. */
#include "draw.h"
#include "labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

enum { MOST_ROWS = 3000, CLASSES = 100 };

/* A batch whose memory is larger than it needs: labels may begin at any byte and have any small
 * stride. */
typedef struct batch {
    unsigned char label_memory[MOST_ROWS * 8 * 3 + 8], weight_memory[MOST_ROWS * 8];
    float logits_memory[1];
    double class_weight_memory[CLASSES];
    int64_t plain[MOST_ROWS]; /* the labels in order, U64 as its bits */
    double plain_weight[MOST_ROWS];
    xent_tensor logits, labels, row_weight, class_weight;
    xent_options options;
    layout shape;
} batch;

/* What value a dtype holds after the low bits of a number are stored in it. */
static int64_t wrap(int dtype, uint64_t bits) {
    switch (dtype) {
    case XENT_I8:
        return (int8_t)bits;
    case XENT_U8:
        return (uint8_t)bits;
    case XENT_I16:
        return (int16_t)bits;
    case XENT_U16:
        return (uint16_t)bits;
    case XENT_I32:
        return (int32_t)bits;
    case XENT_U32:
        return (uint32_t)bits;
    default:
        return (int64_t)bits;
    }
}

/* Mostly classes, besides numbers near the borders of the classes and of the dtypes. */
static uint64_t draw_label(uint64_t *dice) {
    static const int64_t special[] = {-1,        -100,      CLASSES, 255, INT64_MIN,
                                      INT64_MAX, INT32_MIN, 127,     128, 65535};
    if (!chance(dice, 25))
        return (uint64_t)draw(dice, CLASSES);
    return (uint64_t)special[draw(dice, sizeof special / sizeof *special)];
}

/* Labels [2, rows/2] with strides (given the inner one), backwards if it is negative. */
static void set_labels(batch *b, int dtype, int64_t rows, int64_t stride, int offset,
                       uint64_t *dice) {
    const int64_t shape[2] = {2, rows / 2};
    int64_t size = dtype_size(dtype), first = stride < 0 ? -stride * (rows - 1) * size : 0;
    char *data = (char *)b->label_memory + offset + first;
    b->labels = xent_ndarray(data, dtype, 2, shape);
    b->labels.stride[0] = shape[1] * stride;
    b->labels.stride[1] = stride;
    for (int64_t row = 0; row < rows; row++) {
        b->plain[row] = wrap(dtype, draw_label(dice));
        store_integer(&b->labels, row * stride, b->plain[row]);
    }
}

static void set_weights(batch *b, int64_t rows, uint64_t *dice) {
    b->row_weight = xent_ndarray(b->weight_memory, XENT_F32, 2, b->labels.shape);
    b->class_weight = xent_vector(b->class_weight_memory + CLASSES - 1, XENT_F64, CLASSES);
    b->class_weight.stride[0] = -1;
    for (int64_t row = 0; row < rows; row++) {
        float weight = (float)draw(dice, 16);
        memcpy(b->weight_memory + row * 4, &weight, sizeof weight);
        b->plain_weight[row] = (double)weight;
    }
    for (int64_t c = 0; c < CLASSES; c++)
        b->class_weight_memory[CLASSES - 1 - c] = (double)(c % 5);
}

static void lay_out(batch *b) {
    const int64_t shape[3] = {b->labels.shape[0], b->labels.shape[1], CLASSES};
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    b->logits = xent_ndarray(b->logits_memory, XENT_F32, 3, shape);
    memset(b->logits.stride, 0, sizeof b->logits.stride);
    set_layout(&b->shape, &b->logits, &b->labels, &b->options, &outputs);
}

static int64_t plain_class(const batch *b, int64_t row) {
    int64_t label = b->plain[row];
    bool large = b->labels.dtype == XENT_U64 && label < 0;
    for (size_t j = 0; j < b->options.ignore_count && !large; j++)
        if (label == b->options.ignore[j])
            return LABEL_IGNORED;
    return large || label < 0 || label >= CLASSES ? LABEL_BAD : label;
}

static void expect_plain(const batch *b, int64_t first, int64_t count) {
    static int64_t classes[MOST_ROWS + 1];
    xent_total wanted = XENT_TOTAL_INIT;
    classes[count] = 12345;
    classify_labels(&b->shape, &b->options, first, count, classes);
    assert_int_equal(classes[count], 12345);
    for (int64_t i = 0; i < count; i++) {
        int64_t wanted_class = plain_class(b, first + i);
        double k = wanted_class >= 0 && b->options.class_weight ? (double)(wanted_class % 5) : 1.0;
        assert_int_equal(classes[i], wanted_class);
        assert_int_equal(label_bits(&b->shape, first + i), b->plain[first + i]);
        wanted.rows++;
        wanted.counted += wanted_class >= 0;
        wanted.ignored += wanted_class == LABEL_IGNORED;
        wanted.bad += wanted_class == LABEL_BAD;
        if (wanted_class >= 0)
            wanted.weight_sum += k * (b->options.row_weight ? b->plain_weight[first + i] : 1.0);
        if (wanted_class == LABEL_BAD && wanted.first_bad_row < 0) {
            wanted.first_bad_row = first + i;
            wanted.first_bad_label = b->plain[first + i];
        }
    }
    xent_total counts = count_labels(&b->shape, &b->options, first, count);
    assert_memory_equal(&counts, &wanted, sizeof wanted);
}

static void test_every_dtype_and_stride(void **state) {
    static const int64_t ignore[] = {-100, 255, 7, -1};
    static batch b;
    uint64_t dice = 1;
    (void)state;
    for (int dtype = XENT_I8; dtype <= XENT_U64; dtype++)
        for (int stride = -3; stride <= 3; stride++)
            for (int variant = 0; variant < 4; variant++) {
                int64_t rows = variant % 2 ? MOST_ROWS : 10;
                b.options = (xent_options)XENT_OPTIONS_INIT;
                b.options.ignore = ignore;
                b.options.ignore_count = (size_t)(variant + stride + 3) % 5;
                b.options.row_weight = variant > 1 ? &b.row_weight : NULL;
                b.options.class_weight = variant == 2 ? &b.class_weight : NULL;
                set_labels(&b, dtype, rows, stride ? stride : 1, (stride + 3 + variant) % 8, &dice);
                set_weights(&b, rows, &dice);
                lay_out(&b);
                expect_plain(&b, 0, rows);
                expect_plain(&b, rows / 3, rows / 2);
                expect_plain(&b, rows - 1, 1);
                expect_plain(&b, 3, 0);
            }
}

/* One label repeated for all rows (stride 0). */
static void test_repeated_label(void **state) {
    static batch b;
    uint64_t dice = 2;
    (void)state;
    b.options = (xent_options)XENT_OPTIONS_INIT;
    set_labels(&b, XENT_I16, 1000, 1, 0, &dice);
    b.labels.stride[0] = b.labels.stride[1] = 0;
    store_integer(&b.labels, 0, 42);
    lay_out(&b);
    for (int row = 0; row < 1000; row++)
        b.plain[row] = 42;
    expect_plain(&b, 0, 1000);
}

/* A weight that is exactly 0 makes its row's part of the sum 0, whatever the other weight is. */
static void test_zero_weights(void **state) {
    static batch b;
    float weights[4] = {0.0f, INFINITY, 2.0f, -3.0f};
    const int8_t labels[4] = {1, 0, 1, 2};
    (void)state;
    b.options = (xent_options)XENT_OPTIONS_INIT;
    b.labels = xent_matrix(b.label_memory, XENT_I8, 2, 2);
    memcpy(b.label_memory, labels, sizeof labels);
    b.row_weight = xent_matrix(weights, XENT_F32, 2, 2);
    b.class_weight = xent_vector(b.class_weight_memory, XENT_F64, CLASSES);
    b.class_weight_memory[1] = 1.5;
    b.class_weight_memory[2] = 0.25;
    b.options.row_weight = &b.row_weight;
    b.options.class_weight = &b.class_weight;
    lay_out(&b);
    xent_total counts = count_labels(&b.shape, &b.options, 0, 4);
    assert_int_equal(counts.counted, 4);
    assert_true(counts.weight_sum == 2.25 && counts.weight_sum_low == 0.0);
    weights[0] = NAN;
    counts = count_labels(&b.shape, &b.options, 0, 4);
    assert_true(isnan(counts.weight_sum) && !signbit(counts.weight_sum));
    assert_true(counts.weight_sum_low == 0.0);
}

/* Sums of weights keep what one double cannot. */
static void test_weight_sum_is_exact(void **state) {
    static batch b;
    double weights[4] = {0x1p60, 1.0, -0x1p60, 0x1p-40};
    (void)state;
    b.options = (xent_options)XENT_OPTIONS_INIT;
    memset(b.label_memory, 0, sizeof b.label_memory);
    b.labels = xent_matrix(b.label_memory, XENT_U8, 2, 2);
    b.row_weight = xent_matrix(weights, XENT_F64, 2, 2);
    b.options.row_weight = &b.row_weight;
    lay_out(&b);
    xent_total counts = count_labels(&b.shape, &b.options, 0, 2);
    assert_true(counts.weight_sum == 0x1p60 && counts.weight_sum_low == 1.0);
    counts = count_labels(&b.shape, &b.options, 0, 4);
    assert_true(counts.weight_sum == 1.0 + 0x1p-40);
    for (int row = 0; row < 4; row++)
        assert_true(row_weight_at(&b.shape, row) == weights[row]);
}

static void test_denominator(void **state) {
    xent_options options = XENT_OPTIONS_INIT;
    xent_total counts = XENT_TOTAL_INIT;
    (void)state;
    counts.rows = 10;
    counts.counted = 7;
    counts.weight_sum = 3.5;
    assert_true(gradient_denominator(&options, &counts) == 3.5);
    options.reduction = XENT_ROW_MEAN;
    assert_true(gradient_denominator(&options, &counts) == 7.0);
    options.reduction = XENT_SUM;
    assert_true(gradient_denominator(&options, &counts) == 1.0);
    options.denominator = 0.25;
    assert_true(gradient_denominator(&options, &counts) == 0.25);
    counts = (xent_total)XENT_TOTAL_INIT;
    options = (xent_options)XENT_OPTIONS_INIT;
    assert_true(gradient_denominator(&options, &counts) == 0.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dtype_and_stride),
        cmocka_unit_test(test_repeated_label),
        cmocka_unit_test(test_zero_weights),
        cmocka_unit_test(test_weight_sum_is_exact),
        cmocka_unit_test(test_denominator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
