/* SPDX-License-Identifier: MIT
 * Holding everything a call returned against the reference. */
#ifndef XENT_TESTS_COMPARE_H
#define XENT_TESTS_COMPARE_H

#include "cases.h"
#include "reference.h"

typedef struct comparison {
    test_case *call;
    xent_tensor logits, labels; /* as they were before the call */
    xent_total total;           /* as the call left it */
    reference expected;
    reference_row row;   /* the row at hand */
    long double *others; /* of each of its classes: see slopes.c */
    int64_t index;       /* of the row at hand */
    uint64_t dice;
    long double bound, flushed, bent; /* the tolerances of the dtype; see compare.c */
    long double loss_tolerance;       /* of the sum of the losses so far */
    int64_t differences, shown;
} comparison;

/* Runs the case and compares: numbers (if reference_is_precise), status, sentence and the memory
 * around the outputs. Differences beyond the first `show` are only counted. Returns how many there
 * are. */
int64_t compare_case(test_case *call, int64_t show);

/* The distance from a number of this size to the next in a floating-point dtype. */
long double spacing(int32_t dtype, long double size);

/* Adds a difference at the row at hand (class -1: not at a class). */
void add_difference(comparison *with, const char *what, int64_t class, long double found,
                    long double expected, long double tolerance);

/* The gradient of the row at hand: where all |z| <= 30, against central differences of the loss;
 * and a row from logits without z-loss and softcap sums to 0. */
void compare_slopes(comparison *with);

#endif
