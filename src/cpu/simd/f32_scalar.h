/* SPDX-License-Identifier: MIT
 * The float vocabulary, one lane at a time. The other f32_<isa>.h mean the same, lane by lane. */
#ifndef XENT_F32_SCALAR_H
#define XENT_F32_SCALAR_H

#include "f64_scalar.h"

enum { S_WIDTH = 1 };
typedef float svec;
typedef bool smask;

static inline uint32_t s_bits(float a) {
    uint32_t bits;
    memcpy(&bits, &a, 4);
    return bits;
}

static inline float s_from_bits(uint32_t bits) {
    float a;
    memcpy(&a, &bits, 4);
    return a;
}

static inline svec s_load_f32(const void *p) {
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline void s_store_f32(void *p, svec a) {
    memcpy(p, &a, sizeof a);
}

static inline svec s_load_bf16(const void *p) {
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return s_from_bits((uint32_t)half << 16);
}

/* round to nearest even; NaN only as 0x7fc00000 */
static inline void s_store_bf16(void *p, svec a) {
    uint32_t bits = s_bits(a);
    uint16_t half = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    memcpy(p, &half, sizeof half);
}

/* 2*S_WIDTH elements */
static inline void s_store_two_bf16(void *p, svec a, svec b) {
    s_store_bf16(p, a);
    s_store_bf16((uint16_t *)p + 1, b);
}

/* The exponent of a half moves by 112; the multiplication does so for subnormals too, exactly. */
static inline svec s_load_f16(const void *p) {
    uint16_t half;
    memcpy(&half, p, sizeof half);
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = (uint32_t)(half & 0x7fff) << 13;
    if (rest >= 0x0f800000) /* inf and NaN */
        return s_from_bits(sign | rest | 0x70000000);
    return s_from_bits(sign | s_bits(s_from_bits(rest) * 0x1p112f));
}

/* Round to nearest even; NaN only as 0x7fc00000. Below 2^-14 the addition of 1/2 rounds to
 * multiples of 2^-24. */
static inline void s_store_f16(void *p, svec a) {
    uint32_t bits = s_bits(a), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff, half;
    if (size > 0x7f800000)
        half = 0x7e00;
    else if (size >= 0x477ff000) /* from 65520 on */
        half = 0x7c00;
    else if (size < 0x38800000)
        half = s_bits(s_from_bits(size) + 0.5f) - 0x3f000000;
    else
        half = (size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13;
    uint16_t out = (uint16_t)(sign | half);
    memcpy(p, &out, sizeof out);
}

static inline void s_stream_f32(void *p, svec a) {
    s_store_f32(p, a);
}

static inline svec s_set(float a) {
    return a;
}

static inline svec s_add(svec a, svec b) {
    return a + b;
}

static inline svec s_sub(svec a, svec b) {
    return a - b;
}

static inline svec s_mul(svec a, svec b) {
    return a * b;
}

static inline svec s_fma(svec a, svec b, svec c) {
    return fmaf(a, b, c);
}

static inline svec s_max(svec a, svec b) {
    return a > b ? a : b;
}

static inline smask s_lt(svec a, svec b) {
    return a < b;
}

static inline smask s_eq(svec a, svec b) {
    return a == b;
}

/* where a or b is NaN */
static inline smask s_unordered(svec a, svec b) {
    return a != a || b != b;
}

static inline smask s_or(smask a, smask b) {
    return a | b;
}

static inline bool s_any(smask a) {
    return a;
}

static inline uint64_t s_lanes(smask a) {
    return a;
}

static inline svec s_select(smask m, svec a, svec b) {
    return m ? a : b;
}

/* a; 0 where m */
static inline svec s_clear(smask m, svec a) {
    return m ? 0 : a;
}

/* lanes that are integers of at most 31 bits */
static inline void s_store_integers(int64_t *p, svec a) {
    *p = (int64_t)a;
}

/* the largest lane; none is NaN */
static inline float s_max_lane(svec a) {
    return a;
}

/* p*2^n by adding to the exponent, where nb = 1.5*2^23 + n and the result is normal; 0 where
 * nb < floor */
static inline svec s_scale2(svec p, svec nb, svec floor) {
    return nb < floor ? 0 : s_from_bits(s_bits(p) + (s_bits(nb) << 23));
}

/* S_WIDTH lanes as doubles */
typedef struct wide {
    dvec part;
} wide;

static inline wide s_widen(svec a) {
    return (wide){(double)a};
}

static inline svec s_narrow(wide a) {
    return (float)a.part;
}

#include "wide_single.h"

static inline svec s_load_some_f32(const void *p, int64_t n, float fill) {
    float part[S_WIDTH];
    copy_some(part, p, n, S_WIDTH, &fill, sizeof fill);
    return s_load_f32(part);
}

static inline void s_store_some_f32(void *p, int64_t n, svec a) {
    float part[S_WIDTH];
    s_store_f32(part, a);
    memcpy(p, part, (size_t)n * sizeof *part);
}

static inline svec s_load_some_bf16(const void *p, int64_t n, uint16_t fill) {
    uint16_t part[S_WIDTH];
    copy_some(part, p, n, S_WIDTH, &fill, sizeof fill);
    return s_load_bf16(part);
}

static inline void s_store_some_bf16(void *p, int64_t n, svec a) {
    uint16_t part[S_WIDTH];
    s_store_bf16(part, a);
    memcpy(p, part, (size_t)n * sizeof *part);
}
static inline svec s_load_some_f16(const void *p, int64_t n, uint16_t fill) {
    uint16_t part[S_WIDTH];
    copy_some(part, p, n, S_WIDTH, &fill, sizeof fill);
    return s_load_f16(part);
}

static inline void s_store_some_f16(void *p, int64_t n, svec a) {
    uint16_t part[S_WIDTH];
    s_store_f16(part, a);
    memcpy(p, part, (size_t)n * sizeof *part);
}

#endif
