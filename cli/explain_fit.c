/* SPDX-License-Identifier: MIT
 * Shapes and types that do not fit together: which likely mistake it is, and the fix. */
#include "complain.h"
#include "explain.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>

static const replacement NO_CHANGES[2] = {{NULL, NULL}, {NULL, NULL}};

/* ---- shapes ---------------------------------------------------------------------------------- */

static bool shapes_equal(const xent_tensor *a, const xent_tensor *b) {
    return equal_shapes(a->ndim, a->shape, b->ndim, b->shape);
}

/* Whether labels have the shape of logits without that axis. */
static bool fit_without(const xent_tensor *logits, int axis, const xent_tensor *labels) {
    int64_t shape[XENT_MAX_NDIM];
    int ndim = shape_without(logits, axis, shape);
    return equal_shapes(ndim, shape, labels->ndim, labels->shape);
}

/* The first axis of logits without which the labels fit; -1: none. */
static int fitting_axis(const xent_tensor *logits, const xent_tensor *labels) {
    for (int axis = 0; axis < logits->ndim; axis++) {
        if (fit_without(logits, axis, labels))
            return axis;
    }
    return -1;
}

/* The tensor's shape without axes of length 1. */
static int squeezed(int ndim, const int64_t *shape, int64_t *kept) {
    int count = 0;
    for (int axis = 0; axis < ndim; axis++) {
        if (shape[axis] != 1)
            kept[count++] = shape[axis];
    }
    return count;
}

static bool equal_but_for_ones(int ndim, const int64_t *shape, const xent_tensor *labels) {
    int64_t kept[XENT_MAX_NDIM], label_kept[XENT_MAX_NDIM];
    int count = squeezed(ndim, shape, kept);
    int label_count = squeezed(labels->ndim, labels->shape, label_kept);
    return equal_shapes(count, kept, label_count, label_kept);
}

void suggest_converted(const loss_call *call, const array *from, const char *expression) {
    const conversion how = {.path = from->path,
                            .file = from->file_name ? from->file_name : from->path,
                            .member = from->member,
                            .load = from->found.python};
    if (how.load)
        suggest_conversion(&call->typed, &how, expression);
}

/* ---- types ----------------------------------------------------------------------------------- */

static bool is_described(const loss_call *call) {
    return call->request.logits_file.dtype.dtype != 0 || call->request.labels_file.dtype.dtype != 0;
}

/* The command with the files swapped, unless flags describe the one or the other. */
static int explain_swapped(const loss_call *call) {
    const xent_tensor *logits = &call->logits.tensor, *labels = &call->labels.tensor;
    const replacement swap[2] = {{call->logits.path, call->labels.path},
                                 {call->labels.path, call->logits.path}};
    char shape[SHAPE_TEXT], labels_shape[SHAPE_TEXT];
    complain(EX_DATAERR, call->logits.path,
             "holds %s %s and %s holds %s %s: the two look swapped. Logits are floating-point and "
             "come first, labels are whole numbers, have one axis less and come second",
             type_name(logits->dtype), write_shape(shape, logits->ndim, logits->shape),
             call->labels.path, type_name(labels->dtype),
             write_shape(labels_shape, labels->ndim, labels->shape));
    if (!is_described(call))
        suggest_command(&call->typed, swap, "%s", "");
    return EX_DATAERR;
}

static int explain_integer_logits(const loss_call *call) {
    complain(EX_DATAERR, call->logits.path,
             "holds %s, but logits must be float16, bfloat16, float32 or float64. If these are "
             "scores, not "
             "features, labels or predictions, convert them",
             type_name(call->logits.tensor.dtype));
    suggest_converted(call, &call->logits, "a.astype(numpy.float64)");
    return EX_DATAERR;
}

static int explain_one_hot(const loss_call *call) {
    enum { TEXT = 160 };
    char shape[SHAPE_TEXT], expression[TEXT];
    int axis = class_axis(call);
    complain(EX_DATAERR, call->labels.path,
             "has the shape of the logits, %s: it looks one-hot, or like probabilities. A label is "
             "the index of its row's true class, one whole number for each row. One-hot rows are "
             "converted by argmax",
             write_shape(shape, call->labels.tensor.ndim, call->labels.tensor.shape));
    snprintf(expression, sizeof expression,
             "a.argmax(%d) if ((a.max(%d) == 1) & (abs(a).sum(%d) == 1)).all() else sys.exit(\"not "
             "one-hot\")",
             axis, axis, axis);
    suggest_converted(call, &call->labels, expression);
    return EX_DATAERR;
}

static int explain_float_labels(const loss_call *call) {
    complain(EX_DATAERR, call->labels.path,
             "holds %s, but labels must be whole numbers of an integer type: a label is the index "
             "of its row's true class",
             type_name(call->labels.tensor.dtype));
    suggest_converted(
        call, &call->labels,
        "a.astype(numpy.int64) if (a % 1 == 0).all() else sys.exit(\"not whole numbers\")");
    return EX_DATAERR;
}

/* ---- labels that do not fit the logits ------------------------------------------------------- */

static int explain_extra_ones(const loss_call *call, int ndim, const int64_t *wanted) {
    char shape[SHAPE_TEXT], wanted_text[SHAPE_TEXT], expression[SHAPE_TEXT + 16];
    const xent_tensor *labels = &call->labels.tensor;
    write_shape(wanted_text, ndim, wanted);
    complain(EX_DATAERR, call->labels.path,
             "has shape %s, but the labels of these logits have shape %s: axes of length 1 too "
             "many or too few",
             write_shape(shape, labels->ndim, labels->shape), wanted_text);
    snprintf(expression, sizeof expression, "a.reshape(%s)", wanted_text);
    suggest_converted(call, &call->labels, expression);
    return EX_DATAERR;
}

static int explain_class_axis(const loss_call *call, int axis) {
    char shape[SHAPE_TEXT], logits_shape[SHAPE_TEXT];
    const xent_tensor *logits = &call->logits.tensor, *labels = &call->labels.tensor;
    complain(EX_DATAERR, call->labels.path,
             "has shape %s, but %s has shape %s with the classes along axis %d. They fit if the "
             "classes are along axis %d; if they are not, write both files from the same batch",
             write_shape(shape, labels->ndim, labels->shape), call->logits.path,
             write_shape(logits_shape, logits->ndim, logits->shape), class_axis(call), axis);
    suggest_command(&call->typed, NO_CHANGES, " --class-axis %d", axis);
    return EX_DATAERR;
}

static int explain_mismatch(const loss_call *call, int ndim, const int64_t *wanted) {
    char shape[SHAPE_TEXT], logits_shape[SHAPE_TEXT], wanted_text[SHAPE_TEXT];
    const xent_tensor *logits = &call->logits.tensor, *labels = &call->labels.tensor;
    int64_t rows = 1;
    for (int axis = 0; axis < ndim; axis++)
        rows *= wanted[axis];
    return complain(EX_DATAERR, call->labels.path,
                    "has shape %s but %s has shape %s: each of the %" PRId64
                    " rows of logits needs exactly one label, so the labels must have shape %s. Do "
                    "not repeat or cut labels to fit: rows would be scored against another row's "
                    "class. Write both files from the same batch",
                    write_shape(shape, labels->ndim, labels->shape), call->logits.path,
                    write_shape(logits_shape, logits->ndim, logits->shape), rows,
                    write_shape(wanted_text, ndim, wanted));
}

static int explain_label_shape(const loss_call *call) {
    int64_t wanted[XENT_MAX_NDIM];
    int ndim = shape_without(&call->logits.tensor, class_axis(call), wanted);
    if (equal_but_for_ones(ndim, wanted, &call->labels.tensor))
        return explain_extra_ones(call, ndim, wanted);
    int axis = fitting_axis(&call->logits.tensor, &call->labels.tensor);
    return axis >= 0 ? explain_class_axis(call, axis) : explain_mismatch(call, ndim, wanted);
}

/* ---- weights --------------------------------------------------------------------------------- */

/* A weight file must be float32 or float64 and have the wanted shape. EX_OK if it does. */
static int explain_weight(const loss_call *call, const array *weight, const char *one_per, int ndim,
                          const int64_t *wanted) {
    char shape[SHAPE_TEXT], wanted_text[SHAPE_TEXT];
    if (!weight->path)
        return EX_OK;
    const xent_tensor *tensor = &weight->tensor;
    if (!equal_shapes(tensor->ndim, tensor->shape, ndim, wanted))
        return complain(EX_DATAERR, weight->path,
                        "has shape %s, but must have one weight for each %s: shape %s",
                        write_shape(shape, tensor->ndim, tensor->shape), one_per,
                        write_shape(wanted_text, ndim, wanted));
    if (tensor->dtype == XENT_F32 || tensor->dtype == XENT_F64)
        return EX_OK;
    complain(EX_DATAERR, weight->path, "holds %s, but weights must be float32 or float64",
             type_name(tensor->dtype));
    suggest_converted(call, weight, "a.astype(numpy.float64)");
    return EX_DATAERR;
}

/* ---- all of it ------------------------------------------------------------------------------- */

int explain_axis(const loss_call *call) {
    char shape[SHAPE_TEXT];
    const xent_tensor *logits = &call->logits.tensor;
    write_shape(shape, logits->ndim, logits->shape);
    if (logits->ndim == 0)
        return complain(EX_DATAERR, call->logits.path,
                        "is a single number: logits have at least one axis, that of the classes");
    int axis = class_axis(call);
    if (axis < 0 || axis >= logits->ndim)
        return complain(EX_USAGE, "--class-axis",
                        "%d is no axis of %s, which has shape %s: it must lie from %d to %d",
                        call->options.class_axis, call->logits.path, shape, -logits->ndim,
                        logits->ndim - 1);
    return EX_OK;
}

static int explain_logits_type(const loss_call *call) {
    const xent_tensor *logits = &call->logits.tensor, *labels = &call->labels.tensor;
    if (is_float(logits->dtype))
        return EX_OK;
    bool swapped = is_float(labels->dtype) || fitting_axis(labels, logits) >= 0;
    return swapped ? explain_swapped(call) : explain_integer_logits(call);
}

static int explain_label_type(const loss_call *call) {
    if (shapes_equal(&call->logits.tensor, &call->labels.tensor))
        return explain_one_hot(call);
    if (!is_float(call->labels.tensor.dtype))
        return EX_OK;
    bool swapped = fitting_axis(&call->labels.tensor, &call->logits.tensor) >= 0;
    return swapped ? explain_swapped(call) : explain_float_labels(call);
}

static int explain_weights(const loss_call *call) {
    const xent_tensor *labels = &call->labels.tensor;
    int64_t classes = call->logits.tensor.shape[class_axis(call)];
    if (classes == 0 && element_count(labels) > 0)
        return complain(EX_DATAERR, call->logits.path,
                        "has 0 classes: a row needs at least one logit");
    int code = explain_weight(call, &call->class_weight, "class", 1, &classes);
    if (code == EX_OK)
        code = explain_weight(call, &call->row_weight, "label", labels->ndim, labels->shape);
    return code;
}

int explain_fit(const loss_call *call) {
    int code = explain_logits_type(call);
    if (code == EX_OK)
        code = explain_axis(call);
    if (code == EX_OK)
        code = explain_label_type(call);
    if (code != EX_OK)
        return code;
    if (!fit_without(&call->logits.tensor, class_axis(call), &call->labels.tensor))
        return explain_label_shape(call);
    return explain_weights(call);
}
