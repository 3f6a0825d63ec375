/* SPDX-License-Identifier: MIT
 * Row statistics -> loss and gradient coefficients, and what rows that need care get instead. */
#ifndef XENT_SRC_TERMS_H
#define XENT_SRC_TERMS_H

#include "cpu/kernels.h"
#include "names.h"

/* Merges the statistics of the range of classes that follows into's (its arg already counted from
 * the row's first class). */
void merge_stats(xent_stats *into, const xent_stats *from, double scale, const xent_math *math);

/* The factor that turns E of one block into E of the row (<= 1). */
double block_factor(const xent_stats *block, const xent_stats *row, double scale,
                    const xent_math *math);

/* The options and the denominator as the numbers in the formula. */
struct formula {
    int32_t logits_are;
    xent_coefficients by; /* denominator 0: the gradient is 0 */
};

struct formula make_formula(const xent_options *options, bool plain, int64_t classes,
                            int64_t lane_bytes, double denominator);

typedef enum row_kind {
    ROW_SKIPPED, /* ignored, or bad and to be ignored: everything 0 */
    ROW_LOST,    /* bad and to be NaN: everything NaN */
    ROW_COUNTED
} row_kind;

/* Rows of a phase that go side by side. */
struct side_by_side {
    int count;
    bool whole;         /* they are all rows from the first on, so that columns can be theirs */
    int row[MOST_ROWS]; /* else: which they are */
};

/* Rows on their way from label and logits to outputs: a column for each number, of which
 * finish_rows sets the second half. */
struct rows {
    int64_t first; /* the call's row that is the first here */
    int64_t end;   /* the row behind the last that this task is known to take */
    int count;     /* at most MOST_ROWS */
    bool all_counted;
    /* Of the phase at work: a row of it is poisoned; no a or b is out of a lane's range; every
     * row is counted and has the gradient that its columns say. */
    bool any_poisoned, all_fit, ordinary;
    unsigned char kind[MOST_ROWS]; /* a row_kind */
    int64_t label[MOST_ROWS], prediction[MOST_ROWS];
    /* where class 0 of each row lies; of the last two only if they are wanted */
    void *logits[MOST_ROWS], *own_grad[MOST_ROWS], *probability[MOST_ROWS];
    void **grad; /* own_grad, or logits, in place */
    /* each row an element after the one before */
    bool neighbours, grad_neighbours, probability_neighbours;
    xent_stats stats[MOST_ROWS]; /* but of rows ACROSS that are a single block */
    bool poisoned[MOST_ROWS];    /* no largest logit, or a NaN or +inf among them */
    xent_columns columns;
    struct side_by_side beside; /* ACROSS, of the phase at work */
    /* Where rows are not ordinary, what is not as the columns a, b, label_grad and share say:
     * all of the gradient is 0, or NaN; all probabilities are NaN. */
    bool grad_is_zero[MOST_ROWS], grad_is_nan[MOST_ROWS], probability_is_nan[MOST_ROWS];
};

/* From kind, label, poisoned and the first half of the columns all the rest, for rows [from, from +
 * count). */
void finish_rows(const struct formula *formula, struct rows *rows, int from, int count,
                 const xent_math *math);

/* The columns of a row's statistics. */
void set_columns(struct rows *rows, int i, const xent_stats *stats);

#endif
