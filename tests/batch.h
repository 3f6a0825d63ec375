/* SPDX-License-Identifier: MIT
 * A few rows of logits with every output, in one of the ways a call can be laid out: what tests of
 * single rules start from. */
#ifndef XENT_TESTS_BATCH_H
#define XENT_TESTS_BATCH_H

#include "xent.h"

#include <stdbool.h>

enum { BATCH_ROWS = 4 };

typedef struct setting {
    int32_t dtype;
    int64_t classes;
    bool class_first; /* logits are [C, rows] */
} setting;

/* Few classes, many and more than one block of them, in every dtype, class axis last and first. */
extern const setting settings[];
extern const int setting_count;

struct batch {
    setting how;
    int64_t classes;
    double *logits;             /* [BATCH_ROWS][classes]: all 0, so that p = 1/C */
    int64_t labels[BATCH_ROWS]; /* 0, 1, 2, 0 */
    double row_weight[BATCH_ROWS], *class_weight; /* all 1; used if the next two say so */
    bool weighs_rows, weighs_classes;
    xent_options options;

    /* What a run gives; NOT_WRITTEN where nothing was written. */
    xent_status status;
    xent_total total;
    xent_error error;
    double loss[BATCH_ROWS], lse[BATCH_ROWS], label_probability[BATCH_ROWS], entropy[BATCH_ROWS];
    int64_t prediction[BATCH_ROWS];
    double *grad, *probability; /* as logits */

    int wrong; /* checks that did not hold */
};

enum { NOT_WRITTEN = -7 };

struct batch make_batch(setting how);
void run_batch(struct batch *batch);
void free_batch(struct batch *batch);

/* The logits of a row, and its gradient and probabilities after a run. */
double *logits_of(const struct batch *batch, int row);
const double *grad_of(const struct batch *batch, int row);
const double *probability_of(const struct batch *batch, int row);

/* Each prints what does not hold, with the setting, and counts it in `wrong`. near: within a few
 * spacings of float (F64: of double) of numbers up to 1; NaN and infinities exactly. grad_near: the
 * same after rounding to the logits' dtype. */
void check_that(struct batch *batch, const char *what, bool holds);
void check_near(struct batch *batch, const char *what, double found, double expected);
void check_grad_near(struct batch *batch, const char *what, double found, double expected);

#endif
