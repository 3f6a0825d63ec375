/* SPDX-License-Identifier: MIT
 * The kernels of F32, BF16 and F16 in AVX-512. */
#if defined(__x86_64__)
#include "kernels.h"

#include "target_avx512_begin.h"

#include "simd/f32_avx512.h"

#define ISA avx512
#include "float_kernels.h"

#include "target_end.h"
#else
typedef int xent_f32_avx512_needs_another_machine;
#endif
