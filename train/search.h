/* SPDX-License-Identifier: MIT
 * A line search for the strong Wolfe conditions that is told values and slopes one at a time:
 * algorithms 3.5 and 3.6 of Nocedal and Wright, Numerical Optimization (2006). */
#ifndef XENT_TRAIN_SEARCH_H
#define XENT_TRAIN_SEARCH_H

#include "names.h"

#include <stdint.h>

enum { SEARCH_GOES_ON, SEARCH_DONE, SEARCH_FAILED };

/* A step, the value there and the slope along the line. */
struct place {
    double step, value, slope;
};

struct search {
    int64_t zooms, trials;  /* zooms: an interval that holds a solution is known */
    double noise;           /* differences of values that mean nothing */
    struct place start;     /* step 0 */
    struct place low, high; /* low: of the steps tried, the best so far */
    double step;            /* the next to be tried */
};

/* The slope must be negative. */
void begin_search(struct search *search, double value, double slope, double step, double noise);

/* What the value and slope at search->step say; GOES_ON: search->step is the next one to try. */
int continue_search(struct search *search, double value, double slope);

#endif
