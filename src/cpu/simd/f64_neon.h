/* SPDX-License-Identifier: MIT
 * The double vocabulary in AArch64 NEON: 2 lanes. What each name means: f64_scalar.h. */
#ifndef XENT_F64_NEON_H
#define XENT_F64_NEON_H

#include "copy_some.h"

#include <arm_neon.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { D_WIDTH = 2 };
enum { PRODUCT_ROWS = 8 }; /* see product_template.h */
typedef float64x2_t dvec;
typedef uint64x2_t dmask;

static inline dvec d_load(const void *p) {
    return vreinterpretq_f64_u8(vld1q_u8(p));
}

static inline void d_store(void *p, dvec a) {
    vst1q_u8(p, vreinterpretq_u8_f64(a));
}

enum { D_PAST_CACHES = false };

static inline void d_stream(void *p, dvec a) {
    d_store(p, a);
}

static inline void d_fence(void) {
}

static inline dvec d_set(double a) {
    return vdupq_n_f64(a);
}

static inline dvec d_add(dvec a, dvec b) {
    return vaddq_f64(a, b);
}

static inline dvec d_sub(dvec a, dvec b) {
    return vsubq_f64(a, b);
}

static inline dvec d_mul(dvec a, dvec b) {
    return vmulq_f64(a, b);
}

static inline dvec d_div(dvec a, dvec b) {
    return vdivq_f64(a, b);
}

static inline dvec d_fma(dvec a, dvec b, dvec c) {
    return vfmaq_f64(c, a, b);
}

static inline dvec d_max(dvec a, dvec b) {
    return vbslq_f64(vcgtq_f64(a, b), a, b);
}

static inline dmask d_lt(dvec a, dvec b) {
    return vcltq_f64(a, b);
}

static inline dmask d_eq(dvec a, dvec b) {
    return vceqq_f64(a, b);
}

static inline dmask d_bad(dvec a) {
    uint32x4_t good = vreinterpretq_u32_u64(vcltq_f64(a, vdupq_n_f64(INFINITY)));
    return vreinterpretq_u64_u32(vmvnq_u32(good));
}

static inline dmask d_unordered(dvec a, dvec b) {
    return veorq_u64(vandq_u64(vceqq_f64(a, a), vceqq_f64(b, b)), vdupq_n_u64(~0ull));
}

static inline dmask d_or(dmask a, dmask b) {
    return vorrq_u64(a, b);
}

static inline bool d_any(dmask a) {
    return vmaxvq_u32(vreinterpretq_u32_u64(a)) != 0;
}

static inline uint64_t d_lanes(dmask a) {
    return (vgetq_lane_u64(a, 0) & 1) | (vgetq_lane_u64(a, 1) & 2);
}

static inline dvec d_select(dmask m, dvec a, dvec b) {
    return vbslq_f64(m, a, b);
}

static inline dvec d_clear(dmask m, dvec a) {
    return vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(a), m));
}

static inline void d_store_integers(int64_t *p, dvec a) {
    vst1q_s64(p, vcvtq_s64_f64(a));
}

static inline double d_max_lane(dvec a) {
    return vmaxvq_f64(a);
}

static inline double d_fold(dvec a) {
    return vaddvq_f64(a);
}

static inline dvec d_scale2(dvec p, dvec nb, dvec floor) {
    uint64x2_t n = vshlq_n_u64(vreinterpretq_u64_f64(nb), 52);
    uint64x2_t scaled = vaddq_u64(vreinterpretq_u64_f64(p), n);
    return vreinterpretq_f64_u64(vbicq_u64(scaled, vcltq_f64(nb, floor)));
}

static inline dvec d_split(dvec a, dvec *m) {
    const uint64x2_t low = vdupq_n_u64(0x3fe6a09e667f3bcd);
    uint64x2_t bits =
        vaddq_u64(vreinterpretq_u64_f64(a), vdupq_n_u64(0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
    uint64x2_t fraction = vandq_u64(bits, vdupq_n_u64(0x000fffffffffffff));
    *m = vreinterpretq_f64_u64(vaddq_u64(fraction, low));
    return vsubq_f64(vcvtq_f64_u64(vshrq_n_u64(bits, 52)), vdupq_n_f64(1023.0));
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
