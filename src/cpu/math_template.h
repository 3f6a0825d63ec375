/* SPDX-License-Identifier: MIT
 * exp, log, log1p and softcap's tanh on arrays of doubles. Include after lane_f64.h and
 * exp2_template.h. The polynomial comes from scripts/polynomials.py. */

#define LN2_HIGH 0x1.62e42fefa39efp-1
#define LN2_LOW 0x1.abc9e3b39803fp-56

/* a*b where it becomes an operand of a sum: an fma, which no compiler contracts with that sum */
static inline dvec product_of(dvec a, dvec b) {
    return d_fma(a, b, d_set(0));
}

/* log((1+s)/(1-s)) = 2*s + s*z*(LOG[0] + z*(LOG[1] + ...)), z = s^2, for |s| <= 0.1716, error
 * 2^-58.4 */
enum { LOG_TERMS = 7 };
static const double LOG[LOG_TERMS] = {
    0x1.5555555555594p-1, 0x1.999999997f73cp-2, 0x1.249249423b118p-2, 0x1.c71c51d68714ep-3,
    0x1.746648058341bp-3, 0x1.39a0e88d926d3p-3, 0x1.2f0ce7dcdaa05p-3};

/* k*log(2) + log(1 + f) + c, for 1 + f in [sqrt(1/2), sqrt(2)] and tiny c. With s = f/(2+f):
 * log(1+f) = f - (f^2/2 - s*(f^2/2 + R(s^2))), an identity that adds the large part last. */
static inline dvec log_parts(dvec k, dvec f, dvec c) {
    dvec s = d_div(f, d_add(d_set(2), f));
    dvec z = d_mul(s, s);
    dvec r = d_set(LOG[LOG_TERMS - 1]);
    for (int i = LOG_TERMS - 2; i >= 0; i--)
        r = d_fma(r, z, d_set(LOG[i]));
    dvec half_square = product_of(d_mul(d_set(0.5), f), f);
    dvec small = d_fma(s, d_fma(r, z, half_square), d_fma(k, d_set(LN2_LOW), c));
    return d_fma(k, d_set(LN2_HIGH), d_sub(f, d_sub(half_square, small)));
}

/* of finite r >= 0. Below sqrt(2) - 1 no rounding of 1 + r is suffered; above, its error is put
 * back. */
static inline dvec log1p_of(dvec r) {
    const dvec one = d_set(1), zero = d_set(0);
    dvec u = d_add(one, r), m;
    dvec back = d_sub(u, one);
    dvec lost = d_add(d_sub(one, d_sub(u, back)), d_sub(r, back));
    dvec k = d_split(u, &m);
    dmask direct = d_lt(r, d_set(0.41421356));
    return log_parts(d_select(direct, zero, k), d_select(direct, r, d_sub(m, one)),
                     d_select(direct, zero, d_div(lost, u)));
}

/* of a >= 0 */
static inline dvec log_of(dvec a) {
    const dvec zero = d_set(0);
    dmask subnormal = d_lt(a, d_set(0x1p-1022));
    dvec m, k = d_split(d_select(subnormal, d_mul(a, d_set(0x1p54)), a), &m);
    k = d_sub(k, d_select(subnormal, d_set(54), zero));
    dvec value = log_parts(k, d_sub(m, d_set(1)), zero);
    value = d_select(d_bad(a), a, value);
    return d_select(d_eq(a, zero), d_set(-INFINITY), value);
}

/* exp(y + y_low) = power*(1 + r + *r_low) with r and *power returned, for y in [-2000, 709]; *power
 * is 0 where exp(y) < 2^-1021. As exp2_term, with every rounding carried along. */
static inline dvec exp_parts(dvec y, dvec y_low, dvec *r_low, dvec *power) {
    const dvec magic = d_set(MAGIC), zero = d_set(0);
    dvec product = product_of(y, d_set(LOG2E_HIGH));
    dvec product_low = d_fma(y, d_set(LOG2E_HIGH), d_sub(zero, product));
    product_low = d_fma(y, d_set(LOG2E_LOW), product_low);
    product_low = d_fma(y_low, d_set(LOG2E_HIGH), product_low);
    dvec nb = d_add(product, magic);
    dvec f = d_sub(product, d_sub(nb, magic));
    /* 2^f - 1 = f*q, with q = q_high + q_low */
    dvec q = d_set(EXP2[EXP2_TERMS - 1]);
    for (int i = EXP2_TERMS - 2; i >= 1; i--)
        q = d_fma(q, f, d_set(EXP2[i]));
    dvec q_high = d_fma(q, f, d_set(EXP2[0]));
    dvec q_low = d_add(d_fma(q, f, d_sub(d_set(EXP2[0]), q_high)), d_set(LN2_LOW));
    dvec r = product_of(f, q_high);
    *r_low = d_fma(f, q_low, d_fma(f, q_high, d_sub(zero, r)));
    *r_low = d_fma(product_low, d_fma(d_set(LN2_HIGH), r, d_set(LN2_HIGH)), *r_low);
    *power = d_scale2(d_set(1), nb, d_set(MAGIC - FLUSH));
    return r;
}

static inline dvec exp_of(dvec x) {
    dvec r_low, power, r = exp_parts(d_max(x, d_set(-2000)), d_set(0), &r_low, &power);
    return d_fma(power, d_add(r, r_low), power);
}

/* high + *low = exp(-x - x_low) - 1 and *u = exp(-x - x_low), for x in [0, 2000]. */
static inline dvec expm1_parts(dvec x, dvec x_low, dvec *low, dvec *u) {
    const dvec zero = d_set(0), one = d_set(1);
    dvec r_low, power, r = exp_parts(d_sub(zero, x), d_sub(zero, x_low), &r_low, &power);
    *u = d_fma(power, d_add(r, r_low), power);
    /* power*(1 + r) - 1 = (power - 1) + power*r, added without error */
    dvec head = d_sub(power, one);
    dvec tail = d_sub(power, d_add(head, one));
    dvec term = product_of(power, r);
    dvec high = d_add(head, term);
    dvec back = d_sub(high, head);
    dvec lost = d_add(d_sub(head, d_sub(high, back)), d_sub(term, back));
    *low = d_add(d_fma(power, r_low, lost), tail);
    return high;
}

/* z = cap*tanh(t) and its slope, t = scale*x/cap with what its rounding lost. tanh |t| = -m/(2 + m)
 * with m = exp(-2*|t|) - 1, divided with one correction; slope = 4u/(1 + u)^2, never 1 - tanh^2.
 * Beyond |t| = 1000 nothing changes; below 2^-30 tanh t is t. */
static inline dvec bend_of(dvec x, double scale, double cap, dvec *slope) {
    const dvec zero = d_set(0), one = d_set(1), scales = d_set(scale), caps = d_set(cap);
    dmask negative = d_lt(x, zero), straight = d_or(d_bad(x), d_eq(x, d_set(-INFINITY)));
    dvec size = d_select(negative, d_sub(zero, x), x), scaled = product_of(scales, size);
    dvec scaled_low = d_fma(scales, size, d_sub(zero, scaled));
    dvec t = d_div(scaled, caps);
    dvec t_low = d_div(d_add(d_fma(d_sub(zero, t), caps, scaled), scaled_low), caps);
    dmask far = d_lt(d_set(1000), t);
    t = d_select(far, d_set(1000), t);
    t_low = d_select(far, zero, t_low);

    dvec low, u, m = expm1_parts(d_add(t, t), d_add(t_low, t_low), &low, &u);
    dvec below = d_add(d_set(2), m);
    dvec below_low = d_add(d_sub(m, d_sub(below, d_set(2))), low);
    dvec minus_q = d_div(d_sub(zero, m), below);
    dvec rest = d_fma(minus_q, below_low, d_add(d_fma(minus_q, below, m), low));
    dvec z = product_of(caps, d_sub(minus_q, d_div(rest, below)));
    z = d_select(d_lt(t, d_set(0x1p-30)), scaled, z);
    dvec sum = d_add(one, u);
    dvec bent = d_mul(scales, d_div(d_mul(d_set(4), u), d_mul(sum, sum)));
    *slope = d_select(straight, scales, bent);
    return d_select(straight, x, d_select(negative, d_sub(zero, z), z));
}

/* The last values of an array, padded to a vector with 1, which every function takes. */
static inline dvec load_last(const double *values, int64_t n) {
    double last[D_WIDTH];
    for (int i = 0; i < D_WIDTH; i++)
        last[i] = i < n ? values[i] : 1;
    return d_load(last);
}

static inline void store_last(double *values, int64_t n, dvec a) {
    double last[D_WIDTH];
    d_store(last, a);
    memcpy(values, last, (size_t)n * sizeof *values);
}

/* One vector after the other through `of`, which is inlined. */
static inline __attribute__((always_inline)) void map_values(double *values, int64_t n,
                                                             dvec (*of)(dvec)) {
    int64_t i = 0;
    for (; i + D_WIDTH <= n; i += D_WIDTH)
        d_store(values + i, of(d_load(values + i)));
    if (i < n)
        store_last(values + i, n - i, of(load_last(values + i, n - i)));
}

static void math_exp(double *values, int64_t n) {
    map_values(values, n, exp_of);
}

static void math_log(double *values, int64_t n) {
    map_values(values, n, log_of);
}

static void math_log1p(double *values, int64_t n) {
    map_values(values, n, log1p_of);
}

/* high + low += x: Algorithm 4 (DWPlusFP) of Joldes, Muller and Popescu, doi:10.1145/3121432. */
static inline void add_to_pairs(dvec *high, dvec *low, dvec x) {
    const dvec zero = d_set(0);
    dvec sum = d_add(*high, x), part = d_sub(sum, *high);
    dvec lost = d_add(d_sub(*high, d_sub(sum, part)), d_sub(x, part));
    dmask finite = d_eq(d_sub(sum, sum), zero);
    dvec rest = d_select(finite, d_add(*low, lost), zero);
    *high = d_add(sum, rest);
    *low = d_select(finite, d_sub(rest, d_sub(*high, sum)), zero);
}

static void math_add(double *high, double *low, const double *values, int64_t n) {
    for (int lane = 0; lane < SUM_LANES && lane < n; lane += D_WIDTH) {
        dvec sum = d_load(high + lane), rest = d_load(low + lane);
        for (int64_t i = lane; i < n; i += SUM_LANES)
            add_to_pairs(&sum, &rest, d_load(values + i));
        d_store(high + lane, sum);
        d_store(low + lane, rest);
    }
}

static void math_bend(double *values, int64_t n, double scale, double cap, double *slope) {
    for (int64_t i = 0; i < n; i += D_WIDTH) {
        bool whole = i + D_WIDTH <= n;
        dvec x = whole ? d_load(values + i) : load_last(values + i, n - i), bent;
        dvec z = bend_of(x, scale, cap, &bent);
        store_last(values + i, whole ? D_WIDTH : n - i, z);
        if (slope)
            store_last(slope + i, whole ? D_WIDTH : n - i, bent);
    }
}
