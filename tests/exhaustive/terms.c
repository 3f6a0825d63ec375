/* SPDX-License-Identifier: MIT
 * E = 2^(x*log2(e) - k) of the float kernels, of all floats: in blocks of consecutive floats,
 * whose k is that of the block's own maximum, and of all below a maximum of 0, down to where E
 * becomes 0. And the polynomial inside it, in double, so that only its own error shows. */
#include "cpu/kernels.h"
#include "sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/simd/f32_scalar.h"

#include "cpu/lane_f32.h"

/* log2(e) as two doubles (OEIS A007525). */
static const double log2e = 0x1.71547652b82fep+0, log2e_rest = 0x1.777d0ffda0d24p-56;

/* A block's E and statistics as words. */
static void hash_block(sweep_result *result, const float *e, int n, const xent_stats *stats) {
    uint64_t words[BLOCK + 4] = {bits_of(stats->top), bits_of(stats->rest), (uint64_t)stats->k,
                                 (uint64_t)stats->arg};
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &e[i], sizeof bits);
        words[4 + i] = bits;
    }
    hash_words(result, words, (size_t)n + 4);
}

/* In units of 2^-24 of the exact value, itself right to 2^-46 of it. Where k is one that the
 * maximum may have; where E is below 2^-125 it may be 0, below 2^-126 it must be. */
static double error_of_term(float e, float x, const xent_stats *stats) {
    double z = stats->shifted ? (double)x - stats->max : (double)x, k = (double)stats->k;
    double exact = exp2(fma(z, log2e, -k) + z * log2e_rest), got = (double)e;
    if (got == 0 && exact < 0x1p-125)
        return 0;
    if (got != 0 && exact < 0x1p-126)
        return INFINITY;
    return fabs(got - exact) / exact * 0x1p24;
}

/* Whether k is next to the scaled maximum, and 0 for a shifted block. */
static bool is_right_reference(const xent_stats *stats) {
    bool far = fabs(stats->max) >= 0x1p20;
    double distance = fma(stats->max, log2e, -(double)stats->k);
    return stats->shifted == far && (far ? stats->k == 0 : fabs(distance) <= 0.5625);
}

/* Floats number first, first + 1, .. of n, after one of 0 if `below_0`. */
static void run_block(uint32_t first, int n, bool below_0, bool errors, sweep_result *result) {
    const xent_kernels *kernels = xent_kernels_for(XENT_F32);
    float x[BLOCK], e[BLOCK] = {0}, again[BLOCK];
    bool bad = false;
    x[0] = 0;
    for (int i = below_0; i < n; i++) {
        x[i] = float_of(first + (uint32_t)(i - below_0));
        bad = bad || !(x[i] < INFINITY);
    }
    xent_stats stats;
    kernels->stats(x, n, 1, e, NULL, &stats);
    result->inputs += (uint64_t)(n - below_0);
    if (bad || stats.poisoned) {
        note_error(result, 0, bad == stats.poisoned ? 0 : INFINITY, first);
        return;
    }
    hash_block(result, e, n, &stats);
    kernels->grad_again(x, n, 1, &stats, 1, again);
    kernels->fence();
    if (memcmp(again, e, (size_t)n * sizeof *e) != 0)
        note_error(result, 0, INFINITY, first);
    if (!errors)
        return;
    if (!is_right_reference(&stats) || (below_0 && (stats.arg != 0 || e[0] != 1)))
        note_error(result, 0, INFINITY, first);
    for (int i = below_0; i < n; i++)
        note_error(result, 0, error_of_term(e[i], x[i], &stats), first + (uint64_t)(i - below_0));
}

/* ---- the parts ------------------------------------------------------------------------------- */

static void run_terms(const sweep_range *range, sweep_result *result) {
    for (uint64_t i = first_input(range); i < range->end; i += range->stride)
        run_block((uint32_t)(i * BLOCK), BLOCK, false, range->errors, result);
}

/* From -0 to -inf, 1023 at a time. */
enum { AT_A_TIME = BLOCK - 1 };
static const uint64_t below_0 = 0x7f800001;

static void run_terms_below_0(const sweep_range *range, sweep_result *result) {
    for (uint64_t i = first_input(range); i < range->end; i += range->stride) {
        uint64_t first = i * AT_A_TIME, left = below_0 - first;
        int n = left < AT_A_TIME ? (int)left : AT_A_TIME;
        run_block((uint32_t)(0x80000000 + first), n + 1, true, range->errors, result);
    }
}

/* Floats of up to 0.5625 of either sign. */
static const uint32_t half_of_fractions = 0x3f100001;

static uint32_t fraction_bits(uint64_t input) {
    return input < half_of_fractions ? (uint32_t)input
                                     : 0x80000000 | (uint32_t)(input - half_of_fractions);
}

static void run_polynomial(const sweep_range *range, sweep_result *result) {
    for (uint64_t i = first_input(range); i < range->end; i += range->stride) {
        double f = (double)float_of(fraction_bits(i)), q = (double)EXP2[EXP2_TERMS - 1];
        for (int term = EXP2_TERMS - 2; term >= 0; term--)
            q = fma(q, f, (double)EXP2[term]);
        q = fma(q, f, 1);
        uint64_t word = bits_of(q);
        hash_words(result, &word, 1);
        result->inputs++;
        if (range->errors) {
            double exact = exp2(f);
            note_error(result, 0, fabs(q - exact) / exact * 0x1p24, fraction_bits(i));
        }
    }
}

const sweep_part terms_part = {.name = "terms",
                               .inputs = "blocks of 1024 floats",
                               .count = UINT64_C(1) << 22,
                               .measures = {{"E", "* 2^-24", 2}},
                               .quick = QUICK,
                               .quick_hash = UINT64_C(0x0baccb751332709c),
                               .run = run_terms,
                               .describe = describe_float};

const sweep_part terms_below_0_part = {.name = "terms_below_0",
                                       .inputs = "blocks of 1023 floats",
                                       .count = (0x7f800001 + AT_A_TIME - 1) / AT_A_TIME,
                                       .measures = {{"E", "* 2^-24", 2}},
                                       .quick = QUICK,
                                       .quick_hash = UINT64_C(0x93eecde64b6df43d),
                                       .run = run_terms_below_0,
                                       .describe = describe_float};

const sweep_part polynomial_part = {.name = "polynomial",
                                    .inputs = "floats of up to 0.5625",
                                    .count = 2 * UINT64_C(0x3f100001),
                                    .measures = {{"2^f", "* 2^-24", 0.1089}}, /* 2^-27.2 */
                                    .quick = QUICK,
                                    .quick_hash = UINT64_C(0xed94ac4a263c5ee6),
                                    .run = run_polynomial,
                                    .describe = describe_float};
