/* SPDX-License-Identifier: MIT
 * Sums held as two doubles, and their merge. */
#ifndef XENT_SRC_TOTAL_H
#define XENT_SRC_TOTAL_H

/* Adds value to *high + *low without loss beyond 2^-104 relative. When the sum is not finite, *low
 * is 0 and a NaN is the positive quiet one. */
void add_to_sum(double *high, double *low, double value);

#endif
