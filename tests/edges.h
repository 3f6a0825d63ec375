/* SPDX-License-Identifier: MIT
 * What rows of a kind look like, and running a rule in every setting of a batch. */
#ifndef XENT_TESTS_EDGES_H
#define XENT_TESTS_EDGES_H

#include "batch.h"

/* A rule: edits a batch of equal logits, runs it and checks what came out. */
struct edge {
    const char *name;
    void (*rule)(struct batch *batch);
};

/* Runs every rule in every setting and prints what does not hold; returns 0 if all does. */
int run_edges(const struct edge *edges, size_t count);

double p_equal(const struct batch *batch);
double log_classes(const struct batch *batch);
void check_row_is(struct batch *batch, int row, double value);
void check_grad_is(struct batch *batch, int row, double value);
void check_row_is_unharmed(struct batch *batch, int row, double denominator);
void check_nothing_written(struct batch *batch, xent_status status);
void check_counts(struct batch *batch, int64_t counted, int64_t ignored, int64_t bad,
                  int64_t nonfinite);
void fill_logits(struct batch *batch, int row, double value);

#endif
