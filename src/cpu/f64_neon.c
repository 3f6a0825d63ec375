/* SPDX-License-Identifier: MIT
 * The kernels of F64, and of exp, log, log1p and softcap, in NEON. */
#if defined(__aarch64__)
#include "kernels.h"

#include "simd/f64_neon.h"

#define ISA neon
#define MATH_TABLE xent_math_neon
#include "double_kernels.h"
#else
typedef int xent_f64_neon_needs_another_machine;
#endif
