/* SPDX-License-Identifier: MIT
 * What the rules about arguments share: one file of rules per subject, called by check.c in this
 * order. */
#ifndef XENT_SRC_CHECK_PARTS_H
#define XENT_SRC_CHECK_PARTS_H

#include "names.h"
#include "xent.h"

#include <stdbool.h>

/* The product of the lengths (all >= 0) into *count; false if it overflows. A length of 0 counts
 * first. */
bool count_elements(int ndim, const int64_t *shape, int64_t *count);
/* Whether two tensors (or shapes) have the same axes. */
bool same_lengths(int ndim_a, const int64_t *shape_a, int ndim_b, const int64_t *shape_b);
bool same_shape(const xent_tensor *a, const xent_tensor *b);

static inline bool is_integer(const xent_tensor *tensor) {
    return tensor->dtype >= XENT_I8 && tensor->dtype <= XENT_U64;
}
static inline bool is_f32_or_f64(const xent_tensor *tensor) {
    return tensor->dtype == XENT_F32 || tensor->dtype == XENT_F64;
}

/* The addresses [begin, end) between which all elements of a tensor lie; begin = end: no
 * elements. */
typedef struct memory_range {
    uintptr_t begin, end;
} memory_range;
/* false if the shape and strides lead out of the address space. */
bool find_range(const xent_tensor *tensor, memory_range *range);

/* A tensor under the name that sentences give it. */
typedef struct named_tensor {
    const char *name;
    const xent_tensor *tensor; /* NULL: not given */
} named_tensor;

/* All outputs; the first three have their places. */
enum { GRAD, PROBABILITY, PREDICTION, OUTPUTS = 7 };
void list_outputs(const xent_outputs *outputs, named_tensor list[OUTPUTS]);

/* Whether logits [N, C], labels [N] and the gradient, if any, are each in one piece, not empty, of
 * right dtypes and apart (or the gradient in place), and there is nothing else but options without
 * tensors: true only where all rules but those of check_options and check_labels hold. */
bool is_plain_call(const xent_tensor *logits, const xent_tensor *labels,
                   const xent_options *options, const xent_outputs *outputs);

/* One tensor by itself (given, not NULL): axes, lengths, strides, dtype number, data. */
xent_status check_tensor(const char *name, const xent_tensor *tensor, xent_error *error);
/* Those of a list that are given. */
xent_status check_tensors(const named_tensor *list, int count, xent_error *error);

/* The labels, which must be there, and the weights, each by itself. */
xent_status check_each_of_labels(const xent_tensor *labels, const xent_options *options,
                                 xent_error *error);
xent_status check_label_dtype(const xent_tensor *labels, xent_error *error);

/* Options without tensors, and what probabilities and log-probabilities rule out. */
xent_status check_options(const xent_options *options, const xent_outputs *outputs,
                          xent_error *error);

/* Class axis, and labels against logits; axis in [-ndim, ndim) once it has passed. */
xent_status check_labels(const xent_tensor *logits, const xent_tensor *labels, int axis,
                         xent_error *error);

/* Shapes and dtypes of the weights that options hold. */
xent_status check_weights(const xent_options *options, const xent_tensor *labels, int64_t classes,
                          xent_error *error);

/* Shapes and dtypes of the outputs; logits may be a mere shape. */
xent_status check_outputs(const xent_outputs *outputs, const xent_tensor *logits,
                          const xent_tensor *labels, int64_t classes, xent_error *error);

/* Outputs against themselves, each other, the values to be ignored and all inputs. in_place: the
 * first output may be the first input, which are the logits. */
enum { MOST_INPUTS = 6, MOST_OUTPUTS = 11 };
xent_status check_overlap(const named_tensor *inputs, int inputs_given, const named_tensor *outputs,
                          int outputs_given, bool in_place, const xent_options *options,
                          xent_error *error);

#endif
