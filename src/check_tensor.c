/* SPDX-License-Identifier: MIT
 * Rules about one tensor by itself, and the arithmetic of shapes and addresses. */
#include "check_parts.h"
#include "fail.h"
#include "layout.h"

#include <inttypes.h>
#include <string.h>

bool count_elements(int ndim, const int64_t *shape, int64_t *count) {
    *count = 1;
    for (int axis = 0; axis < ndim; axis++)
        if (shape[axis] == 0) {
            *count = 0;
            return true;
        }
    for (int axis = 0; axis < ndim; axis++)
        if (__builtin_mul_overflow(*count, shape[axis], count))
            return false;
    return true;
}

bool same_lengths(int ndim_a, const int64_t *shape_a, int ndim_b, const int64_t *shape_b) {
    return ndim_a == ndim_b && memcmp(shape_a, shape_b, (size_t)ndim_a * sizeof *shape_a) == 0;
}

bool same_shape(const xent_tensor *a, const xent_tensor *b) {
    return same_lengths(a->ndim, a->shape, b->ndim, b->shape);
}

/* The strides of an axis of length 1 lead nowhere, those of an empty tensor neither. */
bool find_range(const xent_tensor *tensor, memory_range *range) {
    int64_t size = dtype_size(tensor->dtype), low = 0, high = size, offset;
    bool empty = false, inside = true;
    for (int axis = 0; axis < tensor->ndim; axis++) {
        empty |= tensor->shape[axis] == 0;
        if (tensor->shape[axis] == 1)
            continue;
        inside &= !__builtin_mul_overflow(tensor->stride[axis], size, &offset);
        inside &= !__builtin_mul_overflow(offset, tensor->shape[axis] - 1, &offset);
        int64_t *end = offset < 0 ? &low : &high;
        inside &= !__builtin_add_overflow(*end, offset, end);
    }
    *range = (memory_range){0, 0};
    if (empty)
        return true;
    inside &= !__builtin_add_overflow((uintptr_t)tensor->data, low, &range->begin);
    inside &= !__builtin_add_overflow((uintptr_t)tensor->data, high, &range->end);
    return inside;
}

/* The first negative length's axis; -1: none. */
static int negative_axis(const xent_tensor *tensor) {
    for (int axis = 0; axis < tensor->ndim; axis++)
        if (tensor->shape[axis] < 0)
            return axis;
    return -1;
}

xent_status check_tensor(const char *name, const xent_tensor *tensor, xent_error *error) {
    char shape[SHAPE_TEXT];
    int64_t count;
    memory_range range;
    if (tensor->ndim < 0 || tensor->ndim > XENT_MAX_NDIM)
        return fail(error, XENT_BAD_SHAPE,
                    "%s: ndim is %" PRId32
                    ", but tensors have 0 to %d axes. Merge axes that lie next to each other in "
                    "memory, or make the tensor with xent_ndarray, xent_matrix or xent_vector.",
                    name, tensor->ndim, XENT_MAX_NDIM);
    if (negative_axis(tensor) >= 0)
        return fail(error, XENT_BAD_SHAPE,
                    "%s: shape %s has a negative length on axis %d. Lengths are counts of elements "
                    "and cannot be inferred: write the length itself.",
                    name, shape_text(shape, tensor->ndim, tensor->shape), negative_axis(tensor));
    if (dtype_size(tensor->dtype) == 0)
        return fail(error, XENT_BAD_DTYPE,
                    "%s: dtype %" PRId32
                    " is none of XENT_F32 (1) to XENT_U64 (12). Make the tensor with xent_ndarray, "
                    "xent_matrix or xent_vector so that no field stays unset.",
                    name, tensor->dtype);
    if (!count_elements(tensor->ndim, tensor->shape, &count))
        return fail(
            error, XENT_BAD_SHAPE,
            "%s: shape %s has more than 2^63 - 1 elements. Are the lengths set, and in elements?",
            name, shape_text(shape, tensor->ndim, tensor->shape));
    if (count > 0 && !tensor->data)
        return fail(error, XENT_BAD_ARGUMENT,
                    "%s: data is NULL although shape %s has %" PRId64
                    " element%s. Only a tensor without elements needs no memory.",
                    name, shape_text(shape, tensor->ndim, tensor->shape), count,
                    count == 1 ? "" : "s");
    if (!find_range(tensor, &range))
        return fail(error, XENT_BAD_SHAPE,
                    "%s: with shape %s the strides lead out of the address space. Strides count "
                    "elements, not bytes; are all of them set?",
                    name, shape_text(shape, tensor->ndim, tensor->shape));
    return XENT_OK;
}

xent_status check_tensors(const named_tensor *list, int count, xent_error *error) {
    xent_status status = XENT_OK;
    for (int i = 0; status == XENT_OK && i < count; i++)
        if (list[i].tensor)
            status = check_tensor(list[i].name, list[i].tensor, error);
    return status;
}
