/* SPDX-License-Identifier: MIT
 * The words of the kernel templates for float lanes. Include after a f32_<isa>.h vocabulary.
 * The polynomial comes from scripts/polynomials.py. */
#define LANE float
#define WIDTH S_WIDTH
#define vec svec
#define mask smask
#define v_load s_load_f32
#define v_store s_store_f32
#define v_stream s_stream_f32
#define v_load_some s_load_some_f32
#define v_store_some s_store_some_f32
#define v_set s_set
#define v_add s_add
#define v_sub s_sub
#define v_mul s_mul
#define v_fma s_fma
#define v_max s_max
#define v_lt s_lt
#define v_eq s_eq
#define v_unordered s_unordered
#define v_or s_or
#define v_any s_any
#define v_lanes s_lanes
#define v_max_lane s_max_lane
#define v_select s_select
#define v_clear s_clear
#define v_store_integers s_store_integers
#define v_scale2 s_scale2
#define v_load_fours s_load_fours_f32
#define v_exchange_fours s_exchange_fours
#ifdef S_FOURS
#define FOURS
#endif
#define v_widen s_widen
#define v_narrow s_narrow

#define MAGIC 0x1.8p23f /* adding it rounds to an integer, for |x| < 2^22 */
#define FLUSH 125       /* 2^n with n < -FLUSH is taken as 0 */

/* 2^f = 1 + f*(EXP2[0] + f*(EXP2[1] + ...)) on [-0.5625, 0.5625], relative error 2^-27.2 */
enum { EXP2_TERMS = 6 };
static const LANE EXP2[EXP2_TERMS] = {0x1.62e432p-1f, 0x1.ebfbdcp-3f,  0x1.c6ad92p-5f,
                                      0x1.3b2caap-7f, 0x1.5fcc2ep-10f, 0x1.42ea56p-13f};

/* value as a lane; for a narrower element rounded to odd, so that rounding once more rounds once in
 * all */
static inline LANE round_to_lane(double value, bool to_odd) {
    LANE lane = (LANE)value;
    if (value != value)
        return NAN;
    if (to_odd && (double)lane != value) {
        uint32_t bits;
        memcpy(&bits, &lane, sizeof bits);
        if (!(bits & 1))
            bits += fabs((double)lane) < fabs(value) ? 1u : ~0u;
        memcpy(&lane, &bits, sizeof bits);
    }
    return lane;
}
