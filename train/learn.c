/* SPDX-License-Identifier: MIT
 * Loss and gradient of a unit of rows, by the linear form; and the steps of SGD and Adam. */
#include "training.h"

#include "vectors.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Where the loss is not finite: because a feature is not, or because numbers grew too large. */
static xent_status explain_nonfinite(struct xent_training *training, const xent_tensor *features,
                                     xent_error *error) {
    const struct block block = {.features = features};
    const int64_t size = (int64_t)size_of_dtype(features->dtype);
    for (int64_t i = 0; i < features->shape[0]; i++)
        for (int64_t d = 0; d < training->features; d++) {
            double value = feature_at(features->dtype,
                                      features_of(&block, i) + d * features->stride[1] * size);
            if (!isfinite(value))
                return reject(error, XENT_BAD_ARGUMENT,
                              "features[%" PRId64 ", %" PRId64
                              "] is %g: features of rows that count must be finite. Leave the row "
                              "out (an ignored label does) or replace the value",
                              training->unit.places[i], d, value);
        }
    training->pass.overflows = true;
    return XENT_OK;
}

static xent_status score_unit(struct xent_training *training, const xent_tensor *features,
                              xent_total *total, xent_error *error) {
    const int64_t classes = training->classes, width = training->features;
    const int32_t dtype = training->options.dtype;
    const bool learns = !training->pass.scores;
    char *lanes = training->lanes;
    char *gradient = training->unit_gradient;
    xent_tensor weight = xent_matrix(lanes, dtype, classes, width);
    xent_tensor bias =
        xent_vector(lanes + (size_t)(classes * width) * training->lane, dtype, classes);
    xent_tensor labels = xent_vector(training->unit.labels, XENT_I64, training->unit.rows);
    xent_tensor weights = xent_vector(training->unit.weights, XENT_F64, training->unit.rows);
    xent_tensor grad_weight = xent_matrix(gradient, dtype, classes, width);
    xent_tensor grad_bias =
        xent_vector(gradient + (size_t)(classes * width) * training->lane, dtype, classes);
    xent_linear_outputs outputs = XENT_LINEAR_OUTPUTS_INIT;
    xent_options options = training->run;
    options.ignore_count = 0;
    options.ignore = NULL;
    options.row_weight = training->unit.weighs ? &weights : NULL;
    outputs.grad_weight = learns ? &grad_weight : NULL;
    outputs.grad_bias = learns ? &grad_bias : NULL;
    return xent_linear_cross_entropy(features, &weight, &bias, &labels, &options, &outputs, total,
                                     error);
}

xent_status learn_from(struct xent_training *training, const xent_tensor *features,
                       xent_error *error) {
    struct pass *pass = &training->pass;
    xent_total total;
    xent_status status = score_unit(training, features, &total, error);
    if (status == XENT_OK && total.nonfinite > 0)
        status = explain_nonfinite(training, features, error);
    if (status != XENT_OK)
        return status;
    if (pass->scores) {
        xent_total_merge(&pass->held_found, &total);
        return XENT_OK;
    }
    if (training->options.dtype == XENT_F64)
        add_scaled(training->gradient, 1, training->unit_gradient, training->parameters);
    else
        add_scaled_floats(training->gradient, 1, training->unit_gradient, training->parameters);
    xent_total_merge(&pass->found, &total);
    if (training->batches)
        xent_total_merge(&pass->batch, &total);
    return XENT_OK;
}

void set_lanes(struct xent_training *training) {
    float *floats = training->lanes;
    if (training->options.dtype == XENT_F64)
        memcpy(training->lanes, training->point, (size_t)training->parameters * sizeof(double));
    for (int64_t i = 0; training->options.dtype == XENT_F32 && i < training->parameters; i++)
        floats[i] = (float)training->point[i];
}

/* ---- the penalty ---- */

double penalty(const struct xent_training *training) {
    const int64_t count = training->classes * training->features;
    return 0.5 * training->options.l2 * dot(training->point, training->point, count);
}

void add_penalty(struct xent_training *training) {
    add_scaled(training->gradient, training->options.l2, training->point,
               training->classes * training->features);
}

/* ---- steps of a batch ---- */

static void step_sgd(struct xent_training *training) {
    const int64_t count = training->parameters;
    scale_by(training->velocity, training->options.momentum, count);
    add_scaled(training->velocity, 1, training->gradient, count);
    add_scaled(training->point, -training->number.rate, training->velocity, count);
}

static void step_adam(struct xent_training *training) {
    const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    struct numbers *number = &training->number;
    number->beta1_power *= beta1;
    number->beta2_power *= beta2;
    const double rate = number->rate / (1 - number->beta1_power);
    const double correction = 1 / (1 - number->beta2_power);
    for (int64_t i = 0; i < training->parameters; i++) {
        double g = training->gradient[i], square = g * g;
        double m = beta1 * training->velocity[i], v = beta2 * training->squares[i];
        double fresh = (1 - beta1) * g, fresh_square = (1 - beta2) * square;
        training->velocity[i] = m + fresh;
        training->squares[i] = v + fresh_square;
        double size = sqrt(training->squares[i] * correction);
        double step = rate * (training->velocity[i] / (size + epsilon));
        training->point[i] -= step;
    }
}

void finish_batch(struct xent_training *training) {
    const xent_total nothing = XENT_TOTAL_INIT;
    double weight = training->pass.batch.weight_sum;
    if (weight > 0) {
        scale_by(training->gradient, 1 / weight, training->parameters);
        add_penalty(training);
        if (training->options.method == XENT_ADAM)
            step_adam(training);
        else
            step_sgd(training);
        set_lanes(training);
    }
    memset(training->gradient, 0, (size_t)training->parameters * sizeof(double));
    training->pass.batch = nothing;
}
