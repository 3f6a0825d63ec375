/* SPDX-License-Identifier: MIT
 * What is timed: the library, and what it is compared with. */
#ifndef XENT_BENCH_CONTENDERS_H
#define XENT_BENCH_CONTENDERS_H

#include "batch.h"

typedef enum writes {
    WRITES_NOTHING, /* of interest here */
    WRITES_LOGITS,
    WRITES_GRADIENT
} writes;

/* A batch with all that a call needs made ready outside the timed part. */
typedef struct job {
    const batch *held;
    int threads;
    xent_tensor logits, labels, gradient;
    xent_options options;
    xent_total total;
    double loss;            /* the mean loss of the last call */
    double *row_loss;       /* NULL, or receives the losses of a call of the library */
    volatile uint64_t sink; /* keeps the read-only sweep */
    void *scratch;          /* of the plain loop: a row of doubles for each thread */
} job;

typedef struct contender {
    const char *name;
    writes writes;
    bool is_plain;
    void (*run)(job *, int64_t copy);
} contender;

enum { CONTENDERS = 6 };
extern const contender ALL_CONTENDERS[CONTENDERS];

/* Whether it can be timed on this point. */
bool takes_part(const contender *who, const point *where);

job make_job(const batch *held, int threads);
void free_job(job *done);

#endif
