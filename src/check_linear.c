/* SPDX-License-Identifier: MIT
 * The rules about arguments of the linear form in order. Labels, weights and row outputs are judged
 * as beside the logits that features and weight give. */
#include "check.h"
#include "check_parts.h"
#include "fail.h"
#include "layout.h"

#include <inttypes.h>

/* The tensors that are the linear form's own. */
enum { GRAD_FEATURES, GRAD_WEIGHT, GRAD_BIAS, LOGITS, OWN };

static void list_own(const xent_linear_outputs *outputs, named_tensor list[OWN]) {
    list[GRAD_FEATURES] = (named_tensor){"outputs.grad_features", outputs->grad_features};
    list[GRAD_WEIGHT] = (named_tensor){"outputs.grad_weight", outputs->grad_weight};
    list[GRAD_BIAS] = (named_tensor){"outputs.grad_bias", outputs->grad_bias};
    list[LOGITS] = (named_tensor){"outputs.logits", outputs->logits};
}

static xent_outputs row_outputs(const xent_linear_outputs *outputs) {
    xent_outputs rows = XENT_OUTPUTS_INIT;
    rows.loss = outputs->loss;
    rows.lse = outputs->lse;
    rows.prediction = outputs->prediction;
    rows.label_probability = outputs->label_probability;
    rows.entropy = outputs->entropy;
    return rows;
}

/* ---- each tensor by itself ------------------------------------------------------------------- */

static xent_status check_each(const xent_tensor *features, const xent_tensor *weight,
                              const xent_tensor *bias, const xent_tensor *labels,
                              const xent_options *options, const xent_linear_outputs *outputs,
                              xent_error *error) {
    const named_tensor inputs[] = {{"features", features}, {"weight", weight}, {"bias", bias}};
    const xent_outputs rows = row_outputs(outputs);
    named_tensor list[OUTPUTS], own[OWN];
    if (!features || !weight)
        return fail(error, XENT_BAD_ARGUMENT,
                    "%s NULL: pass a tensor, for example xent_matrix(data, XENT_F32, %s).",
                    features ? "weight is" : "features are",
                    features ? "classes, features" : "rows, features");
    list_outputs(&rows, list);
    list_own(outputs, own);
    xent_status status = check_tensors(inputs, 3, error);
    if (status == XENT_OK)
        status = check_each_of_labels(labels, options, error);
    if (status == XENT_OK)
        status = check_tensors(list, OUTPUTS, error);
    return status == XENT_OK ? check_tensors(own, OWN, error) : status;
}

/* ---- dtypes ---------------------------------------------------------------------------------- */

/* Whether numbers of b's dtype are of a's, or of the type that it is computed in. */
static bool is_same_or_lane(const xent_tensor *a, const xent_tensor *b) {
    return a->dtype == b->dtype || (dtype_size(a->dtype) == 2 && b->dtype == XENT_F32);
}

static bool is_same_or_wider(const xent_tensor *a, const xent_tensor *b) {
    return is_same_or_lane(a, b) || b->dtype == XENT_F64;
}

static xent_status check_dtypes(const xent_tensor *features, const xent_tensor *weight,
                                const xent_tensor *bias, const xent_tensor *labels,
                                xent_error *error) {
    if (is_integer(features))
        return fail(error, XENT_BAD_DTYPE,
                    "features have dtype %s but must be f32, f64, bf16 or f16: convert them to "
                    "floating point. Are features and labels swapped?",
                    dtype_name(features->dtype));
    if (weight->dtype != features->dtype)
        return fail(error, XENT_BAD_DTYPE,
                    "weight has dtype %s but features have dtype %s: they must have the same. "
                    "Convert one of them.",
                    dtype_name(weight->dtype), dtype_name(features->dtype));
    if (bias && !is_same_or_lane(weight, bias))
        return fail(error, XENT_BAD_DTYPE,
                    "bias has dtype %s but weight has dtype %s: it must have the same%s.",
                    dtype_name(bias->dtype), dtype_name(weight->dtype),
                    dtype_size(weight->dtype) == 2 ? ", or f32" : "");
    return check_label_dtype(labels, error);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static xent_status check_shapes(const xent_tensor *features, const xent_tensor *weight,
                                xent_error *error) {
    char first[SHAPE_TEXT], second[SHAPE_TEXT];
    shape_text(first, features->ndim, features->shape);
    shape_text(second, weight->ndim, weight->shape);
    if (features->ndim == 0)
        return fail(error, XENT_BAD_SHAPE,
                    "features have ndim 0, a single number: their last axis must be that of the "
                    "features of a row. One row of D features has shape [D].");
    int64_t width = features->shape[features->ndim - 1];
    if (weight->ndim == 2 && weight->shape[1] == width)
        return XENT_OK;
    if (weight->ndim == 2 && weight->shape[0] == width)
        return fail(error, XENT_BAD_SHAPE,
                    "weight has shape %s but features have shape %s: weight must have shape [C, "
                    "%" PRId64 "], a row per class. It looks transposed: give it shape [%" PRId64
                    ", %" PRId64 "] with its two strides swapped.",
                    second, first, width, weight->shape[1], weight->shape[0]);
    return fail(
        error, XENT_BAD_SHAPE,
        "weight has shape %s but features have shape %s: weight must have shape [C, %" PRId64
        "], for each class one number per feature.",
        second, first, width);
}

static xent_status check_bias(const char *name, const xent_tensor *bias, int64_t classes,
                              xent_error *error) {
    char shape[SHAPE_TEXT];
    if (!bias || same_lengths(bias->ndim, bias->shape, 1, &classes))
        return XENT_OK;
    return fail(error, XENT_BAD_SHAPE,
                "%s has shape %s but weight has %" PRId64
                " rows: it must have one number per class, shape [%" PRId64 "].",
                name, shape_text(shape, bias->ndim, bias->shape), classes, classes);
}

/* The shape of the logits that features and weight give; they have no memory. */
static xent_tensor logits_of(const xent_tensor *features, const xent_tensor *weight) {
    xent_tensor logits = *features;
    logits.shape[logits.ndim - 1] = weight->shape[0];
    logits.data = NULL;
    return logits;
}

static xent_status check_logits(const xent_tensor *features, const xent_tensor *weight,
                                xent_error *error) {
    char shape[SHAPE_TEXT];
    int64_t count;
    xent_tensor logits = logits_of(features, weight);
    if (count_elements(logits.ndim, logits.shape, &count))
        return XENT_OK;
    return fail(error, XENT_BAD_SHAPE,
                "features and weight give logits of shape %s, which are more than 2^63 - 1.",
                shape_text(shape, logits.ndim, logits.shape));
}

/* ---- options and outputs --------------------------------------------------------------------- */

static xent_status check_linear_options(const xent_options *options, xent_error *error) {
    if (options->logits_are != XENT_LOGITS)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.logits_are must be XENT_LOGITS here: features times weight are "
                    "logits.");
    if (options->class_axis != -1)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.class_axis = %" PRId32
                    " must be -1 here: classes are the rows of the weight.",
                    options->class_axis);
    return XENT_OK;
}

static xent_status check_grad(named_tensor grad, const xent_tensor *of, const char *name,
                              bool may_be_wider, xent_error *error) {
    char shape[SHAPE_TEXT], wanted[SHAPE_TEXT];
    if (!grad.tensor)
        return XENT_OK;
    if (grad.tensor->dtype != of->dtype && !(may_be_wider && is_same_or_wider(of, grad.tensor)))
        return fail(error, XENT_BAD_DTYPE, "%s has dtype %s but must have that of %s, %s%s.",
                    grad.name, dtype_name(grad.tensor->dtype), name, dtype_name(of->dtype),
                    may_be_wider && of->dtype != XENT_F64 ? ", or a wider one of f32 and f64" : "");
    if (!same_shape(grad.tensor, of))
        return fail(error, XENT_BAD_SHAPE, "%s has shape %s but must have that of %s, %s.",
                    grad.name, shape_text(shape, grad.tensor->ndim, grad.tensor->shape), name,
                    shape_text(wanted, of->ndim, of->shape));
    return XENT_OK;
}

static xent_status check_grads(const xent_tensor *features, const xent_tensor *weight,
                               const xent_linear_outputs *outputs, xent_error *error) {
    named_tensor list[OWN];
    list_own(outputs, list);
    const xent_tensor *bias = list[GRAD_BIAS].tensor;
    xent_status status = check_grad(list[GRAD_FEATURES], features, "the features", false, error);
    if (status == XENT_OK)
        status = check_grad(list[GRAD_WEIGHT], weight, "the weight", true, error);
    if (status == XENT_OK && bias && !is_same_or_wider(weight, bias))
        return fail(error, XENT_BAD_DTYPE,
                    "%s has dtype %s but must have that of the weight, %s%s.", list[GRAD_BIAS].name,
                    dtype_name(bias->dtype), dtype_name(weight->dtype),
                    weight->dtype == XENT_F64 ? "" : ", or a wider one of f32 and f64");
    return status == XENT_OK ? check_bias(list[GRAD_BIAS].name, bias, weight->shape[0], error)
                             : status;
}

static xent_status check_logits_output(const xent_tensor *features, const xent_tensor *weight,
                                       const xent_linear_outputs *outputs, xent_error *error) {
    char shape[SHAPE_TEXT], wanted[SHAPE_TEXT];
    const xent_tensor logits = logits_of(features, weight), *output = outputs->logits;
    const int32_t lane = features->dtype == XENT_F64 ? XENT_F64 : XENT_F32;
    if (output && output->dtype != lane)
        return fail(error, XENT_BAD_DTYPE,
                    "outputs.logits has dtype %s but must be %s, in which logits of %s features "
                    "are computed.",
                    dtype_name(output->dtype), dtype_name(lane), dtype_name(features->dtype));
    if (output && !same_shape(output, &logits))
        return fail(error, XENT_BAD_SHAPE,
                    "outputs.logits has shape %s but must have the shape of the labels with the "
                    "%" PRId64 " classes as last axis, %s.",
                    shape_text(shape, output->ndim, output->shape), weight->shape[0],
                    shape_text(wanted, logits.ndim, logits.shape));
    return XENT_OK;
}

static xent_status check_no_overlap(const xent_tensor *features, const xent_tensor *weight,
                                    const xent_tensor *bias, const xent_tensor *labels,
                                    const xent_options *options, const xent_linear_outputs *outputs,
                                    xent_error *error) {
    const named_tensor inputs[MOST_INPUTS] = {{"the features", features},
                                              {"the weight", weight},
                                              {"the bias", bias},
                                              {"the labels", labels},
                                              {"options.class_weight", options->class_weight},
                                              {"options.row_weight", options->row_weight}};
    named_tensor list[OWN + OUTPUTS];
    const xent_outputs rows = row_outputs(outputs);
    list_own(outputs, list);
    list_outputs(&rows, list + OWN);
    return check_overlap(inputs, MOST_INPUTS, list, OWN + OUTPUTS, false, options, error);
}

/* What belongs to the logits, once there is a shape for them. */
static xent_status check_companions(const xent_tensor *features, const xent_tensor *weight,
                                    const xent_tensor *labels, const xent_options *options,
                                    const xent_linear_outputs *outputs, xent_error *error) {
    const xent_tensor logits = logits_of(features, weight);
    const xent_outputs rows = row_outputs(outputs);
    const int64_t classes = weight->shape[0];
    xent_status status = check_options(options, &rows, error);
    if (status == XENT_OK)
        status = check_labels(&logits, labels, -1, error);
    if (status == XENT_OK)
        status = check_weights(options, labels, classes, error);
    return status == XENT_OK ? check_outputs(&rows, &logits, labels, classes, error) : status;
}

xent_status check_linear_arguments(const xent_tensor *features, const xent_tensor *weight,
                                   const xent_tensor *bias, const xent_tensor *labels,
                                   const xent_options *options, const xent_linear_outputs *outputs,
                                   xent_error *error) {
    xent_status status = check_each(features, weight, bias, labels, options, outputs, error);
    if (status == XENT_OK)
        status = check_dtypes(features, weight, bias, labels, error);
    if (status == XENT_OK)
        status = check_shapes(features, weight, error);
    if (status == XENT_OK)
        status = check_bias("bias", bias, weight->shape[0], error);
    if (status == XENT_OK)
        status = check_logits(features, weight, error);
    if (status == XENT_OK)
        status = check_linear_options(options, error);
    if (status == XENT_OK)
        status = check_companions(features, weight, labels, options, outputs, error);
    if (status == XENT_OK)
        status = check_grads(features, weight, outputs, error);
    if (status == XENT_OK)
        status = check_logits_output(features, weight, outputs, error);
    if (status == XENT_OK)
        status = check_no_overlap(features, weight, bias, labels, options, outputs, error);
    return status;
}
