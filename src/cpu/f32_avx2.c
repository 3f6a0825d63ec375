/* SPDX-License-Identifier: MIT
 * The kernels of F32, BF16 and F16 in AVX2. */
#if defined(__x86_64__)
#include "kernels.h"

#include "target_avx2_begin.h"

#include "simd/f32_avx2.h"

#define ISA avx2
#include "float_kernels.h"

#include "target_end.h"
#else
typedef int xent_f32_avx2_needs_another_machine;
#endif
