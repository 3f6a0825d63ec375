/* SPDX-License-Identifier: MIT
 * What the kernels of every element type share, once per lane type. Include after lane_f32.h or
 * lane_f64.h and exp2_template.h. */

/* Lanes [i, n) of an array, at most WIDTH; 0 beyond. */
static inline vec load_lanes(const void *lanes, int64_t i, int64_t n) {
    const unsigned char *from = (const unsigned char *)lanes + i * (int64_t)sizeof(LANE);
    return i + WIDTH <= n ? v_load(from) : v_load_some(from, n - i, 0);
}

static inline void store_lanes(unsigned char *lanes, int64_t i, int64_t n, vec a) {
    unsigned char *to = lanes + i * (int64_t)sizeof(LANE);
    if (i + WIDTH <= n)
        v_store(to, a);
    else
        v_store_some(to, n - i, a);
}

/* Class weights [i, n), at most WIDTH (NULL: all 1); 0 beyond. */
static inline wide load_weights(const double *weight, int64_t i, int64_t n) {
    if (i + WIDTH <= n)
        return weight ? w_load(weight + i) : w_set(1);
    double part[WIDTH] = {0};
    for (int64_t lane = 0; lane < n - i; lane++)
        part[lane] = weight ? weight[i + lane] : 1;
    return w_load(part);
}

/* count partial sums fold by halves. */
static double fold_doubles(double *parts, int count) {
    for (int half = count / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            parts[i] += parts[i + half];
    return parts[0];
}

/* n of PARTS partial sums fold by halves in double; the rest would add 0. */
static inline wide fold_wide(wide *parts, int64_t n, int count) {
    for (int half = count / 2; half > 0; half /= 2)
        for (int i = 0; i < half && i + half < n; i++)
            parts[i] = w_add(parts[i], parts[i + half]);
    return parts[0];
}

/* The PARTS partial sums of a row fold by halves in double, as vectors while they fill one. */
static inline double fold_lanes(const LANE *parts) {
    enum { HALF = PARTS / WIDTH / 2 };
    wide sums[HALF];
    for (int i = 0; i < HALF; i++)
        sums[i] =
            w_add(v_widen(v_load(parts + i * WIDTH)), v_widen(v_load(parts + (i + HALF) * WIDTH)));
    return w_fold(fold_wide(sums, HALF, HALF));
}

/* scale*(max - x), the distance of z to its maximum; +inf for x = -inf whatever the maximum */
static inline wide distance(wide x, wide max, wide scale) {
    wide d = w_mul(scale, w_sub(max, x));
    return w_where_eq(x, w_set(-INFINITY), w_set(INFINITY), d);
}

static inline LANE lane_at(const void *lanes, int64_t i) {
    LANE lane;
    memcpy(&lane, (const unsigned char *)lanes + i * (int64_t)sizeof lane, sizeof lane);
    return lane;
}

static inline LANE first_lane(vec a) {
    LANE lanes[WIDTH];
    v_store(lanes, a);
    return lanes[0];
}

/* What the E of one row's block refer to: E = 2^((x - shift)*log2e - k), base = MAGIC - k. */
struct reference {
    factor log2e;
    LANE shift, base;
};

/* The k of a maximum: the integer next to it times L */
static inline vec k_of(vec max, vec high) {
    return v_sub(v_fma(max, high, v_set(MAGIC)), v_set(MAGIC));
}

/* Sets k and shifted of stats whose arg and max are known. */
static struct reference refer_to(xent_stats *stats, double scale) {
    struct reference at = {.log2e = log2e_times(scale), .base = MAGIC};
    stats->shifted = fabs(scale * stats->max) >= 0x1p20;
    if (stats->shifted) {
        at.shift = (LANE)stats->max;
    } else {
        LANE k = first_lane(k_of(v_set((LANE)stats->max), v_set(at.log2e.high)));
        at.base = (LANE)MAGIC - k;
        stats->k = (int64_t)k;
    }
    return at;
}

/* 0, 1, 2, .. */
static inline vec lane_numbers(void) {
    static const LANE numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return v_load(numbers);
}

/* WIDTH rows side by side: their maxima, and what their E refer to. */
typedef struct group {
    vec max, arg; /* arg as a number; -1: none */
    mask bad, shifted;
    vec high, low, shift, base;
} group;

/* As of rows without classes. */
static inline void begin_group(group *rows) {
    rows->max = v_set(-INFINITY);
    rows->arg = v_set(-1);
    rows->bad = v_unordered(v_set(0), v_set(0));
}

/* Which rows' E are shifted; `size` is |max|, or 0 without one. */
static inline mask find_shifted(vec size, double scale) {
    LANE sizes[WIDTH], far[WIDTH];
    if (!v_any(v_lt(v_set((LANE)(0x1p19 / scale)), size))) /* by far none */
        return v_lt(v_set(0), v_set(0));
    v_store(sizes, size);
    for (int row = 0; row < WIDTH; row++)
        far[row] = scale * (double)sizes[row] >= 0x1p20 ? 1 : 0;
    return v_eq(v_load(far), v_set(1));
}

/* Sets what the E of the rows refer to, from their maxima. */
static inline void group_refer(group *rows, double scale) {
    const factor log2e = log2e_times(scale);
    const vec zero = v_set(0);
    vec centre = v_select(v_eq(rows->max, v_set(-INFINITY)), zero, rows->max);
    rows->shifted = find_shifted(v_max(centre, v_sub(zero, centre)), scale);
    rows->shift = v_select(rows->shifted, centre, zero);
    centre = v_select(rows->shifted, zero, centre);
    rows->high = v_set(log2e.high);
    rows->low = v_set(log2e.low);
    rows->base = v_sub(v_set(MAGIC), k_of(centre, rows->high));
}

/* shifts: some row may be shifted. */
static inline __attribute__((always_inline)) vec group_term(vec x, const group *rows, bool shifts) {
    return exp2_term(shifts ? v_sub(x, rows->shift) : x, rows->high, rows->low, rows->base);
}

/* What is fetched while the terms of a group are computed: a place for each class. */
typedef struct fetching {
    uintptr_t at;
    int64_t step; /* bytes */
} fetching;

enum { LINE = 64 }; /* of a cache, bytes */

static inline void fetch(uintptr_t at) {
    __builtin_prefetch((const void *)at, 0, 2);
}

/* n classes of a group's rows in a tile become E. of_each: what is ahead of every class is fetched,
 * not only of every second one (of the last few it always is). */
static inline __attribute__((always_inline)) void
tile_terms(LANE *tile, int64_t n, double scale, group *rows, fetching next, bool of_each) {
    LANE *at = tile, *const end = tile + n * ACROSS;
    group_refer(rows, scale);
    bool shifts = v_any(rows->shifted);
    for (; shifts && at < end; at += ACROSS)
        v_store(at, group_term(v_load(at), rows, true));
    for (; at + (TOGETHER - 1) * ACROSS < end; at += TOGETHER * ACROSS) {
        vec e[TOGETHER];
        for (int i = 0; i < TOGETHER; i++, next.at += (uintptr_t)next.step)
            if (of_each || i % 2 == 0)
                fetch(next.at);
        for (int i = 0; i < TOGETHER; i++)
            e[i] = v_load(at + i * ACROSS);
        exp2_terms(e, rows->high, rows->low, rows->base);
        for (int i = 0; i < TOGETHER; i++)
            v_store(at + i * ACROSS, e[i]);
    }
    for (; at < end; at += ACROSS, next.at += (uintptr_t)next.step) {
        fetch(next.at);
        v_store(at, group_term(v_load(at), rows, false));
    }
}

/* Sums over the classes of a group's rows; in partial sums, of which only those are set that have a
 * class. */
typedef struct group_sums {
    vec top, rest[PARTS];
    wide gap[MOMENT_PARTS], heat[MOMENT_PARTS];
} group_sums;

static inline void add_moments(vec x, vec e, const group *rows, double scale, double weight,
                               wide *gap, wide *heat) {
    const wide zero = w_set(0), k = w_set(weight), terms = v_widen(e);
    wide d = distance(v_widen(x), v_widen(rows->max), w_set(scale));
    *gap = w_where_eq(k, zero, *gap, w_fma(k, d, *gap));
    *heat = w_where_eq(terms, zero, *heat, w_fma(terms, d, *heat));
}

/* The first n of PARTS partial sums of rows side by side fold by halves in double. */
static wide fold_group(const vec *parts, int64_t n) {
    wide sums[PARTS];
    for (int64_t i = 0; i < PARTS && i < n; i++)
        sums[i] = v_widen(parts[i]);
    return fold_wide(sums, n, PARTS);
}

/* Class c of a tile, 0 in some rows. */
static inline wide class_without(const LANE *tile, int64_t c, mask rows) {
    return v_widen(v_clear(rows, v_load(tile + c * ACROSS)));
}

/* Where the partial sums are the E of classes in a tile, without each row's arg: quarters of a
 * power of two of classes fold in two steps at once. */
struct quarters {
    const LANE *tile;
    int64_t size;
    vec class, args[4]; /* class c + i*size is the arg where c is args[i] */
    wide *sums;
};

/* Folds classes [first, end) of the first quarter, of which `parts` quarters have one. */
static inline __attribute__((always_inline)) void fold_classes(struct quarters *by, int64_t first,
                                                               int64_t end, int parts) {
    for (int64_t c = first; c < end; c++) {
        wide part[4];
        for (int i = 0; i < parts; i++)
            part[i] = class_without(by->tile, c + i * by->size, v_eq(by->class, by->args[i]));
        if (parts > 2)
            part[0] = w_add(part[0], part[2]);
        if (parts > 3)
            part[1] = w_add(part[1], part[3]);
        by->sums[c] = w_add(part[0], part[1]);
        by->class = v_add(by->class, v_set(1));
    }
}

/* Of n classes in (2*size, 4*size]. */
static inline void fold_quarters(const LANE *tile, int64_t n, int64_t size, vec arg, wide *sums) {
    struct quarters by = {.tile = tile, .size = size, .class = v_set(0), .sums = sums};
    for (int i = 0; i < 4; i++)
        by.args[i] = v_sub(arg, v_set((LANE)(i * size)));
    if (n > 3 * size) {
        fold_classes(&by, 0, n - 3 * size, 4);
        fold_classes(&by, n - 3 * size, size, 3);
    } else {
        fold_classes(&by, 0, n - 2 * size, 3);
        fold_classes(&by, n - 2 * size, size, 2);
    }
}

/* Of up to four classes. */
static inline wide fold_few(const LANE *tile, int64_t n, vec arg) {
    wide even = class_without(tile, 0, v_eq(v_set(0), arg)), odd;
    if (n == 1)
        return even;
    odd = class_without(tile, 1, v_eq(v_set(1), arg));
    if (n > 2)
        even = w_add(even, class_without(tile, 2, v_eq(v_set(2), arg)));
    if (n > 3)
        odd = w_add(odd, class_without(tile, 3, v_eq(v_set(3), arg)));
    return w_add(even, odd);
}

/* Of any number, at most LONG_TILE. */
static inline __attribute__((always_inline)) wide fold_tile(const LANE *tile, int64_t n, vec arg) {
    wide sums[LONG_TILE / 4];
    int64_t quarter = 2;
    if (n <= 4)
        return fold_few(tile, n, arg);
    while (4 * quarter < n)
        quarter *= 2;
    fold_quarters(tile, n, quarter, arg, sums);
    switch (quarter) { /* constants, so that the folds become straight code */
    case 2:
        return w_add(sums[0], sums[1]);
    case 4:
        return w_add(w_add(sums[0], sums[2]), w_add(sums[1], sums[3]));
    case 8:
        return fold_wide(sums, 8, 8);
    default:
        return fold_wide(sums, quarter, (int)quarter);
    }
}

/* What classes of rows in a tile are worth: a*E - b*weight. */
typedef struct tile_blend {
    vec a, pull; /* pull: -b */
    wide b;
    const double *weight; /* NULL: all 1 */
} tile_blend;

static inline tile_blend blend_of_rows(const double *a, const double *b, const double *weight) {
    wide factor_b = w_load(b);
    return (tile_blend){.a = v_narrow(w_load(a)),
                        .pull = v_narrow(w_mul(factor_b, w_set(-1))),
                        .b = factor_b,
                        .weight = weight};
}

static inline vec blend_class(const LANE *tile, int64_t c, const tile_blend *by) {
    vec pull = by->pull;
    if (by->weight)
        pull = v_narrow(w_mul(by->b, w_set(-by->weight[c])));
    return v_fma(by->a, v_load(tile + c * ACROSS), pull);
}

static double sum_weights(const double *weight, int64_t n) {
    double parts[MOMENT_PARTS] = {0};
    for (int64_t c = 0; c < n; c++)
        parts[c % MOMENT_PARTS] += weight ? weight[c] : 1;
    return fold_doubles(parts, MOMENT_PARTS);
}

/* A lane of each row into a column. */
static inline void store_column(double *column, vec a) {
    w_store(column, v_widen(a));
}

/* What is known of a group's rows, whose first is `row`, into their columns, without moments. */
static inline void group_finish(const group *rows, vec top, wide rest, xent_stats_columns *stats,
                                int row) {
    v_store_integers(stats->arg + row, v_select(rows->bad, v_set(-1), rows->arg));
    store_column(stats->max + row, rows->max);
    store_column(stats->top + row, top);
    w_store(stats->rest + row, rest);
}

/* What else a merge of blocks takes. */
static inline void group_reference(const group *rows, xent_stats_columns *stats, int row) {
    store_column(stats->k + row, v_sub(v_set(MAGIC), rows->base));
    store_column(stats->shifted + row, v_select(rows->shifted, v_set(1), v_set(0)));
    store_column(stats->poisoned + row, v_select(rows->bad, v_set(1), v_set(0)));
}

static void group_moments(group_sums *sums, int64_t n, const double *weight,
                          xent_stats_columns *stats, int row) {
    w_store(stats->mass + row, w_set(sum_weights(weight, n)));
    w_store(stats->gap + row, fold_wide(sums->gap, n, MOMENT_PARTS));
    w_store(stats->heat + row, fold_wide(sums->heat, n, MOMENT_PARTS));
}

/* The lane of a row, a multiple of WIDTH, in tiles of ACROSS rows. */
static inline LANE *tile_of_row(void *tiles, int row) {
    const unsigned place = (unsigned)row;
    return (LANE *)tiles + place / ACROSS * TILE * ACROSS + place % ACROSS;
}

/* Rows of a group that begins at `row`. */
static inline int group_rows(int row, int rows) {
    return rows - row < WIDTH ? rows - row : WIDTH;
}
