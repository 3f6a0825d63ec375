/* SPDX-License-Identifier: MIT
 * What a file format has to offer, and the formats there are. A format joins with one file and one
 * row in open_array's table. */
#ifndef XENT_CLI_FORMATS_FORMAT_H
#define XENT_CLI_FORMATS_FORMAT_H

#include "xent.h"

#include <stdbool.h>
#include <stddef.h>

/* A file's bytes. They come from strangers: nothing about them is known but their number. */
typedef struct file_bytes {
    const char *path;
    unsigned char *data; /* NULL if size is 0 */
    size_t size;
} file_bytes;

typedef struct format {
    bool (*recognise)(const file_bytes *file); /* by its first bytes */
    /* A tensor in C order that lies in the file's bytes. EX_OK, or says why not: EX_DATAERR. */
    int (*read)(const file_bytes *file, xent_tensor *tensor);
} format;

extern const format NPY_FORMAT;

#endif
