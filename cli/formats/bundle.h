/* SPDX-License-Identifier: MIT
 * Tensors by name, with metadata, in a .safetensors file: a model, or a training to go on with. */
#ifndef XENT_CLI_FORMATS_BUNDLE_H
#define XENT_CLI_FORMATS_BUNDLE_H

#include "safetensors_head.h"

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct bundle {
    source file;
    safetensors_head head;
} bundle;

/* Opens a .safetensors file and reads its head. EX_OK, or says what is wrong and returns as
 * open_source or read_safetensors_head. Close it either way. */
int open_bundle(const char *path, bundle *opened);
void close_bundle(bundle *opened);

/* The tensor of that name; NULL: none. */
const safetensors_entry *find_in_bundle(const bundle *opened, const char *name);

/* Reads a tensor into memory of its own, which the caller frees: tensor->data, in C order and the
 * machine's byte order. EX_OK, or says what is wrong and returns its exit code; data is NULL then.
 */
int load_from_bundle(const bundle *opened, const safetensors_entry *entry, xent_tensor *tensor);

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct named_tensor {
    const char *name;
    xent_tensor tensor; /* in C order */
} named_tensor;

/* Writes a file that is whole or not there: tensors, and an object of strings as metadata, which
 * is borrowed (NULL: there was no memory to build it). The file has the same bytes for the same
 * content. EX_OK, or says what is wrong and returns EX_CANTCREAT, EX_IOERR or EX_SOFTWARE. */
int write_bundle(const char *path, const named_tensor *tensors, size_t count, json_t *metadata);

#endif
