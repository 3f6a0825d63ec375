/* SPDX-License-Identifier: MIT
 * Loss and gradient of all pairs of bf16 logits, under either label, through the public functions.
 */
#include "elements.h"
#include "sweep.h"
#include "xent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 4096, A_NAN = 0x7fc0 };

typedef struct batch {
    uint64_t inputs[BATCH];
    uint16_t logits[BATCH][2], grad[BATCH][2];
    uint8_t labels[BATCH];
    double loss[BATCH];
    int64_t count;
} batch;

/* The first logit in the high half of an input's number, the label above it. */
static void add_row(batch *rows, uint64_t input) {
    int64_t row = rows->count++;
    rows->inputs[row] = input;
    rows->logits[row][0] = (uint16_t)(input >> 16);
    rows->logits[row][1] = (uint16_t)input;
    rows->labels[row] = (uint8_t)(input >> 32);
}

static bool compute(batch *rows) {
    xent_tensor logits = xent_matrix(rows->logits, XENT_BF16, rows->count, 2);
    xent_tensor labels = xent_vector(rows->labels, XENT_U8, rows->count);
    xent_tensor loss = xent_vector(rows->loss, XENT_F64, rows->count);
    xent_tensor grad = xent_matrix(rows->grad, XENT_BF16, rows->count, 2);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    options.denominator = 1;
    outputs.loss = &loss;
    outputs.grad = &grad;
    return xent_cross_entropy(&logits, &labels, &options, &outputs, NULL, NULL) == XENT_OK;
}

static double value_of(uint16_t element) {
    return (double)float_of((uint32_t)element << 16);
}

/* In units of 2^-23 of the loss. A loss below 2*2^-125 may be 0. */
static double loss_error(double got, double exact) {
    if (got == exact || (got == 0 && exact < 0x1p-124))
        return 0;
    return isfinite(got) ? fabs(got - exact) / exact * 0x1p23 : INFINITY;
}

/* In units in the last place of a bf16 near the exact value. A probability below 2^-125 may be 0.
 */
static double grad_error(double got, double exact) {
    if (got == exact || (got == 0 && fabs(exact) < 0x1p-125))
        return 0;
    return isfinite(got) ? fabs(got - exact) / ldexp(1, ilogb(exact) - 7) : INFINITY;
}

/* With t = x[label] - x[other]: the loss is log(1 + exp(-t)), the probability of the other class
 * exp(-t)/(1 + exp(-t)). Both are right to some 2^-46, what t may have lost by rounding. */
static void measure_row(const batch *rows, int64_t row, sweep_result *result) {
    const int label = rows->labels[row];
    const uint16_t *grad = rows->grad[row];
    const double x = value_of(rows->logits[row][label]),
                 other = value_of(rows->logits[row][!label]);
    const double t = x - other, u = exp(-fabs(t));
    const uint64_t input = rows->inputs[row];
    if (!(x < INFINITY && other < INFINITY) || isnan(t)) { /* NaN, +inf, or both -inf */
        bool right = isnan(rows->loss[row]) && grad[0] == A_NAN && grad[1] == A_NAN;
        note_error(result, 0, right ? 0 : INFINITY, input);
        return;
    }
    const double p = (t > 0 ? u : 1) / (1 + u);
    note_error(result, 0, loss_error(rows->loss[row], fmax(-t, 0) + log1p(u)), input);
    note_error(result, 1, grad_error(value_of(grad[!label]), p), input);
    note_error(result, 1, grad_error(value_of(grad[label]), -p), input);
}

static void run_batch(batch *rows, bool errors, sweep_result *result) {
    uint64_t words[2 * BATCH];
    const int64_t count = rows->count;
    if (count > 0 && !compute(rows))
        note_error(result, 0, INFINITY, rows->inputs[0]);
    for (int64_t i = 0; i < count; i++) {
        words[2 * i] = bits_of(rows->loss[i]);
        words[2 * i + 1] = rows->grad[i][0] | (uint64_t)rows->grad[i][1] << 16;
        if (errors)
            measure_row(rows, i, result);
    }
    hash_words(result, words, (size_t)(2 * count));
    result->inputs += (uint64_t)count;
    rows->count = 0;
}

static void run_pairs(const sweep_range *range, sweep_result *result) {
    batch rows;
    rows.count = 0;
    for (uint64_t i = first_input(range); i < range->end; i += range->stride) {
        add_row(&rows, i);
        if (rows.count == BATCH)
            run_batch(&rows, range->errors, result);
    }
    run_batch(&rows, range->errors, result);
}

static void describe_pair(uint64_t input, char text[64]) {
    snprintf(text, 64, "bf16 %04x %04x, label %d", (unsigned)(input >> 16 & 0xffff),
             (unsigned)(input & 0xffff), (int)(input >> 32));
}

/* The proved bounds: 3.5 * 2^-23 of the loss; 4 * 2^-23 of a gradient entry, which is at most
 * 2^-13 ulp, and one ulp. */
const sweep_part pairs_part = {
    .name = "pairs",
    .inputs = "pairs of bf16 and a label",
    .count = UINT64_C(1) << 33,
    .measures = {{"loss", "* 2^-23", 3.5}, {"gradient", "ulp", 1 + 0x1p-13}},
    .quick = QUICK,
    .quick_hash = UINT64_C(0x2f6d1a50a365d2a1),
    .run = run_pairs,
    .describe = describe_pair};
