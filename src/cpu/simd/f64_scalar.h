/* SPDX-License-Identifier: MIT
 * The double vocabulary, one lane at a time. The other f64_<isa>.h mean the same, lane by lane:
 * every operation is correctly rounded, so the results are the same bits. */
#ifndef XENT_F64_SCALAR_H
#define XENT_F64_SCALAR_H

#include "copy_some.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { D_WIDTH = 1 };
enum { PRODUCT_ROWS = 4 }; /* see product_template.h */
typedef double dvec;
typedef bool dmask;

static inline dvec d_load(const void *p) {
    double value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline void d_store(void *p, dvec a) {
    memcpy(p, &a, sizeof a);
}

/* Whether large gradients that lie elsewhere than the logits are better written past the caches:
 * where arithmetic is faster than memory. */
enum { D_PAST_CACHES = false };

/* to an aligned vector, past the caches where that is better; fence: what was written so is seen
 * before what is written after it */
static inline void d_stream(void *p, dvec a) {
    d_store(p, a);
}

static inline void d_fence(void) {
}

static inline dvec d_set(double a) {
    return a;
}

static inline dvec d_add(dvec a, dvec b) {
    return a + b;
}

static inline dvec d_sub(dvec a, dvec b) {
    return a - b;
}

static inline dvec d_mul(dvec a, dvec b) {
    return a * b;
}

static inline dvec d_div(dvec a, dvec b) {
    return a / b;
}

static inline dvec d_fma(dvec a, dvec b, dvec c) {
    return fma(a, b, c);
}

static inline dvec d_max(dvec a, dvec b) {
    return a > b ? a : b;
}

static inline dmask d_lt(dvec a, dvec b) {
    return a < b;
}

static inline dmask d_eq(dvec a, dvec b) {
    return a == b;
}

/* NaN or +inf */
static inline dmask d_bad(dvec a) {
    return !(a < INFINITY);
}

/* where a or b is NaN */
static inline dmask d_unordered(dvec a, dvec b) {
    return a != a || b != b;
}

static inline dmask d_or(dmask a, dmask b) {
    return a | b;
}

static inline bool d_any(dmask a) {
    return a;
}

/* a bit for each lane, the first the lowest */
static inline uint64_t d_lanes(dmask a) {
    return a;
}

static inline dvec d_select(dmask m, dvec a, dvec b) {
    return m ? a : b;
}

/* a; 0 where m */
static inline dvec d_clear(dmask m, dvec a) {
    return m ? 0 : a;
}

/* lanes that are integers of at most 31 bits */
static inline void d_store_integers(int64_t *p, dvec a) {
    *p = (int64_t)a;
}

/* the largest lane; none is NaN */
static inline double d_max_lane(dvec a) {
    return a;
}

/* the sum of all lanes by halves: lane i and lane i + n/2 of n, until one is left */
static inline double d_fold(dvec a) {
    return a;
}

/* p*2^n by adding to the exponent, where nb = 1.5*2^52 + n and the result is normal; 0 where
 * nb < floor */
static inline dvec d_scale2(dvec p, dvec nb, dvec floor) {
    uint64_t p_bits, nb_bits;
    memcpy(&p_bits, &p, 8);
    memcpy(&nb_bits, &nb, 8);
    p_bits += nb_bits << 52;
    memcpy(&p, &p_bits, 8);
    return nb < floor ? 0 : p;
}

/* a = 2^k*m with m in [sqrt(1/2), sqrt(2)), for normal a > 0; returns k */
static inline dvec d_split(dvec a, dvec *m) {
    const uint64_t low = 0x3fe6a09e667f3bcd; /* sqrt(1/2) */
    uint64_t bits;
    memcpy(&bits, &a, 8);
    bits += 0x3ff0000000000000 - low;
    uint64_t m_bits = (bits & 0x000fffffffffffff) + low;
    memcpy(m, &m_bits, 8);
    return (double)(bits >> 52) - 1023.0;
}

static inline dvec d_load_some(const void *p, int64_t n, double fill) {
    double part[D_WIDTH];
    copy_some(part, p, n, D_WIDTH, &fill, sizeof fill);
    return d_load(part);
}

static inline void d_store_some(void *p, int64_t n, dvec a) {
    double part[D_WIDTH];
    d_store(part, a);
    memcpy(p, part, (size_t)n * sizeof *part);
}

#endif
