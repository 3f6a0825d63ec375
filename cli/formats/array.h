/* SPDX-License-Identifier: MIT
 * Arrays in files of any known format: opened, then read whole or a box at a time. */
#ifndef XENT_CLI_FORMATS_ARRAY_H
#define XENT_CLI_FORMATS_ARRAY_H

#include "boxes.h"
#include "format.h"

/* What the user says of a file besides its name. */
typedef struct description {
    /* 0: as the file says. Of a raw file: its type; else what the file must hold, or bfloat16, for
     * which NumPy has no type: elements of two bytes are taken for it. */
    int32_t dtype;
    bool swapped; /* of a raw file: the other byte order than the machine's */
    bool raw;     /* no format: elements of this type and shape from offset to the end */
    int ndim;
    int64_t shape[XENT_MAX_NDIM];
    int64_t offset;
    const command_line *typed; /* the command, for what can be typed instead; NULL: none */
} description;

typedef struct array {
    const char *path; /* as typed, "file.npz:name", or STANDARD_INPUT; NULL: not opened */
    source file;
    contents found;
    xent_tensor
        tensor;      /* dtype and shape, and how it lies in the file; data is NULL until loaded */
    char *file_name; /* the path without its member; NULL: there is none */
    const char *member; /* points into path; NULL: none given */
} array;

/* Opens the array at path, "file" or "file:member", as floating-point numbers if it is text and
 * `reals`. EX_OK, or says what is wrong and returns EX_NOINPUT (no such file, or not readable),
 * EX_DATAERR (not a file that can be read as an array), or what a spool returns. */
int open_array(const char *path, const description *said, bool reals, array *out);
void close_array(array *opened);

/* Reads all of it into memory of its own: tensor.data, in C order. EX_OK or as read_source. */
int load_array(array *opened);

/* Reads a box into memory, where its elements come in the order of the file; *view is that, in the
 * machine's byte order. EX_OK or as read_source. */
int read_box(const array *opened, const box *part, void *memory, xent_tensor *view);

/* The elements of a tensor with any strides, into memory in C order. */
void copy_in_c_order(const xent_tensor *from, char *to);

#endif
