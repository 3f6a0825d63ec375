/* SPDX-License-Identifier: MIT
 * One test per rule about probabilities and log-probabilities: each in every dtype, class axis last
 * and first. */
#include "edges.h"

#include <math.h>

/* Rows of 1/4 in every class, whose sum nobody checks, as what options say they are. */
static void fill_quarters(struct batch *batch, int logits_are) {
    batch->options.logits_are = logits_are;
    for (int row = 0; row < BATCH_ROWS; row++)
        fill_logits(batch, row, logits_are == XENT_PROBABILITIES ? 0.25 : -2);
}

static double quarter_loss(const struct batch *batch) {
    return batch->options.logits_are == XENT_PROBABILITIES ? log(4) : 2;
}

/* d(-log p)/dp = -1/p, d(-lp)/dlp = -1. */
static double quarter_grad(const struct batch *batch, double denominator) {
    return (batch->options.logits_are == XENT_PROBABILITIES ? -4 : -1) / denominator;
}

static void check_quarter_row(struct batch *batch, int row, double denominator) {
    check_near(batch, "loss", batch->loss[row], quarter_loss(batch));
    check_near(batch, "label probability", batch->label_probability[row],
               exp(-quarter_loss(batch)));
    for (int64_t c = 0; c < batch->classes; c++)
        check_grad_near(batch, "gradient", grad_of(batch, row)[c],
                        c == batch->labels[row] ? quarter_grad(batch, denominator) : 0);
}

static void check_lost_row(struct batch *batch, int row) {
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 1);
    check_that(batch, "first nonfinite row", batch->total.first_nonfinite_row == row);
    check_near(batch, "loss", batch->loss[row], NAN);
    check_near(batch, "label probability", batch->label_probability[row], NAN);
    check_grad_is(batch, row, NAN);
    check_quarter_row(batch, row == 0, 4);
}

static void plain_rows(struct batch *batch) {
    for (int kind = XENT_PROBABILITIES; kind <= XENT_LOG_PROBABILITIES; kind++) {
        fill_quarters(batch, kind);
        logits_of(batch, 1)[2] = kind == XENT_PROBABILITIES ? 0.5 : -1;
        run_batch(batch);
        check_counts(batch, 4, 0, 0, 0);
        for (int row = 0; row < BATCH_ROWS; row++)
            check_quarter_row(batch, row, 4);
        check_that(batch, "prediction", batch->prediction[1] == 2);
        check_that(batch, "prediction on ties", batch->prediction[0] == 0);
        check_that(batch, "correct", batch->total.correct == 2);
    }
}

static void impossible_probability(struct batch *batch) {
    const double impossible[] = {-0.25, 1 + 0x1p-5, INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 5; i++) {
        fill_quarters(batch, XENT_PROBABILITIES);
        logits_of(batch, 2)[2] = impossible[i];
        check_lost_row(batch, 2);
    }
}

static void impossible_log_probability(struct batch *batch) {
    const double impossible[] = {0x1p-5, 3, INFINITY, NAN};
    for (int i = 0; i < 4; i++) {
        fill_quarters(batch, XENT_LOG_PROBABILITIES);
        logits_of(batch, 0)[0] = impossible[i];
        check_lost_row(batch, 0);
    }
}

static void slightly_above_one(struct batch *batch) {
    fill_quarters(batch, XENT_PROBABILITIES);
    logits_of(batch, 1)[1] = 1 + 0x1p-6;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    check_near(batch, "loss", batch->loss[1], -log1p(0x1p-6));
    fill_quarters(batch, XENT_LOG_PROBABILITIES);
    logits_of(batch, 1)[1] = 0x1p-6;
    run_batch(batch);
    check_counts(batch, 4, 0, 0, 0);
    check_near(batch, "loss", batch->loss[1], -0x1p-6);
}

static void label_without_probability(struct batch *batch) {
    for (int kind = XENT_PROBABILITIES; kind <= XENT_LOG_PROBABILITIES; kind++) {
        fill_quarters(batch, kind);
        logits_of(batch, 3)[0] = kind == XENT_PROBABILITIES ? -0.0 : -INFINITY;
        run_batch(batch);
        check_counts(batch, 4, 0, 0, 1);
        check_near(batch, "loss", batch->loss[3], INFINITY);
        check_near(batch, "label probability", batch->label_probability[3], 0);
        check_near(batch, "gradient at the label", grad_of(batch, 3)[0],
                   kind == XENT_PROBABILITIES ? -INFINITY : -0.25);
        check_near(batch, "gradient beside it", grad_of(batch, 3)[1], 0);
    }
}

static void other_entries_tell_the_prediction_alone(struct batch *batch) {
    const double strange[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        fill_quarters(batch, XENT_PROBABILITIES);
        logits_of(batch, 1)[batch->classes - 1] = strange[i];
        run_batch(batch);
        check_counts(batch, 4, 0, 0, 0);
        check_quarter_row(batch, 1, 4);
        check_that(batch, "no prediction", batch->prediction[1] == -1);
    }
}

/* Row 1 has the only coefficient of 0; the others' is 1/NaN. */
static void class_weight_of_zero_beside_a_nan_denominator(struct batch *batch) {
    for (int kind = XENT_PROBABILITIES; kind <= XENT_LOG_PROBABILITIES; kind++) {
        fill_quarters(batch, kind);
        batch->weighs_rows = batch->weighs_classes = true;
        batch->row_weight[3] = NAN;
        batch->class_weight[1] = 0;
        run_batch(batch);
        check_counts(batch, 4, 0, 0, 1);
        check_near(batch, "weight_sum", batch->total.weight_sum, NAN);
        check_near(batch, "loss", batch->loss[1], 0);
        check_grad_is(batch, 1, 0);
        check_grad_is(batch, 0, NAN);
    }
}

static void row_weight_of_zero(struct batch *batch) {
    for (int kind = XENT_PROBABILITIES; kind <= XENT_LOG_PROBABILITIES; kind++) {
        fill_quarters(batch, kind);
        batch->weighs_rows = true;
        batch->row_weight[2] = 0;
        logits_of(batch, 2)[2] = NAN;
        run_batch(batch);
        check_counts(batch, 4, 0, 0, 0);
        check_that(batch, "loss exactly 0", batch->loss[2] == 0);
        check_grad_is(batch, 2, 0);
        check_quarter_row(batch, 1, 3);
    }
}

static const struct edge edges[] = {
    {"plain rows", plain_rows},
    {"impossible probability", impossible_probability},
    {"impossible log-probability", impossible_log_probability},
    {"slightly above one", slightly_above_one},
    {"label without probability", label_without_probability},
    {"other entries tell the prediction alone", other_entries_tell_the_prediction_alone},
    {"class weight of zero beside a nan denominator",
     class_weight_of_zero_beside_a_nan_denominator},
    {"row weight of zero", row_weight_of_zero},
};

int main(void) {
    return run_edges(edges, sizeof edges / sizeof *edges);
}
