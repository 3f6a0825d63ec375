/* SPDX-License-Identifier: MIT
 * Shapes and types that do not fit together: which likely mistake it is, and the fix. */
#include "complain.h"
#include "explain.h"
#include "shapes.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void suggest_converted(const loss_call *call, const array *from, const char *expression,
                       const char *flags) {
    const conversion how = {.path = from->path,
                            .file = from->file_name ? from->file_name : from->path,
                            .member = from->member,
                            .load = from->found.python,
                            .flags = flags};
    if (how.load)
        suggest_conversion(&call->typed, &how, expression);
}

static void suggest_reshaped(const loss_call *call, const array *from, const xent_tensor *wanted) {
    char shape[SHAPE_TEXT], expression[SHAPE_TEXT + 16];
    snprintf(expression, sizeof expression, "a.reshape(%s)",
             write_shape(shape, wanted->ndim, wanted->shape));
    suggest_converted(call, from, expression, "");
}

/* `must`: whose shape the wanted one is. */
static int explain_ones(const loss_call *call, const array *file, const char *must,
                        const xent_tensor *wanted) {
    char shape[SHAPE_TEXT], wanted_text[SHAPE_TEXT];
    complain(EX_DATAERR, file->path,
             "has shape %s, but %s shape %s: axes of length 1 too many or too few",
             write_shape(shape, file->tensor.ndim, file->tensor.shape), must,
             write_shape(wanted_text, wanted->ndim, wanted->shape));
    suggest_reshaped(call, file, wanted);
    return EX_DATAERR;
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
             "scores, not features, labels or predictions, convert them",
             type_name(call->logits.tensor.dtype));
    suggest_converted(call, &call->logits, "a.astype(numpy.float64)", "");
    return EX_DATAERR;
}

/* Of a single class, labels of the logits' shape are whole numbers with an axis too many. */
static bool look_one_hot(const loss_call *call) {
    const xent_tensor *logits = &call->logits.tensor;
    return same_shape(&call->labels.tensor, logits) && logits->shape[class_axis(call)] != 1;
}

static int explain_one_hot(const loss_call *call) {
    char shape[SHAPE_TEXT], expression[ONE_HOT_TEXT];
    complain(EX_DATAERR, call->labels.path,
             "has the shape of the logits, %s: it looks one-hot, or like probabilities. A label is "
             "the index of its row's true class, one whole number for each row. One-hot rows are "
             "converted by argmax",
             write_shape(shape, call->labels.tensor.ndim, call->labels.tensor.shape));
    write_one_hot(expression, class_axis(call));
    suggest_converted(call, &call->labels, expression, "");
    return EX_DATAERR;
}

static int explain_float_labels(const loss_call *call) {
    complain(EX_DATAERR, call->labels.path,
             "holds %s, but labels must be whole numbers of an integer type: a label is the index "
             "of its row's true class",
             type_name(call->labels.tensor.dtype));
    suggest_converted(
        call, &call->labels,
        "a.astype(numpy.int64) if (a % 1 == 0).all() else sys.exit(\"not whole numbers\")", "");
    return EX_DATAERR;
}

/* ---- labels that do not fit the logits ------------------------------------------------------- */

/* The shape that the labels should have, and all shapes as text. */
typedef struct mismatch {
    const loss_call *call;
    xent_tensor rows; /* the logits' shape without the class axis */
    char logits_text[SHAPE_TEXT], labels_text[SHAPE_TEXT], rows_text[SHAPE_TEXT];
} mismatch;

static int explain_order(const mismatch *m, const int64_t *order) {
    char axes[SHAPE_TEXT], expression[SHAPE_TEXT + 16];
    complain(EX_DATAERR, m->call->labels.path,
             "has shape %s, but the labels of %s, which has shape %s, have shape %s. The axes seem "
             "to be in another order: transpose them. A reshape would score rows against another "
             "row's class",
             m->labels_text, m->call->logits.path, m->logits_text, m->rows_text);
    snprintf(expression, sizeof expression, "a.transpose(%s)",
             write_shape(axes, m->rows.ndim, order));
    if (has_distinct_axes(&m->rows))
        suggest_converted(m->call, &m->call->labels, expression, "");
    return EX_DATAERR;
}

static int explain_flattened(const mismatch *m) {
    complain(EX_DATAERR, m->call->labels.path,
             "has shape %s, but the labels of %s, which has shape %s, have shape %s. Their number "
             "is right: if they are in the order of the rows (C order), give them this shape",
             m->labels_text, m->call->logits.path, m->logits_text, m->rows_text);
    suggest_reshaped(m->call, &m->call->labels, &m->rows);
    return EX_DATAERR;
}

static int explain_class_axis(const mismatch *m, int axis) {
    complain(EX_DATAERR, m->call->labels.path,
             "has shape %s, but %s has shape %s with the classes along axis %d. They fit if the "
             "classes are along axis %d; if they are not, write both files from the same batch",
             m->labels_text, m->call->logits.path, m->logits_text, class_axis(m->call), axis);
    suggest_command(&m->call->typed, NULL, " --class-axis %d", axis);
    return EX_DATAERR;
}

static int explain_count(const mismatch *m) {
    char along[40] = "", each[64] = "each row";
    int64_t rows = element_count(&m->rows);
    if (class_axis(m->call) != m->rows.ndim)
        snprintf(along, sizeof along, " with the classes along axis %d", class_axis(m->call));
    if (m->rows.ndim == 0)
        snprintf(each, sizeof each, "this one row");
    else if (rows > 1)
        snprintf(each, sizeof each, "each of the %" PRId64 " rows", rows);
    return complain(EX_DATAERR, m->call->labels.path,
                    "has shape %s but %s has shape %s%s: %s of logits needs exactly one label, so "
                    "the labels must have shape %s. Do not repeat or cut labels to fit: rows would "
                    "be scored against another row's class. Write both files from the same batch",
                    m->labels_text, m->call->logits.path, m->logits_text, along, each,
                    m->rows_text);
}

/* The likeliest mistake comes first: an axis of length 1 rather than one-hot rows of one class. */
static int explain_label_shape(const loss_call *call) {
    const xent_tensor *logits = &call->logits.tensor, *labels = &call->labels.tensor;
    mismatch m = {.call = call, .rows = without_axis(logits, class_axis(call))};
    int64_t order[XENT_MAX_NDIM];
    if (same_shape(labels, &m.rows))
        return EX_OK;
    write_shape(m.logits_text, logits->ndim, logits->shape);
    write_shape(m.labels_text, labels->ndim, labels->shape);
    write_shape(m.rows_text, m.rows.ndim, m.rows.shape);
    if (same_but_for_ones(labels, &m.rows))
        return explain_ones(call, &call->labels, "the labels of these logits have", &m.rows);
    if (look_one_hot(call))
        return explain_one_hot(call);
    if (same_in_another_order(labels, &m.rows, order))
        return explain_order(&m, order);
    if (same_but_flattened(labels, &m.rows))
        return explain_flattened(&m);
    if (missing_axis(labels, logits) >= 0)
        return explain_swapped(call);
    int axis = missing_axis(logits, labels);
    return axis >= 0 ? explain_class_axis(&m, axis) : explain_count(&m);
}

/* ---- weights --------------------------------------------------------------------------------- */

/* A file of weights, NULL: not given; its flag, and the shape that it must have. */
typedef struct weight_place {
    const array *weight;
    const char *flag, *one_per;
    xent_tensor wanted;
} weight_place;

static bool holds_shape(const weight_place *place, const xent_tensor *shape) {
    return place->weight->path && same_shape(&place->weight->tensor, shape);
}

static int explain_exchanged(const loss_call *call, const weight_place *own,
                             const weight_place *other) {
    const replacement exchange[2] = {{own->flag, other->flag}, {other->flag, own->flag}};
    char shape[SHAPE_TEXT], wanted[SHAPE_TEXT];
    complain(
        EX_DATAERR, own->weight->path,
        "has shape %s, one weight for each %s, but %s takes one for each %s: shape %s. Weights "
        "of a %s belong to %s",
        write_shape(shape, other->wanted.ndim, other->wanted.shape), other->one_per, own->flag,
        own->one_per, write_shape(wanted, own->wanted.ndim, own->wanted.shape), other->one_per,
        other->flag);
    if (!other->weight->path || holds_shape(other, &own->wanted))
        suggest_command(&call->typed, exchange, "%s", "");
    return EX_DATAERR;
}

static int explain_weight_shape(const loss_call *call, const weight_place *own,
                                const weight_place *other) {
    char shape[SHAPE_TEXT], wanted[SHAPE_TEXT];
    const xent_tensor *weight = &own->weight->tensor;
    if (same_shape(weight, &other->wanted))
        return explain_exchanged(call, own, other);
    if (same_but_for_ones(weight, &own->wanted))
        return explain_ones(call, own->weight, "these weights must have", &own->wanted);
    return complain(EX_DATAERR, own->weight->path,
                    "has shape %s, but must have one weight for each %s: shape %s",
                    write_shape(shape, weight->ndim, weight->shape), own->one_per,
                    write_shape(wanted, own->wanted.ndim, own->wanted.shape));
}

/* A file of weights must be float32 or float64 and have the wanted shape. EX_OK if it is so. */
static int explain_weight(const loss_call *call, const weight_place *own,
                          const weight_place *other) {
    if (!own->weight->path)
        return EX_OK;
    if (!holds_shape(own, &own->wanted))
        return explain_weight_shape(call, own, other);
    int32_t dtype = own->weight->tensor.dtype;
    if (dtype == XENT_F32 || dtype == XENT_F64)
        return EX_OK;
    complain(EX_DATAERR, own->weight->path, "holds %s, but weights must be float32 or float64",
             type_name(dtype));
    suggest_converted(call, own->weight, "a.astype(numpy.float64)", "");
    return EX_DATAERR;
}

static int explain_weights(const loss_call *call) {
    const int64_t *classes = &call->logits.tensor.shape[class_axis(call)];
    const weight_place class = {&call->class_weight, "--class-weight", "class",
                                xent_ndarray(NULL, XENT_F64, 1, classes)},
                       row = {&call->row_weight, "--row-weight", "row", call->labels.tensor};
    if (*classes == 0 && element_count(&call->labels.tensor) > 0)
        return complain(EX_DATAERR, call->logits.path,
                        "has 0 classes: a row needs at least one logit");
    int code = explain_weight(call, &class, &row);
    return code == EX_OK ? explain_weight(call, &row, &class) : code;
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
    bool swapped = is_float(labels->dtype) || missing_axis(labels, logits) >= 0;
    return swapped ? explain_swapped(call) : explain_integer_logits(call);
}

static int explain_label_type(const loss_call *call) {
    const xent_tensor *logits = &call->logits.tensor, *labels = &call->labels.tensor;
    if (!is_float(labels->dtype))
        return EX_OK;
    if (look_one_hot(call))
        return explain_one_hot(call);
    return missing_axis(labels, logits) >= 0 ? explain_swapped(call) : explain_float_labels(call);
}

/* What is written into one file, raw, differs by type, shape and offset. */
static int explain_one_file(const loss_call *call) {
    bool raw = call->request.logits_file.shape.given || call->request.labels_file.shape.given;
    if (raw || strcmp(call->logits.path, call->labels.path) != 0)
        return EX_OK;
    return complain(EX_DATAERR, call->logits.path,
                    "is given for the logits and for the labels: name the file of the logits "
                    "first, and that of the labels second");
}

int explain_fit(const loss_call *call) {
    int code = explain_one_file(call);
    if (code == EX_OK)
        code = explain_logits_type(call);
    if (code == EX_OK)
        code = explain_axis(call);
    if (code == EX_OK)
        code = explain_label_type(call);
    if (code == EX_OK)
        code = explain_label_shape(call);
    return code == EX_OK ? explain_weights(call) : code;
}
