/* SPDX-License-Identifier: MIT
 * Takes what a product adds to the gradients of weight and bias: some consecutive sums of one class
 * at a time. */
#include "add_gradient.h"

#include "layout.h"

#include <math.h>
#include <string.h>

/* Sums that are looked at together; no tile has more columns. */
enum { SOME = 32 };

/* n elements of a gradient from `to` on. */
struct target {
    char *to;
    int32_t dtype;
    int64_t n, stride;
};

/* The usual case, in which nothing is converted. */
static void add_floats(const float *sums, int64_t n, bool adds, char *to) {
    for (int64_t i = 0; i < n; i++) {
        float before, sum = sums[i];
        memcpy(&before, to + i * 4, sizeof before);
        sum = adds ? before + sum : sum;
        sum = sum == sum ? sum : NAN;
        memcpy(to + i * 4, &sum, sizeof sum);
    }
}

static void add_some(const struct gradient_sum *sum, const void *sums, struct target target) {
    const xent_kernels *elements = xent_kernels_for(target.dtype);
    double values[SOME], before[SOME];
    if (sum->lane == 4 && target.dtype == XENT_F32 && target.stride == 1) {
        add_floats(sums, target.n, sum->adds, target.to);
        return;
    }
    sum->lanes->widen(sums, target.n, 1, values);
    if (sum->adds)
        elements->widen(target.to, target.n, target.stride, before);
    for (int64_t i = 0; sum->adds && i < target.n; i++)
        values[i] += before[i];
    elements->narrow(values, target.n, target.to, target.stride);
}

static struct target target_at(const xent_tensor *gradient, int64_t row, int64_t column,
                               int64_t n) {
    int64_t offset = row * gradient->stride[0];
    if (gradient->ndim > 1 && column > 0)
        offset += column * gradient->stride[1];
    return (struct target){.to = (char *)gradient->data + offset * dtype_size(gradient->dtype),
                           .dtype = gradient->dtype,
                           .n = n,
                           .stride = gradient->ndim > 1 ? gradient->stride[1] : 1};
}

void add_gradient(void *context, int64_t row, int64_t column, int64_t rows, int64_t columns,
                  const void *tile, int64_t stride) {
    const struct gradient_sum *sum = context;
    int64_t first = column + sum->first, left = sum->features - first;
    int64_t of_weight = left < columns ? left : columns;
    for (int64_t i = 0; i < rows; i++) {
        const char *sums = (const char *)tile + i * stride * sum->lane;
        if (of_weight > 0)
            add_some(sum, sums, target_at(sum->weight, row + i, first, of_weight));
        if (of_weight < columns)
            add_some(sum, sums + of_weight * sum->lane, target_at(sum->bias, row + i, 0, 1));
    }
}

void clear_gradients(const xent_tensor *weight, const xent_tensor *bias) {
    static const double zeros[SOME];
    for (int64_t c = 0; bias && c < bias->shape[0]; c++) {
        struct target target = target_at(bias, c, 0, 1);
        xent_kernels_for(target.dtype)->narrow(zeros, 1, target.to, 1);
    }
    for (int64_t c = 0; weight && c < weight->shape[0]; c++)
        for (int64_t d = 0; d < weight->shape[1]; d += SOME) {
            int64_t left = weight->shape[1] - d;
            struct target target = target_at(weight, c, d, left < SOME ? left : SOME);
            xent_kernels_for(target.dtype)->narrow(zeros, target.n, target.to, target.stride);
        }
}
