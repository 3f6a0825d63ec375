/* SPDX-License-Identifier: MIT
 * Sums held as two doubles, and their merge. */
#ifndef XENT_SRC_TOTAL_H
#define XENT_SRC_TOTAL_H

#include "cpu/kernels.h"
#include "names.h"

/* A sum over the rows of a group on its way: row i is added to lane i % SUM_LANES, so that the
 * lanes of a vector do not wait for one another. {{0}, {0}} is the sum of nothing. */
struct lane_sums {
    double high[SUM_LANES], low[SUM_LANES];
};

/* n values that are filled up with 0, so that they are whole vectors. */
static inline int64_t filled_up(int64_t n) {
    return (n + SUM_STEP - 1) / SUM_STEP * SUM_STEP;
}

/* Adds the values of the next n rows, a multiple of SUM_LANES but for the last ones, which are
 * filled up. */
void add_rows(struct lane_sums *sums, const double *values, int64_t n);

/* The lanes in order, added to *high + *low. When the sum is not finite, *low is 0 and a NaN is the
 * positive quiet one. */
void finish_sum(const struct lane_sums *sums, int64_t rows, double *high, double *low);

#endif
