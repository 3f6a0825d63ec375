/* SPDX-License-Identifier: MIT
 * What two shapes have in common. Of a tensor only the shape is looked at. */
#include "shapes.h"
#include "tensors.h"

bool same_shape(const xent_tensor *a, const xent_tensor *b) {
    return equal_shapes(a->ndim, a->shape, b->ndim, b->shape);
}

xent_tensor without_axis(const xent_tensor *tensor, int axis) {
    xent_tensor rest = {.ndim = 0};
    for (int other = 0; other < tensor->ndim; other++) {
        if (other != axis)
            rest.shape[rest.ndim++] = tensor->shape[other];
    }
    return rest;
}

int missing_axis(const xent_tensor *all, const xent_tensor *rest) {
    for (int axis = 0; axis < all->ndim; axis++) {
        xent_tensor others = without_axis(all, axis);
        if (same_shape(&others, rest))
            return axis;
    }
    return -1;
}

static xent_tensor without_ones(const xent_tensor *tensor) {
    xent_tensor rest = {.ndim = 0};
    for (int axis = 0; axis < tensor->ndim; axis++) {
        if (tensor->shape[axis] != 1)
            rest.shape[rest.ndim++] = tensor->shape[axis];
    }
    return rest;
}

bool same_but_for_ones(const xent_tensor *a, const xent_tensor *b) {
    xent_tensor rest_a = without_ones(a), rest_b = without_ones(b);
    return same_shape(&rest_a, &rest_b);
}

bool same_in_another_order(const xent_tensor *from, const xent_tensor *to, int64_t *order) {
    bool taken[XENT_MAX_NDIM] = {false};
    for (int axis = 0; axis < to->ndim; axis++) {
        int found = 0;
        while (found < from->ndim && (taken[found] || from->shape[found] != to->shape[axis]))
            found++;
        if (found == from->ndim)
            return false;
        taken[found] = true;
        order[axis] = found;
    }
    return from->ndim == to->ndim;
}

bool has_distinct_axes(const xent_tensor *tensor) {
    for (int axis = 0; axis < tensor->ndim; axis++) {
        for (int other = 0; other < axis; other++) {
            if (tensor->shape[axis] == tensor->shape[other])
                return false;
        }
    }
    return true;
}

/* Each axis of `flat` is a product of neighbouring axes of `whole`. */
static bool is_flattened(const xent_tensor *flat, const xent_tensor *whole) {
    int next = 0;
    for (int axis = 0; axis < flat->ndim; axis++) {
        int64_t length = 1;
        while (next < whole->ndim && length < flat->shape[axis])
            length *= whole->shape[next++];
        if (length != flat->shape[axis])
            return false;
    }
    return next == whole->ndim;
}

bool same_but_flattened(const xent_tensor *a, const xent_tensor *b) {
    return is_flattened(a, b) || is_flattened(b, a);
}
