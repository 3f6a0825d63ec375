/* SPDX-License-Identifier: MIT
 * Takes what a product adds to the gradient of weight or bias: some sums of one class at a time. */
#include "linear_gradient.h"

#include "layout.h"

/* Sums that are looked at together; no tile has more columns. */
enum { SOME = 32 };

static int64_t column_stride(const xent_tensor *gradient) {
    return gradient->ndim > 1 ? gradient->stride[1] : 1;
}

static char *element(const xent_tensor *gradient, int64_t row, int64_t column) {
    int64_t offset = row == 0 ? 0 : row * gradient->stride[0];
    offset += column == 0 ? 0 : column * column_stride(gradient);
    return (char *)gradient->data + offset * dtype_size(gradient->dtype);
}

/* In double, which rounds sums of two floats as float does once they are stored. */
static void add_some(const struct gradient_sum *sum, const char *sums, char *to, int64_t n) {
    const xent_kernels *elements = xent_kernels_for(sum->gradient->dtype);
    const int64_t stride = column_stride(sum->gradient);
    double values[SOME], before[SOME];
    sum->lanes->widen(sums, n, 1, values);
    if (sum->adds)
        elements->widen(to, n, stride, before);
    for (int64_t i = 0; sum->adds && i < n; i++)
        values[i] += before[i];
    elements->narrow(values, n, to, stride);
}

void add_gradient(void *context, int64_t row, int64_t column, int64_t rows, int64_t columns,
                  const void *tile, int64_t stride) {
    const struct gradient_sum *sum = context;
    const int64_t lane = sum->lanes == xent_kernels_for(XENT_F64) ? 8 : 4;
    for (int64_t i = 0; i < rows; i++)
        add_some(sum, (const char *)tile + i * stride * lane,
                 element(sum->gradient, row + i, column), columns);
}

void clear_gradient(const xent_tensor *gradient) {
    static const double zeros[SOME];
    const int64_t columns = !gradient ? 0 : gradient->ndim > 1 ? gradient->shape[1] : 1;
    for (int64_t row = 0; gradient && row < gradient->shape[0]; row++)
        for (int64_t column = 0; column < columns; column += SOME) {
            int64_t left = columns - column;
            xent_kernels_for(gradient->dtype)
                ->narrow(zeros, left < SOME ? left : SOME, element(gradient, row, column),
                         column_stride(gradient));
        }
}
