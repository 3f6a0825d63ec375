/* SPDX-License-Identifier: MIT
 * Rules about the shapes and dtypes of outputs. */
#include "check_parts.h"
#include "fail.h"
#include "layout.h"

#include <inttypes.h>

void list_outputs(const xent_outputs *outputs, named_tensor list[OUTPUTS]) {
    list[GRAD] = (named_tensor){"outputs.grad", outputs->grad};
    list[PROBABILITY] = (named_tensor){"outputs.probability", outputs->probability};
    list[PREDICTION] = (named_tensor){"outputs.prediction", outputs->prediction};
    list[3] = (named_tensor){"outputs.loss", outputs->loss};
    list[4] = (named_tensor){"outputs.lse", outputs->lse};
    list[5] = (named_tensor){"outputs.label_probability", outputs->label_probability};
    list[6] = (named_tensor){"outputs.entropy", outputs->entropy};
}

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

xent_status check_outputs(const xent_outputs *outputs, const xent_tensor *logits,
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
