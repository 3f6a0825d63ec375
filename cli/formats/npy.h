/* SPDX-License-Identifier: MIT
 * The head of a .npy file, for writing one. */
#ifndef XENT_CLI_FORMATS_NPY_H
#define XENT_CLI_FORMATS_NPY_H

#include "xent.h"

#include <stdbool.h>
#include <stddef.h>

/* A version 1.0 head for a tensor of this dtype and shape, padded so that the elements are aligned;
 * returns its size. bfloat16 becomes '<V2', as ml_dtypes saves it. */
enum { NPY_HEAD = 512 };
size_t write_npy_head(char *head, const xent_tensor *tensor, bool fortran_order);

#endif
