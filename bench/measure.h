/* SPDX-License-Identifier: MIT
 * Times of every contender on one point, from repetitions that take turns. */
#ifndef XENT_BENCH_MEASURE_H
#define XENT_BENCH_MEASURE_H

#include "contenders.h"

/* Seconds of one call; 0 in all of them: not timed. */
typedef struct quartiles {
    double low, median, high;
} quartiles;

typedef struct figures {
    int repetitions;
    int64_t copies; /* calls in a sample */
    quartiles times[CONTENDERS];
} figures;

/* Repeats for about so many seconds, but at least `least` times. */
figures measure_point(const point *, int threads, double seconds, int least);

#endif
