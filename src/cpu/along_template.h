/* SPDX-License-Identifier: MIT
 * The kernels for one row's consecutive classes, once per element type. Expects, besides the words
 * of a lane:
 *   ELEM, LOAD, STORE   the element type, and WIDTH elements to and from lanes
 *   LOWEST              -inf as an element
 *   NAME(word)          word with the element type and the instruction set after it */

/* Elements [i, n) of x as lanes, at most WIDTH; -inf beyond. */
static inline vec NAME(load)(const unsigned char *x, int64_t i, int64_t n) {
    if (i + WIDTH <= n)
        return LOAD(x + i * (int64_t)sizeof(ELEM));
    ELEM part[WIDTH];
    for (int lane = 0; lane < WIDTH; lane++)
        part[lane] = LOWEST;
    memcpy(part, x + i * (int64_t)sizeof(ELEM), (size_t)(n - i) * sizeof(ELEM));
    return LOAD(part);
}

static inline void NAME(store)(unsigned char *g, int64_t i, int64_t n, vec a) {
    if (i + WIDTH <= n) {
        STORE(g + i * (int64_t)sizeof(ELEM), a);
        return;
    }
    ELEM part[WIDTH];
    STORE(part, a);
    memcpy(g + i * (int64_t)sizeof(ELEM), part, (size_t)(n - i) * sizeof(ELEM));
}

/* Element i as a lane. */
static inline LANE NAME(one)(const unsigned char *x, int64_t i) {
    LANE lanes[WIDTH];
    v_store(lanes, NAME(load)(x, i, i + 1));
    return lanes[0];
}

/* The largest of n elements that is not NaN (-inf if there is none), and whether a NaN or +inf is
 * among them. Four maxima at a time hide the latency of one. */
static LANE NAME(largest)(const unsigned char *x, int64_t n, bool *poisoned) {
    const int64_t step = WIDTH * (int64_t)sizeof(ELEM);
    vec best0 = v_set(-INFINITY), best1 = best0, best2 = best0, best3 = best0;
    mask bad = v_bad(v_set(0));
    int64_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH, x += 4 * step) {
        vec a0 = LOAD(x), a1 = LOAD(x + step), a2 = LOAD(x + 2 * step), a3 = LOAD(x + 3 * step);
        bad = v_or(v_or(bad, v_or(v_bad(a0), v_bad(a1))), v_or(v_bad(a2), v_bad(a3)));
        best0 = v_max(a0, best0);
        best1 = v_max(a1, best1);
        best2 = v_max(a2, best2);
        best3 = v_max(a3, best3);
    }
    for (; i < n; i += WIDTH, x += step) {
        vec a = NAME(load)(x, 0, n - i);
        bad = v_or(bad, v_bad(a));
        best0 = v_max(a, best0);
    }
    *poisoned = v_any(bad);
    return max_lane(v_max(v_max(best0, best1), v_max(best2, best3)));
}

/* The first index of value, which is among the n elements. */
static int64_t NAME(find)(const unsigned char *x, int64_t n, LANE value) {
    const vec wanted = v_set(value);
    int64_t i = 0;
    mask found;
    for (; i + WIDTH <= n; i += WIDTH) {
        found = v_eq(LOAD(x + i * (int64_t)sizeof(ELEM)), wanted);
        if (v_any(found))
            return i + v_first(found);
    }
    found = v_eq(NAME(load)(x, i, n), wanted);
    return i + v_first(found);
}

/* What the loops of sum_terms share; the flags are constants wherever it is inlined. */
struct NAME(sweep) {
    const unsigned char *x;
    unsigned char *e; /* NULL: E is not kept */
    int64_t n, arg;
    bool keep, shifted;
    vec high, low, shift, base, floor;
};

/* E of elements [i, i + WIDTH), which the block holds entirely or, if `last`, in part; 0 at the
 * arg, whose E goes to *top. */
static inline __attribute__((always_inline)) vec
NAME(next_terms)(const struct NAME(sweep) * s, int64_t i, bool last, double *top) {
    vec x = last ? NAME(load)(s->x, i, s->n) : LOAD(s->x + i * (int64_t)sizeof(ELEM));
    vec e = exp2_term(s->shifted ? v_sub(x, s->shift) : x, s->high, s->low, s->base, s->floor);
    if (s->keep && last)
        store_lanes(s->e, i, s->n, e);
    else if (s->keep)
        v_store(s->e + i * (int64_t)sizeof(LANE), e);
    return (uint64_t)(s->arg - i) < WIDTH ? take_lane(e, (int)(s->arg - i), top) : e;
}

/* Sums E over the block without its arg, and stores E if `keep`. */
static inline __attribute__((always_inline)) void NAME(sum_terms)(const unsigned char *x, int64_t n,
                                                                  struct reference at,
                                                                  unsigned char *e, bool keep,
                                                                  bool shifted, xent_stats *stats) {
    const struct NAME(sweep) s = {.x = x,
                                  .e = e,
                                  .n = n,
                                  .arg = stats->arg,
                                  .keep = keep,
                                  .shifted = shifted,
                                  .high = v_set(at.log2e.high),
                                  .low = v_set(at.log2e.low),
                                  .shift = v_set(at.shift),
                                  .base = v_set(at.base),
                                  .floor = v_set(at.base - FLUSH)};
    const int64_t whole = n - n % PARTS;
    LANE parts[PARTS] = {0};
    double top = 0;
    for (int64_t part = 0; part < PARTS && part < n; part += WIDTH) {
        vec sum = v_set(0);
        for (int64_t i = part; i < whole; i += PARTS)
            sum = v_add(sum, NAME(next_terms)(&s, i, false, &top));
        if (whole + part < n)
            sum = v_add(sum, NAME(next_terms)(&s, whole + part, true, &top));
        v_store(parts + part, sum);
    }
    stats->top = top;
    stats->rest = fold_lanes(parts);
}

static void NAME(stats)(const void *x, int64_t n, double scale, void *e, xent_stats *stats) {
    bool poisoned;
    LANE largest = NAME(largest)(x, n, &poisoned);
    *stats = (xent_stats){.arg = -1, .max = -INFINITY, .poisoned = poisoned};
    if (largest == -INFINITY) {
        if (e)
            memset(e, 0, (size_t)n * sizeof(LANE));
        return;
    }
    stats->arg = NAME(find)(x, n, largest);
    stats->max = (double)NAME(one)(x, stats->arg);
    struct reference at = refer_to(stats, scale);
    if (stats->shifted)
        NAME(sum_terms)(x, n, at, e, e != NULL, true, stats);
    else if (e)
        NAME(sum_terms)(x, n, at, e, true, false, stats);
    else
        NAME(sum_terms)(x, n, at, e, false, false, stats);
}

/* mass, gap and heat of a block whose max is known and whose E are in terms. */
static void NAME(moments)(const unsigned char *x, int64_t n, double scale, const double *weight,
                          const LANE *terms, xent_stats *stats) {
    double mass[MOMENT_PARTS] = {0}, gap[MOMENT_PARTS] = {0}, heat[MOMENT_PARTS] = {0};
    for (int64_t part = 0; part < MOMENT_PARTS && part < n; part += WIDTH) {
        wide mass_sum = w_set(0), gap_sum = w_set(0), heat_sum = w_set(0);
        for (int64_t i = part; i < n; i += MOMENT_PARTS) {
            wide k = load_weights(weight, i, n), e = v_widen(load_lanes(terms, i, n));
            wide d = distance(v_widen(NAME(load)(x, i, n)), w_set(stats->max), w_set(scale));
            mass_sum = w_add(mass_sum, k);
            gap_sum = w_where_eq(k, w_set(0), gap_sum, w_fma(k, d, gap_sum));
            heat_sum = w_where_eq(e, w_set(0), heat_sum, w_fma(e, d, heat_sum));
        }
        w_store(mass + part, mass_sum);
        w_store(gap + part, gap_sum);
        w_store(heat + part, heat_sum);
    }
    stats->mass = fold_doubles(mass, MOMENT_PARTS);
    stats->gap = fold_doubles(gap, MOMENT_PARTS);
    stats->heat = fold_doubles(heat, MOMENT_PARTS);
}

static void NAME(stats_more)(const void *x, int64_t n, double scale, const double *weight, void *e,
                             xent_stats *stats) {
    LANE terms[BLOCK];
    NAME(stats)(x, n, scale, terms, stats);
    NAME(moments)(x, n, scale, weight, terms, stats);
    if (e)
        memcpy(e, terms, (size_t)n * sizeof(LANE));
}

static void NAME(grad)(const void *e, int64_t n, double a, void *g) {
    const vec factor_a = v_set((LANE)a);
    for (int64_t i = 0; i < n; i += WIDTH)
        NAME(store)(g, i, n, v_mul(factor_a, load_lanes(e, i, n)));
}

static void NAME(grad_more)(const void *e, int64_t n, double a, double b, const double *weight,
                            void *g) {
    const vec factor_a = v_set((LANE)a);
    const wide minus_b = w_set(-b);
    for (int64_t i = 0; i < n; i += WIDTH) {
        vec pull = v_narrow(w_mul(minus_b, load_weights(weight, i, n)));
        NAME(store)(g, i, n, v_fma(factor_a, load_lanes(e, i, n), pull));
    }
}

static void NAME(widen)(const void *x, int64_t n, int64_t stride, double *out) {
    const unsigned char *from = x;
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)NAME(one)(from + i * stride * (int64_t)sizeof(ELEM), 0);
}

static void NAME(narrow)(const double *in, int64_t n, void *out, int64_t stride) {
    unsigned char *to = out;
    for (int64_t i = 0; i < n; i++) {
        vec lanes = v_set(round_to_lane(in[i], sizeof(ELEM) < sizeof(LANE)));
        NAME(store)(to + i * stride * (int64_t)sizeof(ELEM), 0, 1, lanes);
    }
}
