/* SPDX-License-Identifier: MIT
 * Weighted second moments of rows. */
#ifndef XENT_TRAIN_GRAM_H
#define XENT_TRAIN_GRAM_H

#include "names.h"

#include <stddef.h>
#include <stdint.h>

enum { GRAM_ROWS = 128, GRAM_PANEL = 8 };

/* Bytes of scratch memory for rows of `edge` entries. */
size_t gram_scratch(int64_t edge);

/* Adds the sum of weights[i]*row*row^T over `count` (at most GRAM_ROWS) rows of `edge` floats to
 * the lower triangle of a matrix [edge][edge]. */
void add_gram(double *matrix, int64_t edge, const float *const *rows, const float *weights,
              int64_t count, void *scratch);

#endif
