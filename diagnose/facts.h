/* SPDX-License-Identifier: MIT
 * What each row of a part says by itself, found by several threads. */
#ifndef XENT_DIAGNOSE_FACTS_H
#define XENT_DIAGNOSE_FACTS_H

#include "diagnosis.h"

/* A row's facts, as bits. */
enum {
    UNIT = 1,         /* in [0, 1], with the sum 1 */
    LOGARITHMS = 2,   /* none above 0, log-sum-exp 0 */
    CONSTANT = 4,     /* one value for all classes */
    SATURATED = 8,    /* the largest value of its type */
    LABEL_LEAST = 16, /* the label's logit alone is the least */
    INFINITE = 32     /* without a prediction, and +inf is there */
};

/* Confidence and key of each row of a part, and its facts in all->looks. XENT_OK or
 * XENT_NO_MEMORY. */
xent_status look_at_rows(xent_diagnosis *all, const xent_tensor *part, int64_t rows);

/* How far from 1 rounded probabilities may add up. */
double unit_slack(int32_t dtype, int64_t classes);

#endif
