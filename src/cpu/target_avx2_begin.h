/* SPDX-License-Identifier: MIT
 * From here to target_end.h functions may use AVX2, FMA and F16C, in the form each compiler
 * understands. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
