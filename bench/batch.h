/* SPDX-License-Identifier: MIT
 * What is measured: a shape with an element type, and the memory that holds such a batch. */
#ifndef XENT_BENCH_BATCH_H
#define XENT_BENCH_BATCH_H

#include "xent.h"

#include <stdbool.h>

typedef struct point {
    const char *set; /* "table", "classes" or "size" */
    int32_t dtype;
    int ndim, class_axis;
    int64_t shape[4];
    bool plain; /* whether the plain loop is timed too */
} point;

/* Warm memory of a point. A small batch is there many times over, one copy a call, so that a
 * sample is long enough for the clock. */
typedef struct batch {
    const point *point;
    int64_t outer, classes, inner; /* the shape around its class axis */
    int64_t rows, elements;        /* of one copy */
    int64_t copies;
    size_t bytes;            /* of one copy */
    void *logits, *gradient; /* [copies][elements]; the first are overwritten in place */
    void *seed;              /* what the logits are restored from: it repeats */
    size_t seed_bytes;
    int64_t *labels; /* [copies][rows] */
} batch;

/* "f32", "bf16" .. */
const char *dtype_name(int32_t dtype);
size_t dtype_size(int32_t dtype);

/* Bytes that fill_batch would take. */
double batch_memory(const point *of);

/* Random logits, about normal with deviation 2, and labels; the same in every run. Ends the
 * program if there is no memory. */
batch fill_batch(const point *of);
void free_batch(batch *held);

/* The logits as they were filled. */
void restore_logits(batch *held);

/* Element i of an array of the batch's type. */
double element_at(const batch *held, const void *array, int64_t i);

/* malloc, aligned to a cache line as frameworks align tensors; ends the program without memory. */
void *get_memory(size_t bytes);

#endif
