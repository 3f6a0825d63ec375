/* SPDX-License-Identifier: MIT
 * The kernels for one row's consecutive classes, once per element type. Expects, besides the words
 * of a lane:
 *   ELEM, LOAD, STORE   the element type, and WIDTH elements to and from lanes
 *   STORE_TWO           2*WIDTH elements from the lanes of two vectors
 *   LOAD_SOME, STORE_SOME   the same of fewer as LOAD and STORE
 *   LOAD_FOURS, STORE_FOURS   of four each of several rows (transpose_template.h)
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

/* Four vectors a step: the largest element that each lane has met, and minus the number of the step
 * where it first did. */
struct NAME(search) {
    vec max, step, now;
    mask bad;
};

/* A NaN makes the sum of two NaN, as +inf beside -inf does, which is as bad; else +inf is the
 * largest. */
static inline __attribute__((always_inline)) void NAME(search_step)(struct NAME(search) * s,
                                                                    const vec *four) {
    vec max = v_max(v_max(four[0], four[1]), v_max(four[2], four[3]));
    vec pair = v_add(four[0], four[1]), other = v_add(four[2], four[3]);
    s->bad = v_or(s->bad, v_unordered(pair, other));
    s->step = v_select(v_lt(s->max, max), s->now, s->step);
    s->max = v_max(max, s->max);
    s->now = v_sub(s->now, v_set(1));
}

/* The first element that equals the largest: in the first step in which any lane met it. */
static inline int64_t NAME(first_largest)(const struct NAME(search) * s, vec largest,
                                          const unsigned char *x, int64_t n) {
    vec step = v_select(v_eq(s->max, largest), s->step, v_set(-INFINITY));
    const int64_t first = (int64_t)-v_max_lane(step) * 4 * WIDTH;
    uint64_t bits = 0;
    for (int j = 3; j >= 0; j--) {
        const int64_t i = first + j * WIDTH;
        bits = i < n ? bits << WIDTH | v_lanes(v_eq(NAME(load)(x, i, n), largest)) : 0;
    }
    return first + __builtin_ctzll(bits);
}

/* Sets arg, max and poisoned. */
static inline void NAME(search)(const unsigned char *x, int64_t n, xent_stats *stats) {
    const vec zero = v_set(0);
    struct NAME(search) s = {v_set(-INFINITY), zero, zero, v_unordered(zero, zero)};
    vec four[4];
    int64_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
        for (int j = 0; j < 4; j++)
            four[j] = LOAD(x + (i + j * WIDTH) * (int64_t)sizeof(ELEM));
        NAME(search_step)(&s, four);
    }
    if (i < n) {
        for (int j = 0; j < 4; j++)
            four[j] = i + j * WIDTH < n ? NAME(load)(x, i + j * WIDTH, n) : v_set(-INFINITY);
        NAME(search_step)(&s, four);
    }
    LANE largest = v_max_lane(s.max);
    stats->max = (double)largest;
    stats->poisoned = v_any(s.bad) || largest == (LANE)INFINITY;
    stats->arg = largest == -(LANE)INFINITY ? -1 : NAME(first_largest)(&s, v_set(largest), x, n);
}

/* A block whose E are wanted; keep and shifted are constants wherever it is inlined. */
struct NAME(sweep) {
    const unsigned char *x;
    unsigned char *e;            /* NULL: E is not kept */
    const unsigned char *target; /* where the gradient will be written, or NULL */
    int64_t n;
    bool keep, shifted;
    vec high, low, shift, base;
};

static inline __attribute__((always_inline)) vec NAME(term)(const struct NAME(sweep) * s, vec x) {
    return exp2_term(s->shifted ? v_sub(x, s->shift) : x, s->high, s->low, s->base);
}

/* E of TOGETHER vectors, the first at element i, the others each `step` elements on; kept. */
static inline __attribute__((always_inline)) void NAME(terms)(const struct NAME(sweep) * s,
                                                              int64_t i, int64_t step, vec *e) {
    for (int j = 0; j < TOGETHER; j++)
        e[j] = LOAD(s->x + (i + j * step) * (int64_t)sizeof(ELEM));
    for (int j = 0; s->shifted && j < TOGETHER; j++)
        e[j] = v_sub(e[j], s->shift);
    exp2_terms(e, s->high, s->low, s->base);
    for (int j = 0; s->keep && j < TOGETHER; j++)
        v_store(s->e + (i + j * step) * (int64_t)sizeof(LANE), e[j]);
}

/* What lies three blocks beyond `count` vectors from element i on: of the logits, and of the
 * gradient, if it has lines of its own. */
static inline __attribute__((always_inline)) void NAME(fetch_ahead)(const struct NAME(sweep) * s,
                                                                    int64_t i, int count) {
    const int64_t size = sizeof(ELEM), ahead = (i + 3 * s->n) * size;
    for (int64_t at = 0; at < count * WIDTH * size; at += LINE) {
        __builtin_prefetch(s->x + ahead + at);
        if (s->target)
            __builtin_prefetch(s->target + ahead + at, 1);
    }
}

/* Sums those partial sums again that hold the arg, now without it: cheaper than to look for it in
 * every vector. */
static inline __attribute__((always_inline)) void NAME(leave_out)(const struct NAME(sweep) * s,
                                                                  int64_t arg, LANE *parts) {
    const int64_t part = arg % PARTS - arg % WIDTH;
    const vec lanes = lane_numbers(), step = v_set(PARTS);
    vec sum = v_set(0), lane = v_set((LANE)(arg - part)); /* where the arg is, seen from i */
    for (int64_t i = part; i < s->n; i += PARTS) {
        vec e = s->keep ? load_lanes(s->e, i, s->n) : NAME(term)(s, NAME(load)(s->x, i, s->n));
        sum = v_add(sum, v_clear(v_eq(lanes, lane), e));
        lane = v_sub(lane, step);
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
                                .base = v_set(at.base)};
}

/* E of a whole block into its partial sums, each a chain of TOGETHER. */
static inline __attribute__((always_inline)) void NAME(sum_block)(const struct NAME(sweep) * s,
                                                                  LANE *parts) {
    _Static_assert(TOGETHER * PARTS == BLOCK, "vectors that are computed together are a chain");
    for (int64_t i = 0; i < PARTS; i += WIDTH) {
        vec e[TOGETHER];
        NAME(fetch_ahead)(s, TOGETHER * i, TOGETHER);
        NAME(terms)(s, i, PARTS, e);
        for (int j = 1; j < TOGETHER; j++)
            e[0] = v_add(e[0], e[j]);
        v_store(parts + i, e[0]);
    }
}

/* Adds a vector, the last of a block being one in part. */
static inline __attribute__((always_inline)) void NAME(add_term)(const struct NAME(sweep) * s,
                                                                 int64_t i, LANE *parts) {
    vec e = NAME(term)(s, NAME(load)(s->x, i, s->n));
    LANE *part = parts + i % PARTS;
    if (s->keep)
        store_lanes(s->e, i, s->n, e);
    v_store(part, v_add(v_load(part), e));
}

/* The same of a block of any length, where vectors that are computed together are neighbours. */
static inline __attribute__((always_inline)) void NAME(sum_some)(const struct NAME(sweep) * s,
                                                                 LANE *parts) {
    enum { STEP = TOGETHER * WIDTH };
    int64_t i = 0;
    for (int64_t part = 0; part < PARTS; part += WIDTH)
        v_store(parts + part, v_set(0));
    for (; i + STEP <= s->n; i += STEP) {
        vec e[TOGETHER];
        NAME(fetch_ahead)(s, i, TOGETHER);
        NAME(terms)(s, i, WIDTH, e);
        for (int j = 0; j < TOGETHER; j++) {
            LANE *part = parts + i % PARTS + j * WIDTH;
            v_store(part, v_add(v_load(part), e[j]));
        }
    }
    for (; i < s->n; i += WIDTH) {
        NAME(fetch_ahead)(s, i, 1);
        NAME(add_term)(s, i, parts);
    }
}

/* Sums E over the block without its arg, and stores E if `keep`. */
static inline __attribute__((always_inline)) void NAME(sum_terms)(struct NAME(sweep) s, bool keep,
                                                                  bool shifted, xent_stats *stats) {
    LANE parts[PARTS];
    s.keep = keep;
    s.shifted = shifted;
    if (s.n == BLOCK)
        NAME(sum_block)(&s, parts);
    else
        NAME(sum_some)(&s, parts);
    NAME(leave_out)(&s, stats->arg, parts);
    if (keep)
        stats->top = (double)lane_at(s.e, stats->arg);
    else
        stats->top = (double)first_lane(NAME(term)(&s, v_set((LANE)stats->max)));
    stats->rest = fold_lanes(parts);
}

static void NAME(stats)(const void *x, int64_t n, double scale, void *e, const void *target,
                        xent_stats *stats) {
    *stats = (xent_stats){.arg = -1};
    NAME(search)(x, n, stats);
    if (stats->arg < 0) {
        if (e)
            memset(e, 0, (size_t)n * sizeof(LANE));
        return;
    }
    struct NAME(sweep) s = NAME(begin_sweep)(x, n, refer_to(stats, scale), false);
    s.e = e;
    s.target = target;
    stats->max = (double)NAME(one)(x, stats->arg); /* of the first's sign, where it is 0 */
    if (stats->shifted)
        NAME(sum_terms)(s, e != NULL, true, stats);
    else if (e)
        NAME(sum_terms)(s, true, false, stats);
    else
        NAME(sum_terms)(s, false, false, stats);
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
                             const void *target, xent_stats *stats) {
    LANE terms[BLOCK];
    NAME(stats)(x, n, scale, terms, target, stats);
    NAME(moments)(x, n, scale, weight, terms, stats);
    if (e)
        memcpy(e, terms, (size_t)n * sizeof(LANE));
}

static void NAME(grad)(const void *e, int64_t n, double a, void *g) {
    const vec factor_a = v_set((LANE)a);
    const LANE *terms = e;
    unsigned char *to = g;
    int64_t i = 0;
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH)
        STORE_TWO(to + i * (int64_t)sizeof(ELEM), v_mul(factor_a, v_load(terms + i)),
                  v_mul(factor_a, v_load(terms + i + WIDTH)));
    for (; i < n; i += WIDTH)
        NAME(store)(to, i, n, v_mul(factor_a, load_lanes(e, i, n)));
}

/* How many of n elements at g come before the first at which a vector is aligned; n if none is, or
 * if elements are no lanes. */
static inline int64_t NAME(before_aligned)(const unsigned char *g, int64_t n) {
    const int64_t size = WIDTH * (int64_t)sizeof(LANE);
    const int64_t apart = (int64_t)((uintptr_t)g % (uintptr_t)size);
    int64_t before = apart == 0 ? 0 : (size - apart) / (int64_t)sizeof(LANE);
    bool aligns = sizeof(ELEM) == sizeof(LANE) && apart % (int64_t)sizeof(LANE) == 0;
    return aligns && before < n ? before : n;
}

static void NAME(grad_past_caches)(const void *e, int64_t n, double a, void *g) {
    const vec factor_a = v_set((LANE)a);
    const LANE *terms = e;
    unsigned char *to = g;
    int64_t i = NAME(before_aligned)(g, n);
    for (int64_t c = 0; c < i; c += WIDTH)
        NAME(store)(to, c, i, v_mul(factor_a, load_lanes(terms, c, i)));
    for (; i + WIDTH <= n; i += WIDTH)
        v_stream(to + i * (int64_t)sizeof(LANE), v_mul(factor_a, v_load(terms + i)));
    if (i < n)
        NAME(store)(to, i, n, v_mul(factor_a, load_lanes(terms, i, n)));
}

static inline __attribute__((always_inline)) void NAME(stream_terms)(const struct NAME(sweep) * s,
                                                                     LANE a, unsigned char *g) {
    const vec factor_a = v_set(a);
    int64_t i = NAME(before_aligned)(g, s->n);
    for (int64_t c = 0; c < i; c += WIDTH)
        NAME(store)(g, c, i, v_mul(factor_a, NAME(term)(s, NAME(load)(s->x, c, i))));
    for (; i + TOGETHER * WIDTH <= s->n; i += TOGETHER * WIDTH) {
        vec e[TOGETHER];
        NAME(terms)(s, i, WIDTH, e);
        for (int j = 0; j < TOGETHER; j++)
            v_stream(g + (i + j * WIDTH) * (int64_t)sizeof(LANE), v_mul(factor_a, e[j]));
    }
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

static void NAME(to_lanes)(const void *x, int64_t n, int64_t stride, void *lanes) {
    const unsigned char *from = x;
    LANE *to = lanes;
    for (int64_t i = 0; stride == 1 && i < n; i += WIDTH) {
        vec some = NAME(load)(from, i, n);
        if (i + WIDTH <= n)
            v_store(to + i, some);
        else
            v_store_some(to + i, n - i, some);
    }
    for (int64_t i = 0; stride != 1 && i < n; i++)
        to[i] = NAME(one)(from + i * stride * (int64_t)sizeof(ELEM), 0);
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

static void NAME(pick)(const void *const *x, const int64_t *class, int64_t class_step, int64_t n,
                       double *out) {
    ELEM elements[MOST_ROWS];
    LANE lanes[MOST_ROWS];
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *at = x[i];
        at += class[i] < 0 ? 0 : class[i] * class_step;
        if (sizeof(ELEM) == sizeof(LANE))
            out[i] = (double)NAME(one)(at, 0);
        else
            memcpy(elements + i, at, sizeof(ELEM));
    }
    for (int64_t i = 0; sizeof(ELEM) < sizeof(LANE) && i < n; i += WIDTH)
        v_store(lanes + i, LOAD(elements + i));
    for (int64_t i = 0; sizeof(ELEM) < sizeof(LANE) && i < n; i++)
        out[i] = (double)lanes[i];
}

static void NAME(put)(const double *in, const int64_t *class, int64_t class_step, int64_t n,
                      void *const *x) {
    ELEM elements[MOST_ROWS];
    LANE lanes[MOST_ROWS];
    for (int64_t i = 0; sizeof(ELEM) < sizeof(LANE) && i < n; i++)
        lanes[i] = round_to_lane(in[i], true);
    for (int64_t i = 0; i < n; i += WIDTH) {
        vec a = sizeof(ELEM) < sizeof(LANE) ? v_load(lanes + i) : v_narrow(w_load(in + i));
        STORE(elements + i, v_select(v_eq(a, a), a, v_set(NAN)));
    }
    for (int64_t i = 0; i < n; i++)
        memcpy((unsigned char *)x[i] + class[i] * class_step, elements + i, sizeof(ELEM));
}
