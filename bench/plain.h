/* SPDX-License-Identifier: MIT
 * Loops as one writes them, compiled for this very processor at -O3: cross-entropy in three passes
 * with libm's exp, and a sweep that reads memory. */
#ifndef XENT_BENCH_PLAIN_H
#define XENT_BENCH_PLAIN_H

#include <stddef.h>
#include <stdint.h>

/* Row i has its class c at (i / inner * classes + c) * inner + i % inner. */
typedef struct plain_batch {
    const void *logits;
    void *gradient;
    const int64_t *labels;
    int64_t rows, classes, inner;
} plain_batch;

/* Writes the gradient of the mean loss for rows [begin, end); returns the sum of their losses.
 * scratch holds a row of doubles. */
typedef double plain_loop(const plain_batch *, int64_t begin, int64_t end, void *scratch);
plain_loop plain_f32, plain_f64, plain_bf16;

/* A sum of all words, which reads every byte but those after the last whole word. */
uint64_t read_memory(const void *from, size_t bytes);

#endif
