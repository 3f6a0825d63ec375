/* SPDX-License-Identifier: MIT
 * One test per rule about rows that need care: each in every dtype, class axis last and first.
 * Figures are derived by hand: equal logits give p = 1/C. */
#include "edges.h"

#include <math.h>
#include <string.h>

/* ---- labels ---- */

static void plain_rows(struct batch *batch) {
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    for (int row = 0; row < BATCH_ROWS; row++)
        check_row_is_unharmed(batch, row, 4);
    check_near(batch, "loss_sum", batch->total.loss_sum, 4 * log_classes(batch));
    check_that(batch, "weight_sum", batch->total.weight_sum == 4);
    check_that(batch, "first rows are -1",
               batch->total.first_bad_row == -1 && batch->total.first_nonfinite_row == -1);
}

static void ignored_row(struct batch *batch) {
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

static void bad_label_is_an_error(struct batch *batch) {
    batch->labels[2] = batch->classes;
    run_batch(batch);
    check_nothing_written(batch, XENT_BAD_LABEL);
}

static void bad_label_is_ignored(struct batch *batch) {
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

static void bad_label_is_nan(struct batch *batch) {
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

/* ---- logits that are not finite ---- */

static void check_poisoned(struct batch *batch, int row) {
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

static void nan_logit(struct batch *batch) {
    logits_of(batch, 2)[batch->classes - 1] = NAN;
    check_poisoned(batch, 2);
}

static void infinite_logit(struct batch *batch) {
    logits_of(batch, 0)[1] = INFINITY;
    check_poisoned(batch, 0);
}

static void all_minus_infinity(struct batch *batch) {
    fill_logits(batch, 1, -INFINITY);
    check_poisoned(batch, 1);
}

static void nan_logit_under_softcap(struct batch *batch) {
    batch->options.softcap = 30;
    logits_of(batch, 1)[0] = NAN;
    check_poisoned(batch, 1);
}

static void infinite_logit_under_softcap(struct batch *batch) {
    batch->options.softcap = 30;
    logits_of(batch, 1)[0] = INFINITY;
    check_poisoned(batch, 1);
}

/* Row 0 keeps its first two classes. */
static void check_masked(struct batch *batch, double slope) {
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

static void masked_class(struct batch *batch) {
    check_masked(batch, 1);
}

static void masked_class_scaled(struct batch *batch) {
    batch->options.logit_scale = 0.5;
    check_masked(batch, 0.5);
}

static void masked_class_under_softcap(struct batch *batch) {
    batch->options.softcap = 3;
    check_masked(batch, 1);
}

static void label_on_minus_infinity(struct batch *batch) {
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
static void smoothing_over_minus_infinity(struct batch *batch) {
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

static void smoothing_over_minus_infinity_without_weight(struct batch *batch) {
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

/* ---- coefficients of 0 ---- */

static void row_weight_of_zero(struct batch *batch) {
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

static void class_weight_of_zero(struct batch *batch) {
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

static void class_weight_of_zero_and_nan_logit(struct batch *batch) {
    batch->weighs_classes = true;
    batch->class_weight[1] = 0;
    logits_of(batch, 1)[0] = NAN;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 1);
    check_row_is(batch, 1, NAN);
    check_grad_is(batch, 1, NAN);
}

/* A row without any probability is no 0 times infinity: only its row weight saves it. */
static void weights_of_zero_over_minus_infinity(struct batch *batch) {
    batch->weighs_classes = batch->weighs_rows = true;
    batch->class_weight[1] = 0;
    batch->row_weight[3] = 0;
    fill_logits(batch, 1, -INFINITY);
    fill_logits(batch, 3, -INFINITY);
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 1);
    check_that(batch, "first nonfinite row", batch->total.first_nonfinite_row == 1);
    check_that(batch, "weight_sum", batch->total.weight_sum == 2);
    check_near(batch, "loss_sum", batch->total.loss_sum, NAN);
    check_row_is(batch, 1, NAN);
    check_grad_is(batch, 1, NAN);
    check_that(batch, "loss exactly 0", batch->loss[3] == 0);
    check_grad_is(batch, 3, 0);
    check_near(batch, "lse", batch->lse[3], NAN);
    check_row_is_unharmed(batch, 0, 2);
}

/* With e = 1 the label's own nll, here infinite but for its class weight of 0, has the coefficient
 * 0. */
static void smoothing_of_one(struct batch *batch) {
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

/* The label's coefficient and that of the z-loss cancel: 2*q*lse = -1 at lse = -10. */
static void coefficients_that_cancel(struct batch *batch) {
    batch->options.z_loss = 0.05;
    fill_logits(batch, 0, -200);
    fill_logits(batch, 1, -200);
    logits_of(batch, 0)[0] = logits_of(batch, 1)[0] = -10;
    run_batch(batch);
    check_grad_near(batch, "gradient of a sure label", grad_of(batch, 0)[0], -0.25);
    check_grad_near(batch, "gradient of another label", grad_of(batch, 1)[1], -0.25);
    check_that(batch, "lse", batch->lse[0] == -10);
}

static void infinite_row_weight(struct batch *batch) {
    batch->options.denominator = 1;
    batch->weighs_rows = true;
    batch->row_weight[0] = INFINITY;
    for (int64_t c = 1; c < batch->classes; c++)
        logits_of(batch, 0)[c] = -INFINITY;
    run_batch(batch);
    for (int64_t c = 1; c < batch->classes; c++)
        check_that(batch, "gradient 0 where p is", grad_of(batch, 0)[c] == 0);
    check_row_is_unharmed(batch, 1, 1);
}

/* A coefficient that underflows to -0 must not show in the sign of a 0, whatever the layout. */
static void vanishing_smoothing(struct batch *batch) {
    batch->options.label_smoothing = 0.1;
    batch->options.denominator = 1e308;
    batch->options.logit_scale = 0x1p-64;
    batch->weighs_rows = true;
    batch->row_weight[0] = -1;
    run_batch(batch);
    for (int64_t c = 1; batch->how.dtype != XENT_F64 && c < batch->classes; c++)
        check_that(batch, "a zero's sign",
                   grad_of(batch, 0)[c] == 0 && signbit(grad_of(batch, 0)[c]));
}

/* ---- the table ---- */

static const struct edge edges[] = {
    {"plain rows", plain_rows},
    {"ignored row", ignored_row},
    {"bad label is an error", bad_label_is_an_error},
    {"bad label is ignored", bad_label_is_ignored},
    {"bad label is nan", bad_label_is_nan},
    {"nan logit", nan_logit},
    {"infinite logit", infinite_logit},
    {"all minus infinity", all_minus_infinity},
    {"nan logit under softcap", nan_logit_under_softcap},
    {"infinite logit under softcap", infinite_logit_under_softcap},
    {"masked class", masked_class},
    {"masked class scaled", masked_class_scaled},
    {"masked class under softcap", masked_class_under_softcap},
    {"label on minus infinity", label_on_minus_infinity},
    {"smoothing over minus infinity", smoothing_over_minus_infinity},
    {"smoothing over minus infinity without weight", smoothing_over_minus_infinity_without_weight},
    {"row weight of zero", row_weight_of_zero},
    {"class weight of zero", class_weight_of_zero},
    {"class weight of zero and nan logit", class_weight_of_zero_and_nan_logit},
    {"weights of zero over minus infinity", weights_of_zero_over_minus_infinity},
    {"smoothing of one", smoothing_of_one},
    {"coefficients that cancel", coefficients_that_cancel},
    {"infinite row weight", infinite_row_weight},
    {"vanishing smoothing", vanishing_smoothing},
};

int main(void) {
    return run_edges(edges, sizeof edges / sizeof *edges);
}
