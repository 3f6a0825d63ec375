/* SPDX-License-Identifier: MIT
 * Rules about the class axis and about labels against logits: one sentence for each likely
 * mistake. */
#include "check_parts.h"
#include "fail.h"

#include <inttypes.h>
#include <stdio.h>

/* The axes of a shape. */
typedef struct axes {
    int ndim;
    int64_t shape[XENT_MAX_NDIM];
} axes;

static axes axes_of(const xent_tensor *tensor) {
    axes all = {.ndim = tensor->ndim};
    for (int axis = 0; axis < tensor->ndim; axis++)
        all.shape[axis] = tensor->shape[axis];
    return all;
}

static axes without_axis(const axes *all, int left_out) {
    axes rest = {0};
    for (int axis = 0; axis < all->ndim; axis++)
        if (axis != left_out)
            rest.shape[rest.ndim++] = all->shape[axis];
    return rest;
}

static axes without_ones(const axes *all) {
    axes rest = {0};
    for (int axis = 0; axis < all->ndim; axis++)
        if (all->shape[axis] != 1)
            rest.shape[rest.ndim++] = all->shape[axis];
    return rest;
}

static axes sorted(const axes *all) {
    axes result = {.ndim = all->ndim};
    for (int axis = 0; axis < all->ndim; axis++) {
        int place = axis;
        for (; place > 0 && result.shape[place - 1] > all->shape[axis]; place--)
            result.shape[place] = result.shape[place - 1];
        result.shape[place] = all->shape[axis];
    }
    return result;
}

static bool same_axes(const axes *a, const axes *b) {
    return same_lengths(a->ndim, a->shape, b->ndim, b->shape);
}

static bool same_but_for_ones(const axes *a, const axes *b) {
    axes rest_a = without_ones(a), rest_b = without_ones(b);
    return same_axes(&rest_a, &rest_b);
}

static bool same_in_another_order(const axes *a, const axes *b) {
    axes sorted_a = sorted(a), sorted_b = sorted(b);
    return same_axes(&sorted_a, &sorted_b);
}

/* The axis of `all` without which it is `rest`; -1: none. */
static int missing_axis(const axes *all, const axes *rest) {
    for (int axis = 0; axis < all->ndim; axis++) {
        axes others = without_axis(all, axis);
        if (same_axes(&others, rest))
            return axis;
    }
    return -1;
}

static bool same_count(const axes *a, const axes *b, int64_t *count) {
    int64_t count_b;
    return count_elements(a->ndim, a->shape, count) &&
           count_elements(b->ndim, b->shape, &count_b) && *count == count_b;
}

/* Labels that do not fit the logits, and the shapes as text. The labels should have the shape
 * `rows`: the logits' without the class axis. */
typedef struct mismatch {
    axes logits, labels, rows;
    int class_axis;
    char logits_text[SHAPE_TEXT], labels_text[SHAPE_TEXT], rows_text[SHAPE_TEXT];
} mismatch;

/* Labels that do not have the shape `rows` although their number may be right. */
static xent_status refuse_arrangement(const mismatch *m, xent_error *error) {
    int64_t count;
    if (m->rows.ndim == 0 && same_but_for_ones(&m->labels, &m->rows))
        return fail(error, XENT_BAD_SHAPE,
                    "logits of shape %s are one row, so their label is 0-d (shape []), but labels "
                    "have shape %s. Give the label ndim 0, or give the logits shape [1, %" PRId64
                    "] and the labels shape [1].",
                    m->logits_text, m->labels_text, m->logits.shape[0]);
    if (same_but_for_ones(&m->labels, &m->rows))
        return fail(error, XENT_BAD_SHAPE,
                    "labels have shape %s but logits have shape %s: labels have the logits' shape "
                    "without the class axis, here %s. Add or drop the axis of length 1: give the "
                    "same labels shape %s.",
                    m->labels_text, m->logits_text, m->rows_text, m->rows_text);
    if (same_in_another_order(&m->labels, &m->rows))
        return fail(error, XENT_BAD_SHAPE,
                    "labels have shape %s but logits have shape %s: labels must have shape %s. "
                    "Their axes seem to be in another order: transpose them (their strides). Do "
                    "not reshape: rows would be scored against another row's class.",
                    m->labels_text, m->logits_text, m->rows_text);
    if (same_count(&m->labels, &m->rows, &count))
        return fail(error, XENT_BAD_SHAPE,
                    "labels have shape %s but logits have shape %s: the %" PRId64
                    " labels must have shape %s. If they are in C order, give them this shape.",
                    m->labels_text, m->logits_text, count, m->rows_text);
    return XENT_OK;
}

/* Labels that are something else: other classes' axes, or the other argument. */
static xent_status refuse_kind(const mismatch *m, xent_error *error) {
    int other_axis = missing_axis(&m->logits, &m->labels);
    if (same_axes(&m->logits, &m->labels))
        return fail(error, XENT_BAD_SHAPE,
                    "labels have the shape of the logits, %s, so they look one-hot or like "
                    "probabilities: each row needs one class index, so labels must have shape %s. "
                    "Take the argmax of the labels along axis %d (the class axis).",
                    m->labels_text, m->rows_text, m->class_axis);
    if (other_axis >= 0)
        return fail(
            error, XENT_BAD_SHAPE,
            "labels have shape %s but logits have shape %s: with classes along axis %d labels must "
            "have shape %s. They fit if classes lie along axis %d: then set options.class_axis = "
            "%d. If not, labels are missing or too many: do not repeat or cut them to fit.",
            m->labels_text, m->logits_text, m->class_axis, m->rows_text, other_axis, other_axis);
    if (missing_axis(&m->labels, &m->logits) >= 0)
        return fail(error, XENT_BAD_SHAPE,
                    "labels have shape %s but logits have shape %s: the labels have the class axis "
                    "that the logits lack, so logits and labels look swapped. The logits are the "
                    "first argument.",
                    m->labels_text, m->logits_text);
    return XENT_OK;
}

static xent_status refuse_count(const mismatch *m, xent_error *error) {
    int64_t count;
    char along[40] = "";
    if (m->class_axis != m->logits.ndim - 1)
        snprintf(along, sizeof along, " with classes along axis %d", m->class_axis);
    if (!count_elements(m->rows.ndim, m->rows.shape, &count) || count == 1)
        return fail(error, XENT_BAD_SHAPE,
                    "labels have shape %s but logits have shape %s%s: each row of logits needs "
                    "exactly one label, so labels must have shape %s.",
                    m->labels_text, m->logits_text, along, m->rows_text);
    return fail(error, XENT_BAD_SHAPE,
                "labels have shape %s but logits have shape %s%s: each of the %" PRId64
                " rows of logits needs exactly one label, so labels must have shape %s. Do not "
                "repeat or cut labels to fit: rows would be scored against another row's class.",
                m->labels_text, m->logits_text, along, count, m->rows_text);
}

/* Arrangement comes first: one-hot labels of a single class look like labels with an axis of length
 * 1, and the latter is likelier. */
static xent_status refuse_labels(const mismatch *m, xent_error *error) {
    xent_status status = refuse_arrangement(m, error);
    if (status == XENT_OK)
        status = refuse_kind(m, error);
    if (status == XENT_OK)
        status = refuse_count(m, error);
    return status;
}

/* The class axis by itself; in [-ndim, ndim) if it is all right. */
static xent_status check_class_axis(const xent_tensor *logits, int axis, xent_error *error) {
    char shape[SHAPE_TEXT];
    if (logits->ndim == 0)
        return fail(error, XENT_BAD_SHAPE,
                    "logits have ndim 0, a single number: they need at least the class axis. One "
                    "row of C classes has shape [C] and goes with a 0-d label.");
    if (axis < -logits->ndim || axis >= logits->ndim)
        return fail(
            error, XENT_BAD_ARGUMENT,
            "options.class_axis = %d is not an axis of logits of shape %s: axes are 0 to %d, or -1 "
            "for the last. Use options.class_axis = -1 if classes are the last axis.",
            axis, shape_text(shape, logits->ndim, logits->shape), logits->ndim - 1);
    return XENT_OK;
}

/* Labels of the logits' shape without the class axis, and at least one class. */
static bool are_usual(const xent_tensor *logits, const xent_tensor *labels, int class_axis) {
    bool usual = labels->ndim == logits->ndim - 1 && logits->shape[class_axis] > 0;
    for (int axis = 0; usual && axis < labels->ndim; axis++)
        usual = labels->shape[axis] == logits->shape[axis < class_axis ? axis : axis + 1];
    return usual;
}

static xent_status judge_unusual(const xent_tensor *logits, const xent_tensor *labels,
                                 int class_axis, xent_error *error) {
    mismatch m = {.logits = axes_of(logits), .labels = axes_of(labels), .class_axis = class_axis};
    int64_t count;
    m.rows = without_axis(&m.logits, class_axis);
    bool no_rows = count_elements(m.rows.ndim, m.rows.shape, &count) && count == 0;
    bool no_classes = logits->shape[class_axis] == 0;
    if (same_axes(&m.labels, &m.rows) && (no_rows || !no_classes))
        return XENT_OK;
    shape_text(m.logits_text, m.logits.ndim, m.logits.shape);
    shape_text(m.labels_text, m.labels.ndim, m.labels.shape);
    shape_text(m.rows_text, m.rows.ndim, m.rows.shape);
    if (no_classes && !no_rows)
        return fail(error, XENT_BAD_SHAPE,
                    "logits of shape %s have rows but no class (axis %d has length 0): a label "
                    "needs at least one class to name. Is options.class_axis right?",
                    m.logits_text, m.class_axis);
    return refuse_labels(&m, error);
}

xent_status check_labels(const xent_tensor *logits, const xent_tensor *labels, int axis,
                         xent_error *error) {
    xent_status status = check_class_axis(logits, axis, error);
    if (status != XENT_OK)
        return status;
    int class_axis = axis < 0 ? axis + logits->ndim : axis;
    if (are_usual(logits, labels, class_axis))
        return XENT_OK;
    return judge_unusual(logits, labels, class_axis, error);
}
