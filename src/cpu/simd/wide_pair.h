/* SPDX-License-Identifier: MIT
 * The vocabulary of `wide` (as many doubles as a vector has lanes) where two double vectors hold
 * them. */
#ifndef XENT_WIDE_PAIR_H
#define XENT_WIDE_PAIR_H

static inline wide w_load(const double *p) {
    return (wide){d_load(p), d_load(p + D_WIDTH)};
}

static inline void w_store(double *p, wide a) {
    d_store(p, a.low);
    d_store(p + D_WIDTH, a.high);
}

static inline wide w_set(double a) {
    return (wide){d_set(a), d_set(a)};
}

static inline wide w_add(wide a, wide b) {
    return (wide){d_add(a.low, b.low), d_add(a.high, b.high)};
}

static inline wide w_sub(wide a, wide b) {
    return (wide){d_sub(a.low, b.low), d_sub(a.high, b.high)};
}

static inline wide w_mul(wide a, wide b) {
    return (wide){d_mul(a.low, b.low), d_mul(a.high, b.high)};
}

static inline wide w_fma(wide a, wide b, wide c) {
    return (wide){d_fma(a.low, b.low, c.low), d_fma(a.high, b.high, c.high)};
}

static inline double w_fold(wide a) {
    return d_fold(d_add(a.low, a.high));
}

/* a == b ? yes : no */
static inline wide w_where_eq(wide a, wide b, wide yes, wide no) {
    return (wide){d_select(d_eq(a.low, b.low), yes.low, no.low),
                  d_select(d_eq(a.high, b.high), yes.high, no.high)};
}

#endif
