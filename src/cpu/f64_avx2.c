/* SPDX-License-Identifier: MIT
 * The kernels of F64, and of exp, log, log1p and softcap, in AVX2. */
#if defined(__x86_64__)
#include "kernels.h"

#include "target_avx2_begin.h"

#include "simd/f64_avx2.h"

#define ISA avx2
#define MATH_TABLE xent_math_avx2
#include "double_kernels.h"

#include "target_end.h"
#else
typedef int xent_f64_avx2_needs_another_machine;
#endif
