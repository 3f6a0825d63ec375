/* SPDX-License-Identifier: MIT
 * Symmetric positive matrices as L*L^T, and equations with them. */
#ifndef XENT_TRAIN_CHOLESKY_H
#define XENT_TRAIN_CHOLESKY_H

#include "names.h"

#include <stdint.h>

/* Columns that are solved for side by side. */
enum { CHOLESKY_COLUMNS = 8 };

/* The lower triangle of [edge][edge] becomes L. A pivot that rounding errors have spoilt becomes
 * the entry it came from, which keeps the product positive. */
void factor(double *matrix, int64_t edge);

/* One right-hand side, or CHOLESKY_COLUMNS of them as [edge][CHOLESKY_COLUMNS], becomes the
 * solution. */
void solve_one(const float *lower, int64_t edge, double *vector);
void solve_columns(const float *lower, int64_t edge, double *columns);

#endif
