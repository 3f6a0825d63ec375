/* SPDX-License-Identifier: MIT
 * Times of the library on a batch of random logits, beside memcpy of the same bytes. */
#ifndef XENT_CLI_TIMING_H
#define XENT_CLI_TIMING_H

#include "xent.h"

/* What is timed. */
typedef enum timed { TIMED_MEMCPY, TIMED_LOSS, TIMED_GRADIENT, TIMED_COUNT } timed;

typedef struct timing_request {
    int64_t rows, classes;
    int32_t dtype, threads;
    double limit; /* seconds that repetitions may take; there are at least three */
} timing_request;

typedef struct timings {
    int repetitions;
    double seconds[TIMED_COUNT]; /* of one call: medians */
} timings;

/* EX_OK and *found filled, or says what is wrong (there is no memory) and returns the exit code. */
int time_batch(const timing_request *asked, timings *found);

#endif
