/* SPDX-License-Identifier: MIT
 * E = 2^(scale*x*log2(e) - k), once per lane type.
 *
 * With L + l = scale*log2(e) (a lane and the lane nearest to the rest), n the integer next to x*L
 * and f = x*L - n + x*l, E is 2^f times 2^(n - k), where k is an integer too: the subtraction never
 * meets the fraction, so neither the size of x nor its distance to the maximum costs accuracy. One
 * fma rounds to nb = base + n, base = MAGIC - k: the low bits of nb hold n - k, and the exponent
 * moves by integer arithmetic. */

#define LOG2E_HIGH 0x1.71547652b82fep+0
#define LOG2E_LOW 0x1.777d0ffda0d24p-56

/* L and l */
typedef struct factor {
    LANE high, low;
} factor;

static inline factor log2e_times(double scale) {
    double high = scale * LOG2E_HIGH;
    double low = fma(scale, LOG2E_LOW, fma(scale, LOG2E_HIGH, -high));
    LANE head = (LANE)high;
    return (factor){head, (LANE)((high - (double)head) + low)};
}

/* 2^f */
static inline vec exp2_fraction(vec f) {
    vec q = v_set(EXP2[EXP2_TERMS - 1]);
    for (int i = EXP2_TERMS - 2; i >= 0; i--)
        q = v_fma(q, f, v_set(EXP2[i]));
    return v_fma(q, f, v_set(1));
}

/* Below 2^-FLUSH E is exactly 0, tested on nb so that -inf and huge negative x are 0. E of NaN and
 * of x far above the maximum means nothing. */
static inline vec exp2_term(vec x, vec high, vec low, vec base) {
    vec nb = v_fma(x, high, base);
    vec f = v_fma(x, low, v_fma(x, high, v_sub(base, nb)));
    return v_scale2(exp2_fraction(f), nb, v_set(MAGIC - FLUSH));
}
