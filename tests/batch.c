/* SPDX-License-Identifier: MIT
 * Lays a batch out, runs it, and reads the answer back as doubles. */
#include "batch.h"

#include "draw.h"
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const setting settings[] = {
    {XENT_F32, 3, false},     {XENT_F32, 3, true},     {XENT_F32, 40, false},
    {XENT_F32, 40, true},     {XENT_F64, 3, false},    {XENT_F64, 3, true},
    {XENT_F64, 40, false},    {XENT_F64, 40, true},    {XENT_BF16, 3, false},
    {XENT_BF16, 3, true},     {XENT_BF16, 40, false},  {XENT_BF16, 40, true},
    {XENT_F16, 3, false},     {XENT_F16, 3, true},     {XENT_F16, 40, false},
    {XENT_F16, 40, true},     {XENT_F32, 1500, true},  {XENT_F32, 1500, false},
    {XENT_F64, 1500, true},   {XENT_F64, 1500, false}, {XENT_BF16, 1500, true},
    {XENT_BF16, 1500, false}, {XENT_F16, 1500, true},  {XENT_F16, 1500, false},
};
const int setting_count = sizeof settings / sizeof *settings;

static double *filled(int64_t length, double value) {
    double *block = malloc((size_t)length * sizeof *block);
    if (!block)
        abort();
    for (int64_t i = 0; i < length; i++)
        block[i] = value;
    return block;
}

struct batch make_batch(setting how) {
    struct batch made = {.how = how, .classes = how.classes, .labels = {0, 1, 2, 0}};
    made.logits = filled(BATCH_ROWS * how.classes, 0);
    made.grad = filled(BATCH_ROWS * how.classes, NOT_WRITTEN);
    made.probability = filled(BATCH_ROWS * how.classes, NOT_WRITTEN);
    made.class_weight = filled(how.classes, 1);
    for (int i = 0; i < BATCH_ROWS; i++) {
        made.row_weight[i] = 1;
        made.loss[i] = made.lse[i] = made.label_probability[i] = made.entropy[i] = NOT_WRITTEN;
        made.prediction[i] = NOT_WRITTEN;
    }
    made.options = (xent_options)XENT_OPTIONS_INIT;
    made.options.class_axis = how.class_first ? 0 : -1;
    return made;
}

void free_batch(struct batch *batch) {
    free(batch->logits);
    free(batch->grad);
    free(batch->probability);
    free(batch->class_weight);
}

double *logits_of(const struct batch *batch, int row) {
    return batch->logits + row * batch->classes;
}

const double *grad_of(const struct batch *batch, int row) {
    return batch->grad + row * batch->classes;
}

const double *probability_of(const struct batch *batch, int row) {
    return batch->probability + row * batch->classes;
}

/* A matrix of the batch's dtype and layout, with the values of a C-order array. */
static xent_tensor store_matrix(const struct batch *batch, const double *values) {
    const bool first = batch->how.class_first;
    const int64_t classes = batch->classes;
    void *data = calloc((size_t)(BATCH_ROWS * classes), dtype_bytes(batch->how.dtype));
    uint64_t dice = 1;
    if (!data)
        abort();
    const xent_tensor matrix = xent_matrix(data, batch->how.dtype, first ? classes : BATCH_ROWS,
                                           first ? BATCH_ROWS : classes);
    for (int64_t i = 0; i < BATCH_ROWS * classes; i++) {
        const int64_t row = i / classes, c = i % classes;
        store_real(&matrix, first ? c * BATCH_ROWS + row : i, values[i], &dice);
    }
    return matrix;
}

/* Its values back in C order; frees its memory. */
static void load_matrix(const struct batch *batch, const xent_tensor *matrix, double *values) {
    const int64_t classes = batch->classes;
    for (int64_t i = 0; i < BATCH_ROWS * classes; i++) {
        const int64_t row = i / classes, c = i % classes;
        values[i] = real_element(matrix, batch->how.class_first ? c * BATCH_ROWS + row : i);
    }
    free(matrix->data);
}

void run_batch(struct batch *batch) {
    const bool is_logits = batch->options.logits_are == XENT_LOGITS;
    xent_tensor logits = store_matrix(batch, batch->logits),
                grad = store_matrix(batch, batch->grad);
    xent_tensor probability = store_matrix(batch, batch->probability);
    const xent_tensor labels = xent_vector(batch->labels, XENT_I64, BATCH_ROWS);
    const xent_tensor loss = xent_vector(batch->loss, XENT_F64, BATCH_ROWS);
    const xent_tensor lse = xent_vector(batch->lse, XENT_F64, BATCH_ROWS);
    const xent_tensor prediction = xent_vector(batch->prediction, XENT_I64, BATCH_ROWS);
    const xent_tensor label_probability =
        xent_vector(batch->label_probability, XENT_F64, BATCH_ROWS);
    const xent_tensor entropy = xent_vector(batch->entropy, XENT_F64, BATCH_ROWS);
    const xent_tensor row_weight = xent_vector(batch->row_weight, XENT_F64, BATCH_ROWS);
    const xent_tensor class_weight = xent_vector(batch->class_weight, XENT_F64, batch->classes);
    const xent_outputs outputs = {sizeof outputs,
                                  &loss,
                                  is_logits ? &lse : NULL,
                                  &prediction,
                                  &label_probability,
                                  is_logits ? &entropy : NULL,
                                  &grad,
                                  is_logits ? &probability : NULL};
    batch->options.row_weight = batch->weighs_rows ? &row_weight : NULL;
    batch->options.class_weight = batch->weighs_classes ? &class_weight : NULL;
    batch->status = xent_cross_entropy(&logits, &labels, &batch->options, &outputs, &batch->total,
                                       &batch->error);
    batch->options.row_weight = batch->options.class_weight = NULL;
    load_matrix(batch, &grad, batch->grad);
    load_matrix(batch, &probability, batch->probability);
    free(logits.data);
}

static void expect(struct batch *batch, const char *what, bool holds, double found,
                   double expected) {
    if (holds)
        return;
    batch->wrong++;
    printf("%s: %.17g instead of %.17g (dtype %d, %d classes, class axis %s)\n", what, found,
           expected, batch->how.dtype, (int)batch->classes,
           batch->how.class_first ? "first" : "last");
}

static bool is_near(double found, double expected, double tolerance) {
    if (!isfinite(expected))
        return isnan(expected) ? isnan(found) : found == expected;
    return fabs(found - expected) <= tolerance * fmax(1, fabs(expected));
}

void check_that(struct batch *batch, const char *what, bool holds) {
    expect(batch, what, holds, 0, 1);
}

void check_near(struct batch *batch, const char *what, double found, double expected) {
    const double tolerance = batch->how.dtype == XENT_F64 ? 0x1p-49 : 0x1p-20;
    expect(batch, what, is_near(found, expected, tolerance), found, expected);
}

void check_grad_near(struct batch *batch, const char *what, double found, double expected) {
    static const double tolerances[] = {0, 0x1p-20, 0x1p-49, 0x1p-8, 0x1p-11};
    expect(batch, what, is_near(found, expected, tolerances[batch->how.dtype]), found, expected);
}
