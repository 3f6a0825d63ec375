/* SPDX-License-Identifier: MIT
 * Shapes and types that do not fit together, each with the mistake it is likely to be. */
#include "diagnosis.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SHAPE_TEXT = 192 };

/* A shape; of the logits, labels or rows. */
typedef struct shape {
    int ndim;
    int64_t lengths[XENT_MAX_NDIM];
    char text[SHAPE_TEXT];
} shape;

static shape make_shape(int ndim, const int64_t *lengths) {
    shape made = {.ndim = ndim, .text = "["};
    size_t used = 1;
    for (int axis = 0; axis < ndim; axis++) {
        made.lengths[axis] = lengths[axis];
        used += (size_t)snprintf(made.text + used, SHAPE_TEXT - used, "%s%" PRId64,
                                 axis ? ", " : "", lengths[axis]);
    }
    snprintf(made.text + used, SHAPE_TEXT - used, "]");
    return made;
}

static shape without(const shape *from, int axis) {
    int64_t rest[XENT_MAX_NDIM];
    int ndim = 0;
    for (int other = 0; other < from->ndim; other++) {
        if (other != axis)
            rest[ndim++] = from->lengths[other];
    }
    return make_shape(ndim, rest);
}

static bool same(const shape *a, const shape *b) {
    return a->ndim == b->ndim &&
           memcmp(a->lengths, b->lengths, (size_t)a->ndim * sizeof *a->lengths) == 0;
}

/* The first axis of `whole` without which it is `rest`; -1: none. */
static int missing_axis(const shape *whole, const shape *rest) {
    for (int axis = 0; axis < whole->ndim; axis++) {
        shape others = without(whole, axis);
        if (same(&others, rest))
            return axis;
    }
    return -1;
}

/* No product can overflow: begin has looked. */
static int64_t count_of(const shape *of) {
    int64_t count = 1;
    for (int axis = 0; axis < of->ndim; axis++)
        count *= of->lengths[axis];
    return count;
}

static record *add_misfit(xent_diagnosis *all, const char *id) {
    record *finding = add_finding(all, id, XENT_MISTAKE, 1.0);
    set_unscorable(all, finding);
    return finding;
}

static bool report_swapped(xent_diagnosis *all, const shape *logits, const shape *labels) {
    record *finding = add_misfit(all, "swapped-arguments");
    say(finding,
        "what was given as logits has shape %s and what was given as labels has shape %s and the "
        "type of logits, or one axis more: the two look swapped",
        logits->text, labels->text);
    set_fix(finding, "Give the logits (floating-point) first and the labels (whole numbers, one "
                     "axis less) second.");
    return false;
}

static bool report_one_hot(xent_diagnosis *all, const shape *labels) {
    record *finding = add_misfit(all, "one-hot-labels");
    say(finding,
        "the labels have the shape of the logits, %s: they look one-hot, or like probabilities. A "
        "label is the index of its row's true class, one whole number a row",
        labels->text);
    set_fix(finding, "Take the argmax of one-hot rows along the class axis, %" PRId32 ".",
            all->class_axis);
    return false;
}

static bool is_float(int32_t dtype) {
    return dtype <= XENT_F16;
}

/* Logits that are a single number have no axis of classes either. */
static bool report_no_classes(xent_diagnosis *all, const shape *logits) {
    record *finding = add_misfit(all, "no-classes");
    say(finding, "the logits have shape %s: each row needs at least one logit, one for each class",
        logits->text);
    set_fix(finding, "Pass the scores of the last layer, one row for each label and one score for "
                     "each class.");
    add_evidence(finding, "axes", logits->ndim);
    return false;
}

static bool judge_types(xent_diagnosis *all, const shape *logits, const shape *labels) {
    bool swapped = missing_axis(labels, logits) >= 0;
    if (!is_float(all->dtype)) {
        if (swapped || is_float(all->label_dtype))
            return report_swapped(all, logits, labels);
        record *finding = add_misfit(all, "integer-logits");
        say(finding, "the logits are integers, but logits are floating-point scores");
        set_fix(finding, "Pass the scores of the last layer, not features, labels or predictions.");
        return false;
    }
    if (logits->ndim == 0)
        return report_no_classes(all, logits);
    if (!is_float(all->label_dtype))
        return true;
    if (same(logits, labels) && all->classes != 1)
        return report_one_hot(all, labels);
    if (swapped)
        return report_swapped(all, logits, labels);
    record *finding = add_misfit(all, "float-labels");
    say(finding, "the labels are floating-point numbers, but a label is the index of its row's "
                 "true class: a whole number of an integer type");
    set_fix(finding, "Store the class indices as int64, if each is a whole number.");
    return false;
}

/* The same number of labels as rows, and yet another shape. */
static bool report_axes(xent_diagnosis *all, const shape *labels, const shape *rows) {
    record *finding = add_misfit(all, "label-axes");
    say(finding,
        "the labels have shape %s and the rows of the logits have shape %s: their number is right, "
        "their axes are not",
        labels->text, rows->text);
    set_fix(finding,
            "Give the labels the shape %s: drop axes of length 1, transpose axes in another order, "
            "and reshape only what is in the order of the rows.",
            rows->text);
    add_evidence(finding, "rows", (double)count_of(rows));
    return false;
}

static bool report_mismatch(xent_diagnosis *all, const shape *logits, const shape *labels,
                            const shape *rows) {
    record *finding = add_misfit(all, "batch-mismatch");
    say(finding,
        "labels have shape %s but logits have shape %s: each of the %" PRId64
        " rows of logits needs exactly one label, so labels must have shape %s",
        labels->text, logits->text, count_of(rows), rows->text);
    set_fix(finding, "Take logits and labels from the same batch; do not repeat or cut labels to "
                     "fit, or rows are scored against another row's class.");
    add_evidence(finding, "rows", (double)count_of(rows));
    add_evidence(finding, "labels", (double)count_of(labels));
    return false;
}

static bool report_class_axis(xent_diagnosis *all, const shape *logits, const shape *labels,
                              int axis) {
    record *finding = add_misfit(all, "classes-first");
    say(finding,
        "labels have shape %s and logits have shape %s with the classes along axis %" PRId32
        ": they fit if the classes lie along axis %d",
        labels->text, logits->text, all->class_axis, axis);
    set_fix(finding, "Say that the class axis is %d, or transpose the logits.", axis);
    add_evidence(finding, "class_axis", axis);
    return false;
}

/* Rows and classes are counted in 32 bits. */
static bool judge_size(xent_diagnosis *all) {
    const int64_t most = INT32_MAX - 1;
    if (all->rows <= most && all->classes <= most)
        return true;
    record *finding = add_misfit(all, "too-large");
    say(finding,
        "%" PRId64 " rows of %" PRId64 " class%s: a diagnosis counts up to 2^31 - 2 of either",
        all->rows, all->classes, all->classes == 1 ? "" : "es");
    set_fix(finding, "Check a part of the rows, as the first million.");
    add_evidence(finding, "rows", (double)all->rows);
    add_evidence(finding, "classes", (double)all->classes);
    return false;
}

bool judge_fit(xent_diagnosis *all) {
    const shape logits = make_shape(all->ndim, all->shape);
    const shape labels = make_shape(all->label_ndim, all->label_shape);
    const shape rows = without(&logits, all->class_axis);
    if (!judge_types(all, &logits, &labels))
        return false;
    if (same(&labels, &rows))
        return all->classes == 0 && all->rows > 0 ? report_no_classes(all, &logits)
                                                  : judge_size(all);
    if (same(&labels, &logits) && all->classes != 1)
        return report_one_hot(all, &labels);
    int axis = missing_axis(&logits, &labels);
    if (axis >= 0)
        return report_class_axis(all, &logits, &labels, axis);
    if (missing_axis(&labels, &logits) >= 0)
        return report_swapped(all, &logits, &labels);
    if (count_of(&labels) == count_of(&rows))
        return report_axes(all, &labels, &rows);
    return report_mismatch(all, &logits, &labels, &rows);
}
