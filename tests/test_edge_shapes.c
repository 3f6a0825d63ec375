/* SPDX-License-Identifier: MIT
 * One test per rule about the smallest shapes: one class, no rows, a single row without axes; each
 * in every dtype, class axis last and first. */
#include "edges.h"
#include "reference.h"

#include <math.h>
#include <string.h>

/* ---- one class ---- */

/* Rows of a single class with these logits. */
static struct batch make_one_class(const struct batch *like, const double logits[BATCH_ROWS]) {
    struct batch made = make_batch((setting){like->how.dtype, 1, like->how.class_first});
    for (int row = 0; row < BATCH_ROWS; row++) {
        made.labels[row] = 0;
        logits_of(&made, row)[0] = logits[row];
    }
    return made;
}

static void finish_one_class(struct batch *batch, struct batch *one) {
    batch->wrong += one->wrong;
    free_batch(one);
}

static bool is_zero(double value) {
    return value == 0 && !signbit(value);
}

static const double any_logits[BATCH_ROWS] = {0, -3.5, 60000, 0x1p-14};

static void one_class_is_certain(struct batch *batch) {
    struct batch one = make_one_class(batch, any_logits);
    for (int smooth = 0; smooth < 2; smooth++) {
        one.options.label_smoothing = smooth * 0.5;
        run_batch(&one);
        check_counts(&one, 4, 0, 0, 0);
        check_that(&one, "correct", one.total.correct == 4);
        check_that(&one, "loss_sum exactly 0", is_zero(one.total.loss_sum));
        for (int row = 0; row < BATCH_ROWS; row++) {
            check_that(&one, "loss exactly 0", is_zero(one.loss[row]));
            check_that(&one, "gradient exactly 0", grad_of(&one, row)[0] == 0);
            check_that(&one, "entropy exactly 0", is_zero(one.entropy[row]));
            check_that(&one, "label probability exactly 1", one.label_probability[row] == 1);
            check_near(&one, "probability", probability_of(&one, row)[0], 1);
            check_that(&one, "prediction", one.prediction[row] == 0);
        }
    }
    check_that(&one, "lse exactly the logit", one.lse[1] == -3.5);
    finish_one_class(batch, &one);
}

/* loss q*z^2, gradient 2*q*z/D */
static void one_class_with_z_loss(struct batch *batch) {
    static const double small[BATCH_ROWS] = {0, -3.5, 2, 8};
    struct batch one = make_one_class(batch, small);
    one.options.z_loss = 0.25;
    run_batch(&one);
    for (int row = 0; row < BATCH_ROWS; row++) {
        check_that(&one, "loss is q*z^2", one.loss[row] == 0.25 * small[row] * small[row]);
        check_that(&one, "gradient is 2*q*z/D", grad_of(&one, row)[0] == 0.5 * small[row] / 4);
    }
    finish_one_class(batch, &one);
}

static void one_class_at_minus_infinity(struct batch *batch) {
    static const double logits[BATCH_ROWS] = {0, -INFINITY, 0, 0};
    struct batch one = make_one_class(batch, logits);
    run_batch(&one);
    check_counts(&one, 4, 0, 0, 1);
    check_row_is(&one, 1, NAN);
    check_grad_is(&one, 1, NAN);
    check_that(&one, "loss of another row", is_zero(one.loss[2]));
    finish_one_class(batch, &one);
}

/* ---- no rows ---- */

/* The reduced loss of no rows of `classes` classes, by a call that must succeed. */
static double loss_of_nothing(struct batch *batch, int64_t classes, const xent_options *options) {
    const bool first = batch->how.class_first;
    const xent_tensor logits =
        xent_matrix(NULL, batch->how.dtype, first ? classes : 0, first ? 0 : classes);
    const xent_tensor labels = xent_vector(NULL, XENT_I64, 0),
                      loss = xent_vector(NULL, XENT_F64, 0);
    const xent_total none = XENT_TOTAL_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    outputs.loss = &loss;
    outputs.grad = &logits;
    memset(&batch->total, 1, sizeof batch->total);
    batch->status = xent_cross_entropy(&logits, &labels, options, &outputs, &batch->total, NULL);
    check_that(batch, "no rows are no error", batch->status == XENT_OK);
    check_that(batch, "the total of no rows", memcmp(&batch->total, &none, sizeof none) == 0);
    return xent_total_loss(&batch->total, options);
}

static void no_rows(struct batch *batch) {
    static const double means[] = {NAN, NAN, 0};
    xent_options options = XENT_OPTIONS_INIT;
    options.class_axis = batch->options.class_axis;
    for (int policy = XENT_NOTHING_ERROR; policy <= XENT_NOTHING_ZERO; policy++)
        for (int reduction = XENT_MEAN; reduction <= XENT_SUM; reduction++)
            for (int64_t classes = 0; classes <= batch->classes; classes += batch->classes) {
                const double expected = reduction == XENT_SUM ? 0 : means[policy];
                options.on_nothing_counted = policy;
                options.reduction = reduction;
                options.denominator = 0;
                check_near(batch, "reduced loss of no rows",
                           loss_of_nothing(batch, classes, &options), expected);
                options.denominator = 7;
                check_near(batch, "the same over a denominator",
                           loss_of_nothing(batch, classes, &options), 0);
            }
}

static void mean_loss_of_no_rows(struct batch *batch) {
    xent_error error = {"left over"};
    double loss = NOT_WRITTEN;
    check_that(batch, "no rows are no error",
               xent_mean_loss_f32(NULL, NULL, 0, batch->classes, NULL, &loss, &error) == XENT_OK);
    check_near(batch, "mean loss of no rows", loss, NAN);
    check_that(batch, "no sentence", error.message[0] == 0);
}

/* ---- one row without axes ---- */

/* Zeros, with a step between them where the batch's class axis has one. */
static void one_row_of_no_axes(struct batch *batch) {
    double loss = NOT_WRITTEN, lse = NOT_WRITTEN, elements[2][1502];
    int64_t label = 1, prediction = NOT_WRITTEN;
    const int64_t step = batch->how.class_first ? 2 : 1, length = (batch->classes + 1) / step;
    xent_tensor logits = xent_vector(elements[0], batch->how.dtype, length), grad = logits;
    const xent_tensor label_0d = xent_ndarray(&label, XENT_I64, 0, NULL);
    const xent_tensor loss_0d = xent_ndarray(&loss, XENT_F64, 0, NULL);
    const xent_tensor lse_0d = xent_ndarray(&lse, XENT_F64, 0, NULL);
    const xent_tensor prediction_0d = xent_ndarray(&prediction, XENT_I64, 0, NULL);
    const xent_outputs outputs = {sizeof outputs, &loss_0d, &lse_0d, &prediction_0d,
                                  NULL,           NULL,     &grad,   NULL};
    grad.data = elements[1];
    logits.stride[0] = grad.stride[0] = step;
    memset(elements, 0, sizeof elements);
    batch->status =
        xent_cross_entropy(&logits, &label_0d, NULL, &outputs, &batch->total, &batch->error);
    const double log_length = log((double)length), p = 1 / (double)length;
    check_that(batch, "status", batch->status == XENT_OK);
    check_that(batch, "one row", batch->total.rows == 1 && batch->total.counted == 1);
    check_near(batch, "loss", loss, log_length);
    check_near(batch, "lse", lse, log_length);
    check_that(batch, "prediction", prediction == 0);
    check_near(batch, "mean", xent_total_loss(&batch->total, NULL), log_length);
    for (int64_t c = 0; c < length; c++)
        check_grad_near(batch, "gradient", real_element(&grad, c * step), p - (c == label));
    label = length;
    check_that(batch, "a bad label",
               XENT_BAD_LABEL == xent_cross_entropy(&logits, &label_0d, NULL, NULL, NULL, NULL));
}

static const struct edge edges[] = {
    {"one class is certain", one_class_is_certain},
    {"one class with z-loss", one_class_with_z_loss},
    {"one class at minus infinity", one_class_at_minus_infinity},
    {"no rows", no_rows},
    {"mean loss of no rows", mean_loss_of_no_rows},
    {"one row of no axes", one_row_of_no_axes},
};

int main(void) {
    return run_edges(edges, sizeof edges / sizeof *edges);
}
