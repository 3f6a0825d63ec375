/* SPDX-License-Identifier: MIT
 * A .npy file that is written part by part, and whole or not there. */
#ifndef XENT_CLI_FORMATS_NPY_OUTPUT_H
#define XENT_CLI_FORMATS_NPY_OUTPUT_H

#include "output.h"
#include "xent.h"

typedef struct npy_output {
    output file; /* to finish or to drop; path NULL: not asked for */
    int64_t head_size;
} npy_output;

/* Begins a file (path NULL: none, EX_OK) that will hold a tensor of this dtype and shape. EX_OK or
 * as begin_output. */
int begin_npy(const char *path, const xent_tensor *tensor, bool fortran_order, npy_output *npy);

/* Writes size bytes of elements, offset bytes behind the first element: a run_action, whose context
 * is the npy_output. EX_OK or as write_output. */
int write_npy_run(void *context, int64_t offset, int64_t size, char *memory);

#endif
