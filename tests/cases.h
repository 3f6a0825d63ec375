/* SPDX-License-Identifier: MIT
 * Random whole calls: everything about a call follows from one 64-bit seed. */
#ifndef XENT_TESTS_CASES_H
#define XENT_TESTS_CASES_H

#include "executors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The tensors of a call. */
enum {
    LOGITS,
    LABELS,
    CLASS_WEIGHT,
    ROW_WEIGHT,
    LOSS,
    LSE,
    PREDICTION,
    LABEL_PROBABILITY,
    ENTROPY,
    GRAD,
    PROBABILITY,
    TENSORS
};

/* The memory a tensor lies in, with a margin on both sides, and what it held before the call. */
typedef struct case_memory {
    unsigned char *bytes, *before;
    size_t size;
} case_memory;

typedef struct test_case {
    uint64_t seed;
    int64_t rows, classes;
    xent_options options; /* complete; its pointers are into this struct, as are those of outputs */
    xent_outputs outputs;
    int64_t ignore[4];
    bool given[TENSORS];
    bool large;        /* rows and logits for several tasks, which run on several threads or .. */
    tally on_executor; /* .. on an executor that counts them */
    xent_executor executor;
    bool in_place; /* grad is the logits, and has no memory of its own */
    xent_tensor tensor[TENSORS];
    case_memory memory[TENSORS];
} test_case;

/* A call whose arguments are valid; its labels and weights may be such that it is refused. */
test_case *make_case(uint64_t seed);
void free_case(test_case *call);

/* The tensor as it was before the call. */
xent_tensor tensor_before(const test_case *call, int which);

/* The name of a tensor, and the call in a few lines. */
const char *tensor_name(int which);
void print_case(FILE *file, const test_case *call);

#endif
