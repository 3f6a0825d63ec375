/* SPDX-License-Identifier: MIT
 * The kernels of F64, and of exp, log, log1p and softcap, in AVX-512. */
#if defined(__x86_64__)
#include "kernels.h"

#include "target_avx512_begin.h"

#include "simd/f64_avx512.h"

#define ISA avx512
#define MATH_TABLE xent_math_avx512
#include "double_kernels.h"

#include "target_end.h"
#else
typedef int xent_f64_avx512_needs_another_machine;
#endif
