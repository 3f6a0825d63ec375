/* SPDX-License-Identifier: MIT
 * The float vocabulary in AVX-512: 16 lanes. What each name means: f32_scalar.h. */
#ifndef XENT_F32_AVX512_H
#define XENT_F32_AVX512_H

#include "f64_avx512.h"

enum { S_WIDTH = 16 };
typedef __m512 svec;
typedef __mmask16 smask;

static inline svec s_load_f32(const void *p) {
    return _mm512_loadu_ps(p);
}

static inline void s_store_f32(void *p, svec a) {
    _mm512_storeu_ps(p, a);
}

static inline svec s_from_bf16(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/* in the upper half of each lane */
static inline __m512i s_round_bf16(svec a) {
    __m512i bits = _mm512_castps_si512(a);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
}

static inline __m256i s_to_bf16(svec a) {
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(s_round_bf16(a), 16));
}

/* With a mask of all lanes: without one, gcc's own header converts a sign where it is a macro. */
static inline __m256i s_to_f16(svec a) {
    return _mm512_maskz_cvtps_ph((__mmask16)0xffff, a,
                                 _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline svec s_load_bf16(const void *p) {
    return s_from_bf16(_mm256_loadu_si256(p));
}

static inline void s_store_bf16(void *p, svec a) {
    _mm256_storeu_si256(p, s_to_bf16(a));
}

static inline void s_store_two_bf16(void *p, svec a, svec b) {
    static const uint16_t upper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                       23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                       45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    __m512i halves = _mm512_loadu_si512(upper);
    _mm512_storeu_si512(p, _mm512_permutex2var_epi16(s_round_bf16(a), halves, s_round_bf16(b)));
}

static inline svec s_load_f16(const void *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

static inline void s_store_f16(void *p, svec a) {
    _mm256_storeu_si256(p, s_to_f16(a));
}

static inline void s_stream_f32(void *p, svec a) {
    _mm512_stream_ps(p, a);
}

static inline svec s_set(float a) {
    return _mm512_set1_ps(a);
}

static inline svec s_add(svec a, svec b) {
    return _mm512_add_ps(a, b);
}

static inline svec s_sub(svec a, svec b) {
    return _mm512_sub_ps(a, b);
}

static inline svec s_mul(svec a, svec b) {
    return _mm512_mul_ps(a, b);
}

static inline svec s_fma(svec a, svec b, svec c) {
    return _mm512_fmadd_ps(a, b, c);
}

static inline svec s_max(svec a, svec b) {
    return _mm512_max_ps(a, b);
}

static inline smask s_lt(svec a, svec b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

static inline smask s_eq(svec a, svec b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

static inline smask s_unordered(svec a, svec b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
}

static inline smask s_or(smask a, smask b) {
    return (smask)(a | b);
}

static inline bool s_any(smask a) {
    return a != 0;
}

static inline uint64_t s_lanes(smask a) {
    return a;
}

static inline svec s_select(smask m, svec a, svec b) {
    return _mm512_mask_blend_ps(m, b, a);
}

static inline svec s_clear(smask m, svec a) {
    return _mm512_mask_blend_ps(m, a, _mm512_setzero_ps());
}

static inline void s_store_integers(int64_t *p, svec a) {
    __m512i n = _mm512_cvttps_epi32(a);
    _mm512_storeu_si512(p, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(n)));
    _mm512_storeu_si512(p + 8, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(n, 1)));
}

static inline float s_max_lane(svec a) {
    return _mm512_reduce_max_ps(a);
}

static inline svec s_scale2(svec p, svec nb, svec floor) {
    __mmask16 kept = _mm512_cmp_ps_mask(nb, floor, _CMP_NLT_UQ);
    __m512i n = _mm512_slli_epi32(_mm512_castps_si512(nb), 23);
    return _mm512_castsi512_ps(_mm512_maskz_add_epi32(kept, _mm512_castps_si512(p), n));
}

typedef struct wide {
    dvec low, high;
} wide;

static inline wide s_widen(svec a) {
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
    return (wide){_mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(high)};
}

static inline svec s_narrow(wide a) {
    __m512d low = _mm512_castps_pd(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.low)));
    __m256d high = _mm256_castps_pd(_mm512_cvtpd_ps(a.high));
    return _mm512_castpd_ps(_mm512_insertf64x4(low, high, 1));
}

#include "wide_pair.h"

static inline __mmask16 s_first_lanes(int64_t n) {
    return (__mmask16)((1u << n) - 1);
}

static inline svec s_load_some_f32(const void *p, int64_t n, float fill) {
    return _mm512_mask_loadu_ps(s_set(fill), s_first_lanes(n), p);
}

static inline void s_store_some_f32(void *p, int64_t n, svec a) {
    _mm512_mask_storeu_ps(p, s_first_lanes(n), a);
}

static inline svec s_load_some_bf16(const void *p, int64_t n, uint16_t fill) {
    return s_from_bf16(
        _mm256_mask_loadu_epi16(_mm256_set1_epi16((short)fill), s_first_lanes(n), p));
}

static inline void s_store_some_bf16(void *p, int64_t n, svec a) {
    _mm256_mask_storeu_epi16(p, s_first_lanes(n), s_to_bf16(a));
}

static inline svec s_load_some_f16(const void *p, int64_t n, uint16_t fill) {
    return _mm512_cvtph_ps(
        _mm256_mask_loadu_epi16(_mm256_set1_epi16((short)fill), s_first_lanes(n), p));
}

static inline void s_store_some_f16(void *p, int64_t n, svec a) {
    _mm256_mask_storeu_epi16(p, s_first_lanes(n), s_to_f16(a));
}

/* Lanes in fours: what each word does is said in transpose_template.h. */
#define S_FOURS
static inline svec s_load_fours_f32(const void *const *p, int64_t i) {
    __m512 a = _mm512_castps128_ps512(_mm_loadu_ps((const float *)p[0] + i));
    a = _mm512_insertf32x4(a, _mm_loadu_ps((const float *)p[4] + i), 1);
    a = _mm512_insertf32x4(a, _mm_loadu_ps((const float *)p[8] + i), 2);
    return _mm512_insertf32x4(a, _mm_loadu_ps((const float *)p[12] + i), 3);
}

static inline void s_store_fours_f32(void *const *p, int64_t i, svec a) {
    _mm_storeu_ps((float *)p[0] + i, _mm512_castps512_ps128(a));
    _mm_storeu_ps((float *)p[4] + i, _mm512_extractf32x4_ps(a, 1));
    _mm_storeu_ps((float *)p[8] + i, _mm512_extractf32x4_ps(a, 2));
    _mm_storeu_ps((float *)p[12] + i, _mm512_extractf32x4_ps(a, 3));
}

static inline __m128i s_load_half_eight(const void *const *p, int64_t i) {
    return _mm_unpacklo_epi64(_mm_loadl_epi64((const void *)((const uint16_t *)p[0] + i)),
                              _mm_loadl_epi64((const void *)((const uint16_t *)p[4] + i)));
}

static inline __m256i s_load_half_fours(const void *const *p, int64_t i) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(s_load_half_eight(p, i)),
                                   s_load_half_eight(p + 8, i), 1);
}

static inline void s_store_half_eight(void *const *p, int64_t i, __m128i a) {
    _mm_storel_epi64((void *)((uint16_t *)p[0] + i), a);
    _mm_storel_epi64((void *)((uint16_t *)p[4] + i), _mm_unpackhi_epi64(a, a));
}

static inline void s_store_half_fours(void *const *p, int64_t i, __m256i a) {
    s_store_half_eight(p, i, _mm256_castsi256_si128(a));
    s_store_half_eight(p + 8, i, _mm256_extracti128_si256(a, 1));
}

static inline svec s_load_fours_bf16(const void *const *p, int64_t i) {
    return s_from_bf16(s_load_half_fours(p, i));
}

static inline void s_store_fours_bf16(void *const *p, int64_t i, svec a) {
    s_store_half_fours(p, i, s_to_bf16(a));
}

static inline svec s_load_fours_f16(const void *const *p, int64_t i) {
    return _mm512_cvtph_ps(s_load_half_fours(p, i));
}

static inline void s_store_fours_f16(void *const *p, int64_t i, svec a) {
    s_store_half_fours(p, i, s_to_f16(a));
}

static inline void s_exchange_fours(svec *a, svec *b, svec *c, svec *d) {
    __m512d ab_low = _mm512_castps_pd(_mm512_unpacklo_ps(*a, *b));
    __m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(*a, *b));
    __m512d cd_low = _mm512_castps_pd(_mm512_unpacklo_ps(*c, *d));
    __m512d cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(*c, *d));
    *a = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low));
    *b = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low));
    *c = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
    *d = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
}

#endif
