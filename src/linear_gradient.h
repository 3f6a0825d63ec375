/* SPDX-License-Identifier: MIT
 * Takes what a product adds to the gradient of weight or bias. */
#ifndef XENT_SRC_LINEAR_GRADIENT_H
#define XENT_SRC_LINEAR_GRADIENT_H

#include "cpu/kernels.h"
#include "names.h"

/* A gradient [C, D] or [C] and the sums of a product of as many rows and columns (or one). */
struct gradient_sum {
    const xent_tensor *gradient;
    const xent_kernels *lanes; /* of the sums */
    bool adds;                 /* to what is there; false: replaces it */
};

/* A product_sink whose context is a gradient_sum. Sums are added in the gradient's own type. */
void add_gradient(void *context, int64_t row, int64_t column, int64_t rows, int64_t columns,
                  const void *tile, int64_t stride);

/* Sets a gradient to 0; NULL: there is none. */
void clear_gradient(const xent_tensor *gradient);

#endif
