/* SPDX-License-Identifier: MIT
 * The kernels for up to MOST_ROWS rows side by side, a lane a row, once per element type; same
 * operations and order per row as in along_template.h. Include after it. Tiles hold lanes
 * [class][ACROSS]; one call of the functions on a "group" does the WIDTH rows that begin at its
 * pointers. */

/* Whether a group is full and its rows are neighbours in memory. */
static inline bool NAME(side_by_side)(const void *const *x, int rows) {
    const unsigned char *first = x[0];
    bool apart = rows < WIDTH;
    for (int row = 1; row < rows; row++)
        apart |= x[row] != first + row * (int64_t)sizeof(ELEM);
    return !apart;
}

/* n <= TILE classes of a row as lanes; beyond n anything. */
static inline void NAME(read_line)(const unsigned char *row, int64_t n, int64_t class_stride,
                                   LANE *line) {
    ELEM gathered[TILE];
    if (class_stride != 1) {
        for (int64_t c = 0; c < n; c++)
            memcpy(gathered + c, row + c * class_stride * (int64_t)sizeof(ELEM), sizeof(ELEM));
        row = (const unsigned char *)gathered;
    }
    for (int64_t c = 0; c < n; c += WIDTH)
        v_store(line + c, NAME(load)(row, c, n));
}

static inline void NAME(write_line)(const LANE *line, int64_t n, int64_t class_stride,
                                    unsigned char *row) {
    ELEM scattered[TILE];
    unsigned char *to = class_stride == 1 ? row : (unsigned char *)scattered;
    for (int64_t c = 0; c < n; c += WIDTH)
        NAME(store)(to, c, n, v_load(line + c));
    for (int64_t c = 0; class_stride != 1 && c < n; c++)
        memcpy(row + c * class_stride * (int64_t)sizeof(ELEM), scattered + c, sizeof(ELEM));
}

/* Whether rows can be exchanged with a tile as they lie in memory, four classes at a time. */
static inline bool NAME(in_fours)(int64_t n, int64_t class_stride) {
#ifdef FOURS
    return sizeof(ELEM) == sizeof(LANE) && class_stride == 1 && n >= 4;
#else
    (void)n, (void)class_stride;
    return false;
#endif
}

/* Lanes of classes [first, first + n) of a group's rows into tile, n <= TILE; rows that do not
 * exist become 0. */
static void NAME(pack)(const void *const *x, int rows, int64_t first, int64_t n,
                       int64_t class_stride, LANE *tile) {
    static const LANE zeros[TILE];
    const int64_t step = class_stride * (int64_t)sizeof(ELEM);
    bool in_fours = NAME(in_fours)(n, class_stride);
    LANE lines[WIDTH * TILE];
    const LANE *from[WIDTH];
    if (NAME(side_by_side)(x, rows)) {
        const unsigned char *p = (const unsigned char *)x[0] + first * step;
        for (int64_t c = 0; c < n; c++, p += step) {
            v_store(tile + c * ACROSS, LOAD(p));
            __builtin_prefetch(p + MOST_ROWS * (int64_t)sizeof(ELEM)); /* of the next phase */
        }
        return;
    }
    for (int row = 0; row < WIDTH; row++) {
        const unsigned char *p = row < rows ? (const unsigned char *)x[row] + first * step : NULL;
        from[row] = !p ? zeros : in_fours ? (const LANE *)(const void *)p : lines + row * TILE;
        if (p && !in_fours)
            NAME(read_line)(p, n, class_stride, lines + row * TILE);
    }
    rows_to_tile(from, n, ACROSS, tile);
}

/* n <= TILE classes of a group's rows from tile to where they belong. */
static void NAME(unpack)(const LANE *tile, int rows, int64_t n, int64_t class_stride,
                         void *const *g) {
    bool in_fours = NAME(in_fours)(n, class_stride);
    LANE lines[WIDTH * TILE];
    LANE *to[WIDTH];
    for (int row = 0; row < WIDTH; row++)
        to[row] = in_fours && row < rows ? g[row] : lines + row * TILE;
    tile_to_rows(tile, n, to);
    for (int row = 0; !in_fours && row < rows; row++)
        NAME(write_line)(to[row], n, class_stride, g[row]);
}

/* arg, max and poisoned of a group's rows. Classes [first, first + n) of the block are in tile. */
static void NAME(group_largest)(const LANE *tile, int64_t first, int64_t n, group *rows) {
    vec max = rows->max, arg = rows->arg, class = v_set((LANE)first);
    mask bad = rows->bad;
    for (int64_t c = 0; c < n; c++) {
        vec a = v_load(tile + c * ACROSS);
        mask larger = v_lt(max, a);
        bad = v_or(bad, v_bad(a));
        max = v_max(a, max);
        arg = v_select(larger, class, arg);
        class = v_add(class, v_set(1));
    }
    rows->max = max;
    rows->arg = arg;
    rows->bad = bad;
}

/* Turns tile into E; adds to the sums, of which those that `first` is the first to reach begin with
 * it. The moments come first, while x is there. */
static inline __attribute__((always_inline)) void
NAME(group_sum)(LANE *tile, int64_t first, int64_t n, const group *rows, double scale, bool more,
                const double *weight, group_sums *sums) {
    vec *rest = sums->rest + first % PARTS, top = sums->top;
    vec class = v_set((LANE)first);
    for (int64_t c = 0; c < n; c++) {
        vec x = v_load(tile + c * ACROSS), e = group_term(x, rows);
        mask is_top = v_eq(class, rows->arg);
        v_store(tile + c * ACROSS, e);
        if (more && first == 0)
            sums->gap[c] = sums->heat[c] = w_set(0);
        if (more)
            add_moments(x, e, rows, scale, weight ? weight[c] : 1, &sums->gap[c], &sums->heat[c]);
        top = v_select(is_top, e, top);
        e = v_select(is_top, v_set(0), e);
        rest[c] = first < PARTS ? e : v_add(rest[c], e);
        class = v_add(class, v_set(1));
    }
    sums->top = top;
}

/* Statistics of a group's rows, whose first is `row`. Where the block is longer than a tile and
 * e is NULL it is packed twice. */
static void NAME(group_stats)(const void *const *x, int count, int64_t n, int64_t class_stride,
                              double scale, bool more, const double *weight, LANE *e,
                              xent_stats_columns *stats, int row) {
    LANE own[TILE * ACROSS];
    const int64_t chunk = e ? n : TILE;
    LANE *tile = e ? e : own;
    group rows;
    begin_group(&rows);
    for (int64_t c = 0; c < n; c += chunk) {
        int64_t some = n - c < chunk ? n - c : chunk;
        NAME(pack)(x, count, c, some, class_stride, tile);
        NAME(group_largest)(tile, c, some, &rows);
    }
    group_refer(&rows, scale);
    group_sums sums;
    sums.top = v_set(0);
    for (int64_t c = 0; c < n; c += chunk) {
        int64_t some = n - c < chunk ? n - c : chunk;
        if (n > chunk)
            NAME(pack)(x, count, c, some, class_stride, tile);
        if (more)
            NAME(group_sum)(tile, c, some, &rows, scale, true, weight ? weight + c : NULL, &sums);
        else
            NAME(group_sum)(tile, c, some, &rows, scale, false, NULL, &sums);
    }
    group_finish(&rows, sums.top, fold_group(sums.rest, n), stats, row);
    if (more)
        group_moments(&sums, n, weight, stats, row);
}

/* Statistics of all rows from tiles that hold all classes. Each step is taken for all groups before
 * the next, so that the processor finds enough to do while it waits for results. */
static void NAME(tile_stats)(const void *const *x, int rows, int64_t n, int64_t class_stride,
                             double scale, void *e, xent_stats_columns *stats) {
    group groups[MOST_ROWS / WIDTH];
    for (int row = 0; row < rows; row += WIDTH) {
        LANE *tile = tile_of_row(e, row);
        begin_group(&groups[row / WIDTH]);
        NAME(pack)(x + row, group_rows(row, rows), 0, n, class_stride, tile);
        NAME(group_largest)(tile, 0, n, &groups[row / WIDTH]);
    }
    for (int row = 0; row < rows; row += WIDTH) {
        const group *these = &groups[row / WIDTH];
        LANE *tile = tile_of_row(e, row);
        group_refer(&groups[row / WIDTH], scale);
        for (int64_t c = 0; c < n; c++)
            v_store(tile + c * ACROSS, group_term(v_load(tile + c * ACROSS), these));
    }
    for (int row = 0; row < rows; row += WIDTH) {
        const group *these = &groups[row / WIDTH];
        vec top;
        wide rest = fold_tile(tile_of_row(e, row), n, these->arg, &top);
        group_finish(these, top, rest, stats, row);
    }
}

static void NAME(stats_across)(const void *const *x, int rows, int64_t n, int64_t class_stride,
                               double scale, bool more, const double *weight, void *e,
                               xent_stats_columns *stats) {
    if (e && !more) {
        NAME(tile_stats)(x, rows, n, class_stride, scale, e, stats);
        return;
    }
    for (int row = 0; row < rows; row += WIDTH)
        NAME(group_stats)
    (x + row, group_rows(row, rows), n, class_stride, scale, more, weight,
     e ? tile_of_row(e, row) : NULL, stats, row);
}

static void NAME(terms_across)(const void *const *x, int rows, int64_t n, int64_t class_stride,
                               double scale, const xent_stats_columns *stats, void *e) {
    for (int row = 0; row < rows; row += WIDTH) {
        LANE *tile = tile_of_row(e, row);
        group these;
        begin_group(&these);
        these.max = v_narrow(w_load(stats->max + row));
        group_refer(&these, scale);
        NAME(pack)(x + row, group_rows(row, rows), 0, n, class_stride, tile);
        for (int64_t c = 0; c < n; c++)
            v_store(tile + c * ACROSS, group_term(v_load(tile + c * ACROSS), &these));
    }
}

/* Class c of a group's rows: a*E - b*weight. */
static inline vec NAME(blend)(const LANE *tile, int64_t c, vec a, wide b, const double *weight,
                              vec pull) {
    if (weight)
        pull = v_narrow(w_mul(b, w_set(-weight[c])));
    return v_fma(a, v_load(tile + c * ACROSS), pull);
}

static void NAME(grad_group)(const LANE *tile, int rows, int64_t n, const double *a,
                             const double *b, const double *weight, void *const *g,
                             int64_t class_stride) {
    const vec factor_a = v_narrow(load_rows(a, rows));
    const wide factor_b = load_rows(b, rows);
    const vec pull = v_narrow(w_mul(factor_b, w_set(-1)));
    LANE values[TILE * ACROSS];
    unsigned char *to = g[0];
    bool side_by_side = NAME(side_by_side)((const void *const *)g, rows);
    for (int64_t c = 0; c < n; c++) {
        vec value = NAME(blend)(tile, c, factor_a, factor_b, weight, pull);
        if (side_by_side)
            STORE(to + c * class_stride * (int64_t)sizeof(ELEM), value);
        else
            v_store(values + c * ACROSS, value);
    }
    if (!side_by_side)
        NAME(unpack)(values, rows, n, class_stride, g);
}

static void NAME(grad_across)(const void *e, int rows, int64_t n, const double *a, const double *b,
                              const double *weight, void *const *g, int64_t class_stride) {
    for (int row = 0; row < rows; row += WIDTH)
        NAME(grad_group)
    (tile_of_row((void *)(uintptr_t)e, row), group_rows(row, rows), n, a + row, b + row, weight,
     g + row, class_stride);
}
