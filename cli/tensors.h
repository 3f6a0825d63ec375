/* SPDX-License-Identifier: MIT
 * Small questions about tensors in C order: names, shapes, single values. */
#ifndef XENT_CLI_TENSORS_H
#define XENT_CLI_TENSORS_H

#include "xent.h"

#include <stdbool.h>
#include <stddef.h>

/* NumPy's name of a dtype, "float32", and the bytes of one element. */
const char *type_name(int32_t dtype);
size_t type_size(int32_t dtype);
bool is_float(int32_t dtype);

/* Whether '<', little endian, or '>', big endian, is not the byte order of this machine. */
bool is_foreign(char order);

/* The dtype of such a name, or of its short form, "f32"; 0: there is none. */
int32_t find_type_name(const char *name);

/* Elements of a tensor whose shape is known not to overflow. */
int64_t element_count(const xent_tensor *tensor);

/* "[4, 3]" into text, which holds SHAPE_TEXT bytes; returns text. */
enum { SHAPE_TEXT = 192 };
const char *write_shape(char *text, int ndim, const int64_t *shape);

/* Where flat index i lies in a tensor: "7" in a vector, "[2, 5]" else; text as above. */
const char *write_position(char *text, const xent_tensor *tensor, int64_t i);

bool equal_shapes(int ndim, const int64_t *shape, int other_ndim, const int64_t *other);

/* Element i of an integer tensor, as its 64 bits, and these as text (a uint64 may be large). */
int64_t label_at(const xent_tensor *labels, int64_t i);
enum { LABEL_TEXT = 24 };
const char *write_label(char *text, const xent_tensor *labels, int64_t bits);

/* Element i of a floating-point tensor. */
double real_at(const xent_tensor *tensor, int64_t i);

/* Turns the bytes of each of so many elements around. */
void swap_bytes(char *elements, int64_t count, size_t size);

#endif
