/* SPDX-License-Identifier: MIT
 * L-BFGS that is told objective and gradient at one point after the other. Vectors are all it
 * knows. */
#ifndef XENT_TRAIN_LBFGS_H
#define XENT_TRAIN_LBFGS_H

#include "search.h"

#include <stdbool.h>

enum { LBFGS_GOES_ON, LBFGS_AT_REST };

/* Multiplies a vector by a symmetric positive matrix, which stands for the inverse Hessian before
 * any pair is known. */
typedef void lbfgs_metric(const void *context, double *vector);

struct lbfgs {
    int64_t count;       /* entries of a vector */
    int64_t history;     /* most pairs */
    int64_t pairs, next; /* pairs there are; the place of the next one */
    bool accepted;       /* the last point became the iterate */
    bool singles;        /* points are floats */
    double noise;        /* relative: differences of objectives that mean nothing */
    lbfgs_metric *metric;
    const void *context;
    float *steps, *changes;              /* [history][count]: of points and of gradients */
    double *products;                    /* [history]: of a step and its change */
    double *base, *gradient, *direction; /* [count]: the iterate, the gradient there */
    double *work;                        /* [count] */
    double *weights;                     /* [history] */
    struct search search;                /* search.start.value: the objective at the iterate */
};

/* Memory for the vectors; false: there is none. */
bool take_lbfgs(struct lbfgs *lbfgs, int64_t count, int64_t history);
void free_lbfgs(struct lbfgs *lbfgs);

/* The objective and its gradient at `point`, which becomes the iterate if `accepted` is then true.
 * LBFGS_GOES_ON: `point` is the next to be evaluated. LBFGS_AT_REST: no step lessens the objective
 * at the iterate. */
int continue_lbfgs(struct lbfgs *lbfgs, double value, const double *gradient, double *point);

/* The same for the first point. */
int begin_lbfgs(struct lbfgs *lbfgs, double value, const double *gradient, double *point);

/* After a change of the metric, when a point was accepted: another next point. */
int turn_lbfgs(struct lbfgs *lbfgs, double *point);

#endif
