/* SPDX-License-Identifier: MIT
 * Arrays in files: reading any known format, writing .npy. */
#ifndef XENT_CLI_FORMATS_ARRAY_H
#define XENT_CLI_FORMATS_ARRAY_H

#include "xent.h"

#include <stddef.h>

/* A file's array. The tensor, in C order, lies in a private mapping of the file: it may be written
 * to without changing the file. */
typedef struct array {
    const char *path; /* as typed; NULL: not opened */
    xent_tensor tensor;
    void *map;
    size_t map_size;
} array;

/* Opens the file at path, whatever its format, for reading. EX_OK, or says what is wrong and
 * returns EX_NOINPUT (no such file, or not readable) or EX_DATAERR (not a file that can be read as
 * an array). */
int open_array(const char *path, array *array_out);
void close_array(array *opened);

/* Writes a tensor in C order as .npy: the file at path is the old one or the whole new one, never a
 * part. EX_OK, or says what is wrong and returns EX_CANTCREAT or EX_IOERR. */
int write_npy(const char *path, const xent_tensor *tensor);

#endif
