/* SPDX-License-Identifier: MIT
 * Tails of exact distributions. */
#ifndef XENT_DIAGNOSE_TAILS_H
#define XENT_DIAGNOSE_TAILS_H

#include "names.h"

#include <stdint.h>

/* P(X >= k) for X ~ Binomial(n, p). 1 where k is not above the mean: no test asks for more. */
double binomial_above(int64_t k, int64_t n, double p);
/* P(X <= k), 1 where k is not below the mean. */
double binomial_below(int64_t k, int64_t n, double p);

/* P(X >= k) for X the marked among `drawn` of `all`, of which `marked` are; 1 where k is not above
 * the mean. Fisher's exact test. */
double hypergeometric_above(int64_t k, int64_t drawn, int64_t marked, int64_t all);

#endif
