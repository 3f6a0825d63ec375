/* SPDX-License-Identifier: MIT
 * A batch in blocks of rows that fit memory: boxes of logits, and the labels that go with them. */
#ifndef XENT_CLI_BLOCKS_H
#define XENT_CLI_BLOCKS_H

#include "formats/array.h"
#include "xent.h"

#include <stdbool.h>

/* Rows [first, first + rows) in C order of the labels: a box of the labels and, with all classes,
 * of the logits. */
typedef struct block {
    int64_t first, rows;
    box labels, logits;
} block;

/* How the rows are divided: along one axis of the labels, index by index of those before it. */
typedef struct division {
    const xent_tensor *logits, *labels;
    int class_axis; /* in [0, ndim) */
    int axis;       /* of the labels; labels->ndim: one row at a time */
    int64_t length; /* of a block along it, but for the last */
    int64_t inner;  /* rows for each index of it */
    int64_t most;   /* elements of logits in a block, at most */
} division;

/* Bytes of logits in one block: they stay in a shared cache between reading and scoring. */
enum { BLOCK_BUDGET = 1 << 24 };

/* Blocks of at most `budget` bytes of logits, or one row. The tensors' dtypes and shapes fit. */
division divide_batch(const xent_tensor *logits, const xent_tensor *labels, int class_axis,
                      int64_t budget);

/* The first block (first = rows = 0 before the call), then each that follows; false after the last.
 * A batch without rows has none. */
bool next_block(const division *how, block *at);

/* The logits of a single row, a flat index into the labels. */
box logits_of_row(const xent_tensor *logits, const xent_tensor *labels, int class_axis,
                  int64_t row);

/* Memory for so many numbers, from calloc; NULL: says for which file there is none, and sets *code
 * to EX_SOFTWARE unless something was wrong before. */
void *take_numbers(int64_t count, size_t size, const array *whose, int *code);

#endif
