/* SPDX-License-Identifier: MIT
 * The compiler's immintrin.h, less an instruction that Bochs 2.7 has wrong: its VCVTPS2PH rounds
 * exact ties away from zero, where processors round them to even. Builds for Bochs find this file
 * first (-I tests/bochs/include): the same rounding by other instructions. */
#ifndef XENT_TESTS_BOCHS_IMMINTRIN_H
#define XENT_TESTS_BOCHS_IMMINTRIN_H
#pragma GCC system_header /* or include_next would be pedantic's to refuse */

#include_next <immintrin.h>

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static inline __m256i
nearest_half(__m512 a) {
    const __m512i bits = _mm512_castps_si512(a), infinity = _mm512_set1_epi32(0x7f800000);
    const __m512i size = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    const __m512i sign = _mm512_slli_epi32(_mm512_srli_epi32(bits, 31), 15);

    /* Normal: the exponent's bias goes down by 112, half of the last place is added; an exact tie
     * goes up only from an odd neighbour. */
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(size, 13), _mm512_set1_epi32(1));
    __m512i half = _mm512_sub_epi32(size, _mm512_set1_epi32((112 << 23) - 0xfff));
    half = _mm512_srli_epi32(_mm512_add_epi32(half, odd), 13);

    /* Subnormal, below 2^-14: an addition rounds to multiples of 2^-24, the last place of 1/2. */
    const __m512 shifted = _mm512_add_ps(_mm512_castsi512_ps(size), _mm512_set1_ps(0.5f));
    const __m512i small =
        _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_set1_epi32(126 << 23));
    half = _mm512_mask_mov_epi32(half, _mm512_cmplt_epi32_mask(size, _mm512_set1_epi32(113 << 23)),
                                 small);

    /* From 65520 on infinity; a NaN keeps the upper bits of its payload. */
    half = _mm512_mask_mov_epi32(half, _mm512_cmpge_epi32_mask(size, _mm512_set1_epi32(0x477ff000)),
                                 _mm512_set1_epi32(0x7c00));
    const __m512i payload = _mm512_and_si512(_mm512_srli_epi32(size, 13), _mm512_set1_epi32(0x3ff));
    half = _mm512_mask_or_epi32(half, _mm512_cmpgt_epi32_mask(size, infinity), payload,
                                _mm512_set1_epi32(0x7e00));
    return _mm512_cvtepi32_epi16(_mm512_or_si512(half, sign));
}

#undef _mm512_maskz_cvtps_ph
#define _mm512_maskz_cvtps_ph(mask, a, rounding) nearest_half(a) /* of all lanes */

#endif
