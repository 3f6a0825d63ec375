/* SPDX-License-Identifier: MIT
 * Which kernels run here: CPU features, the XENT_ISA cap, one literal table, one atomic word. */
#include "kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Instruction sets, best last on each machine. */
enum { SCALAR, AVX2, AVX512, NEON, ISAS };
static const char *const isa_names[ISAS] = {"scalar", "avx2", "avx512", "neon"};

extern const xent_kernels xent_f32_scalar, xent_bf16_scalar, xent_f16_scalar, xent_f64_scalar;
extern const xent_math xent_math_scalar;
#if defined(__x86_64__)
extern const xent_kernels xent_f32_avx2, xent_bf16_avx2, xent_f16_avx2, xent_f64_avx2;
extern const xent_kernels xent_f32_avx512, xent_bf16_avx512, xent_f16_avx512, xent_f64_avx512;
extern const xent_math xent_math_avx2, xent_math_avx512;
#elif defined(__aarch64__)
extern const xent_kernels xent_f32_neon, xent_bf16_neon, xent_f16_neon, xent_f64_neon;
extern const xent_math xent_math_neon;
#endif

/* One row per instruction set; an instruction set that this machine's architecture lacks has an
 * empty row. */
static const struct {
    const xent_kernels *f32, *f64, *bf16, *f16;
    const xent_math *math;
} tables[ISAS] = {
    [SCALAR] = {&xent_f32_scalar, &xent_f64_scalar, &xent_bf16_scalar, &xent_f16_scalar,
                &xent_math_scalar},
#if defined(__x86_64__)
    [AVX2] = {&xent_f32_avx2, &xent_f64_avx2, &xent_bf16_avx2, &xent_f16_avx2, &xent_math_avx2},
    [AVX512] = {&xent_f32_avx512, &xent_f64_avx512, &xent_bf16_avx512, &xent_f16_avx512,
                &xent_math_avx512},
#elif defined(__aarch64__)
    [NEON] = {&xent_f32_neon, &xent_f64_neon, &xent_bf16_neon, &xent_f16_neon, &xent_math_neon},
#endif
};

#if defined(__x86_64__)
/* Which register files the operating system saves (XCR0). */
static unsigned saved_state(void) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int best_isa(void) {
    const unsigned ymm_state = 0x06, zmm_state = 0xe6;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA) || !(c & bit_F16C))
        return SCALAR;
    unsigned state = saved_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2) ||
        (state & ymm_state) != ymm_state)
        return SCALAR;
    const unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    return (b & wanted) == wanted && (state & zmm_state) == zmm_state ? AVX512 : AVX2;
}
#elif defined(__aarch64__)
static int best_isa(void) {
    return NEON;
}
#else
static int best_isa(void) {
    return SCALAR;
}
#endif

static int choose_isa(void) {
    const char *cap = getenv("XENT_ISA");
    int best = best_isa();
    for (int isa = SCALAR; cap && isa < best; isa++)
        if (tables[isa].f32 && strcmp(cap, isa_names[isa]) == 0)
            return isa;
    return best;
}

/* 0: not chosen yet; else the instruction set + 1. Whoever comes first writes what everyone would
 * write. */
static int current_isa(void) {
    static atomic_int chosen;
    int word = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (word == 0) {
        word = choose_isa() + 1;
        atomic_store_explicit(&chosen, word, memory_order_relaxed);
    }
    return word - 1;
}

const xent_kernels *xent_kernels_for(int32_t dtype) {
    int isa = current_isa();
    switch (dtype) {
    case XENT_F64:
        return tables[isa].f64;
    case XENT_BF16:
        return tables[isa].bf16;
    case XENT_F16:
        return tables[isa].f16;
    default:
        return tables[isa].f32;
    }
}

const xent_math *xent_math_functions(void) {
    return tables[current_isa()].math;
}

const char *xent_isa(void) {
    return isa_names[current_isa()];
}
