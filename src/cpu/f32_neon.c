/* SPDX-License-Identifier: MIT
 * The kernels of F32, BF16 and F16 in NEON. */
#if defined(__aarch64__)
#include "kernels.h"

#include "simd/f32_neon.h"

#define ISA neon
#include "float_kernels.h"
#else
typedef int xent_f32_neon_needs_another_machine;
#endif
