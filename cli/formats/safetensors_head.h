/* SPDX-License-Identifier: MIT
 * The head of a .safetensors file: its tensors by name, type, shape and place, and its metadata. */
#ifndef XENT_CLI_FORMATS_SAFETENSORS_HEAD_H
#define XENT_CLI_FORMATS_SAFETENSORS_HEAD_H

#include "format.h"

#include <jansson.h>

/* The file begins with the length of the header, little endian. */
enum { SAFETENSORS_LENGTH = 8 };

typedef struct safetensors_type {
    const char *name; /* "F32" */
    int bits;
    int32_t dtype; /* 0: is no type of the library */
} safetensors_type;

typedef struct safetensors_entry {
    const char *name;
    const safetensors_type *type;
    const json_t *shape;
    int64_t begin, end; /* counted from the end of the header */
} safetensors_entry;

typedef struct safetensors_head {
    const source *file;
    int64_t length;
    json_t *document;
    safetensors_entry *entries; /* in the order of their places */
    int64_t count;
} safetensors_head;

/* Reads and checks the head of a file, as strictly as the format's own implementation. EX_OK, or
 * says what is wrong and returns EX_DATAERR, EX_SOFTWARE or as read_source. Free it either way. */
int read_safetensors_head(const source *file, safetensors_head *head);
void free_safetensors_head(safetensors_head *head);

/* Where a tensor's elements lie. EX_OK, or says why they cannot be read and returns EX_DATAERR. */
int find_safetensors_elements(const safetensors_head *head, const safetensors_entry *from,
                              contents *found);

/* The metadata of that name; NULL: none. */
const char *safetensors_note(const safetensors_head *head, const char *name);

/* The name of a type of the library. */
const char *safetensors_type_name(int32_t dtype);

#endif
