/* SPDX-License-Identifier: MIT
 * The public entry points: the four steps of a call, in order. */
#include "call.h"
#include "check.h"
#include "fail.h"
#include "labels.h"
#include "layout.h"
#include "linear.h"
#include "structs.h"

/* Step 2: what the labels say, group by group as later the losses. */
static xent_total count_all(const layout *shape, const xent_options *options) {
    xent_total all = XENT_TOTAL_INIT;
    int64_t length = shape->rows > 0 ? choose_group_rows(shape->rows, shape->classes) : 1;
    if (shape->rows <= length)
        return count_labels(shape, options, 0, shape->rows);
    for (int64_t first = 0; first < shape->rows; first += length) {
        int64_t left = shape->rows - first;
        xent_total group = count_labels(shape, options, first, left < length ? left : length);
        if (group.first_bad_row >= 0)
            group.first_bad_row -= first; /* the merge adds it again */
        xent_total_merge(&all, &group);
    }
    return all;
}

/* Steps 3 and 4, of at least one row. counts: what step 2 found; losses and predictions are
 * added to it. */
static xent_status compute(const layout *shape, const xent_options *options,
                           const xent_outputs *outputs, bool wants_total, xent_total *counts,
                           xent_error *error) {
    struct call call;
    xent_total found;
    if (!begin_call(&call, shape, options, outputs, wants_total))
        return fail(error, XENT_NO_MEMORY, "out of memory: %d tasks need %zu bytes of scratch each",
                    (int)call.width, call.plan.scratch_size);
    run_call(&call, counts->counted == counts->rows, gradient_denominator(options, counts), &found);
    end_call(&call);
    counts->loss_sum = found.loss_sum;
    counts->loss_sum_low = found.loss_sum_low;
    counts->nonfinite = found.nonfinite;
    counts->correct = found.correct;
    counts->first_nonfinite_row = found.first_nonfinite_row;
    return XENT_OK;
}

xent_status xent_cross_entropy(const xent_tensor *logits, const xent_tensor *labels,
                               const xent_options *given_options, const xent_outputs *given_outputs,
                               xent_total *total, xent_error *error) {
    xent_options options;
    xent_outputs outputs;
    xent_status status;
    layout shape;
    if (error)
        error->message[0] = '\0';
    if ((status = read_options(given_options, &options, error)) != XENT_OK ||
        (status = read_outputs(given_outputs, &outputs, error)) != XENT_OK ||
        (status = check_arguments(logits, labels, &options, &outputs, error)) != XENT_OK)
        return status;
    set_layout(&shape, logits, labels, &options, &outputs);
    xent_total counts = count_all(&shape, &options);
    if ((status = accept_labels(&shape, &options, &counts, error)) != XENT_OK ||
        (status = accept_denominator(&options, &counts, error)) != XENT_OK)
        return status;
    if (shape.rows > 0)
        status = compute(&shape, &options, &outputs, total != NULL, &counts, error);
    if (status == XENT_OK && total)
        *total = counts;
    return status;
}

/* The rows of the features take the place of those of logits, which may be an output instead. */
static void set_linear_layout(layout *shape, const linear_inputs *inputs, const xent_tensor *labels,
                              const xent_options *options, const xent_linear_outputs *given) {
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    outputs.loss = given->loss;
    outputs.lse = given->lse;
    outputs.prediction = given->prediction;
    outputs.label_probability = given->label_probability;
    outputs.entropy = given->entropy;
    outputs.grad = given->grad_features;
    outputs.probability = given->logits;
    set_layout(shape, inputs->features, labels, options, &outputs);
    shape->classes = inputs->weight->shape[0];
}

xent_status xent_linear_cross_entropy(const xent_tensor *features, const xent_tensor *weight,
                                      const xent_tensor *bias, const xent_tensor *labels,
                                      const xent_options *given_options,
                                      const xent_linear_outputs *given_outputs, xent_total *total,
                                      xent_error *error) {
    const linear_inputs inputs = {.features = features, .weight = weight, .bias = bias};
    xent_options options;
    xent_linear_outputs outputs;
    xent_status status;
    layout shape;
    if (error)
        error->message[0] = '\0';
    if ((status = read_options(given_options, &options, error)) != XENT_OK ||
        (status = read_linear_outputs(given_outputs, &outputs, error)) != XENT_OK ||
        (status = check_linear_arguments(features, weight, bias, labels, &options, &outputs,
                                         error)) != XENT_OK)
        return status;
    set_linear_layout(&shape, &inputs, labels, &options, &outputs);
    xent_total counts = count_all(&shape, &options);
    if ((status = accept_labels(&shape, &options, &counts, error)) != XENT_OK ||
        (status = accept_denominator(&options, &counts, error)) != XENT_OK)
        return status;
    status = run_linear(&shape, &inputs, &options, &outputs, total != NULL, &counts, error);
    if (status == XENT_OK && total)
        *total = counts;
    return status;
}

xent_status xent_count_labels(const xent_tensor *labels, int64_t classes,
                              const xent_options *given_options, xent_total *total,
                              xent_error *error) {
    xent_options options;
    xent_status status;
    if (error)
        error->message[0] = '\0';
    if ((status = read_options(given_options, &options, error)) != XENT_OK ||
        (status = check_count_arguments(labels, classes, &options, error)) != XENT_OK)
        return status;
    layout shape = make_label_layout(labels, classes, &options);
    xent_total counts = count_all(&shape, &options);
    status = accept_labels(&shape, &options, &counts, error);
    if (status == XENT_OK && total)
        *total = counts;
    return status;
}

xent_status xent_mean_loss_f32(const float *logits, const int64_t *labels, int64_t rows,
                               int64_t classes, float *grad, double *loss, xent_error *error) {
    xent_tensor x = xent_matrix((void *)(uintptr_t)logits, XENT_F32, rows, classes);
    xent_tensor y = xent_vector((void *)(uintptr_t)labels, XENT_I64, rows);
    xent_tensor g = xent_matrix(grad, XENT_F32, rows, classes);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total;
    if (!loss)
        return fail(error, XENT_BAD_ARGUMENT,
                    "loss is NULL: give the address of the double that gets the mean loss.");
    if (grad)
        outputs.grad = &g;
    xent_status status = xent_cross_entropy(&x, &y, NULL, &outputs, &total, error);
    if (status == XENT_OK)
        *loss = xent_total_loss(&total, NULL);
    return status;
}
