/* SPDX-License-Identifier: MIT
 * Parts of arrays whose elements lie densely in a file, in C or in Fortran order. */
#ifndef XENT_CLI_FORMATS_BOXES_H
#define XENT_CLI_FORMATS_BOXES_H

#include "xent.h"

#include <stdbool.h>

/* A part of an array: length >= 1 from first on, per axis. */
typedef struct box {
    int64_t first[XENT_MAX_NDIM], length[XENT_MAX_NDIM];
} box;

box whole_box(const xent_tensor *tensor);
int64_t box_count(const box *part, int ndim);

/* Sets the strides of a tensor, dense in C order or in Fortran order, from its shape. */
void set_dense_strides(xent_tensor *tensor, bool fortran_order);

/* Calls each(context, offset, size, memory) for the runs of a box's bytes that lie side by side in
 * the whole array, in the array's order: offset from the array's begin, memory going on from the
 * given one. Returns the first code that is not EX_OK. */
typedef int run_action(void *context, int64_t offset, int64_t size, char *memory);
int for_each_run(const xent_tensor *whole, bool fortran_order, const box *part, char *memory,
                 run_action *each, void *context);

#endif
