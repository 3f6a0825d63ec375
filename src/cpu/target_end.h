/* SPDX-License-Identifier: MIT
 * The end of what target_<isa>_begin.h began. */
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
