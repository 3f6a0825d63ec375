/* SPDX-License-Identifier: MIT
 * The refusals that depend on labels and weights: one sentence for each likely mistake. */
#include "fail.h"
#include "labels.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static xent_status accept_class_weight(const xent_tensor *class_weight, xent_error *error) {
    if (!class_weight)
        return XENT_OK;
    for (int64_t c = 0; c < class_weight->shape[0]; c++) {
        double weight = weight_at(class_weight, c);
        if (!isfinite(weight) || weight < 0.0)
            return fail(error, XENT_BAD_ARGUMENT,
                        "options.class_weight[%" PRId64
                        "] is %g: class weights must be finite and >= 0. To leave out the rows of "
                        "a class, give it weight 0 or name it in options.ignore.",
                        c, weight);
    }
    return XENT_OK;
}

/* What all labels that are not ignored look like: evidence for the likely mistake. */
typedef struct label_range {
    int64_t smallest, largest; /* a U64 above INT64_MAX counts as INT64_MAX */
} label_range;

static label_range find_label_range(const layout *shape, const xent_options *options) {
    label_range range = {INT64_MAX, INT64_MIN};
    for (int64_t row = 0; row < shape->rows; row++) {
        int64_t label = label_bits(shape, row), class_index;
        classify_labels(shape, options, row, 1, &class_index);
        if (class_index == LABEL_IGNORED)
            continue;
        if (shape->labels.dtype == XENT_U64 && label < 0)
            label = INT64_MAX;
        range.smallest = label < range.smallest ? label : range.smallest;
        range.largest = label > range.largest ? label : range.largest;
    }
    return range;
}

/* Coordinates of a row in the labels' shape, "[2, 5]". */
static const char *row_text(char *text, const layout *shape, int64_t row) {
    int64_t place[XENT_MAX_NDIM] = {0};
    for (int axis = shape->label_ndim - 1; axis >= 0; axis--) {
        place[axis] = row % shape->label_shape[axis];
        row /= shape->label_shape[axis];
    }
    return shape_text(text, shape->label_ndim, place);
}

/* The facts that every refusal of a label starts with. */
enum { FACTS_TEXT = 352 };
static const char *bad_label_facts(char *text, const layout *shape, const xent_total *counts) {
    char where[SHAPE_TEXT], value[24];
    bool wide = shape->labels.dtype == XENT_U64;
    snprintf(value, sizeof value, wide ? "%" PRIu64 : "%" PRId64, counts->first_bad_label);
    snprintf(text, FACTS_TEXT,
             "the label of row %s is %s, but the logits have %" PRId64
             " class%s, so labels lie in [0, %" PRId64 ") (%" PRId64 " of %" PRId64
             " labels do not)",
             row_text(where, shape, counts->first_bad_row), value, shape->classes,
             shape->classes == 1 ? "" : "es", shape->classes, counts->bad, counts->rows);
    return text;
}

/* The negative number that was stored in an unsigned dtype, if the label looks like one of the
 * usual ignore values -1 and -100; else 0. */
static int64_t wrapped_marker(int32_t dtype, int64_t label) {
    int64_t modulus = 0; /* of U64 labels: 2^64, which the 64 bits have already been reduced by */
    if (dtype == XENT_U8 || dtype == XENT_U16 || dtype == XENT_U32)
        modulus = (int64_t)1 << 8 * dtype_size(dtype);
    else if (dtype != XENT_U64)
        return 0;
    int64_t number = label - modulus;
    return number == -1 || number == -100 ? number : 0;
}

static xent_status refuse_label(const layout *shape, const xent_options *options,
                                const xent_total *counts, xent_error *error) {
    char facts[FACTS_TEXT];
    int64_t label = counts->first_bad_label, marker = wrapped_marker(shape->labels.dtype, label);
    label_range range = find_label_range(shape, options);
    bad_label_facts(facts, shape, counts);
    if (marker && shape->labels.dtype == XENT_U64)
        return fail(error, XENT_BAD_LABEL,
                    "%s. It is %" PRId64 " stored as u64: pass signed labels (i64) and declare the "
                    "value as ignored: options.ignore = {%" PRId64 "}.",
                    facts, marker, marker);
    if (marker)
        return fail(
            error, XENT_BAD_LABEL,
            "%s. It is %" PRId64
            " stored as %s: if it marks rows to leave out, declare it: options.ignore = {%" PRId64
            "}.",
            facts, marker, dtype_name(shape->labels.dtype), label);
    if (shape->labels.dtype == XENT_U64 && label < 0)
        return fail(error, XENT_BAD_LABEL,
                    "%s. It does not even fit 64 signed bits: was the label file read with the "
                    "right dtype?",
                    facts);
    if (range.largest == shape->classes && range.smallest >= 1)
        return fail(error, XENT_BAD_LABEL,
                    "%s. No label is 0 and the largest is the number of classes, so the labels "
                    "seem to count from 1: subtract 1 from every label.",
                    facts);
    if (label < 0 || label == 255)
        return fail(error, XENT_BAD_LABEL,
                    "%s. If %" PRId64
                    " marks rows to leave out, declare it: options.ignore = {%" PRId64 "}.",
                    facts, label, label);
    return fail(error, XENT_BAD_LABEL,
                "%s. The largest label, %" PRId64 ", needs logits of more than %" PRId64
                " classes: labels and logits seem to come from different data sets or models. To "
                "leave such rows out, set options.on_bad_label = XENT_BAD_LABEL_IGNORE.",
                facts, range.largest, range.largest);
}

/* Why the denominator of the mean is 0. */
static const char *reason_nothing_counted(const xent_total *counts) {
    if (counts->counted > 0)
        return "the weights of the counted rows sum to 0";
    if (counts->bad == 0)
        return "every label is one of options.ignore";
    if (counts->ignored == 0)
        return "every label lies outside the classes";
    return "every label is one of options.ignore or lies outside the classes";
}

static xent_status refuse_nothing(const xent_total *counts, xent_error *error) {
    return fail(error, XENT_NOTHING_COUNTED,
                "the mean over %" PRId64 " row%s (%" PRId64 " counted, %" PRId64
                " ignored, %" PRId64
                " bad) would divide by 0: %s. For parts of a batch give the whole batch's "
                "options.denominator; or let the mean be NaN or 0 with options.on_nothing_counted "
                "= XENT_NOTHING_NAN or XENT_NOTHING_ZERO.",
                counts->rows, counts->rows == 1 ? "" : "s", counts->counted, counts->ignored,
                counts->bad, reason_nothing_counted(counts));
}

xent_status accept_labels(const layout *shape, const xent_options *options,
                          const xent_total *counts, xent_error *error) {
    xent_status status = accept_class_weight(options->class_weight, error);
    if (status != XENT_OK)
        return status;
    if (counts->bad > 0 && options->on_bad_label == XENT_BAD_LABEL_ERROR)
        return refuse_label(shape, options, counts, error);
    return XENT_OK;
}

xent_status accept_denominator(const xent_options *options, const xent_total *counts,
                               xent_error *error) {
    if (counts->rows > 0 && options->on_nothing_counted == XENT_NOTHING_ERROR &&
        gradient_denominator(options, counts) == 0.0)
        return refuse_nothing(counts, error);
    return XENT_OK;
}
