/* SPDX-License-Identifier: MIT
 * One test per rule about weights, reductions, nothing counted and predictions, likewise.
 * Figures are derived by hand: equal logits give p = 1/C. */
#include "edges.h"

#include <math.h>
#include <string.h>

/* ---- weights ---- */

static void row_weights_of_any_value(struct batch *batch) {
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

static void class_weight_is_negative(struct batch *batch) {
    batch->weighs_classes = true;
    batch->class_weight[2] = -1;
    run_batch(batch);
    check_nothing_written(batch, XENT_BAD_ARGUMENT);
}

static void class_weight_is_not_finite(struct batch *batch) {
    batch->weighs_classes = true;
    batch->class_weight[2] = NAN;
    run_batch(batch);
    check_nothing_written(batch, XENT_BAD_ARGUMENT);
}

static void explicit_denominator(struct batch *batch) {
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

static void reductions(struct batch *batch) {
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
        check_near(batch, "loss of a class of weight 1/2", batch->loss[0],
                   0.5 * log_classes(batch));
        check_near(batch, "reduced loss", xent_total_loss(&batch->total, &batch->options),
                   2 * log_classes(batch) / denominators[reduction]);
    }
}

/* ---- nothing counted ---- */

static void check_nothing_counted(struct batch *batch, int reduction) {
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

static void ignore_all(struct batch *batch, const int64_t *ignore) {
    batch->options.ignore = ignore;
    batch->options.ignore_count = 1;
    for (int row = 0; row < BATCH_ROWS; row++)
        batch->labels[row] = *ignore;
}

static void all_ignored_mean(struct batch *batch) {
    const int64_t ignore = 255;
    ignore_all(batch, &ignore);
    check_nothing_counted(batch, XENT_MEAN);
}

static void all_ignored_row_mean(struct batch *batch) {
    const int64_t ignore = -100;
    ignore_all(batch, &ignore);
    check_nothing_counted(batch, XENT_ROW_MEAN);
}

static void all_weights_zero(struct batch *batch) {
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

static void weights_cancel(struct batch *batch) {
    batch->weighs_rows = true;
    batch->row_weight[0] = batch->row_weight[1] = -1;
    logits_of(batch, 2)[0] = NAN;
    check_nothing_counted(batch, XENT_MEAN);
    check_near(batch, "loss of a NaN row", batch->loss[2], NAN);
}

static void all_ignored_but_not_a_mean(struct batch *batch) {
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

/* ---- predictions ---- */

static void prediction_on_ties(struct batch *batch) {
    const int64_t last = batch->classes - 1;
    logits_of(batch, 0)[last] = logits_of(batch, 0)[1] = 2;
    logits_of(batch, 1)[last] = 2;
    fill_logits(batch, 2, -3);
    run_batch(batch);
    check_that(batch, "lowest of two", batch->prediction[0] == 1);
    check_that(batch, "the last class", batch->prediction[1] == last);
    check_that(batch, "lowest of all", batch->prediction[2] == 0);
    check_that(batch, "correct", batch->total.correct == 1);
}

/* 1000 and 2000 both bend to exactly 1 in double; the raw logits still differ. */
static void prediction_under_softcap(struct batch *batch) {
    batch->options.softcap = 1;
    logits_of(batch, 0)[0] = 1000;
    logits_of(batch, 0)[2] = 2000;
    run_batch(batch);
    const double p = 1 / (2 + (double)(batch->classes - 2) * exp(-1));
    check_that(batch, "prediction on raw logits", batch->prediction[0] == 2);
    check_near(batch, "saturated ties are equally probable", batch->label_probability[0], p);
    check_near(batch, "no slope is left", grad_of(batch, 0)[0], 0);
}

static void a_common_offset_costs_nothing(struct batch *batch) {
    for (int row = 0; row < BATCH_ROWS; row++)
        fill_logits(batch, row, row % 2 ? 49152 : -49152);
    run_batch(batch);
    for (int row = 0; row < BATCH_ROWS; row++) {
        check_near(batch, "loss", batch->loss[row], log_classes(batch));
        check_near(batch, "entropy", batch->entropy[row], log_classes(batch));
        check_near(batch, "lse", batch->lse[row], (row % 2 ? 49152 : -49152) + log_classes(batch));
    }
}

static void nearly_certain_label(struct batch *batch) {
    const double rest = (double)(batch->classes - 1) * exp(-64);
    logits_of(batch, 0)[0] = 64;
    run_batch(batch);
    check_near(batch, "loss relative to itself", batch->loss[0] / rest, 1);
    check_near(batch, "entropy relative to itself", batch->entropy[0] / (65 * rest), 1);
    check_near(batch, "probability", batch->label_probability[0], 1);
}

/* ---- the table ---- */

static const struct edge edges[] = {
    {"row weights of any value", row_weights_of_any_value},
    {"class weight is negative", class_weight_is_negative},
    {"class weight is not finite", class_weight_is_not_finite},
    {"explicit denominator", explicit_denominator},
    {"reductions", reductions},
    {"all ignored mean", all_ignored_mean},
    {"all ignored row mean", all_ignored_row_mean},
    {"all weights zero", all_weights_zero},
    {"weights cancel", weights_cancel},
    {"all ignored but not a mean", all_ignored_but_not_a_mean},
    {"prediction on ties", prediction_on_ties},
    {"prediction under softcap", prediction_under_softcap},
    {"a common offset costs nothing", a_common_offset_costs_nothing},
    {"nearly certain label", nearly_certain_label},
};

int main(void) {
    return run_edges(edges, sizeof edges / sizeof *edges);
}
