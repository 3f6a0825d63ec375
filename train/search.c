/* SPDX-License-Identifier: MIT
 * A line search for the strong Wolfe conditions that is told values and slopes one at a time. Near
 * the minimum, where differences of values drown in rounding errors, the slope alone decides
 * (Hager and Zhang, SIAM J. Optim. 16, 2005). */
#include "search.h"

#include <math.h>
#include <stdbool.h>

static const double DECREASE = 1e-4, CURVATURE = 0.9;
enum { MOST_TRIALS = 25 };

void begin_search(struct search *search, double value, double slope, double step, double noise) {
    const struct place start = {0, value, slope};
    *search =
        (struct search){.noise = noise, .start = start, .low = start, .high = start, .step = step};
}

static bool decreases(const struct search *search, const struct place *here) {
    const struct place *start = &search->start;
    if (here->value <= start->value + DECREASE * here->step * start->slope)
        return true;
    return search->noise > 0 && here->value <= start->value + search->noise &&
           here->slope <= (2 * DECREASE - 1) * start->slope;
}

/* The minimum of the cubic through two places (their (3.59)); no number if there is none. */
static double cubic_minimum(const struct place *a, const struct place *b) {
    double span = b->step - a->step;
    double d1 = a->slope + b->slope - 3 * (b->value - a->value) / span;
    double square = d1 * d1 - a->slope * b->slope;
    double d2 = sqrt(square >= 0 ? square : (double)NAN);
    d2 = span < 0 ? -d2 : d2;
    return b->step - span * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2));
}

/* Where a line through both slopes meets 0. */
static double secant_minimum(const struct place *a, const struct place *b) {
    return b->step - b->slope * ((b->step - a->step) / (b->slope - a->slope));
}

/* Inside of the interval, not too close to its ends, and every third time in its middle, so that it
 * shrinks. Values that differ by noise alone have no part in it. */
static double choose_inside(const struct search *search, const struct place *a,
                            const struct place *b) {
    bool drowned = fabs(a->value - b->value) <= search->noise;
    double step = drowned ? secant_minimum(a, b) : cubic_minimum(a, b);
    double margin = 0.1 * fabs(b->step - a->step);
    double least = fmin(a->step, b->step) + margin, most = fmax(a->step, b->step) - margin;
    bool inside = step >= least && step <= most && search->trials % 3 != 0;
    return inside ? step : 0.5 * (a->step + b->step);
}

/* Beyond the last step: where the cubic has its minimum, from 2 to 10 times as far. */
static double choose_beyond(const struct place *before, const struct place *here) {
    double step = cubic_minimum(before, here), least = 2 * here->step, most = 10 * here->step;
    return step > least ? fmin(step, most) : least;
}

static void zoom(struct search *search, struct place low, struct place high) {
    search->zooms = 1;
    search->low = low;
    search->high = high;
    search->step = choose_inside(search, &low, &high);
}

/* Where values tell nothing, the slope says on which side the minimum is. */
static void narrow(struct search *search, struct place here) {
    struct place low = search->low, high = search->high;
    if (fabs(here.value - search->start.value) <= search->noise)
        *((here.slope > 0) == (high.step > low.step) ? &high : &low) = here;
    else if (!decreases(search, &here) || here.value > low.value + search->noise)
        high = here;
    else {
        if (here.slope * (high.step - low.step) >= 0)
            high = low;
        low = here;
    }
    zoom(search, low, high);
}

int continue_search(struct search *search, double value, double slope) {
    const struct place here = {search->step, value == value ? value : (double)INFINITY, slope};
    bool first = search->trials == 0;
    bool worse =
        !decreases(search, &here) || (!first && here.value > search->low.value + search->noise);
    if (decreases(search, &here) && fabs(slope) <= -CURVATURE * search->start.slope)
        return SEARCH_DONE;
    if (++search->trials == MOST_TRIALS)
        return SEARCH_FAILED;
    if (search->zooms)
        narrow(search, here);
    else if (worse)
        zoom(search, search->low, here);
    else if (slope >= 0)
        zoom(search, here, search->low);
    else {
        search->step = choose_beyond(&search->low, &here);
        search->low = here;
    }
    return SEARCH_GOES_ON;
}
