/* SPDX-License-Identifier: MIT
 * Takes what a product adds to the gradients of weight and bias. */
#ifndef XENT_SRC_ADD_GRADIENT_H
#define XENT_SRC_ADD_GRADIENT_H

#include "cpu/kernels.h"
#include "names.h"

/* A product [C, ..] whose columns are features from `first` on; the one behind the last feature is
 * the bias. */
struct gradient_sum {
    const xent_tensor *weight, *bias; /* the gradients [C, D] and [C], each may be NULL */
    const xent_kernels *lanes;        /* of the sums */
    int64_t lane, features, first;    /* lane: bytes of it */
    bool adds;                        /* to what is there; false: replaces it */
};

/* A product_sink whose context is a gradient_sum. Sums are added in the gradient's own type. */
void add_gradient(void *context, int64_t row, int64_t column, int64_t rows, int64_t columns,
                  const void *tile, int64_t stride);

/* Sets those that are given to 0. */
void clear_gradients(const xent_tensor *weight, const xent_tensor *bias);

#endif
