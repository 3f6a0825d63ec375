/* SPDX-License-Identifier: MIT
 * The float vocabulary in AArch64 NEON: 4 lanes. What each name means: f32_scalar.h. */
#ifndef XENT_F32_NEON_H
#define XENT_F32_NEON_H

#include "f64_neon.h"

enum { S_WIDTH = 4 };
typedef float32x4_t svec;
typedef uint32x4_t smask;

static inline svec s_load_f32(const void *p) {
    return vreinterpretq_f32_u8(vld1q_u8(p));
}

static inline void s_store_f32(void *p, svec a) {
    vst1q_u8(p, vreinterpretq_u8_f32(a));
}

static inline svec s_load_bf16(const void *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

/* in the upper half of each lane */
static inline uint32x4_t s_round_bf16(svec a) {
    uint32x4_t bits = vreinterpretq_u32_f32(a);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    return vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
}

static inline void s_store_bf16(void *p, svec a) {
    vst1_u8(p, vreinterpret_u8_u16(vshrn_n_u32(s_round_bf16(a), 16)));
}

static inline void s_store_two_bf16(void *p, svec a, svec b) {
    uint16x8_t first = vreinterpretq_u16_u32(s_round_bf16(a));
    uint16x8_t second = vreinterpretq_u16_u32(s_round_bf16(b));
    vst1q_u8(p, vreinterpretq_u8_u16(vuzp2q_u16(first, second)));
}

static inline svec s_load_f16(const void *p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline void s_store_f16(void *p, svec a) {
    vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(a)));
}

static inline void s_stream_f32(void *p, svec a) {
    s_store_f32(p, a);
}

static inline svec s_set(float a) {
    return vdupq_n_f32(a);
}

static inline svec s_add(svec a, svec b) {
    return vaddq_f32(a, b);
}

static inline svec s_sub(svec a, svec b) {
    return vsubq_f32(a, b);
}

static inline svec s_mul(svec a, svec b) {
    return vmulq_f32(a, b);
}

static inline svec s_fma(svec a, svec b, svec c) {
    return vfmaq_f32(c, a, b);
}

static inline svec s_max(svec a, svec b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline smask s_lt(svec a, svec b) {
    return vcltq_f32(a, b);
}

static inline smask s_eq(svec a, svec b) {
    return vceqq_f32(a, b);
}

static inline smask s_unordered(svec a, svec b) {
    return vmvnq_u32(vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b)));
}

static inline smask s_or(smask a, smask b) {
    return vorrq_u32(a, b);
}

static inline bool s_any(smask a) {
    return vmaxvq_u32(a) != 0;
}

static inline uint64_t s_lanes(smask a) {
    static const uint32_t bits[S_WIDTH] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(a, vld1q_u32(bits)));
}

static inline svec s_select(smask m, svec a, svec b) {
    return vbslq_f32(m, a, b);
}

static inline svec s_clear(smask m, svec a) {
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), m));
}

static inline void s_store_integers(int64_t *p, svec a) {
    int32x4_t n = vcvtq_s32_f32(a);
    vst1q_s64(p, vmovl_s32(vget_low_s32(n)));
    vst1q_s64(p + 2, vmovl_high_s32(n));
}

static inline float s_max_lane(svec a) {
    return vmaxvq_f32(a);
}

static inline svec s_scale2(svec p, svec nb, svec floor) {
    uint32x4_t n = vshlq_n_u32(vreinterpretq_u32_f32(nb), 23);
    uint32x4_t scaled = vaddq_u32(vreinterpretq_u32_f32(p), n);
    return vreinterpretq_f32_u32(vbicq_u32(scaled, vcltq_f32(nb, floor)));
}

typedef struct wide {
    dvec low, high;
} wide;

static inline wide s_widen(svec a) {
    return (wide){vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a)};
}

static inline svec s_narrow(wide a) {
    return vcvt_high_f32_f64(vcvt_f32_f64(a.low), a.high);
}

#include "wide_pair.h"

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

/* Lanes in fours: what each word does is said in transpose_template.h. */
#define S_FOURS
static inline svec s_load_fours_f32(const void *const *p, int64_t i) {
    return s_load_f32((const float *)p[0] + i);
}

static inline void s_store_fours_f32(void *const *p, int64_t i, svec a) {
    s_store_f32((float *)p[0] + i, a);
}

static inline svec s_load_fours_bf16(const void *const *p, int64_t i) {
    return s_load_bf16((const uint16_t *)p[0] + i);
}

static inline void s_store_fours_bf16(void *const *p, int64_t i, svec a) {
    s_store_bf16((uint16_t *)p[0] + i, a);
}

static inline svec s_load_fours_f16(const void *const *p, int64_t i) {
    return s_load_f16((const uint16_t *)p[0] + i);
}

static inline void s_store_fours_f16(void *const *p, int64_t i, svec a) {
    s_store_f16((uint16_t *)p[0] + i, a);
}

static inline void s_exchange_fours(svec *a, svec *b, svec *c, svec *d) {
    float64x2_t ab_low = vreinterpretq_f64_f32(vzip1q_f32(*a, *b));
    float64x2_t ab_high = vreinterpretq_f64_f32(vzip2q_f32(*a, *b));
    float64x2_t cd_low = vreinterpretq_f64_f32(vzip1q_f32(*c, *d));
    float64x2_t cd_high = vreinterpretq_f64_f32(vzip2q_f32(*c, *d));
    *a = vreinterpretq_f32_f64(vzip1q_f64(ab_low, cd_low));
    *b = vreinterpretq_f32_f64(vzip2q_f64(ab_low, cd_low));
    *c = vreinterpretq_f32_f64(vzip1q_f64(ab_high, cd_high));
    *d = vreinterpretq_f32_f64(vzip2q_f64(ab_high, cd_high));
}

#endif
