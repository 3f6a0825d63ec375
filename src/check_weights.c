/* SPDX-License-Identifier: MIT
 * Rules about the shapes and dtypes of class weights and row weights. */
#include "check_parts.h"
#include "fail.h"
#include "layout.h"

#include <inttypes.h>

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

xent_status check_weights(const xent_options *options, const xent_tensor *labels, int64_t classes,
                          xent_error *error) {
    xent_status status = check_class_weight(options->class_weight, labels, classes, error);
    return status == XENT_OK ? check_row_weight(options->row_weight, labels, classes, error)
                             : status;
}
