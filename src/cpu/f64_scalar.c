/* SPDX-License-Identifier: MIT
 * The kernels of F64, and of exp, log, log1p and softcap, in plain C. */
#include "kernels.h"

#include "simd/f64_scalar.h"

#define ISA scalar
#define MATH_TABLE xent_math_scalar
#include "double_kernels.h"
