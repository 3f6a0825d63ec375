/* SPDX-License-Identifier: MIT
 * The reference: the whole semantics of xent as a student would write them down, in long double,
 * one row at a time. It shares no code with the library. */
#ifndef XENT_TESTS_REFERENCE_H
#define XENT_TESTS_REFERENCE_H

#include "xent.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a long double is more than a double here; under valgrind it is not, and the reference's
 * numbers are too coarse to judge by. */
bool reference_is_precise(void);

/* ---- elements ---- */

size_t dtype_bytes(int32_t dtype);

/* The offset, in elements, of a row (flat index in C order of the labels' shape) in a tensor whose
 * axis `axis` counts classes; -1: the tensor has the labels' shape. */
int64_t row_offset(const xent_tensor *tensor, int axis, int64_t row);

/* The element at an offset: of a floating-point tensor, exactly; of an integer tensor, as 64
 * bits. */
double real_element(const xent_tensor *tensor, int64_t offset);
int64_t integer_element(const xent_tensor *tensor, int64_t offset);

/* ---- a call ---- */

/* A sum as if in twice the precision. */
typedef struct long_sum {
    long double value, lost;
} long_sum;

typedef struct reference {
    const xent_tensor *logits, *labels;
    const xent_options *options;
    int axis;
    int64_t rows, classes;
    xent_status status; /* what the call must return; its arguments are taken to be in order */
    xent_total total; /* the counts; nonfinite and correct of the rows added so far; not the sums */
    long double weight_sum;   /* of w*k[y] over counted rows */
    long double weight_parts; /* of their magnitudes */
    long double mass;         /* K, the sum of k */
    long double denominator;  /* D; 0: the gradient is 0 */
    long double loss_sum;     /* of the rows added so far */
    long_sum losses;          /* the same */
} reference;

/* Reads the labels and the weights. The three pointers are kept; options are complete. */
reference make_reference(const xent_tensor *logits, const xent_tensor *labels,
                         const xent_options *options);

/* An element of a weight tensor; 1 if there is none. */
long double weight_of(const xent_tensor *weight, int64_t index);

/* ---- a row ---- */

enum { ROW_IGNORED = -1, ROW_BAD = -2 };

typedef struct reference_row {
    int64_t label; /* the class, ROW_IGNORED or ROW_BAD */
    long double weight;
    long double *x; /* the logits; this and all arrays below: one element per class */

    long double loss, lse, label_probability, entropy;
    int64_t prediction;
    long double *nll, *probability, *grad;

    /* What tolerances are made of: the sums of the magnitudes of the terms of loss, lse and
     * gradient; `reach`, by how much the loss changes at most if every z changes by 1; max |z|;
     * and, with softcap, |s*x|/cap. All 0 where results are exact. */
    long double loss_parts, lse_parts, reach, largest;
    long double *grad_parts, *bend;
} reference_row;

reference_row make_row(int64_t classes);
void free_row(reference_row *row);

/* Fills x, label and weight with those of row `index`. */
void read_row(const reference *call, int64_t index, reference_row *row);

/* Everything else of the row from its x, label and weight. */
void score_row(const reference *call, reference_row *row);

/* Adds a scored row to total and loss_sum. */
void add_row(reference *call, int64_t index, const reference_row *row);

/* The reduced loss, once all rows are added. */
long double reduced_loss(const reference *call);

#endif
