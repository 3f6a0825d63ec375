/* SPDX-License-Identifier: MIT
 * Vectors of doubles, and of floats beside them: sums in an order that the length alone fixes. */
#ifndef XENT_TRAIN_VECTORS_H
#define XENT_TRAIN_VECTORS_H

#include "names.h"

#include <stdint.h>

double dot(const double *a, const double *b, int64_t count);
double dot_floats(const float *a, const double *b, int64_t count);

/* to += factor*from */
void add_scaled(double *to, double factor, const double *from, int64_t count);
void add_scaled_floats(double *to, double factor, const float *from, int64_t count);

void scale_by(double *vector, double factor, int64_t count);

/* The largest magnitude; NaN if there is one. */
double largest(const double *vector, int64_t count);

#endif
