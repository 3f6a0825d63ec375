/* SPDX-License-Identifier: MIT
 * The words of the kernel templates for double lanes. Include after a f64_<isa>.h vocabulary.
 * The polynomial comes from scripts/polynomials.py. */
#define LANE double
#define WIDTH D_WIDTH
#define vec dvec
#define mask dmask
#define v_load d_load
#define v_store d_store
#define v_stream d_stream
#define v_load_some d_load_some
#define v_store_some d_store_some
#define v_set d_set
#define v_add d_add
#define v_sub d_sub
#define v_mul d_mul
#define v_fma d_fma
#define v_max d_max
#define v_lt d_lt
#define v_eq d_eq
#define v_unordered d_unordered
#define v_or d_or
#define v_any d_any
#define v_lanes d_lanes
#define v_max_lane d_max_lane
#define v_select d_select
#define v_clear d_clear
#define v_store_integers d_store_integers
#define v_scale2 d_scale2
#define v_load_fours d_load_fours
#define v_exchange_fours d_exchange_fours
#ifdef D_FOURS
#define FOURS
#endif

#define MAGIC 0x1.8p52 /* adding it rounds to an integer, for |x| < 2^51 */
#define FLUSH 1021     /* 2^n with n < -FLUSH is taken as 0 */

/* 2^f = 1 + f*(EXP2[0] + f*(EXP2[1] + ...)) on [-0.50001, 0.50001], relative error 2^-57.3 */
enum { EXP2_TERMS = 11 };
static const LANE EXP2[EXP2_TERMS] = {
    0x1.62e42fefa39efp-1,  0x1.ebfbdff82c5a5p-3,  0x1.c6b08d704a122p-5,  0x1.3b2ab6fb9ffb3p-7,
    0x1.5d87fe78a1128p-10, 0x1.4309130f13ab3p-13, 0x1.ffcbfc5955a20p-17, 0x1.62bfc71e56b30p-20,
    0x1.b5253f704829cp-24, 0x1.e61c11310341fp-28, 0x1.e94701d28dccdp-32};

typedef struct wide {
    dvec part;
} wide;

static inline wide v_widen(vec a) {
    return (wide){a};
}

static inline vec v_narrow(wide a) {
    return a.part;
}

#include "simd/wide_single.h"

static inline LANE round_to_lane(double value, bool to_odd) {
    (void)to_odd; /* elements are lanes */
    return value != value ? (double)NAN : value;
}
