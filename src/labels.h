/* SPDX-License-Identifier: MIT
 * Integer dtypes -> class, ignored or bad; counts, weight sum and the denominator. */
#ifndef XENT_SRC_LABELS_H
#define XENT_SRC_LABELS_H

#include "layout.h"

/* What a label that is not a class stands for. */
enum { LABEL_IGNORED = -1, LABEL_BAD = -2 };

/* The labels of rows [first, first + count) as 64 bits each. */
void read_labels(const layout *shape, int64_t first, int64_t count, int64_t *values);

/* A row's label: the class in [0, classes), LABEL_IGNORED or LABEL_BAD. Ignore values win over
 * classes. Writes those of rows [first, first + count) to classes_out. */
void classify_labels(const layout *shape, const xent_options *options, int64_t first, int64_t count,
                     int64_t *classes_out);

/* The label of a row as its 64 bits. */
int64_t label_bits(const layout *shape, int64_t row);

/* Element i of an F32/F64 vector of any stride, and the weights of a row and of a class (1 if not
 * given). */
double weight_at(const xent_tensor *vector, int64_t i);
double row_weight_at(const layout *shape, int64_t row);

/* rows, counted, ignored, bad, first_bad_* (flat indices from row 0 of the whole call) and
 * weight_sum of rows [first, first + count); the other fields as in XENT_TOTAL_INIT. Rows are added
 * in order. */
xent_total count_labels(const layout *shape, const xent_options *options, int64_t first,
                        int64_t count);

/* Whether the labels and class weights as a whole can be scored: refuses bad ones, as options say.
 * The sentence shows the first bad row's coordinates, its value, the rule, the likely mistake and
 * the fix. */
xent_status accept_labels(const layout *shape, const xent_options *options,
                          const xent_total *counts, xent_error *error);

/* Refuses a mean of nothing, unless options allow it. */
xent_status accept_denominator(const xent_options *options, const xent_total *counts,
                               xent_error *error);

/* D for the gradient; 0 if the gradient is to be 0 (nothing counted). */
double gradient_denominator(const xent_options *options, const xent_total *counts);

#endif
