/* SPDX-License-Identifier: MIT
 * The kernels for one row's consecutive classes, once per element type. Expects, besides the words
 * of a lane:
 *   ELEM, LOAD, STORE   the element type, and WIDTH elements to and from lanes
 *   LOAD_SOME, STORE_SOME   the same of fewer
 *   LOWEST              -inf as an element
 *   NAME(word)          word with the element type and the instruction set after it */

/* Elements [i, n) of x as lanes, at most WIDTH; -inf beyond. */
static inline vec NAME(load)(const unsigned char *x, int64_t i, int64_t n) {
    x += i * (int64_t)sizeof(ELEM);
    return i + WIDTH <= n ? LOAD(x) : LOAD_SOME(x, n - i, LOWEST);
}

static inline void NAME(store)(unsigned char *g, int64_t i, int64_t n, vec a) {
    g += i * (int64_t)sizeof(ELEM);
    if (i + WIDTH <= n)
        STORE(g, a);
    else
        STORE_SOME(g, n - i, a);
}

/* Element i as a lane. */
static inline LANE NAME(one)(const unsigned char *x, int64_t i) {
    LANE lane;
    if (sizeof(ELEM) == sizeof(LANE)) {
        memcpy(&lane, x + i * (int64_t)sizeof(ELEM), sizeof lane);
        return lane;
    }
    return first_lane(NAME(load)(x, i, i + 1));
}

/* The largest element that each lane has met, and minus the number of the step where it first did. */
struct NAME(lead) {
    vec max, step;
};

static inline struct NAME(lead) NAME(take_lead)(struct NAME(lead) lead, vec a, vec step) {
    mask larger = v_lt(lead.max, a);
    return (struct NAME(lead)){v_max(a, lead.max), v_select(larger, step, lead.step)};
}

/* Minus the first index at which a lane met `largest`, as its `quarter` of four vectors a step;
 * -inf if it did not. */
static inline vec NAME(place)(const struct NAME(lead) * lead, int quarter, LANE largest) {
    vec index =
        v_fma(lead->step, v_set(4 * WIDTH), v_sub(v_set((LANE)(-quarter * WIDTH)), lane_numbers()));
    return v_select(v_eq(lead->max, v_set(largest)), index, v_set(-INFINITY));
}

/* Sets arg and poisoned, and returns the largest of n elements that is not NaN (-inf if there is
 * none). Four vectors at a time hide the latency of one. */
static LANE NAME(largest)(const unsigned char *x, int64_t n, xent_stats *stats) {
    const int64_t size = WIDTH * (int64_t)sizeof(ELEM);
    struct NAME(lead) lead0 = {v_set(-INFINITY), v_set(0)}, lead1 = lead0, lead2 = lead0,
                      lead3 = lead0;
    mask bad = v_bad(v_set(0));
    vec step = v_set(0);
    int64_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH, step = v_sub(step, v_set(1))) {
        const unsigned char *p = x + i * (int64_t)sizeof(ELEM);
        vec a0 = LOAD(p), a1 = LOAD(p + size), a2 = LOAD(p + 2 * size), a3 = LOAD(p + 3 * size);
        bad = v_or(v_or(bad, v_or(v_bad(a0), v_bad(a1))), v_or(v_bad(a2), v_bad(a3)));
        lead0 = NAME(take_lead)(lead0, a0, step);
        lead1 = NAME(take_lead)(lead1, a1, step);
        lead2 = NAME(take_lead)(lead2, a2, step);
        lead3 = NAME(take_lead)(lead3, a3, step);
    }
    for (; i < n; i += WIDTH, step = v_sub(step, v_set(0.25))) {
        vec a = NAME(load)(x, i, n);
        bad = v_or(bad, v_bad(a));
        lead0 = NAME(take_lead)(lead0, a, step);
    }
    LANE largest = v_max_lane(v_max(v_max(lead0.max, lead1.max), v_max(lead2.max, lead3.max)));
    vec place = v_max(v_max(NAME(place)(&lead0, 0, largest), NAME(place)(&lead1, 1, largest)),
                      v_max(NAME(place)(&lead2, 2, largest), NAME(place)(&lead3, 3, largest)));
    stats->arg = largest == -INFINITY ? -1 : (int64_t)-v_max_lane(place);
    stats->poisoned = v_any(bad);
    return largest;
}

/* A block whose E are wanted; the flags are constants wherever it is inlined. */
struct NAME(sweep) {
    const unsigned char *x;
    unsigned char *e; /* NULL: E is not kept */
    int64_t n;
    bool keep, shifted;
    vec high, low, shift, base, floor;
};

static inline __attribute__((always_inline)) vec NAME(term)(const struct NAME(sweep) * s, vec x) {
    return exp2_term(s->shifted ? v_sub(x, s->shift) : x, s->high, s->low, s->base, s->floor);
}

static inline __attribute__((always_inline)) vec NAME(keep_term)(const struct NAME(sweep) * s,
                                                                 int64_t i) {
    vec e = NAME(term)(s, LOAD(s->x + i * (int64_t)sizeof(ELEM)));
    __builtin_prefetch(s->x + (i + 3 * s->n) * (int64_t)sizeof(ELEM));
    if (s->keep)
        v_store(s->e + i * (int64_t)sizeof(LANE), e);
    return e;
}

/* Adds E of elements [i, i + WIDTH), which the block holds entirely or, if `last`, in part. */
static inline __attribute__((always_inline)) void
NAME(add_terms)(const struct NAME(sweep) * s, int64_t i, bool first, bool last, LANE *parts) {
    vec x = last ? NAME(load)(s->x, i, s->n) : LOAD(s->x + i * (int64_t)sizeof(ELEM));
    vec e = NAME(term)(s, x);
    LANE *part = parts + i % PARTS;
    __builtin_prefetch(s->x + (i + 3 * s->n) * (int64_t)sizeof(ELEM));
    if (s->keep && last)
        store_lanes(s->e, i, s->n, e);
    else if (s->keep)
        v_store(s->e + i * (int64_t)sizeof(LANE), e);
    v_store(part, first ? e : v_add(v_load(part), e));
}

/* Sums those partial sums again that hold the arg, now without it: cheaper than to look for it in
 * every vector. */
static inline __attribute__((always_inline)) void NAME(leave_out)(const struct NAME(sweep) * s,
                                                                  int64_t arg, LANE *parts) {
    const int64_t part = arg % PARTS - arg % WIDTH;
    vec sum = v_set(0);
    for (int64_t i = part; i < s->n; i += PARTS) {
        vec e = s->keep ? load_lanes(s->e, i, s->n) : NAME(term)(s, NAME(load)(s->x, i, s->n));
        sum = v_add(sum, clear_lane(e, arg - i));
    }
    v_store(parts + part, sum);
}

static inline __attribute__((always_inline)) struct NAME(sweep)
    NAME(begin_sweep)(const unsigned char *x, int64_t n, struct reference at, bool shifted) {
    return (struct NAME(sweep)){.x = x,
                                .n = n,
                                .shifted = shifted,
                                .high = v_set(at.log2e.high),
                                .low = v_set(at.log2e.low),
                                .shift = v_set(at.shift),
                                .base = v_set(at.base),
                                .floor = v_set(at.base - FLUSH)};
}

/* Sums E over the block without its arg, and stores E if `keep`. */
static inline __attribute__((always_inline)) void NAME(sum_terms)(const unsigned char *x, int64_t n,
                                                                  struct reference at,
                                                                  unsigned char *e, bool keep,
                                                                  bool shifted, xent_stats *stats) {
    struct NAME(sweep) s = NAME(begin_sweep)(x, n, at, shifted);
    s.e = e;
    s.keep = keep;
    LANE parts[PARTS];
    int64_t i = 0;
    if (n == BLOCK) {
        for (; i < PARTS; i += WIDTH) {
            vec sum = NAME(keep_term)(&s, i);
            for (int64_t j = i + PARTS; j < BLOCK; j += PARTS)
                sum = v_add(sum, NAME(keep_term)(&s, j));
            v_store(parts + i, sum);
        }
        i = BLOCK;
    }
    for (; i < PARTS && i + WIDTH <= n; i += WIDTH)
        NAME(add_terms)(&s, i, true, false, parts);
    for (int64_t part = i; part < PARTS; part += WIDTH)
        v_store(parts + part, v_set(0));
    for (; i + WIDTH <= n; i += WIDTH)
        NAME(add_terms)(&s, i, false, false, parts);
    if (i < n)
        NAME(add_terms)(&s, i, false, true, parts);
    NAME(leave_out)(&s, stats->arg, parts);
    stats->top = (double)first_lane(NAME(term)(&s, v_set((LANE)stats->max)));
    stats->rest = fold_lanes(parts);
}

static void NAME(stats)(const void *x, int64_t n, double scale, void *e, xent_stats *stats) {
    *stats = (xent_stats){.max = -INFINITY};
    NAME(largest)(x, n, stats);
    if (stats->arg < 0) {
        if (e)
            memset(e, 0, (size_t)n * sizeof(LANE));
        return;
    }
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

static inline __attribute__((always_inline)) void NAME(stream_terms)(const struct NAME(sweep) * s,
                                                                     LANE a, unsigned char *g) {
    const int64_t size = WIDTH * (int64_t)sizeof(LANE),
                  apart = (int64_t)((uintptr_t)g % (uintptr_t)size);
    const vec factor_a = v_set(a);
    int64_t i = apart == 0 ? 0 : (size - apart) / (int64_t)sizeof(LANE);
    i = apart % (int64_t)sizeof(LANE) != 0 || i > s->n ? s->n : i; /* no vector is aligned */
    for (int64_t c = 0; c < i; c += WIDTH)
        NAME(store)(g, c, i, v_mul(factor_a, NAME(term)(s, NAME(load)(s->x, c, i))));
    for (; i + WIDTH <= s->n; i += WIDTH)
        v_stream(g + i * (int64_t)sizeof(LANE),
                 v_mul(factor_a, NAME(term)(s, LOAD(s->x + i * (int64_t)sizeof(ELEM)))));
    if (i < s->n)
        NAME(store)(g, i, s->n, v_mul(factor_a, NAME(term)(s, NAME(load)(s->x, i, s->n))));
}

static void NAME(grad_again)(const void *x, int64_t n, double scale, const xent_stats *stats,
                             double a, void *g) {
    xent_stats copy = *stats;
    struct reference at = refer_to(&copy, scale);
    struct NAME(sweep) s = NAME(begin_sweep)(x, n, at, false);
    if (sizeof(ELEM) != sizeof(LANE))
        return;
    if (stats->shifted) {
        s.shifted = true;
        NAME(stream_terms)(&s, (LANE)a, g);
    } else {
        s.shifted = false;
        NAME(stream_terms)(&s, (LANE)a, g);
    }
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

/* value as an element at `to`, rounded once. */
static inline void NAME(put_one)(double value, unsigned char *to) {
    LANE lane = round_to_lane(value, sizeof(ELEM) < sizeof(LANE));
    if (sizeof(ELEM) == sizeof(LANE))
        memcpy(to, &lane, sizeof lane);
    else
        NAME(store)(to, 0, 1, v_set(lane));
}

static void NAME(narrow)(const double *in, int64_t n, void *out, int64_t stride) {
    for (int64_t i = 0; i < n; i++)
        NAME(put_one)(in[i], (unsigned char *)out + i * stride * (int64_t)sizeof(ELEM));
}

static void NAME(pick)(const void *const *x, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)NAME(one)(x[i], 0);
}

static void NAME(put)(const double *in, int64_t n, void *const *out) {
    for (int64_t i = 0; i < n; i++)
        NAME(put_one)(in[i], out[i]);
}
