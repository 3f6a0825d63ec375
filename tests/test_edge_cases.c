/* SPDX-License-Identifier: MIT
 * One test per rule about rows, labels and weights that need care: each in every dtype, class axis last and first, with
 * few classes, many, and more than one block. Figures are derived by hand: equal logits give p = 1/C. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "batch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double p_equal(const batch *batch) {
    return 1 / (double)batch->classes;
}

static double log_classes(const batch *batch) {
    return log((double)batch->classes);
}

/* ---- what rows of a kind look like ------------------------------------------------------------------ */

/* All outputs of a row but the gradient, and all of it, have one value. */
static void check_row_is(batch *batch, int row, double value) {
    check_near(batch, "loss", batch->loss[row], value);
    check_near(batch, "lse", batch->lse[row], value);
    check_near(batch, "label probability", batch->label_probability[row], value);
    check_near(batch, "entropy", batch->entropy[row], value);
    check_that(batch, "prediction is -1", batch->prediction[row] == -1);
    for (int64_t c = 0; c < batch->classes; c++)
        check_near(batch, "probability", probability_of(batch, row)[c], value);
}

static void check_grad_is(batch *batch, int row, double value) {
    for (int64_t c = 0; c < batch->classes; c++)
        check_near(batch, "gradient", grad_of(batch, row)[c], value);
}

/* A row of zeros, scored with weight 1 and this denominator. */
static void check_row_is_unharmed(batch *batch, int row, double denominator) {
    const double p = p_equal(batch);
    check_near(batch, "loss of another row", batch->loss[row], log_classes(batch));
    check_near(batch, "lse of another row", batch->lse[row], log_classes(batch));
    check_near(batch, "entropy of another row", batch->entropy[row], log_classes(batch));
    check_near(batch, "probability of another label", batch->label_probability[row], p);
    check_that(batch, "prediction of another row", batch->prediction[row] == 0);
    for (int64_t c = 0; c < batch->classes; c++) {
        check_grad_near(batch, "probability in another row", probability_of(batch, row)[c], p);
        check_grad_near(batch, "gradient of another row", grad_of(batch, row)[c],
                        (p - (c == batch->labels[row])) / denominator);
    }
}

static void check_nothing_written(batch *batch, xent_status status) {
    check_that(batch, "status", batch->status == status);
    check_that(batch, "there is a sentence", batch->error.message[0] != 0);
    for (int row = 0; row < BATCH_ROWS; row++) {
        check_that(batch, "loss not written", batch->loss[row] == NOT_WRITTEN);
        check_that(batch, "prediction not written", batch->prediction[row] == NOT_WRITTEN);
        check_near(batch, "gradient not written", grad_of(batch, row)[0], NOT_WRITTEN);
        check_near(batch, "probability not written", probability_of(batch, row)[0], NOT_WRITTEN);
    }
}

static void check_counts(batch *batch, int64_t counted, int64_t ignored, int64_t bad, int64_t nonfinite) {
    check_that(batch, "status is OK", batch->status == XENT_OK);
    check_that(batch, "rows", batch->total.rows == BATCH_ROWS);
    check_that(batch, "counted", batch->total.counted == counted);
    check_that(batch, "ignored", batch->total.ignored == ignored);
    check_that(batch, "bad", batch->total.bad == bad);
    check_that(batch, "nonfinite", batch->total.nonfinite == nonfinite);
}

static void fill_logits(batch *batch, int row, double value) {
    for (int64_t c = 0; c < batch->classes; c++)
        logits_of(batch, row)[c] = value;
}

/* ---- labels ----------------------------------------------------------------------------------------- */

static void plain_rows(batch *batch) {
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    for (int row = 0; row < BATCH_ROWS; row++)
        check_row_is_unharmed(batch, row, 4);
    check_near(batch, "loss_sum", batch->total.loss_sum, 4 * log_classes(batch));
    check_that(batch, "weight_sum", batch->total.weight_sum == 4);
    check_that(batch, "first rows are -1",
               batch->total.first_bad_row == -1 && batch->total.first_nonfinite_row == -1);
}

static void ignored_row(batch *batch) {
    const int64_t ignore[] = {-100, 2};
    batch->options.ignore = ignore;
    batch->options.ignore_count = 2;
    batch->labels[1] = -100;
    fill_logits(batch, 1, NAN);
    run_batch(batch);
    check_counts(batch, 2, 2, 0, 0);
    for (int row = 1; row <= 2; row++) {
        check_row_is(batch, row, 0);
        check_grad_is(batch, row, 0);
    }
    check_row_is_unharmed(batch, 0, 2);
    check_row_is_unharmed(batch, 3, 2);
}

static void bad_label_is_an_error(batch *batch) {
    batch->labels[2] = batch->classes;
    run_batch(batch);
    check_nothing_written(batch, XENT_BAD_LABEL);
}

static void bad_label_is_ignored(batch *batch) {
    batch->options.on_bad_label = XENT_BAD_LABEL_IGNORE;
    batch->labels[2] = batch->classes;
    batch->labels[3] = -1;
    run_batch(batch);
    check_counts(batch, 2, 0, 2, 0);
    check_that(batch, "first bad row", batch->total.first_bad_row == 2);
    check_that(batch, "first bad label", batch->total.first_bad_label == batch->classes);
    check_row_is(batch, 2, 0);
    check_grad_is(batch, 2, 0);
    check_row_is_unharmed(batch, 1, 2);
    check_near(batch, "loss_sum", batch->total.loss_sum, 2 * log_classes(batch));
}

static void bad_label_is_nan(batch *batch) {
    batch->options.on_bad_label = XENT_BAD_LABEL_NAN;
    batch->labels[2] = INT64_MIN;
    run_batch(batch);
    check_counts(batch, 3, 0, 1, 1);
    check_that(batch, "first bad label", batch->total.first_bad_label == INT64_MIN);
    check_that(batch, "first nonfinite row", batch->total.first_nonfinite_row == 2);
    check_that(batch, "weight_sum", batch->total.weight_sum == 3);
    check_near(batch, "loss_sum", batch->total.loss_sum, NAN);
    check_that(batch, "its low part is 0", batch->total.loss_sum_low == 0);
    check_row_is(batch, 2, NAN);
    check_grad_is(batch, 2, NAN);
    check_row_is_unharmed(batch, 0, 3);
    check_row_is_unharmed(batch, 3, 3);
}

/* ---- logits that are not finite --------------------------------------------------------------------- */

static void check_poisoned(batch *batch, int row) {
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 1);
    check_that(batch, "first nonfinite row", batch->total.first_nonfinite_row == row);
    check_that(batch, "correct", batch->total.correct == (row == 0 ? 1 : 2));
    check_near(batch, "loss_sum", batch->total.loss_sum, NAN);
    check_that(batch, "weight_sum", batch->total.weight_sum == 4);
    check_row_is(batch, row, NAN);
    check_grad_is(batch, row, NAN);
    for (int other = 0; other < BATCH_ROWS; other++)
        if (other != row)
            check_row_is_unharmed(batch, other, 4);
}

static void nan_logit(batch *batch) {
    logits_of(batch, 2)[batch->classes - 1] = NAN;
    check_poisoned(batch, 2);
}

static void infinite_logit(batch *batch) {
    logits_of(batch, 0)[1] = INFINITY;
    check_poisoned(batch, 0);
}

static void all_minus_infinity(batch *batch) {
    fill_logits(batch, 1, -INFINITY);
    check_poisoned(batch, 1);
}

static void nan_logit_under_softcap(batch *batch) {
    batch->options.softcap = 30;
    logits_of(batch, 1)[0] = NAN;
    check_poisoned(batch, 1);
}

static void infinite_logit_under_softcap(batch *batch) {
    batch->options.softcap = 30;
    logits_of(batch, 1)[0] = INFINITY;
    check_poisoned(batch, 1);
}

/* Row 0 keeps its first two classes. */
static void check_masked(batch *batch, double slope) {
    for (int64_t c = 2; c < batch->classes; c++)
        logits_of(batch, 0)[c] = -INFINITY;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    check_near(batch, "loss", batch->loss[0], log(2));
    check_near(batch, "entropy", batch->entropy[0], log(2));
    check_grad_near(batch, "gradient at the label", grad_of(batch, 0)[0], slope * (0.5 - 1) / 4);
    check_grad_near(batch, "gradient beside it", grad_of(batch, 0)[1], slope * 0.5 / 4);
    for (int64_t c = 2; c < batch->classes; c++) {
        check_that(batch, "p exactly 0", probability_of(batch, 0)[c] == 0);
        check_that(batch, "gradient exactly 0", grad_of(batch, 0)[c] == 0);
    }
}

static void masked_class(batch *batch) {
    check_masked(batch, 1);
}

static void masked_class_scaled(batch *batch) {
    batch->options.logit_scale = 0.5;
    check_masked(batch, 0.5);
}

static void masked_class_under_softcap(batch *batch) {
    batch->options.softcap = 3;
    check_masked(batch, 1);
}

static void label_on_minus_infinity(batch *batch) {
    logits_of(batch, 1)[1] = -INFINITY;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 1);
    check_near(batch, "loss", batch->loss[1], INFINITY);
    check_near(batch, "loss_sum", batch->total.loss_sum, INFINITY);
    check_near(batch, "label probability", batch->label_probability[1], 0);
    check_that(batch, "prediction", batch->prediction[1] == 0);
    check_grad_near(batch, "gradient at the label", grad_of(batch, 1)[1], -0.25);
    check_grad_near(batch, "gradient beside it", grad_of(batch, 1)[0],
                    0.25 / (double)(batch->classes - 1));
    check_row_is_unharmed(batch, 0, 4);
}

/* With e = 1/2 the label's entry is p - 1/2 - 1/(2C), the others' p - 1/(2C). */
static void smoothing_over_minus_infinity(batch *batch) {
    const double p = 1 / (double)(batch->classes - 1), even = 0.5 * p_equal(batch);
    batch->options.label_smoothing = 0.5;
    logits_of(batch, 0)[2] = -INFINITY;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 1);
    check_near(batch, "loss", batch->loss[0], INFINITY);
    check_grad_near(batch, "gradient at the label", grad_of(batch, 0)[0], (p - 0.5 - even) / 4);
    check_grad_near(batch, "gradient beside it", grad_of(batch, 0)[1], (p - even) / 4);
    check_grad_near(batch, "gradient at -inf", grad_of(batch, 0)[2], -even / 4);
}

static void smoothing_over_minus_infinity_without_weight(batch *batch) {
    batch->options.label_smoothing = 0.5;
    batch->weighs_classes = true;
    batch->class_weight[2] = 0;
    batch->labels[2] = 1;
    logits_of(batch, 0)[2] = -INFINITY;
    run_batch(batch);
    const double kept = (double)(batch->classes - 1), nll = log(kept);
    check_counts(batch, 4, 0, 0, 0);
    check_near(batch, "loss", batch->loss[0], 0.5 * nll + 0.5 / (kept + 1) * kept * nll);
    check_that(batch, "gradient exactly 0", grad_of(batch, 0)[2] == 0);
}

/* ---- coefficients of 0 ------------------------------------------------------------------------------ */

static void row_weight_of_zero(batch *batch) {
    batch->weighs_rows = true;
    batch->row_weight[1] = 0;
    fill_logits(batch, 1, NAN);
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    check_that(batch, "weight_sum", batch->total.weight_sum == 3);
    check_that(batch, "loss exactly 0", batch->loss[1] == 0);
    check_grad_is(batch, 1, 0);
    check_near(batch, "lse", batch->lse[1], NAN);
    check_near(batch, "label probability", batch->label_probability[1], NAN);
    check_that(batch, "prediction", batch->prediction[1] == -1);
    check_near(batch, "loss_sum", batch->total.loss_sum, 3 * log_classes(batch));
    check_row_is_unharmed(batch, 0, 3);
}

static void class_weight_of_zero(batch *batch) {
    batch->weighs_classes = true;
    batch->class_weight[1] = 0;
    logits_of(batch, 1)[1] = -INFINITY;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    check_that(batch, "weight_sum", batch->total.weight_sum == 3);
    check_that(batch, "loss exactly 0", batch->loss[1] == 0);
    check_grad_is(batch, 1, 0);
    check_row_is_unharmed(batch, 0, 3);
}

static void class_weight_of_zero_and_nan_logit(batch *batch) {
    batch->weighs_classes = true;
    batch->class_weight[1] = 0;
    logits_of(batch, 1)[0] = NAN;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 1);
    check_row_is(batch, 1, NAN);
    check_grad_is(batch, 1, NAN);
}

/* With e = 1 the label's own nll, here infinite but for its class weight of 0, has the coefficient 0. */
static void smoothing_of_one(batch *batch) {
    batch->options.label_smoothing = 1;
    batch->weighs_classes = true;
    batch->class_weight[0] = 0;
    batch->row_weight[3] = 0;
    batch->weighs_rows = true;
    logits_of(batch, 0)[0] = -INFINITY;
    run_batch(batch);
    const double kept = (double)(batch->classes - 1);
    check_near(batch, "loss", batch->loss[0], kept / (kept + 1) * log(kept));
    check_that(batch, "gradient exactly 0", grad_of(batch, 0)[0] == 0);
}

/* ---- weights ---------------------------------------------------------------------------------------- */

static void row_weights_of_any_value(batch *batch) {
    const double p = p_equal(batch);
    batch->weighs_rows = true;
    batch->options.denominator = 1;
    batch->row_weight[0] = -2;
    batch->row_weight[1] = NAN;
    batch->row_weight[2] = INFINITY;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 2);
    check_near(batch, "negative loss", batch->loss[0], -2 * log_classes(batch));
    check_grad_near(batch, "negative gradient", grad_of(batch, 0)[0], -2 * (p - 1));
    check_near(batch, "NaN loss", batch->loss[1], NAN);
    check_grad_is(batch, 1, NAN);
    check_near(batch, "lse is as usual", batch->lse[1], log_classes(batch));
    check_near(batch, "infinite loss", batch->loss[2], INFINITY);
    check_near(batch, "infinite gradient", grad_of(batch, 2)[2], -INFINITY);
    check_row_is_unharmed(batch, 3, 1);
}

static void class_weight_is_negative(batch *batch) {
    batch->weighs_classes = true;
    batch->class_weight[2] = -1;
    run_batch(batch);
    check_nothing_written(batch, XENT_BAD_ARGUMENT);
}

static void class_weight_is_not_finite(batch *batch) {
    batch->weighs_classes = true;
    batch->class_weight[2] = NAN;
    run_batch(batch);
    check_nothing_written(batch, XENT_BAD_ARGUMENT);
}

static void explicit_denominator(batch *batch) {
    batch->options.denominator = 8;
    for (int reduction = XENT_MEAN; reduction <= XENT_SUM; reduction++) {
        batch->options.reduction = reduction;
        run_batch(batch);
        for (int row = 0; row < BATCH_ROWS; row++)
            check_row_is_unharmed(batch, row, 8);
        check_near(batch, "reduced loss", xent_total_loss(&batch->total, &batch->options),
                   0.5 * log_classes(batch));
    }
}

static void reductions(batch *batch) {
    static const double denominators[] = {2, 3, 1};
    const int64_t ignore = 2;
    batch->options.ignore = &ignore;
    batch->options.ignore_count = 1;
    batch->weighs_classes = true;
    batch->class_weight[0] = 0.5;
    for (int reduction = XENT_MEAN; reduction <= XENT_SUM; reduction++) {
        batch->options.reduction = reduction;
        run_batch(batch);
        check_row_is_unharmed(batch, 1, denominators[reduction]);
        check_near(batch, "loss of a class of weight 1/2", batch->loss[0], 0.5 * log_classes(batch));
        check_near(batch, "reduced loss", xent_total_loss(&batch->total, &batch->options),
                   2 * log_classes(batch) / denominators[reduction]);
    }
}

/* ---- nothing counted -------------------------------------------------------------------------------- */

static void check_nothing_counted(batch *batch, int reduction) {
    static const double means[] = {NAN, NAN, 0};
    batch->options.reduction = reduction;
    batch->options.on_nothing_counted = XENT_NOTHING_ERROR;
    run_batch(batch);
    check_nothing_written(batch, XENT_NOTHING_COUNTED);
    for (int policy = XENT_NOTHING_NAN; policy <= XENT_NOTHING_ZERO; policy++) {
        batch->options.on_nothing_counted = policy;
        run_batch(batch);
        check_that(batch, "status is OK", batch->status == XENT_OK);
        check_near(batch, "mean", xent_total_loss(&batch->total, &batch->options), means[policy]);
        for (int row = 0; row < BATCH_ROWS; row++)
            check_grad_is(batch, row, 0);
    }
}

static void ignore_all(batch *batch, const int64_t *ignore) {
    batch->options.ignore = ignore;
    batch->options.ignore_count = 1;
    for (int row = 0; row < BATCH_ROWS; row++)
        batch->labels[row] = *ignore;
}

static void all_ignored_mean(batch *batch) {
    const int64_t ignore = 255;
    ignore_all(batch, &ignore);
    check_nothing_counted(batch, XENT_MEAN);
}

static void all_ignored_row_mean(batch *batch) {
    const int64_t ignore = -100;
    ignore_all(batch, &ignore);
    check_nothing_counted(batch, XENT_ROW_MEAN);
}

static void all_weights_zero(batch *batch) {
    batch->weighs_rows = true;
    memset(batch->row_weight, 0, sizeof batch->row_weight);
    fill_logits(batch, 1, NAN);
    check_nothing_counted(batch, XENT_MEAN);
    batch->options.on_nothing_counted = XENT_NOTHING_ERROR;
    batch->options.reduction = XENT_ROW_MEAN;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    check_near(batch, "row mean", xent_total_loss(&batch->total, &batch->options), 0);
}

static void weights_cancel(batch *batch) {
    batch->weighs_rows = true;
    batch->row_weight[0] = batch->row_weight[1] = -1;
    logits_of(batch, 2)[0] = NAN;
    check_nothing_counted(batch, XENT_MEAN);
    check_near(batch, "loss of a NaN row", batch->loss[2], NAN);
}

static void all_ignored_but_not_a_mean(batch *batch) {
    const int64_t ignore = -1;
    ignore_all(batch, &ignore);
    batch->options.reduction = XENT_SUM;
    run_batch(batch);
    check_counts(batch, 0, 4, 0, 0);
    check_near(batch, "sum", xent_total_loss(&batch->total, &batch->options), 0);
    batch->options.reduction = XENT_MEAN;
    batch->options.denominator = 3;
    run_batch(batch);
    check_counts(batch, 0, 4, 0, 0);
    check_near(batch, "sum over D", xent_total_loss(&batch->total, &batch->options), 0);
}

/* ---- predictions ------------------------------------------------------------------------------------ */

static void prediction_on_ties(batch *batch) {
    const int64_t last = batch->classes - 1;
    logits_of(batch, 0)[last] = logits_of(batch, 0)[1] = 2;
    logits_of(batch, 1)[last] = 2;
    fill_logits(batch, 2, -3);
    run_batch(batch);
    check_that(batch, "lowest of two", batch->prediction[0] == 1);
    check_that(batch, "the last class", batch->prediction[1] == last);
    check_that(batch, "lowest of all", batch->prediction[2] == 0);
    check_that(batch, "correct", batch->total.correct == (last == 2 ? 1 : 1));
}

/* 1000 and 2000 both bend to exactly 1 in double; the raw logits still differ. */
static void prediction_under_softcap(batch *batch) {
    batch->options.softcap = 1;
    logits_of(batch, 0)[0] = 1000;
    logits_of(batch, 0)[2] = 2000;
    run_batch(batch);
    const double p = 1 / (2 + (double)(batch->classes - 2) * exp(-1));
    check_that(batch, "prediction on raw logits", batch->prediction[0] == 2);
    check_near(batch, "saturated ties are equally probable", batch->label_probability[0], p);
    check_near(batch, "no slope is left", grad_of(batch, 0)[0], 0);
}

static void a_common_offset_costs_nothing(batch *batch) {
    for (int row = 0; row < BATCH_ROWS; row++)
        fill_logits(batch, row, row % 2 ? 49152 : -49152);
    run_batch(batch);
    for (int row = 0; row < BATCH_ROWS; row++) {
        check_near(batch, "loss", batch->loss[row], log_classes(batch));
        check_near(batch, "entropy", batch->entropy[row], log_classes(batch));
        check_near(batch, "lse", batch->lse[row], (row % 2 ? 49152 : -49152) + log_classes(batch));
    }
}

static void nearly_certain_label(batch *batch) {
    const double rest = (double)(batch->classes - 1) * exp(-64);
    logits_of(batch, 0)[0] = 64;
    run_batch(batch);
    check_near(batch, "loss relative to itself", batch->loss[0] / rest, 1);
    check_near(batch, "entropy relative to itself", batch->entropy[0] / (65 * rest), 1);
    check_near(batch, "probability", batch->label_probability[0], 1);
}
