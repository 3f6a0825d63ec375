/* SPDX-License-Identifier: MIT
 * Steps 3 and 4 of the linear form: the logits of some rows at a time, never all of them. */
#ifndef XENT_SRC_LINEAR_H
#define XENT_SRC_LINEAR_H

#include "layout.h"

/* The matrices of a call; bias may be NULL. */
typedef struct linear_inputs {
    const xent_tensor *features, *weight, *bias;
} linear_inputs;

/* shape: of the labels, with the features and their gradient in the place of the logits and
 * theirs, logits that are an output in that of the probability, and as many classes as the weight
 * has. counts: what step 2 found; losses and predictions
 * are added to it. Returns XENT_OK, or XENT_NO_MEMORY before anything is written. */
xent_status run_linear(const layout *shape, const linear_inputs *inputs,
                       const xent_options *options, const xent_linear_outputs *outputs,
                       bool wants_total, xent_total *counts, xent_error *error);

#endif
