/* SPDX-License-Identifier: MIT
 * One row of floats at a glance. */
#ifndef XENT_DIAGNOSE_ROW_H
#define XENT_DIAGNOSE_ROW_H

#include "names.h"

#include <stdint.h>

typedef struct row_facts {
    float least;
    double sum;
    double order; /* of sums so far: tells rows from their permutations, as Fletcher's checksum */
} row_facts;

row_facts look_at_row(const float *logits, int64_t classes);

#endif
