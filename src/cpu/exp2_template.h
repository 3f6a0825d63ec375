/* SPDX-License-Identifier: MIT
 * E = 2^(scale*x*log2(e) - k), once per lane type.
 *
 * With L + l = scale*log2(e) (a lane and the lane nearest to the rest), n the integer next to x*L
 * and f = x*L - n + x*l, E is 2^f times 2^(n - k), where k is an integer too: the subtraction never
 * meets the fraction, so neither the size of x nor its distance to the maximum costs accuracy. One
 * fma rounds to nb = base + n, base = MAGIC - k: the low bits of nb hold n - k, and the exponent
 * moves by integer arithmetic. */

enum { TOGETHER = 4 }; /* vectors */

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

/* E of n vectors at once, step by step, so that each step finds what it takes in the registers
 * instead of waiting for it: n is a constant wherever it is inlined. Below 2^-FLUSH E is exactly 0,
 * tested on nb so that -inf and huge negative x are 0. E of NaN and of x far above the maximum
 * means nothing. */
static inline __attribute__((always_inline)) void some_exp2_terms(vec *x, int n, vec high, vec low,
                                                                  vec base) {
    vec nb[TOGETHER], f[TOGETHER], q[TOGETHER];
    for (int i = 0; i < n; i++)
        nb[i] = v_fma(x[i], high, base);
    for (int i = 0; i < n; i++)
        f[i] = v_fma(x[i], high, v_sub(base, nb[i]));
    for (int i = 0; i < n; i++)
        f[i] = v_fma(x[i], low, f[i]);
    for (int i = 0; i < n; i++)
        q[i] = v_fma(v_set(EXP2[EXP2_TERMS - 1]), f[i], v_set(EXP2[EXP2_TERMS - 2]));
    for (int j = EXP2_TERMS - 3; j >= 0; j--)
        for (int i = 0; i < n; i++)
            q[i] = v_fma(q[i], f[i], v_set(EXP2[j]));
    for (int i = 0; i < n; i++)
        q[i] = v_fma(q[i], f[i], v_set(1));
    for (int i = 0; i < n; i++)
        x[i] = v_scale2(q[i], nb[i], v_set(MAGIC - FLUSH));
}

static inline __attribute__((always_inline)) void exp2_terms(vec *x, vec high, vec low, vec base) {
    some_exp2_terms(x, TOGETHER, high, low, base);
}

static inline __attribute__((always_inline)) vec exp2_term(vec x, vec high, vec low, vec base) {
    some_exp2_terms(&x, 1, high, low, base);
    return x;
}
