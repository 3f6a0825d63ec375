/* SPDX-License-Identifier: MIT
 * All kernels of one element type on one instruction set, and their table xent_<TYPE>_<ISA>.
 * Expects TYPE and ISA besides what along_template.h names. */
#define PASTE_EXPANDED(a, b) a##_##b
#define PASTE(a, b) PASTE_EXPANDED(a, b)
#define NAME(word) PASTE(PASTE(word, TYPE), ISA)

#include "along_template.h"

#include "across_template.h"

const xent_kernels PASTE(PASTE(xent, TYPE), ISA) = {
    .stats = NAME(stats),
    .stats_more = NAME(stats_more),
    .grad = NAME(grad),
    .grad_more = NAME(grad_more),
    .grad_past_caches = NAME(grad_past_caches),
    .grad_again = NAME(grad_again),
    .fence = d_fence,
    .past_caches = D_PAST_CACHES,
    .stats_across = NAME(stats_across),
    .terms_across = NAME(terms_across),
    .grad_across = NAME(grad_across),
    .to_lanes = NAME(to_lanes),
    .widen = NAME(widen),
    .narrow = NAME(narrow),
    .pick = NAME(pick),
    .put = NAME(put),
    .products = &products,
};

#undef NAME
#undef PASTE
#undef PASTE_EXPANDED
#undef TYPE
#undef ELEM
#undef LOAD
#undef STORE
#undef STORE_TWO
#undef LOAD_SOME
#undef STORE_SOME
#undef LOAD_FOURS
#undef STORE_FOURS
#undef LOWEST
