/* SPDX-License-Identifier: MIT
 * The vocabulary of `wide` (as many doubles as a vector has lanes) where one double vector holds
 * them. */
#ifndef XENT_WIDE_SINGLE_H
#define XENT_WIDE_SINGLE_H

static inline wide w_load(const double *p) {
    return (wide){d_load(p)};
}

static inline void w_store(double *p, wide a) {
    d_store(p, a.part);
}

static inline wide w_set(double a) {
    return (wide){d_set(a)};
}

static inline wide w_add(wide a, wide b) {
    return (wide){d_add(a.part, b.part)};
}

static inline wide w_sub(wide a, wide b) {
    return (wide){d_sub(a.part, b.part)};
}

static inline wide w_mul(wide a, wide b) {
    return (wide){d_mul(a.part, b.part)};
}

static inline wide w_fma(wide a, wide b, wide c) {
    return (wide){d_fma(a.part, b.part, c.part)};
}

static inline double w_fold(wide a) {
    return d_fold(a.part);
}

/* a == b ? yes : no */
static inline wide w_where_eq(wide a, wide b, wide yes, wide no) {
    return (wide){d_select(d_eq(a.part, b.part), yes.part, no.part)};
}

#endif
