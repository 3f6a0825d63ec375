/* SPDX-License-Identifier: MIT
 * The rules about arguments in order: tensors, dtypes, options, shapes, outputs, overlap. */
#include "check.h"
#include "check_parts.h"
#include "fail.h"
#include "layout.h"

#include <inttypes.h>
#include <string.h>

void list_outputs(const xent_outputs *outputs, named_tensor list[OUTPUTS]) {
    list[GRAD] = (named_tensor){"outputs.grad", outputs->grad};
    list[PROBABILITY] = (named_tensor){"outputs.probability", outputs->probability};
    list[PREDICTION] = (named_tensor){"outputs.prediction", outputs->prediction};
    list[3] = (named_tensor){"outputs.loss", outputs->loss};
    list[4] = (named_tensor){"outputs.lse", outputs->lse};
    list[5] = (named_tensor){"outputs.label_probability", outputs->label_probability};
    list[6] = (named_tensor){"outputs.entropy", outputs->entropy};
}

/* ---- each tensor by itself ------------------------------------------------------------------- */

static xent_status check_given(const named_tensor *list, int count, xent_error *error) {
    xent_status status = XENT_OK;
    for (int i = 0; status == XENT_OK && i < count; i++)
        if (list[i].tensor)
            status = check_tensor(list[i].name, list[i].tensor, error);
    return status;
}

/* The labels, which must be there, and the weights. */
static xent_status check_each_of_labels(const xent_tensor *labels, const xent_options *options,
                                        xent_error *error) {
    const named_tensor inputs[] = {{"labels", labels},
                                   {"options.class_weight", options->class_weight},
                                   {"options.row_weight", options->row_weight}};
    if (!labels)
        return fail(
            error, XENT_BAD_ARGUMENT,
            "labels are NULL: pass a tensor, for example xent_vector(data, XENT_I64, rows).");
    return check_given(inputs, 3, error);
}

static xent_status check_each(const xent_tensor *logits, const xent_tensor *labels,
                              const xent_options *options, const xent_outputs *outputs,
                              xent_error *error) {
    if (!logits)
        return fail(error, XENT_BAD_ARGUMENT,
                    "logits are NULL: pass a tensor, for example xent_matrix(data, XENT_F32, rows, "
                    "classes).");
    named_tensor list[OUTPUTS];
    list_outputs(outputs, list);
    xent_status status = check_tensor("logits", logits, error);
    if (status == XENT_OK)
        status = check_each_of_labels(labels, options, error);
    return status == XENT_OK ? check_given(list, OUTPUTS, error) : status;
}

/* ---- dtypes of logits and labels ------------------------------------------------------------- */

static bool is_integer(const xent_tensor *tensor) {
    return tensor->dtype >= XENT_I8 && tensor->dtype <= XENT_U64;
}

static xent_status check_label_dtype(const xent_tensor *labels, xent_error *error) {
    if (!is_integer(labels))
        return fail(
            error, XENT_BAD_DTYPE,
            "labels have dtype %s but must be integers: a label is the index of a class, never "
            "compared as floating point. Convert them, for example to i64. One-hot rows and "
            "probabilities are not labels: take their argmax along the class axis.",
            dtype_name(labels->dtype));
    return XENT_OK;
}

static xent_status check_dtypes(const xent_tensor *logits, const xent_tensor *labels,
                                xent_error *error) {
    const char *logits_dtype = dtype_name(logits->dtype), *labels_dtype = dtype_name(labels->dtype);
    if (is_integer(logits) && !is_integer(labels))
        return fail(error, XENT_BAD_DTYPE,
                    "logits have dtype %s and labels have dtype %s: logits and labels look "
                    "swapped. The logits (f32, f64, bf16 or f16) are the first argument, the "
                    "labels (integers) the second.",
                    logits_dtype, labels_dtype);
    if (is_integer(logits))
        return fail(
            error, XENT_BAD_DTYPE,
            "logits have dtype %s but must be f32, f64, bf16 or f16: convert them to floating "
            "point. Is this really the model's output, and not a prediction or label?",
            logits_dtype);
    if (!is_integer(labels) && same_shape(logits, labels))
        return fail(error, XENT_BAD_DTYPE,
                    "labels have dtype %s and the shape of the logits: they look one-hot or like "
                    "probabilities, but a label is the index of one class and must be an integer. "
                    "Take the argmax of the labels along the class axis.",
                    labels_dtype);
    return check_label_dtype(labels, error);
}

/* ---- weights --------------------------------------------------------------------------------- */

static bool is_f32_or_f64(const xent_tensor *tensor) {
    return tensor->dtype == XENT_F32 || tensor->dtype == XENT_F64;
}

static xent_status check_class_weight(const xent_tensor *weight, const xent_tensor *labels,
                                      int64_t classes, xent_error *error) {
    char shape[SHAPE_TEXT];
    if (!weight)
        return XENT_OK;
    if (!is_f32_or_f64(weight))
        return fail(error, XENT_BAD_DTYPE,
                    "options.class_weight has dtype %s but must be f32 or f64: convert it.",
                    dtype_name(weight->dtype));
    if (same_lengths(weight->ndim, weight->shape, 1, &classes))
        return XENT_OK;
    shape_text(shape, weight->ndim, weight->shape);
    if (same_shape(weight, labels))
        return fail(error, XENT_BAD_SHAPE,
                    "options.class_weight has the shape of the labels, %s, but must have one "
                    "weight per class, shape [%" PRId64
                    "]. Weights of rows belong in options.row_weight.",
                    shape, classes);
    return fail(error, XENT_BAD_SHAPE,
                "options.class_weight has shape %s but the logits have %" PRId64
                " classes: it must have one weight per class, shape [%" PRId64 "].",
                shape, classes, classes);
}

static xent_status check_row_weight(const xent_tensor *weight, const xent_tensor *labels,
                                    int64_t classes, xent_error *error) {
    char shape[SHAPE_TEXT], rows[SHAPE_TEXT];
    if (!weight)
        return XENT_OK;
    if (!is_f32_or_f64(weight))
        return fail(error, XENT_BAD_DTYPE,
                    "options.row_weight has dtype %s but must be f32 or f64: convert it.",
                    dtype_name(weight->dtype));
    if (same_shape(weight, labels))
        return XENT_OK;
    shape_text(shape, weight->ndim, weight->shape);
    shape_text(rows, labels->ndim, labels->shape);
    if (same_lengths(weight->ndim, weight->shape, 1, &classes))
        return fail(error, XENT_BAD_SHAPE,
                    "options.row_weight has shape %s, one weight per class, but must have the "
                    "shape of the labels, %s. Weights of classes belong in options.class_weight.",
                    shape, rows);
    return fail(error, XENT_BAD_SHAPE,
                "options.row_weight has shape %s but must have the shape of the labels, %s: one "
                "weight per row. To use one weight for several rows, give it a stride of 0.",
                shape, rows);
}

static xent_status check_weights(const xent_options *options, const xent_tensor *labels,
                                 int64_t classes, xent_error *error) {
    xent_status status = check_class_weight(options->class_weight, labels, classes, error);
    return status == XENT_OK ? check_row_weight(options->row_weight, labels, classes, error)
                             : status;
}

/* ---- outputs --------------------------------------------------------------------------------- */

static xent_status check_row_shape(named_tensor output, const xent_tensor *labels,
                                   xent_error *error) {
    char shape[SHAPE_TEXT], rows[SHAPE_TEXT];
    if (same_shape(output.tensor, labels))
        return XENT_OK;
    shape_text(shape, output.tensor->ndim, output.tensor->shape);
    shape_text(rows, labels->ndim, labels->shape);
    if (output.tensor->ndim == 0)
        return fail(
            error, XENT_BAD_SHAPE,
            "%s is 0-d but must have the shape of the labels, %s: it gets one value per row. The "
            "reduced loss comes from the total: xent_total_loss(&total, &options).",
            output.name, rows);
    return fail(
        error, XENT_BAD_SHAPE,
        "%s has shape %s but must have the shape of the labels, %s: it gets one value per row.",
        output.name, shape, rows);
}

static xent_status check_row_output(named_tensor output, const xent_tensor *labels,
                                    xent_error *error) {
    if (!is_f32_or_f64(output.tensor))
        return fail(error, XENT_BAD_DTYPE, "%s has dtype %s but must be f32 or f64.", output.name,
                    dtype_name(output.tensor->dtype));
    return check_row_shape(output, labels, error);
}

static xent_status check_prediction(named_tensor output, const xent_tensor *labels, int64_t classes,
                                    xent_error *error) {
    if (output.tensor->dtype != XENT_I32 && output.tensor->dtype != XENT_I64)
        return fail(error, XENT_BAD_DTYPE,
                    "%s has dtype %s but must be i32 or i64: it gets class indices, and -1 where "
                    "there is none.",
                    output.name, dtype_name(output.tensor->dtype));
    if (output.tensor->dtype == XENT_I32 && classes - 1 > INT32_MAX)
        return fail(error, XENT_BAD_DTYPE,
                    "%s has dtype i32, which cannot hold the indices of %" PRId64
                    " classes: make it i64.",
                    output.name, classes);
    return check_row_shape(output, labels, error);
}

static xent_status check_logit_output(named_tensor output, const xent_tensor *logits,
                                      xent_error *error) {
    char shape[SHAPE_TEXT], wanted[SHAPE_TEXT];
    if (output.tensor->dtype != logits->dtype)
        return fail(error, XENT_BAD_DTYPE,
                    "%s has dtype %s but must have the dtype of the logits, %s.", output.name,
                    dtype_name(output.tensor->dtype), dtype_name(logits->dtype));
    if (!same_shape(output.tensor, logits))
        return fail(error, XENT_BAD_SHAPE,
                    "%s has shape %s but must have the shape of the logits, %s: it gets one value "
                    "per logit.",
                    output.name, shape_text(shape, output.tensor->ndim, output.tensor->shape),
                    shape_text(wanted, logits->ndim, logits->shape));
    return XENT_OK;
}

static xent_status check_outputs(const xent_outputs *outputs, const xent_tensor *logits,
                                 const xent_tensor *labels, int64_t classes, xent_error *error) {
    named_tensor list[OUTPUTS];
    xent_status status = XENT_OK;
    list_outputs(outputs, list);
    for (int i = 0; status == XENT_OK && i < OUTPUTS; i++) {
        if (!list[i].tensor)
            continue;
        if (i == GRAD || i == PROBABILITY)
            status = check_logit_output(list[i], logits, error);
        else if (i == PREDICTION)
            status = check_prediction(list[i], labels, classes, error);
        else
            status = check_row_output(list[i], labels, error);
    }
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Everything whose shape follows from those of logits and labels, which fit. */
static xent_status check_companions(const xent_tensor *logits, const xent_tensor *labels,
                                    const xent_options *options, const xent_outputs *outputs,
                                    xent_error *error) {
    int axis = options->class_axis;
    int64_t classes = logits->shape[axis < 0 ? axis + logits->ndim : axis];
    xent_status status = check_weights(options, labels, classes, error);
    if (status == XENT_OK)
        status = check_outputs(outputs, logits, labels, classes, error);
    return status;
}

xent_status check_arguments(const xent_tensor *logits, const xent_tensor *labels,
                            const xent_options *options, const xent_outputs *outputs,
                            xent_error *error) {
    xent_status status = check_each(logits, labels, options, outputs, error);
    if (status == XENT_OK)
        status = check_dtypes(logits, labels, error);
    if (status == XENT_OK)
        status = check_options(options, outputs, error);
    if (status == XENT_OK)
        status = check_labels(logits, labels, options->class_axis, error);
    if (status == XENT_OK)
        status = check_companions(logits, labels, options, outputs, error);
    if (status == XENT_OK)
        status = check_overlap(logits, labels, options, outputs, error);
    return status;
}

/* The number of classes, which no logits show here. */
static xent_status check_class_count(const xent_tensor *labels, int64_t classes,
                                     xent_error *error) {
    int64_t rows;
    if (classes < 0)
        return fail(error, XENT_BAD_ARGUMENT,
                    "classes = %" PRId64
                    " must be the length of the class axis of the logits, which is not negative.",
                    classes);
    if (classes == 0 && count_elements(labels->ndim, labels->shape, &rows) && rows > 0)
        return fail(error, XENT_BAD_SHAPE,
                    "classes is 0 but there are %" PRId64
                    " labels: a label needs at least one class to name.",
                    rows);
    return XENT_OK;
}

xent_status check_count_arguments(const xent_tensor *labels, int64_t classes,
                                  const xent_options *options, xent_error *error) {
    const xent_outputs none = XENT_OUTPUTS_INIT;
    xent_status status = check_each_of_labels(labels, options, error);
    if (status == XENT_OK)
        status = check_label_dtype(labels, error);
    if (status == XENT_OK)
        status = check_options(options, &none, error);
    if (status == XENT_OK)
        status = check_class_count(labels, classes, error);
    return status == XENT_OK ? check_weights(options, labels, classes, error) : status;
}
