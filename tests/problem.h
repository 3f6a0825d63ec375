/* SPDX-License-Identifier: MIT
 * Batches of rows that are the same bits on every machine: integer random numbers, no libm. */
#ifndef XENT_TESTS_PROBLEM_H
#define XENT_TESTS_PROBLEM_H

#include "xent.h"

#include <stdbool.h>

/* What the logits look like. MIXED takes the other kinds in turn, row by row. */
enum {
    PLAIN,    /* within 8 of 0 */
    OFFSET,   /* a huge offset common to the row */
    SPIKE,    /* one class far above the others */
    MASKED,   /* many -inf and lowest finite values; some rows all -inf */
    EQUAL,    /* many ties */
    TINY,     /* subnormal */
    EXTREME,  /* the largest finite values beside zeros of both signs and small ones */
    POISONED, /* a NaN or +inf in every third row */
    MIXED,
    KINDS
};

/* Row weights. */
enum {
    NO_WEIGHTS,
    POSITIVE, /* multiples of 1/8 up to 2, with zeros among them */
    WIDE,     /* of both signs, from 2^-73 to 2^81, so that no sum of losses is exact */
    WILD      /* as those, with NaN and -inf among them */
};

/* A combination of options, weights and labels. */
typedef struct variant {
    const char *name;
    int32_t logits_are, reduction, on_bad_label;
    double denominator, label_smoothing, z_loss, softcap, logit_scale; /* logit_scale 0: 1 */
    int row_weight;
    bool class_weight, bad_labels, ignored_class;
} variant;

extern const variant variants[];
extern const int variant_count;
const variant *variant_named(const char *name);

/* What a problem is made from: rows = outer*inner. */
typedef struct recipe {
    int32_t dtype, kind;
    int64_t outer, inner, classes;
    const variant *variant;
} recipe;

/* The data of a call in C order: logits [outer, inner, classes], labels and row weights [outer,
 * inner], class weights [classes]. The weights are NULL if there are none. `options` holds
 * numbers and the ignore list alone. */
typedef struct problem {
    recipe made_from;
    int64_t rows;
    xent_options options;
    char *logits;
    int64_t *labels;
    float *row_weight, *class_weight;
} problem;

/* The data depends on the recipe alone. */
problem make_problem(const recipe *from);
/* Rows [first, first + count) of a problem, as a problem with outer = 1. */
problem cut_problem(const problem *whole, int64_t first, int64_t count);
void free_problem(problem *made);

/* Bytes of an element of any dtype of xent.h. */
size_t element_size(int32_t dtype);
/* "f32", "f64", "bf16" or "f16". */
const char *logit_dtype_name(int32_t dtype);

/* calloc that ends the program when there is no memory. */
void *zeroed(size_t bytes);

#endif
