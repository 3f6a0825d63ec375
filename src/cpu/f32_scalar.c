/* SPDX-License-Identifier: MIT
 * The kernels of F32, BF16 and F16 in plain C. */
#include "kernels.h"

#include "simd/f32_scalar.h"

#define ISA scalar
#include "float_kernels.h"
