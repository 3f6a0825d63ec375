/* SPDX-License-Identifier: MIT
 * The float vocabulary in AVX2 with FMA and F16C: 8 lanes. What each name means: f32_scalar.h. */
#ifndef XENT_F32_AVX2_H
#define XENT_F32_AVX2_H

#include "f64_avx2.h"

#include "copy_some.h"

enum { S_WIDTH = 8 };
typedef __m256 svec;
typedef __m256 smask;

static inline svec s_load_f32(const void *p) {
    return _mm256_loadu_ps(p);
}

static inline void s_store_f32(void *p, svec a) {
    _mm256_storeu_ps(p, a);
}

static inline svec s_from_bf16(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

/* as integers */
static inline __m256i s_round_bf16(svec a) {
    __m256i bits = _mm256_castps_si256(a);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    return _mm256_srli_epi32(bits, 16);
}

static inline __m128i s_to_bf16(svec a) {
    __m256i bits = s_round_bf16(a);
    return _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
}

static inline __m128i s_to_f16(svec a) {
    return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT);
}

static inline svec s_load_bf16(const void *p) {
    return s_from_bf16(_mm_loadu_si128(p));
}

static inline void s_store_bf16(void *p, svec a) {
    _mm_storeu_si128(p, s_to_bf16(a));
}

static inline void s_store_two_bf16(void *p, svec a, svec b) {
    __m256i both = _mm256_packus_epi32(s_round_bf16(a), s_round_bf16(b)); /* of each half */
    _mm256_storeu_si256(p, _mm256_permute4x64_epi64(both, 0xd8));
}

static inline svec s_load_f16(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

static inline void s_store_f16(void *p, svec a) {
    _mm_storeu_si128(p, s_to_f16(a));
}

static inline void s_stream_f32(void *p, svec a) {
    s_store_f32(p, a);
}

static inline svec s_set(float a) {
    return _mm256_set1_ps(a);
}

static inline svec s_add(svec a, svec b) {
    return _mm256_add_ps(a, b);
}

static inline svec s_sub(svec a, svec b) {
    return _mm256_sub_ps(a, b);
}

static inline svec s_mul(svec a, svec b) {
    return _mm256_mul_ps(a, b);
}

static inline svec s_fma(svec a, svec b, svec c) {
    return _mm256_fmadd_ps(a, b, c);
}

static inline svec s_max(svec a, svec b) {
    return _mm256_max_ps(a, b);
}

static inline smask s_lt(svec a, svec b) {
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

static inline smask s_eq(svec a, svec b) {
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

static inline smask s_unordered(svec a, svec b) {
    return _mm256_cmp_ps(a, b, _CMP_UNORD_Q);
}

static inline smask s_or(smask a, smask b) {
    return _mm256_or_ps(a, b);
}

static inline bool s_any(smask a) {
    return _mm256_movemask_ps(a) != 0;
}

static inline uint64_t s_lanes(smask a) {
    return (unsigned)_mm256_movemask_ps(a);
}

static inline svec s_select(smask m, svec a, svec b) {
    return _mm256_blendv_ps(b, a, m);
}

static inline svec s_clear(smask m, svec a) {
    return _mm256_andnot_ps(m, a);
}

static inline void s_store_integers(int64_t *p, svec a) {
    __m256i n = _mm256_cvttps_epi32(a);
    _mm256_storeu_si256((void *)p, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(n)));
    _mm256_storeu_si256((void *)(p + 4), _mm256_cvtepi32_epi64(_mm256_extracti128_si256(n, 1)));
}

static inline float s_max_lane(svec a) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* Compared as integers, which leaves the pipes of fma free: beside a floor > 0 it is the same, but
 * for NaN, whose E means nothing. */
static inline svec s_scale2(svec p, svec nb, svec floor) {
    __m256i bits = _mm256_castps_si256(nb);
    __m256i scaled = _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(bits, 23));
    __m256i below = _mm256_sub_epi32(_mm256_castps_si256(floor), _mm256_set1_epi32(1));
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_cmpgt_epi32(bits, below), scaled));
}

typedef struct wide {
    dvec low, high;
} wide;

static inline wide s_widen(svec a) {
    return (wide){_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                  _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}

static inline svec s_narrow(wide a) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(a.low)),
                                _mm256_cvtpd_ps(a.high), 1);
}

#include "wide_pair.h"

/* all ones in the first n lanes */
static inline __m256i s_first_lanes(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline svec s_load_some_f32(const void *p, int64_t n, float fill) {
    __m256i first = s_first_lanes(n);
    return _mm256_blendv_ps(s_set(fill), _mm256_maskload_ps(p, first), _mm256_castsi256_ps(first));
}

static inline void s_store_some_f32(void *p, int64_t n, svec a) {
    _mm256_maskstore_ps(p, s_first_lanes(n), a);
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
    __m256 a = _mm256_castps128_ps256(_mm_loadu_ps((const float *)p[0] + i));
    return _mm256_insertf128_ps(a, _mm_loadu_ps((const float *)p[4] + i), 1);
}

static inline void s_store_fours_f32(void *const *p, int64_t i, svec a) {
    _mm_storeu_ps((float *)p[0] + i, _mm256_castps256_ps128(a));
    _mm_storeu_ps((float *)p[4] + i, _mm256_extractf128_ps(a, 1));
}

static inline __m128i s_load_half_fours(const void *const *p, int64_t i) {
    return _mm_unpacklo_epi64(_mm_loadl_epi64((const void *)((const uint16_t *)p[0] + i)),
                              _mm_loadl_epi64((const void *)((const uint16_t *)p[4] + i)));
}

static inline void s_store_half_fours(void *const *p, int64_t i, __m128i a) {
    _mm_storel_epi64((void *)((uint16_t *)p[0] + i), a);
    _mm_storel_epi64((void *)((uint16_t *)p[4] + i), _mm_unpackhi_epi64(a, a));
}

static inline svec s_load_fours_bf16(const void *const *p, int64_t i) {
    return s_from_bf16(s_load_half_fours(p, i));
}

static inline void s_store_fours_bf16(void *const *p, int64_t i, svec a) {
    s_store_half_fours(p, i, s_to_bf16(a));
}

static inline svec s_load_fours_f16(const void *const *p, int64_t i) {
    return _mm256_cvtph_ps(s_load_half_fours(p, i));
}

static inline void s_store_fours_f16(void *const *p, int64_t i, svec a) {
    s_store_half_fours(p, i, s_to_f16(a));
}

static inline void s_exchange_fours(svec *a, svec *b, svec *c, svec *d) {
    __m256d ab_low = _mm256_castps_pd(_mm256_unpacklo_ps(*a, *b));
    __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(*a, *b));
    __m256d cd_low = _mm256_castps_pd(_mm256_unpacklo_ps(*c, *d));
    __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(*c, *d));
    *a = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_low, cd_low));
    *b = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_low, cd_low));
    *c = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high));
    *d = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high));
}

#endif
