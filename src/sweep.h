/* SPDX-License-Identifier: MIT
 * Reads the logits of a phase of rows: statistics of each row, merged from its blocks in order. */
#ifndef XENT_SRC_SWEEP_H
#define XENT_SRC_SWEEP_H

#include "plan.h"

/* Of rows [from, from + count): sets prediction, poisoned and the first half of the columns but the
 * weights, of the counted ones, and fills the scratch with what the gradient needs: statistics of
 * the blocks and, where they are kept, E. Rows that are not counted may be read, but count for
 * nothing. */
void sweep_rows(const struct plan *plan, struct scratch scratch, struct rows *rows, int from,
                int count);

/* What sweep_rows will take as known of block b of a row, whose n consecutive logits lie at x. Not
 * ACROSS. */
void know_block(const struct plan *plan, const struct known_rows *known, int64_t row, int64_t b,
                const void *x);

/* ALONG: one row, whose blocks several tasks may share. */
struct along {
    const struct plan *plan;
    const struct rows *rows;
    int row;
    char *terms;        /* E of class 0; NULL: it is not kept */
    char *target;       /* the gradient's class 0, if no cache has it; or NULL */
    xent_stats *blocks; /* [blocks] */
};

/* Row i of the phase that begins at `from`. */
struct along row_along(const struct plan *plan, struct scratch scratch, const struct rows *rows,
                       int from, int i);

/* n classes from `first` on of a row, bent by softcap into z, with their slopes (NULL: not
 * wanted). */
void bend_block(const struct plan *plan, const struct rows *rows, int i, int64_t first, int64_t n,
                double *z, double *slope);

/* Which row goes side by side with the others as the j-th; ACROSS every phase is all rows there
 * are. */
int row_beside(const struct rows *rows, int j);

/* Where the logits of class `first` of the rows side by side lie: in an array that is there, or in
 * gathered [MOST_ROWS]. */
const void *const *classes_beside(const struct plan *plan, const struct rows *rows, int64_t first,
                                  const void **gathered);

/* Whether the logits of the rows side by side are neighbours in memory. */
bool are_neighbours(const struct rows *rows);

/* The statistics of block b of the rows side by side. */
xent_stats_columns *block_columns(const struct plan *plan, struct scratch scratch,
                                  struct rows *rows, int64_t b);

/* Classes in block i of a row; 0 behind the last. */
int64_t block_length(const struct plan *plan, int64_t i);

/* Class weights from class `first` on where the formula weighs classes apart from the label's;
 * NULL: all 1. */
const double *weights_from(const struct plan *plan, int64_t first);

/* The statistics of row j of the columns of one of several blocks. */
xent_stats stats_of_column(const struct plan *plan, const xent_stats_columns *columns, int j);

#endif
