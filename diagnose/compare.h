/* SPDX-License-Identifier: MIT
 * Two ways to pair rows with labels, held against each other. */
#ifndef XENT_DIAGNOSE_COMPARE_H
#define XENT_DIAGNOSE_COMPARE_H

#include "names.h"

#include <stdint.h>

/* Rows whose prediction agrees with the labels as given alone, with the other labels alone, and
 * with the other labels at all. */
typedef struct comparison {
    int64_t given_only, other_only, other;
} comparison;

/* Adds n rows: given[i] and other[i] are agreed with by prediction[i] + 0 and other_prediction[i] +
 * bias. */
void compare_rows(comparison *found, const int32_t *predictions, const int32_t *given,
                  const int32_t *other_predictions, int32_t bias, const int32_t *other, int64_t n);

/* The sign test: what the chance of so many for the other is at most, if the given are right. */
double chance_of(const comparison *found);

#endif
