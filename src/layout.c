/* SPDX-License-Identifier: MIT
 * N-d shape + class axis -> rows, classes and the address of each row in every tensor of a call. */
#include "layout.h"

#include <stddef.h>

const char *dtype_name(int32_t dtype) {
    static const char *const names[] = {
        [XENT_F32] = "f32", [XENT_F64] = "f64", [XENT_BF16] = "bf16", [XENT_F16] = "f16",
        [XENT_I8] = "i8",   [XENT_U8] = "u8",   [XENT_I16] = "i16",   [XENT_U16] = "u16",
        [XENT_I32] = "i32", [XENT_U32] = "u32", [XENT_I64] = "i64",   [XENT_U64] = "u64",
    };
    return dtype_size(dtype) > 0 ? names[dtype] : "unknown";
}

/* Appends an axis inside those of the view; one that the last axis continues is merged into it. */
static void add_axis(row_view *view, int64_t length, int64_t step) {
    int64_t extent;
    int last = view->ndim - 1;
    if (last >= 0 && !__builtin_mul_overflow(length, step, &extent) && view->step[last] == extent) {
        view->shape[last] *= length;
        view->step[last] = step;
        return;
    }
    view->shape[view->ndim] = length;
    view->step[view->ndim] = step;
    view->ndim++;
}

/* Of the labels. A length of 0 counts first: the product of the other lengths may be too large for
 * an int64_t. */
static int64_t count_rows(const xent_tensor *labels) {
    int64_t rows = 1;
    for (int axis = 0; axis < labels->ndim; axis++)
        if (labels->shape[axis] == 0)
            return 0;
    for (int axis = 0; axis < labels->ndim; axis++)
        rows *= labels->shape[axis];
    return rows;
}

/* Strides of axes of length 1, and all strides of an empty tensor,
 * lead nowhere: they may hold anything. */
void view_rows(row_view *view, const xent_tensor *tensor, int class_axis, int64_t rows) {
    view->data = NULL;
    if (!tensor)
        return;
    int64_t size = dtype_size(tensor->dtype);
    view->data = tensor->data;
    view->dtype = tensor->dtype;
    view->ndim = 0;
    view->class_stride = class_axis < 0 ? 0 : 1;
    view->first = 0;
    view->rows = rows;
    for (int axis = 0; rows > 0 && axis < tensor->ndim; axis++) {
        if (tensor->shape[axis] == 1)
            continue;
        if (axis == class_axis)
            view->class_stride = tensor->stride[axis];
        else
            add_axis(view, tensor->shape[axis], tensor->stride[axis] * size);
    }
    view->class_step = view->class_stride * size;
}

char *row_address(const row_view *view, int64_t row) {
    char *address = view->data;
    row -= view->first;
    for (int axis = view->ndim - 1; axis > 0; axis--) {
        address += row % view->shape[axis] * view->step[axis];
        row /= view->shape[axis];
    }
    return view->ndim > 0 ? address + row * view->step[0] : address;
}

bool row_addresses(const row_view *view, int64_t first, int64_t count, void **addresses) {
    int64_t step = 0, run = 0;
    for (int64_t done = 0; view->data && done < count; done += run) {
        char *address = row_address(view, first + done);
        run = row_run(view, first + done, &step);
        run = run < count - done ? run : count - done;
#pragma GCC unroll 8
        for (int64_t i = 0; i < run; i++, address += step)
            addresses[done + i] = address;
    }
    return run == count && step == dtype_size(view->dtype);
}

int64_t row_run(const row_view *view, int64_t row, int64_t *step) {
    *step = 0;
    if (!view->data)
        return INT64_MAX;
    if (view->ndim > 0)
        *step = view->step[view->ndim - 1];
    if (view->ndim <= 1)
        return view->rows - row;
    int64_t length = view->shape[view->ndim - 1];
    return length - row % length;
}

static void set_label_layout(layout *shape, const xent_tensor *labels, int64_t classes,
                             const xent_options *options) {
    shape->rows = count_rows(labels);
    shape->classes = classes;
    shape->label_ndim = labels->ndim;
    view_rows(&shape->labels, labels, -1, shape->rows);
    view_rows(&shape->row_weight, options->row_weight, -1, shape->rows);
    for (int i = 0; i < labels->ndim; i++)
        shape->label_shape[i] = labels->shape[i];
}

layout make_label_layout(const xent_tensor *labels, int64_t classes, const xent_options *options) {
    layout shape = {0};
    set_label_layout(&shape, labels, classes, options);
    return shape;
}

void set_layout(layout *shape, const xent_tensor *logits, const xent_tensor *labels,
                const xent_options *options, const xent_outputs *outputs) {
    int axis = options->class_axis;
    axis += axis < 0 ? logits->ndim : 0;
    set_label_layout(shape, labels, logits->shape[axis], options);
    view_rows(&shape->logits, logits, axis, shape->rows);
    view_rows(&shape->grad, outputs->grad, axis, shape->rows);
    view_rows(&shape->probability, outputs->probability, axis, shape->rows);
    view_rows(&shape->loss, outputs->loss, -1, shape->rows);
    view_rows(&shape->lse, outputs->lse, -1, shape->rows);
    view_rows(&shape->prediction, outputs->prediction, -1, shape->rows);
    view_rows(&shape->label_probability, outputs->label_probability, -1, shape->rows);
    view_rows(&shape->entropy, outputs->entropy, -1, shape->rows);
}
