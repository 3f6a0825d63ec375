/* SPDX-License-Identifier: MIT
 * Reads the logits of a phase of rows: statistics of each row, merged from its blocks in order. */
#ifndef XENT_SRC_SWEEP_H
#define XENT_SRC_SWEEP_H

#include "plan.h"

/* Sets stats, prediction, label_logit and label_slope of the counted rows, and fills the scratch
 * with what the gradient needs: statistics of the blocks and, where they are kept, E. Rows that are
 * not counted are not read. */
void sweep_rows(const struct plan *plan, struct scratch scratch, struct row *rows, int count);

/* Where E of a row of the phase is kept along a row (plan->keeps_terms, ALONG). */
void *kept_terms(const struct plan *plan, struct scratch scratch, int i, int64_t index);

/* How many of count rows, from rows[0] on, make one phase: those that go side by side ACROSS, else
 * at most plan->phase_rows. */
int phase_width(const struct plan *plan, const struct row *rows, int count);

/* n classes from `first` on of a row, bent by softcap into z, with their slopes (NULL: not
 * wanted). */
void bend_block(const struct plan *plan, int64_t index, int64_t first, int64_t n, double *z,
                double *slope);

/* Classes in block i of a row. */
int64_t block_length(const struct plan *plan, int64_t i);

/* Class weights from class `first` on where the formula weighs classes apart from the label's;
 * NULL: all 1. */
const double *weights_from(const struct plan *plan, int64_t first);

#endif
