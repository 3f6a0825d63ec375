/* SPDX-License-Identifier: MIT
 * The metric that L-BFGS begins with: the Hessian of the objective without what couples classes,
 * from a sample of the rows. */
#ifndef XENT_TRAIN_METRIC_H
#define XENT_TRAIN_METRIC_H

#include "names.h"
#include "xent.h"

#include <stdbool.h>
#include <stdint.h>

/* Rows kept for second moments: reservoir sampling (algorithm R of Vitter 1985). */
struct sample {
    int64_t capacity, edge; /* rows there is room for; entries of a row: u and a 1 */
    int64_t seen, count;    /* rows offered and kept */
    float *rows;            /* [capacity][edge] */
    float *weights;         /* [capacity] */
};

struct metric {
    int64_t classes, edge; /* C, D + 1 */
    int64_t blocks;        /* 0: the identity, 1: one for all classes, C: one for each */
    bool full;             /* factors of [edge][edge]; else [edge], what to divide by */
    bool by_class;         /* there is room for C blocks */
    double l2;
    double *missing; /* [edge], second moments that all rows have and the sample has not */
    float *factors;  /* [blocks] of L with L*L^T the Hessian of one class */
    double *work;    /* [edge][8]; scratch of apply_metric */
};

/* Multiplies a vector [C*D + C] by the inverse of the metric that context points to. */
void apply_metric(const void *context, double *vector);

/* From the second moment of each feature. */
void set_diagonal(struct metric *metric, const double *moments);

/* How much less than the second moments of all rows those of the sample are. */
void note_missing(struct metric *metric, const struct sample *sample, const double *moments);

/* From the sample with the probabilities that the parameters give; at_zero: those are 1/C, and
 * parameters are not read. Of the options it has the threads: a class is one task's. False: there
 * is no memory for it; the metric is what it was. */
bool set_blocks(struct metric *metric, const struct sample *sample, const double *parameters,
                bool at_zero, const xent_options *options);

#endif
