/* SPDX-License-Identifier: MIT
 * The double vocabulary in AVX-512: 8 lanes. What each name means: f64_scalar.h. */
#ifndef XENT_F64_AVX512_H
#define XENT_F64_AVX512_H

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { D_WIDTH = 8 };
enum { PRODUCT_ROWS = 12 }; /* see product_template.h */
typedef __m512d dvec;
typedef __mmask8 dmask;

static inline dvec d_load(const void *p) {
    return _mm512_loadu_pd(p);
}

static inline void d_store(void *p, dvec a) {
    _mm512_storeu_pd(p, a);
}

enum { D_PAST_CACHES = true };

static inline void d_stream(void *p, dvec a) {
    _mm512_stream_pd(p, a);
}

static inline void d_fence(void) {
    _mm_sfence();
}

static inline dvec d_set(double a) {
    return _mm512_set1_pd(a);
}

static inline dvec d_add(dvec a, dvec b) {
    return _mm512_add_pd(a, b);
}

static inline dvec d_sub(dvec a, dvec b) {
    return _mm512_sub_pd(a, b);
}

static inline dvec d_mul(dvec a, dvec b) {
    return _mm512_mul_pd(a, b);
}

static inline dvec d_div(dvec a, dvec b) {
    return _mm512_div_pd(a, b);
}

static inline dvec d_fma(dvec a, dvec b, dvec c) {
    return _mm512_fmadd_pd(a, b, c);
}

static inline dvec d_max(dvec a, dvec b) {
    return _mm512_max_pd(a, b);
}

static inline dmask d_lt(dvec a, dvec b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}

static inline dmask d_eq(dvec a, dvec b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ);
}

static inline dmask d_bad(dvec a) {
    return _mm512_cmp_pd_mask(a, _mm512_set1_pd(INFINITY), _CMP_NLT_UQ);
}

static inline dmask d_unordered(dvec a, dvec b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q);
}

static inline dmask d_or(dmask a, dmask b) {
    return (dmask)(a | b);
}

static inline bool d_any(dmask a) {
    return a != 0;
}

static inline uint64_t d_lanes(dmask a) {
    return a;
}

static inline dvec d_select(dmask m, dvec a, dvec b) {
    return _mm512_mask_blend_pd(m, b, a);
}

static inline dvec d_clear(dmask m, dvec a) {
    return _mm512_mask_blend_pd(m, a, _mm512_setzero_pd());
}

static inline void d_store_integers(int64_t *p, dvec a) {
    _mm512_storeu_si512(p, _mm512_cvtepi32_epi64(_mm512_cvttpd_epi32(a)));
}

static inline double d_max_lane(dvec a) {
    return _mm512_reduce_max_pd(a);
}

static inline double d_fold(dvec a) {
    __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1));
    __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

static inline dvec d_scale2(dvec p, dvec nb, dvec floor) {
    __mmask8 kept = _mm512_cmp_pd_mask(nb, floor, _CMP_NLT_UQ);
    __m512i n = _mm512_slli_epi64(_mm512_castpd_si512(nb), 52);
    return _mm512_castsi512_pd(_mm512_maskz_add_epi64(kept, _mm512_castpd_si512(p), n));
}

static inline dvec d_split(dvec a, dvec *m) {
    const __m512i low = _mm512_set1_epi64(0x3fe6a09e667f3bcd);
    __m512i bits = _mm512_add_epi64(_mm512_castpd_si512(a),
                                    _mm512_set1_epi64(0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
    __m512i fraction = _mm512_and_si512(bits, _mm512_set1_epi64(0x000fffffffffffff));
    *m = _mm512_castsi512_pd(_mm512_add_epi64(fraction, low));
    /* an integer below 2^52 becomes a double in the fraction of 2^52 */
    __m512i k = _mm512_or_si512(_mm512_srli_epi64(bits, 52), _mm512_set1_epi64(0x4330000000000000));
    return _mm512_sub_pd(_mm512_castsi512_pd(k), _mm512_set1_pd(0x1p52 + 1023.0));
}

static inline __mmask8 d_first_lanes(int64_t n) {
    return (__mmask8)((1u << n) - 1);
}

static inline dvec d_load_some(const void *p, int64_t n, double fill) {
    return _mm512_mask_loadu_pd(d_set(fill), d_first_lanes(n), p);
}

static inline void d_store_some(void *p, int64_t n, dvec a) {
    _mm512_mask_storeu_pd(p, d_first_lanes(n), a);
}

/* Lanes in fours: what each word does is said in transpose_template.h. */
#define D_FOURS
static inline dvec d_load_fours(const void *const *p, int64_t i) {
    __m512d a = _mm512_castpd256_pd512(_mm256_loadu_pd((const double *)p[0] + i));
    return _mm512_insertf64x4(a, _mm256_loadu_pd((const double *)p[4] + i), 1);
}

static inline void d_store_fours(void *const *p, int64_t i, dvec a) {
    _mm256_storeu_pd((double *)p[0] + i, _mm512_castpd512_pd256(a));
    _mm256_storeu_pd((double *)p[4] + i, _mm512_extractf64x4_pd(a, 1));
}

static inline void d_exchange_fours(dvec *a, dvec *b, dvec *c, dvec *d) {
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    const __m512i high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    __m512d ab_even = _mm512_unpacklo_pd(*a, *b), ab_odd = _mm512_unpackhi_pd(*a, *b);
    __m512d cd_even = _mm512_unpacklo_pd(*c, *d), cd_odd = _mm512_unpackhi_pd(*c, *d);
    *a = _mm512_permutex2var_pd(ab_even, low, cd_even);
    *b = _mm512_permutex2var_pd(ab_odd, low, cd_odd);
    *c = _mm512_permutex2var_pd(ab_even, high, cd_even);
    *d = _mm512_permutex2var_pd(ab_odd, high, cd_odd);
}

#endif
