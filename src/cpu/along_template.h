/* SPDX-License-Identifier: MIT
 * The kernels for one row's consecutive classes, once per element type. Expects, besides the words of a lane:
 *   ELEM, LOAD, STORE   the element type, and WIDTH elements to and from lanes
 *   LOWEST              -inf as an element
 *   NAME(word)          word with the element type's suffix */

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

/* The largest of n elements that is not NaN (-inf if there is none), and whether a NaN or +inf is among them. */
static LANE NAME(largest)(const unsigned char *x, int64_t n, bool *poisoned) {
    const vec lowest = v_set(-INFINITY);
    vec best[4] = {lowest, lowest, lowest, lowest};
    mask bad = v_bad(lowest);
    int64_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH)
        for (int j = 0; j < 4; j++) {
            vec a = NAME(load)(x, i + j * WIDTH, n);
            bad = v_or(bad, v_bad(a));
            best[j] = v_max(a, best[j]);
        }
    for (; i < n; i += WIDTH) {
        vec a = NAME(load)(x, i, n);
        bad = v_or(bad, v_bad(a));
        best[0] = v_max(a, best[0]);
    }
    *poisoned = v_any(bad);
    LANE lanes[WIDTH], largest = -INFINITY;
    v_store(lanes, v_max(v_max(best[0], best[1]), v_max(best[2], best[3])));
    for (int lane = 0; lane < WIDTH; lane++)
        largest = lanes[lane] > largest ? lanes[lane] : largest;
    return largest;
}

/* The first index of value, which is among the n elements. */
static int64_t NAME(find)(const unsigned char *x, int64_t n, LANE value) {
    const vec wanted = v_set(value);
    for (int64_t i = 0;; i += WIDTH) {
        mask found = v_eq(NAME(load)(x, i, n), wanted);
        if (v_any(found))
            return i + v_first(found);
    }
}

/* Sums E over the block without its arg, and stores E if `keep`. All flags are constants where this is inlined. */
static inline __attribute__((always_inline)) void NAME(sum_terms)(const unsigned char *x, int64_t n,
                                                                  reference at, unsigned char *e,
                                                                  bool keep, bool shifted,
                                                                  xent_stats *stats) {
    const vec high = v_set(at.log2e.high), low = v_set(at.log2e.low), shift = v_set(at.shift);
    const vec base = v_set(at.base), floor = v_set(at.base - FLUSH);
    LANE parts[PARTS] = {0};
    for (int64_t part = 0; part < PARTS && part < n; part += WIDTH) {
        vec sum = v_set(0);
        for (int64_t i = part; i < n; i += PARTS) {
            vec a = NAME(load)(x, i, n);
            vec term = exp2_term(shifted ? v_sub(a, shift) : a, high, low, base, floor);
            if (keep)
                store_lanes(e, i, n, term);
            if ((uint64_t)(stats->arg - i) < WIDTH)
                term = take_lane(term, (int)(stats->arg - i), &stats->top);
            sum = v_add(sum, term);
        }
        v_store(parts + part, sum);
    }
    stats->rest = (double)fold_lanes(parts);
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
    reference at = refer_to(stats, scale);
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
    double mass[PARTS] = {0}, gap[PARTS] = {0}, heat[PARTS] = {0};
    for (int64_t part = 0; part < PARTS && part < n; part += WIDTH) {
        wide mass_sum = w_set(0), gap_sum = w_set(0), heat_sum = w_set(0);
        for (int64_t i = part; i < n; i += PARTS) {
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
    stats->mass = fold_doubles(mass);
    stats->gap = fold_doubles(gap);
    stats->heat = fold_doubles(heat);
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
