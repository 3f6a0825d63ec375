/* SPDX-License-Identifier: MIT
 * Rows of any type and stride, as floats side by side. */
#ifndef XENT_DIAGNOSE_GATHER_H
#define XENT_DIAGNOSE_GATHER_H

#include "diagnosis.h"

/* Rows that are gathered at once: along another axis than the last, neighbours share lines of the
 * cache. */
enum { GATHERED = 16 };

size_t element_size(int32_t dtype);

/* Rows in C order: each one's offset, in elements. */
typedef struct walk {
    int ndim;
    int64_t length[XENT_MAX_NDIM], stride[XENT_MAX_NDIM], position[XENT_MAX_NDIM];
    int64_t offset, class_stride;
} walk;
walk begin_walk(const xent_tensor *part, int class_axis, int64_t row);

/* Whether rows are floats side by side already, and need no memory. */
bool lies_in_place(const xent_tensor *part, int class_axis);

/* Keeps what is to be taken from all rows where these are compared with one another, from the first
 * of them. */
void keep_offset(xent_diagnosis *all, const xent_tensor *part);

/* The next rows, up to GATHERED, in `memory` (count*classes floats) or where they are; rows[i]
 * points at each. moved[i]: what was taken from its logits. */
void gather(const xent_diagnosis *all, const xent_tensor *part, walk *from, int64_t count,
            float *memory, const float **rows, double *moved);

#endif
