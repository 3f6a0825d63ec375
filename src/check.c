/* SPDX-License-Identifier: MIT
 * The rules about arguments in order: tensors, dtypes, options, shapes, outputs, overlap. */
#include "check.h"
#include "check_parts.h"
#include "fail.h"
#include "layout.h"

#include <inttypes.h>
#include <string.h>

/* ---- each tensor by itself ------------------------------------------------------------------- */

xent_status check_each_of_labels(const xent_tensor *labels, const xent_options *options,
                                 xent_error *error) {
    const named_tensor inputs[] = {{"labels", labels},
                                   {"options.class_weight", options->class_weight},
                                   {"options.row_weight", options->row_weight}};
    if (!labels)
        return fail(
            error, XENT_BAD_ARGUMENT,
            "labels are NULL: pass a tensor, for example xent_vector(data, XENT_I64, rows).");
    return check_tensors(inputs, 3, error);
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
    return status == XENT_OK ? check_tensors(list, OUTPUTS, error) : status;
}

/* ---- dtypes of logits and labels ------------------------------------------------------------- */

xent_status check_label_dtype(const xent_tensor *labels, xent_error *error) {
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

static xent_status check_no_overlap(const xent_tensor *logits, const xent_tensor *labels,
                                    const xent_options *options, const xent_outputs *outputs,
                                    xent_error *error) {
    const named_tensor inputs[] = {{"the logits", logits},
                                   {"the labels", labels},
                                   {"options.class_weight", options->class_weight},
                                   {"options.row_weight", options->row_weight}};
    named_tensor list[OUTPUTS];
    list_outputs(outputs, list);
    return check_overlap(inputs, 4, list, OUTPUTS, true, options, error);
}

xent_status check_arguments(const xent_tensor *logits, const xent_tensor *labels,
                            const xent_options *options, const xent_outputs *outputs,
                            xent_error *error) {
    const bool plain = is_plain_call(logits, labels, options, outputs);
    xent_status status = plain ? XENT_OK : check_each(logits, labels, options, outputs, error);
    if (status == XENT_OK && !plain)
        status = check_dtypes(logits, labels, error);
    if (status == XENT_OK)
        status = check_options(options, outputs, error);
    if (status == XENT_OK)
        status = check_labels(logits, labels, options->class_axis, error);
    if (status == XENT_OK && !plain)
        status = check_companions(logits, labels, options, outputs, error);
    if (status == XENT_OK && !plain)
        status = check_no_overlap(logits, labels, options, outputs, error);
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
