/* SPDX-License-Identifier: MIT
 * The double vocabulary in AVX2 with FMA: 4 lanes. What each name means: f64_scalar.h. */
#ifndef XENT_F64_AVX2_H
#define XENT_F64_AVX2_H

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { D_WIDTH = 4 };
enum { PRODUCT_ROWS = 6 }; /* see product_template.h */
typedef __m256d dvec;
typedef __m256d dmask;

static inline dvec d_load(const void *p) {
    return _mm256_loadu_pd(p);
}

static inline void d_store(void *p, dvec a) {
    _mm256_storeu_pd(p, a);
}

enum { D_PAST_CACHES = false };

static inline void d_stream(void *p, dvec a) {
    d_store(p, a);
}

static inline void d_fence(void) {
}

static inline dvec d_set(double a) {
    return _mm256_set1_pd(a);
}

static inline dvec d_add(dvec a, dvec b) {
    return _mm256_add_pd(a, b);
}

static inline dvec d_sub(dvec a, dvec b) {
    return _mm256_sub_pd(a, b);
}

static inline dvec d_mul(dvec a, dvec b) {
    return _mm256_mul_pd(a, b);
}

static inline dvec d_div(dvec a, dvec b) {
    return _mm256_div_pd(a, b);
}

static inline dvec d_fma(dvec a, dvec b, dvec c) {
    return _mm256_fmadd_pd(a, b, c);
}

static inline dvec d_max(dvec a, dvec b) {
    return _mm256_max_pd(a, b);
}

static inline dmask d_lt(dvec a, dvec b) {
    return _mm256_cmp_pd(a, b, _CMP_LT_OQ);
}

static inline dmask d_eq(dvec a, dvec b) {
    return _mm256_cmp_pd(a, b, _CMP_EQ_OQ);
}

static inline dmask d_bad(dvec a) {
    return _mm256_cmp_pd(a, _mm256_set1_pd(INFINITY), _CMP_NLT_UQ);
}

static inline dmask d_unordered(dvec a, dvec b) {
    return _mm256_cmp_pd(a, b, _CMP_UNORD_Q);
}

static inline dmask d_or(dmask a, dmask b) {
    return _mm256_or_pd(a, b);
}

static inline bool d_any(dmask a) {
    return _mm256_movemask_pd(a) != 0;
}

static inline uint64_t d_lanes(dmask a) {
    return (unsigned)_mm256_movemask_pd(a);
}

static inline dvec d_select(dmask m, dvec a, dvec b) {
    return _mm256_blendv_pd(b, a, m);
}

static inline dvec d_clear(dmask m, dvec a) {
    return _mm256_andnot_pd(m, a);
}

static inline void d_store_integers(int64_t *p, dvec a) {
    _mm256_storeu_si256((void *)p, _mm256_cvtepi32_epi64(_mm256_cvttpd_epi32(a)));
}

static inline double d_max_lane(dvec a) {
    __m128d pair = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_max_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

static inline double d_fold(dvec a) {
    __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

/* Compared as integers, which leaves the pipes of fma free: beside a floor > 0 it is the same, but
 * for NaN, whose E means nothing. */
static inline dvec d_scale2(dvec p, dvec nb, dvec floor) {
    __m256i bits = _mm256_castpd_si256(nb);
    __m256i scaled = _mm256_add_epi64(_mm256_castpd_si256(p), _mm256_slli_epi64(bits, 52));
    __m256i below = _mm256_sub_epi64(_mm256_castpd_si256(floor), _mm256_set1_epi64x(1));
    return _mm256_castsi256_pd(_mm256_and_si256(_mm256_cmpgt_epi64(bits, below), scaled));
}

static inline dvec d_split(dvec a, dvec *m) {
    const __m256i low = _mm256_set1_epi64x(0x3fe6a09e667f3bcd);
    __m256i bits = _mm256_add_epi64(_mm256_castpd_si256(a),
                                    _mm256_set1_epi64x(0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
    __m256i fraction = _mm256_and_si256(bits, _mm256_set1_epi64x(0x000fffffffffffff));
    *m = _mm256_castsi256_pd(_mm256_add_epi64(fraction, low));
    /* an integer below 2^52 becomes a double in the fraction of 2^52 */
    __m256i k =
        _mm256_or_si256(_mm256_srli_epi64(bits, 52), _mm256_set1_epi64x(0x4330000000000000));
    return _mm256_sub_pd(_mm256_castsi256_pd(k), _mm256_set1_pd(0x1p52 + 1023.0));
}

/* all ones in the first n lanes */
static inline __m256i d_first_lanes(int64_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

static inline dvec d_load_some(const void *p, int64_t n, double fill) {
    __m256i first = d_first_lanes(n);
    return _mm256_blendv_pd(d_set(fill), _mm256_maskload_pd(p, first), _mm256_castsi256_pd(first));
}

static inline void d_store_some(void *p, int64_t n, dvec a) {
    _mm256_maskstore_pd(p, d_first_lanes(n), a);
}

/* Lanes in fours: what each word does is said in transpose_template.h. */
#define D_FOURS
static inline dvec d_load_fours(const void *const *p, int64_t i) {
    return _mm256_loadu_pd((const double *)p[0] + i);
}

static inline void d_store_fours(void *const *p, int64_t i, dvec a) {
    _mm256_storeu_pd((double *)p[0] + i, a);
}

static inline void d_exchange_fours(dvec *a, dvec *b, dvec *c, dvec *d) {
    __m256d ab_even = _mm256_unpacklo_pd(*a, *b), ab_odd = _mm256_unpackhi_pd(*a, *b);
    __m256d cd_even = _mm256_unpacklo_pd(*c, *d), cd_odd = _mm256_unpackhi_pd(*c, *d);
    *a = _mm256_permute2f128_pd(ab_even, cd_even, 0x20);
    *b = _mm256_permute2f128_pd(ab_odd, cd_odd, 0x20);
    *c = _mm256_permute2f128_pd(ab_even, cd_even, 0x31);
    *d = _mm256_permute2f128_pd(ab_odd, cd_odd, 0x31);
}

#endif
