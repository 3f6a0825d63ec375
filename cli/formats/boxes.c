/* SPDX-License-Identifier: MIT
 * Parts of arrays whose elements lie densely in a file, in C or in Fortran order. */
#include "boxes.h"
#include "../complain.h"
#include "../tensors.h"

box whole_box(const xent_tensor *tensor) {
    box all = {{0}, {0}};
    for (int axis = 0; axis < tensor->ndim; axis++)
        all.length[axis] = tensor->shape[axis];
    return all;
}

int64_t box_count(const box *part, int ndim) {
    int64_t count = 1;
    for (int axis = 0; axis < ndim; axis++)
        count *= part->length[axis];
    return count;
}

/* The axis whose index changes i-th fastest. */
static int axis_by_pace(int i, int ndim, bool fortran_order) {
    return fortran_order ? i : ndim - 1 - i;
}

void set_dense_strides(xent_tensor *tensor, bool fortran_order) {
    int64_t stride = 1;
    for (int i = 0; i < tensor->ndim; i++) {
        int axis = axis_by_pace(i, tensor->ndim, fortran_order);
        tensor->stride[axis] = stride;
        stride *= tensor->shape[axis];
    }
}

/* How many of the fastest axes a run spans: those of which the box takes all, and one more. */
static int axes_of_a_run(const xent_tensor *whole, bool fortran_order, const box *part) {
    int spanned = 0;
    while (spanned < whole->ndim) {
        int axis = axis_by_pace(spanned++, whole->ndim, fortran_order);
        if (part->length[axis] != whole->shape[axis])
            break;
    }
    return spanned;
}

/* Moves to the next index of the axes that runs do not span; false after the last. */
static bool next_run(const xent_tensor *whole, bool fortran_order, const box *part, int spanned,
                     int64_t *index) {
    for (int i = spanned; i < whole->ndim; i++) {
        int axis = axis_by_pace(i, whole->ndim, fortran_order);
        if (++index[axis] < part->first[axis] + part->length[axis])
            return true;
        index[axis] = part->first[axis];
    }
    return false;
}

int for_each_run(const xent_tensor *whole, bool fortran_order, const box *part, char *memory,
                 run_action *each, void *context) {
    int64_t index[XENT_MAX_NDIM], size = (int64_t)type_size(whole->dtype);
    int spanned = axes_of_a_run(whole, fortran_order, part), code = EX_OK;
    const int64_t element = size;
    for (int i = 0; i < spanned; i++)
        size *= part->length[axis_by_pace(i, whole->ndim, fortran_order)];
    for (int axis = 0; axis < whole->ndim; axis++)
        index[axis] = part->first[axis];
    for (bool more = size > 0; more && code == EX_OK; memory += size) {
        int64_t offset = 0;
        for (int axis = 0; axis < whole->ndim; axis++)
            offset += index[axis] * whole->stride[axis];
        code = each(context, offset * element, size, memory);
        more = next_run(whole, fortran_order, part, spanned, index);
    }
    return code;
}
