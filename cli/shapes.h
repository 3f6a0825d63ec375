/* SPDX-License-Identifier: MIT
 * What two shapes have in common. Of a tensor only the shape is looked at. */
#ifndef XENT_CLI_SHAPES_H
#define XENT_CLI_SHAPES_H

#include "xent.h"

#include <stdbool.h>

bool same_shape(const xent_tensor *a, const xent_tensor *b);

/* The shape without one axis, which lies in [0, ndim). */
xent_tensor without_axis(const xent_tensor *tensor, int axis);

/* The first axis of `all` without which it has the shape `rest`; -1: none. */
int missing_axis(const xent_tensor *all, const xent_tensor *rest);

/* The same but for axes of length 1. */
bool same_but_for_ones(const xent_tensor *a, const xent_tensor *b);

/* The same axes in another order: the n-th axis of `to` is the axis order[n] of `from`. */
bool same_in_another_order(const xent_tensor *from, const xent_tensor *to, int64_t *order);

/* No two axes have the same length: there is one way to put them into another order. */
bool has_distinct_axes(const xent_tensor *tensor);

/* Neighbouring axes of the one are a single axis of the other, as after a flattening. */
bool same_but_flattened(const xent_tensor *a, const xent_tensor *b);

#endif
