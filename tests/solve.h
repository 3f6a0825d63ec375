/* SPDX-License-Identifier: MIT
 * A problem laid out in memory in any way, put through xent_cross_entropy, and the answer read
 * back in C order, so that answers can be compared byte by byte. */
#ifndef XENT_TESTS_SOLVE_H
#define XENT_TESTS_SOLVE_H

#include "problem.h"

/* The outputs, in the order of xent_outputs. */
enum { LOSS, LSE, PREDICTION, LABEL_PROBABILITY, ENTROPY, GRAD, PROBABILITY, OUTPUTS };
enum { ALL_OUTPUTS = (1 << OUTPUTS) - 1 };

/* Where tensors live: exactly `bytes` bytes, to be given back with the same number. */
typedef struct memory {
    char *(*take)(size_t bytes);
    void (*give_back)(char *block, size_t bytes);
} memory;

/* How a problem is laid out and run. All 0: in C order, every output, on the calling thread. */
typedef struct arrangement {
    int class_first;     /* 0: [outer, inner, C], 1: [outer, C, inner], 2: [C, outer, inner] */
    int axis_rotation;   /* which axis from the end is the fastest in memory: 0, 1 or 2 */
    int64_t gap;         /* unused elements between neighbours */
    int64_t padding;     /* and after each run of the fastest axis */
    unsigned reversed;   /* bit a: axis a of every tensor has a negative stride */
    size_t misalignment; /* bytes */
    bool in_place;       /* grad is the logits */
    bool small_dtypes;   /* smallest signed labels, F32 row outputs, I32 prediction */
    bool no_total, no_error;
    unsigned left_out; /* bit o: output o is not asked for */
    int32_t threads;
    const xent_executor *executor;
    const memory *memory; /* NULL: the heap */
    void (*before)(void); /* NULL, or run right before the library's function */
    void (*after)(void);  /* and right after it */
} arrangement;

/* data[o] is NULL if output o was not asked for, or if the problem cannot have it. */
typedef struct answer {
    xent_status status;
    xent_total total;
    char *data[OUTPUTS];
    size_t row_bytes[OUTPUTS];
    int64_t rows;
    bool has_total;
    bool strayed; /* a byte changed that no output owns; after a refusal, any byte */
    char message[512];
} answer;

answer solve(const problem *what, const arrangement *how);
void free_answer(answer *found);

/* What the two disagree in: NULL if in nothing. Compared are the outputs that both have, and the
 * total if both have it. */
const char *difference(const answer *one, const answer *other);
/* Which of count arrangements of a problem has another answer than `as`, all without as's left_out,
 * or strays; -1: none. *what: in what. */
int find_difference(const problem *made, const arrangement *as, const arrangement *arrangements,
                    int count, const char **what);
/* The same for rows [first, first + part's rows) of `whole`; totals are not compared. */
const char *row_difference(const answer *whole, int64_t first, const answer *part);

#endif
