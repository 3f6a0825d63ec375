/* SPDX-License-Identifier: MIT
 * What the files of the linear form share of a call. */
#ifndef XENT_SRC_LINEAR_JOB_H
#define XENT_SRC_LINEAR_JOB_H

#include "call.h"
#include "linear.h"
#include "linear_memory.h"

/* What all chunks of a call share, and the rows of the chunk that is at hand. */
struct linear {
    const layout *shape;
    const linear_inputs *in;
    const xent_options *options;
    const xent_linear_outputs *out;
    const xent_kernels *elements, *lanes; /* of the features and of what is computed with */
    int64_t features, lane;               /* D, and bytes of a lane */
    double denominator;
    bool wants_grad, wants_scores; /* wants_scores: false where the logits are all */
    bool adds;                     /* to gradients of the weight that are there already */
    int32_t width;                 /* tasks of a product */
    struct linear_memory memory;
    struct call call;
    layout chunk; /* the chunk as a batch of the plain form, its options and weights */
    xent_options chunk_options;
    xent_tensor chunk_weights;
    int64_t count, lost, silent; /* rows of the chunk, those with a bad label, and the silent */
    bool gathers; /* features of the chunk into its memory; else they are read where they lie */
    xent_total *total;
};

/* ---- linear_rows.c ---- */

/* Whether row i of the chunk has no gradient: its features, which may be NaN, have no part in the
 * weight's. */
bool is_silent(const struct linear *job, int64_t i);

/* Whether the chunk's rows lie at equal steps in a tensor: so many elements into *stride. */
bool lie_evenly(const struct linear *job, const row_view *view, int64_t *stride);

/* Where the gradient of the chunk's features is computed: the caller's memory, if it can hold
 * lanes, or the chunk's. */
char *place_of_grad_features(const struct linear *job, int64_t *stride);

/* Row i of the chunk as the caller gets it: n of its logits, from class `first` on, which lie at
 * `lanes`; and all else. */
void write_logits(const struct linear *job, int64_t i, int64_t first, int64_t n, const char *lanes);
void write_row(const struct linear *job, int64_t i);

/* A row of the call that is ignored. */
void leave_row_out(const struct linear *job, int64_t row);

/* ---- linear_products.c ---- */

/* Makes the features of the chunk ready for the products. */
void take_features(struct linear *job);

/* Logits block by block: those that are an output are written, statistics kept for the scores. */
void look_at_logits(struct linear *job);

/* The products. Gradients are of what took the place of the logits. */
void find_logits(const struct linear *job);
void find_grad_features(const struct linear *job);
void add_grad_weight(struct linear *job);

#endif
