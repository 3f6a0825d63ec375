/* SPDX-License-Identifier: MIT
 * The formula for rows side by side: statistics -> losses and gradient coefficients. Include after
 * math_template.h. No product is an operand of + or -: fma says where one rounding is meant. */

/* coefficient*value, where a coefficient of 0 wins over any value */
static inline dvec times(dvec coefficient, dvec value) {
    dmask none = d_eq(coefficient, d_set(0));
    return d_select(none, d_set(0), d_mul(coefficient, value));
}

/* coefficient*value + rest, where a coefficient of 0 wins as well */
static inline dvec plus_times(dvec coefficient, dvec value, dvec rest) {
    dmask none = d_eq(coefficient, d_set(0));
    return d_select(none, rest, d_fma(coefficient, value, rest));
}

/* exp(-scale*(max - x)), the exponent held to twice the precision of a double (TwoSum and an exact
 * product). */
static inline dvec exp_of_fall(dvec max, dvec x, dvec scale) {
    const dvec zero = d_set(0);
    dvec difference = d_sub(max, x), back = d_sub(difference, max);
    dvec lost = d_sub(d_sub(max, d_sub(difference, back)), d_add(x, back));
    dvec high = product_of(scale, difference);
    dvec low = d_fma(scale, lost, d_fma(scale, difference, d_sub(zero, high)));
    dvec e = exp_of(d_sub(zero, high));
    return d_select(d_eq(e, zero), zero, d_fma(d_sub(zero, low), e, e));
}

/* Whether a value is neither 0 nor of a size in [by->least, by->most], in the first n lanes: behind
 * the last row lies anything. */
static inline dmask is_extreme(const xent_coefficients *by, dvec value, int64_t n) {
    static const double numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    const dvec zero = d_set(0), least = d_set(by->least);
    value = d_select(d_lt(d_load(numbers), d_set((double)n)), value, zero);
    dvec size = d_max(value, d_sub(zero, value));
    size = d_select(d_eq(value, zero), least, size);
    return d_or(d_bad(size), d_or(d_lt(size, least), d_lt(d_set(by->most), size)));
}

/* D_WIDTH rows from row i on, of which n are there; where a or b is extreme. */
static inline dmask finish_some(const xent_coefficients *by, xent_columns *rows, int64_t i,
                                int64_t n) {
    const dvec zero = d_set(0), one = d_set(1), scale = d_set(by->scale), rate = d_set(by->rate);
    const dvec z_loss = d_set(by->z_loss);
    const dvec max = d_load(rows->stats.max + i), top = d_load(rows->stats.top + i);
    const dvec rest = d_load(rows->stats.rest + i), mass = d_load(rows->stats.mass + i);
    const dvec x = d_load(rows->label_logit + i), w = d_load(rows->weight + i);
    const dvec k = d_load(rows->label_weight + i);
    const dvec spread = d_load(rows->spread + i), ratio = d_load(rows->ratio + i);

    dvec sum = d_add(top, rest);
    dmask label_is_top = d_eq(x, max);
    dvec nll = d_fma(scale, d_sub(max, x), spread), lse = d_fma(scale, max, spread);
    dvec p = d_div(d_select(label_is_top, top, d_mul(ratio, top)), sum);
    dvec others = d_select(label_is_top, d_div(rest, sum), d_sub(one, p));
    d_store(rows->lse + i, lse);
    d_store(rows->label_probability + i, p);
    d_store(rows->entropy + i, d_add(spread, d_div(d_load(rows->stats.heat + i), sum)));
    d_store(rows->share + i, d_div(one, sum));

    dvec hard = product_of(d_set(by->hard), k);
    dvec soft_nll = plus_times(mass, spread, d_load(rows->stats.gap + i));
    dvec z_term = times(z_loss, d_mul(lse, lse));
    d_store(rows->loss + i, times(w, plus_times(hard, nll, plus_times(rate, soft_nll, z_term))));

    dvec part = d_div(w, d_set(by->denominator)), scaled = d_mul(scale, part);
    dvec soft = plus_times(z_loss, d_add(lse, lse), product_of(rate, mass));
    dvec pull = product_of(rate, k);
    dvec label_part = d_fma(soft, p, d_sub(zero, d_fma(hard, others, pull)));
    dvec a = d_div(times(d_add(hard, soft), scaled), sum), b = times(rate, scaled);
    d_store(rows->a + i, a);
    d_store(rows->b + i, b);
    d_store(rows->label_grad + i, times(times(d_load(rows->label_slope + i), label_part), part));
    return d_or(is_extreme(by, a, n), is_extreme(by, b, n));
}

/* The same operations where the coefficients leave out the rest (by->plain). */
static inline dmask finish_plain(const xent_coefficients *by, xent_columns *rows, int64_t i,
                                 int64_t n) {
    const dvec zero = d_set(0), one = d_set(1), scale = d_set(by->scale);
    const dvec part = d_div(one, d_set(by->denominator)), scaled = d_mul(scale, part);
    const dvec max = d_load(rows->stats.max + i), top = d_load(rows->stats.top + i);
    const dvec rest = d_load(rows->stats.rest + i), x = d_load(rows->label_logit + i);
    const dvec spread = d_load(rows->spread + i), ratio = d_load(rows->ratio + i);

    dvec sum = d_add(top, rest);
    dmask label_is_top = d_eq(x, max);
    d_store(rows->loss + i, d_fma(scale, d_sub(max, x), spread));

    dvec share = d_div(d_select(label_is_top, rest, d_mul(ratio, top)), sum);
    dvec others = d_select(label_is_top, share, d_sub(one, share));
    dvec label_part = d_mul(scale, d_sub(zero, others));
    dvec a = d_div(scaled, sum);
    d_store(rows->a + i, a);
    d_store(rows->b + i, zero);
    d_store(rows->label_grad + i, times(label_part, part));
    return is_extreme(by, a, n);
}

/* log1p(rest/top) and exp(-scale*(max - x[y])) of all rows first, one function after the other: a
 * loop of one long chain leaves the processor room for the next rows' while it waits. */
static void find_spread_and_ratio(const xent_coefficients *by, xent_columns *rows, int64_t first,
                                  int64_t n) {
    const dvec scale = d_set(by->scale);
    for (int64_t i = first; i < first + n; i += D_WIDTH) {
        dvec top = d_load(rows->stats.top + i), rest = d_load(rows->stats.rest + i);
        d_store(rows->spread + i, log1p_of(d_div(rest, top)));
    }
    for (int64_t i = first; i < first + n; i += D_WIDTH) {
        dvec max = d_load(rows->stats.max + i), x = d_load(rows->label_logit + i);
        d_store(rows->ratio + i, exp_of_fall(max, x, scale));
    }
}

/* From a copy of the coefficients, which no store to the columns can change: what only they decide
 * is found once. */
static bool math_finish(const xent_coefficients *by, xent_columns *rows, int64_t first, int64_t n) {
    const xent_coefficients own = *by;
    dmask extreme = d_bad(d_set(0));
    int64_t i = first;
    find_spread_and_ratio(&own, rows, first, n);
    for (; own.plain && i < first + n; i += D_WIDTH)
        extreme = d_or(extreme, finish_plain(&own, rows, i, first + n - i));
    for (; i < first + n; i += D_WIDTH)
        extreme = d_or(extreme, finish_some(&own, rows, i, first + n - i));
    return !d_any(extreme);
}
