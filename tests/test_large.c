/* SPDX-License-Identifier: MIT
 * Three thousand million bf16 logits in one call, so that neither elements nor bytes nor gradients
 * of far rows fit 32 bits: gradients and losses of rows from everywhere have the bits of a small
 * call, and a bad label in the last row is found. Takes 7 GB; runs with XENT_LARGE set. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "draw.h"
#include "xent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Element i of the logits is pattern[i % PERIOD]. */
enum { PERIOD = 1000003, SAMPLES = 48 };
static uint16_t pattern[PERIOD];
static uint16_t *logits;

static const int64_t elements = INT64_C(3000000000), memory = INT64_C(7) << 30;

static void fill_logits(int64_t n) {
    for (int64_t i = 0; i < n; i += PERIOD)
        memcpy(logits + i, pattern, (size_t)(n - i < PERIOD ? n - i : PERIOD) * sizeof *logits);
}

static int make_logits(void **state) {
    (void)state;
    const xent_tensor values = xent_vector(pattern, XENT_BF16, PERIOD);
    uint64_t dice = 1;
    for (int64_t i = 0; i < PERIOD; i++)
        store_real(&values, i, draw_normal(&dice, 3), &dice);
    logits = malloc((size_t)elements * sizeof *logits);
    return logits ? 0 : -1;
}

static int free_logits(void **state) {
    (void)state;
    free(logits);
    return 0;
}

/* The first and the last row, others, and, where a row's classes are consecutive, those around
 * powers of two of elements and bytes. */
static void choose_rows(int64_t rows, int64_t classes, int64_t *chosen) {
    uint64_t dice = 2;
    int n = 0;
    chosen[n++] = 0;
    chosen[n++] = rows - 1;
    for (int power = 29; power <= 31; power++)
        for (int64_t near = -1; near <= 1; near++)
            chosen[n++] = (INT64_C(1) << power) / classes + near;
    while (n < SAMPLES)
        chosen[n++] = draw(&dice, rows);
}

/* Gradients, and losses unless NULL, of some rows of a large call are those of a small one.
 * row_stride, class_stride: of the large one's elements. */
static void check_rows(int64_t rows, int64_t classes, int64_t row_stride, int64_t class_stride,
                       const uint8_t *labels, const float *losses) {
    uint16_t *few = malloc((size_t)(SAMPLES * classes) * sizeof *few);
    int64_t chosen[SAMPLES], own_labels[SAMPLES];
    float own_losses[SAMPLES];
    const xent_tensor x = xent_matrix(few, XENT_BF16, SAMPLES, classes);
    const xent_tensor y = xent_vector(own_labels, XENT_I64, SAMPLES);
    const xent_tensor loss = xent_vector(own_losses, XENT_F32, SAMPLES);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    assert_non_null(few);
    choose_rows(rows, classes, chosen);
    for (int i = 0; i < SAMPLES; i++) {
        own_labels[i] = labels[chosen[i]];
        for (int64_t c = 0; c < classes; c++)
            few[i * classes + c] = pattern[(chosen[i] * row_stride + c * class_stride) % PERIOD];
    }
    options.denominator = (double)rows;
    outputs.grad = &x;
    outputs.loss = &loss;
    assert_int_equal(xent_cross_entropy(&x, &y, &options, &outputs, NULL, NULL), XENT_OK);
    for (int i = 0; i < SAMPLES; i++) {
        for (int64_t c = 0; c < classes; c++)
            assert_int_equal(few[i * classes + c],
                             logits[chosen[i] * row_stride + c * class_stride]);
        if (losses)
            assert_memory_equal(&own_losses[i], &losses[chosen[i]], sizeof *losses);
    }
    free(few);
}

static uint8_t *make_labels(int64_t rows, int64_t classes) {
    uint64_t dice = 3;
    uint8_t *labels = malloc((size_t)rows);
    assert_non_null(labels);
    for (int64_t row = 0; row < rows; row++)
        labels[row] = (uint8_t)draw(&dice, classes < 256 ? classes : 256);
    return labels;
}

/* Twice: the total alone, then in place. */
static void run_large(const xent_tensor *x, const xent_tensor *y, const xent_options *options,
                      const xent_tensor *loss) {
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total alone, total;
    assert_int_equal(xent_cross_entropy(x, y, options, NULL, &alone, NULL), XENT_OK);
    outputs.grad = x;
    outputs.loss = loss;
    assert_int_equal(xent_cross_entropy(x, y, options, &outputs, &total, NULL), XENT_OK);
    assert_memory_equal(&total, &alone, sizeof total);
    assert_int_equal(total.rows, y->shape[0]);
    assert_int_equal(total.counted, y->shape[0]);
    assert_int_equal(total.nonfinite, 0);
}

static void rows_of_many_classes(void **state) {
    (void)state;
    const int64_t classes = 50257, rows = elements / classes;
    uint8_t *labels = make_labels(rows, classes);
    float *losses = malloc((size_t)rows * sizeof *losses);
    int32_t *wide = malloc((size_t)rows * sizeof *wide); /* a bad one does not fit a byte */
    const xent_tensor x = xent_matrix(logits, XENT_BF16, rows, classes);
    const xent_tensor y = xent_vector(wide, XENT_I32, rows);
    const xent_tensor loss = xent_vector(losses, XENT_F32, rows);
    xent_options options = XENT_OPTIONS_INIT;
    xent_error error;
    assert_true(losses && wide);
    for (int64_t row = 0; row < rows; row++)
        wide[row] = labels[row];
    fill_logits(rows * classes);
    options.threads = -1;

    wide[rows - 1] = (int32_t)classes;
    assert_int_equal(xent_cross_entropy(&x, &y, &options, NULL, NULL, &error), XENT_BAD_LABEL);
    assert_non_null(strstr(error.message, "the label of row [59692] is 50257,"));
    wide[rows - 1] = labels[rows - 1];

    run_large(&x, &y, &options, &loss);
    check_rows(rows, classes, classes, 1, labels, losses);
    free(wide);
    free(losses);
    free(labels);
}

/* Classes first, 300 MB apart. */
static void classes_far_apart(void **state) {
    (void)state;
    const int64_t classes = 19, rows = elements / classes;
    uint8_t *labels = make_labels(rows, classes);
    const xent_tensor x = xent_matrix(logits, XENT_BF16, classes, rows);
    const xent_tensor y = xent_vector(labels, XENT_U8, rows);
    xent_options options = XENT_OPTIONS_INIT;
    fill_logits(rows * classes);
    options.class_axis = 0;
    run_large(&x, &y, &options, NULL);
    check_rows(rows, classes, 1, rows, labels, NULL);
    free(labels);
}

int main(void) {
    if (!getenv("XENT_LARGE"))
        return puts("skipped: takes 7 GB and runs with XENT_LARGE set, as in make test-all"), 77;
    if (sysconf(_SC_PHYS_PAGES) < memory / sysconf(_SC_PAGESIZE))
        return puts("skipped: this machine has less than 7 GiB of memory"), 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_many_classes),
        cmocka_unit_test(classes_far_apart),
    };
    return cmocka_run_group_tests(tests, make_logits, free_logits);
}
