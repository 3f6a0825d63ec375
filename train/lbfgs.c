/* SPDX-License-Identifier: MIT
 * L-BFGS (Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5). */
#include "lbfgs.h"

#include "basics.h"
#include "vectors.h"

#include <math.h>
#include <string.h>

bool take_lbfgs(struct lbfgs *lbfgs, int64_t count, int64_t history) {
    double **const vectors[] = {&lbfgs->base, &lbfgs->gradient, &lbfgs->direction, &lbfgs->work};
    bool there = true;
    lbfgs->count = count;
    lbfgs->history = history;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        there = (*vectors[i] = take_zeros(count, 1, sizeof(double))) && there;
    there = (lbfgs->steps = take_zeros(history, count, sizeof(float))) && there;
    there = (lbfgs->changes = take_zeros(history, count, sizeof(float))) && there;
    there = (lbfgs->products = take_zeros(history, 1, sizeof(double))) && there;
    return (lbfgs->weights = take_zeros(history, 1, sizeof(double))) && there;
}

void free_lbfgs(struct lbfgs *lbfgs) {
    void *const arrays[] = {lbfgs->base,  lbfgs->gradient, lbfgs->direction, lbfgs->work,
                            lbfgs->steps, lbfgs->changes,  lbfgs->products,  lbfgs->weights};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        give_back(arrays[i]);
}

/* ---- the direction ---- */

/* The place of the pair that is `age` pairs older than the newest. */
static int64_t place_of(const struct lbfgs *lbfgs, int64_t age) {
    return (lbfgs->next - 1 - age + 2 * lbfgs->history) % lbfgs->history;
}

/* How much larger than the metric the inverse Hessian is along the newest step. */
static double find_scale(struct lbfgs *lbfgs) {
    const int64_t n = lbfgs->count, newest = place_of(lbfgs, 0);
    const float *change = lbfgs->changes + newest * n;
    for (int64_t i = 0; i < n; i++)
        lbfgs->work[i] = (double)change[i];
    lbfgs->metric(lbfgs->context, lbfgs->work);
    double square = dot_floats(change, lbfgs->work, n);
    return square > 0 ? lbfgs->products[newest] / square : 1;
}

static void find_direction(struct lbfgs *lbfgs) {
    const int64_t n = lbfgs->count;
    double *d = lbfgs->direction;
    for (int64_t i = 0; i < n; i++)
        d[i] = -lbfgs->gradient[i];
    for (int64_t age = 0; age < lbfgs->pairs; age++) {
        int64_t k = place_of(lbfgs, age);
        lbfgs->weights[k] = dot_floats(lbfgs->steps + k * n, d, n) / lbfgs->products[k];
        add_scaled_floats(d, -lbfgs->weights[k], lbfgs->changes + k * n, n);
    }
    lbfgs->metric(lbfgs->context, d);
    if (lbfgs->pairs > 0)
        scale_by(d, find_scale(lbfgs), n);
    for (int64_t age = lbfgs->pairs - 1; age >= 0; age--) {
        int64_t k = place_of(lbfgs, age);
        double back = dot_floats(lbfgs->changes + k * n, d, n) / lbfgs->products[k];
        add_scaled_floats(d, lbfgs->weights[k] - back, lbfgs->steps + k * n, n);
    }
}

/* ---- points ---- */

static void set_point(const struct lbfgs *lbfgs, double *point) {
    const double step = lbfgs->search.step;
    for (int64_t i = 0; i < lbfgs->count; i++) {
        double moved = step * lbfgs->direction[i];
        point[i] = lbfgs->base[i] + moved;
    }
    for (int64_t i = 0; lbfgs->singles && i < lbfgs->count; i++)
        point[i] = (double)(float)point[i];
}

/* Where no more than a rounding error is to be gained, or the direction is none, older pairs are
 * forgotten; if there are none, this is the end. */
static int begin_line(struct lbfgs *lbfgs, double value, double *point) {
    const double noise = lbfgs->noise * fabs(value);
    for (;;) {
        find_direction(lbfgs);
        double slope = dot(lbfgs->gradient, lbfgs->direction, lbfgs->count);
        if (slope < -1e-6 * noise) {
            begin_search(&lbfgs->search, value, slope, 1, noise);
            set_point(lbfgs, point);
            return LBFGS_GOES_ON;
        }
        lbfgs->search.start.value = value;
        if (lbfgs->pairs == 0)
            return LBFGS_AT_REST;
        lbfgs->pairs = lbfgs->next = 0;
    }
}

int turn_lbfgs(struct lbfgs *lbfgs, double *point) {
    return begin_line(lbfgs, lbfgs->search.start.value, point);
}

int begin_lbfgs(struct lbfgs *lbfgs, double value, const double *gradient, double *point) {
    const size_t size = (size_t)lbfgs->count * sizeof *point;
    memcpy(lbfgs->base, point, size);
    memcpy(lbfgs->gradient, gradient, size);
    lbfgs->pairs = lbfgs->next = 0;
    return begin_line(lbfgs, value, point);
}

/* A pair whose product is not positive beyond doubt says nothing of the Hessian. */
static void add_pair(struct lbfgs *lbfgs, const double *gradient, const double *point) {
    const int64_t n = lbfgs->count;
    float *step = lbfgs->steps + lbfgs->next * n, *change = lbfgs->changes + lbfgs->next * n;
    double product = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        step[i] = (float)(point[i] - lbfgs->base[i]);
        change[i] = (float)(gradient[i] - lbfgs->gradient[i]);
    }
    for (int64_t i = 0; i < n; i++)
        lbfgs->work[i] = (double)change[i];
    product = dot_floats(step, lbfgs->work, n);
    square = dot_floats(change, lbfgs->work, n);
    if (!(product > 0x1p-40 * square))
        return;
    lbfgs->products[lbfgs->next] = product;
    lbfgs->next = (lbfgs->next + 1) % lbfgs->history;
    lbfgs->pairs += lbfgs->pairs < lbfgs->history;
}

static int accept(struct lbfgs *lbfgs, double value, const double *gradient, double *point) {
    const size_t size = (size_t)lbfgs->count * sizeof *point;
    add_pair(lbfgs, gradient, point);
    memcpy(lbfgs->base, point, size);
    memcpy(lbfgs->gradient, gradient, size);
    return begin_line(lbfgs, value, point);
}

int continue_lbfgs(struct lbfgs *lbfgs, double value, const double *gradient, double *point) {
    double slope = dot(gradient, lbfgs->direction, lbfgs->count);
    int found = continue_search(&lbfgs->search, value, slope);
    lbfgs->accepted = found == SEARCH_DONE;
    if (found == SEARCH_DONE)
        return accept(lbfgs, value, gradient, point);
    if (found == SEARCH_GOES_ON) {
        set_point(lbfgs, point);
        return LBFGS_GOES_ON;
    }
    if (lbfgs->pairs == 0)
        return LBFGS_AT_REST;
    lbfgs->pairs = lbfgs->next = 0;
    return turn_lbfgs(lbfgs, point);
}
