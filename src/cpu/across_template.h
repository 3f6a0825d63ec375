/* SPDX-License-Identifier: MIT
 * The kernels for up to MOST_ROWS rows side by side, a lane a row, once per element type; same
 * operations and order per row as in along_template.h. Include after it. Tiles hold lanes
 * [class][ACROSS]; one call of the functions on a "group" does the WIDTH rows that begin at its
 * pointers. */

/* n classes of rows that lie anywhere, `step` bytes from each other, into tile. */
static inline void NAME(gather)(const void *const *from, int64_t n, int64_t step, LANE *tile) {
    ELEM gathered[LONG_TILE * WIDTH];
    for (int64_t c = 0; c < n; c++)
        for (int row = 0; row < WIDTH; row++)
            memcpy(gathered + c * WIDTH + row, (const unsigned char *)from[row] + c * step,
                   sizeof(ELEM));
    for (int64_t c = 0; c < n; c++)
        v_store(tile + c * ACROSS, LOAD(gathered + c * WIDTH));
}

/* Lanes of classes [first, first + n) of a group's rows into tile; in the place of rows that do not
 * exist the last one's once more. */
static void NAME(pack)(const void *const *x, bool neighbours, int rows, int64_t first, int64_t n,
                       int64_t class_stride, LANE *tile) {
    const int64_t step = class_stride * (int64_t)sizeof(ELEM);
    const void *moved[WIDTH], *const *from = x;
    if (neighbours && rows == WIDTH) {
        const unsigned char *p = (const unsigned char *)x[0] + first * step;
        for (int64_t c = 0; c < n; c++, p += step)
            v_store(tile + c * ACROSS, LOAD(p));
        return;
    }
    if (rows < WIDTH || first > 0) {
        for (int row = 0; row < WIDTH; row++)
            moved[row] = (const unsigned char *)x[row < rows ? row : rows - 1] + first * step;
        from = moved;
    }
#ifdef FOURS
    if (class_stride == 1 && n >= 4) {
        fours_to_tile(from, n, LOAD_FOURS, tile, ACROSS);
        return;
    }
#endif
    NAME(gather)(from, n, step, tile);
}

/* One more class of a group's rows. */
static inline __attribute__((always_inline)) void NAME(take_class)(vec a, vec class, vec *max,
                                                                   vec *arg) {
    *arg = v_select(v_lt(*max, a), class, *arg);
    *max = v_max(a, *max);
}

/* arg, max and poisoned of a group's rows. Classes [first, first + n) of the block are in tile. */
static inline void NAME(group_largest)(const LANE *tile, int64_t first, int64_t n, group *rows) {
    const vec one = v_set(1), two = v_set(2);
    vec max = rows->max, arg = rows->arg, class = v_set((LANE)first);
    mask bad = rows->bad;
    if (n % 2 == 1) {
        vec a = v_load(tile);
        bad = v_or(bad, v_unordered(a, a));
        NAME(take_class)(a, class, &max, &arg);
        class = v_add(class, one);
    }
    for (const LANE *at = tile + n % 2 * ACROSS; at < tile + n * ACROSS; at += 2 * ACROSS) {
        vec a = v_load(at), b = v_load(at + ACROSS);
        bad = v_or(bad, v_unordered(a, b));
        NAME(take_class)(a, class, &max, &arg);
        NAME(take_class)(b, v_add(class, one), &max, &arg);
        class = v_add(class, two);
    }
    rows->max = max;
    rows->arg = arg;
    rows->bad = v_or(bad, v_eq(max, v_set(INFINITY)));
}

/* A line may hold the elements of one class of a whole group. */
enum { NAME(FETCHES_EACH) = WIDTH * sizeof(ELEM) >= LINE };

/* Of `next`, as stats_across has it: what the group that begins at `row` fetches; NULL: what is
 * near. Where a line holds more than a group's elements, every second class is enough. */
static inline fetching NAME(ahead_of_group)(const void *next, int64_t stride, int64_t n, int row,
                                            const void *near) {
    const int64_t size = sizeof(ELEM);
    int64_t step = stride == 1 ? WIDTH * size : stride * size;
    int64_t at = stride == 1 ? row * n * size : row * size;
    if (!next)
        return (fetching){(uintptr_t)near, 0};
    if (!NAME(FETCHES_EACH) && row / WIDTH % 2 == 1)
        at += step;
    return (fetching){(uintptr_t)next + (uintptr_t)at, step};
}

/* Turns tile into E; adds to the sums, of which those that `first` is the first to reach begin with
 * it. The moments come first, while x is there. */
static inline __attribute__((always_inline)) void
NAME(group_sum)(LANE *tile, int64_t first, int64_t n, const group *rows, double scale, bool more,
                const double *weight, fetching next, group_sums *sums) {
    vec *rest = sums->rest + first % PARTS, top = sums->top;
    vec class = v_set((LANE)first);
    for (int64_t c = 0; c < n; c++) {
        vec x = v_load(tile + c * ACROSS), e = group_term(x, rows, true);
        mask is_top = v_eq(class, rows->arg);
        if (NAME(FETCHES_EACH) || c % 2 == 0)
            fetch(next.at + (uintptr_t)((first + c) * next.step));
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

/* Statistics of a group's rows, whose first is `row`, TILE classes at a time. Without e there is
 * room for no more: they are packed twice. */
static void NAME(group_stats)(const void *const *x, bool neighbours, int count, int64_t n,
                              int64_t class_stride, double scale, bool more, const double *weight,
                              LANE *e, fetching next, xent_stats_columns *stats, int row) {
    LANE own[TILE * ACROSS];
    group rows;
    begin_group(&rows);
    for (int64_t c = 0; c < n; c += TILE) {
        int64_t some = n - c < TILE ? n - c : TILE;
        LANE *tile = e ? e + c * ACROSS : own;
        NAME(pack)(x, neighbours, count, c, some, class_stride, tile);
        NAME(group_largest)(tile, c, some, &rows);
    }
    group_refer(&rows, scale);
    group_sums sums;
    sums.top = v_set(0);
    for (int64_t c = 0; c < n; c += TILE) {
        int64_t some = n - c < TILE ? n - c : TILE;
        LANE *tile = e ? e + c * ACROSS : own;
        if (!e && n > TILE)
            NAME(pack)(x, neighbours, count, c, some, class_stride, tile);
        if (more) {
            const double *from = weight ? weight + c : NULL;
            NAME(group_sum)(tile, c, some, &rows, scale, true, from, next, &sums);
        } else {
            NAME(group_sum)(tile, c, some, &rows, scale, false, NULL, next, &sums);
        }
    }
    group_finish(&rows, sums.top, fold_group(sums.rest, n), stats, row);
    if (!e)
        group_reference(&rows, stats, row);
    if (more)
        group_moments(&sums, n, weight, stats, row);
}

/* Statistics of all rows from tiles that hold all classes. Each step is taken for all groups before
 * the next, so that the processor finds enough to do while it waits for results. */
static void NAME(tile_stats)(const void *const *x, bool neighbours, int rows, int64_t n,
                             int64_t class_stride, double scale, void *e, const void *next,
                             int64_t next_stride, xent_stats_columns *stats) {
    group groups[MOST_ROWS / WIDTH];
    for (int row = 0; row < rows; row += WIDTH)
        NAME(pack)
    (x + row, neighbours, group_rows(row, rows), 0, n, class_stride, tile_of_row(e, row));
    for (int row = 0; row < rows; row += WIDTH) {
        begin_group(&groups[row / WIDTH]);
        NAME(group_largest)(tile_of_row(e, row), 0, n, &groups[row / WIDTH]);
    }
    for (int row = 0; row < rows; row += WIDTH) {
        group *these = &groups[row / WIDTH];
        LANE *tile = tile_of_row(e, row);
        tile_terms(tile, n, scale, these, NAME(ahead_of_group)(next, next_stride, n, row, tile),
                   NAME(FETCHES_EACH));
        group_finish(these, group_term(these->max, these, true), fold_tile(tile, n, these->arg),
                     stats, row);
    }
}

static void NAME(stats_across)(const void *const *x, bool neighbours, int rows, int64_t n,
                               int64_t class_stride, double scale, bool more, const double *weight,
                               void *e, const void *next, int64_t next_stride,
                               xent_stats_columns *stats) {
    if (e && !more) {
        NAME(tile_stats)(x, neighbours, rows, n, class_stride, scale, e, next, next_stride, stats);
        return;
    }
    for (int row = 0; row < rows; row += WIDTH)
        NAME(group_stats)
    (x + row, neighbours, group_rows(row, rows), n, class_stride, scale, more, weight,
     e ? tile_of_row(e, row) : NULL, NAME(ahead_of_group)(next, next_stride, n, row, stats), stats,
     row);
}

static void NAME(terms_across)(const void *const *x, bool neighbours, int rows, int64_t n,
                               int64_t class_stride, double scale, const xent_stats_columns *stats,
                               void *e) {
    for (int row = 0; row < rows; row += WIDTH) {
        LANE *tile = tile_of_row(e, row);
        group these;
        begin_group(&these);
        these.max = v_narrow(w_load(stats->max + row));
        NAME(pack)(x + row, neighbours, group_rows(row, rows), 0, n, class_stride, tile);
        tile_terms(tile, n, scale, &these, (fetching){(uintptr_t)tile, 0}, false);
    }
}

#ifdef FOURS
/* Of rows that do not exist, what is written goes nowhere. Meanwhile the lines from `next` on are
 * fetched, as many as are written; NULL: none. */
static void NAME(write_fours)(const LANE *tile, int rows, int64_t n, const tile_blend *by,
                              void *const *g, const unsigned char *next) {
    ELEM nowhere[LONG_TILE];
    void *places[WIDTH], *const *to = g;
    for (int row = 0; rows < WIDTH && row < WIDTH; row++) {
        places[row] = row < rows ? g[row] : nowhere;
        to = places;
    }
    for (int64_t c = 0; c < n; c += 4) {
        int64_t at = c + 4 <= n ? c : n - 4;
        vec fours[4];
        const bool is_line = c * WIDTH * (int64_t)sizeof(ELEM) % LINE == 0;
        for (int i = 0; next && is_line && i < 4 * WIDTH * (int)sizeof(ELEM); i += LINE)
            __builtin_prefetch(next + c * WIDTH * (int64_t)sizeof(ELEM) + i, 1);
        for (int i = 0; i < 4; i++)
            fours[i] = blend_class(tile, at + i, by);
        v_exchange_fours(&fours[0], &fours[1], &fours[2], &fours[3]);
        for (int i = 0; i < 4; i++)
            STORE_FOURS(to + i, at, fours[i]);
    }
}
#endif

static void NAME(scatter)(const LANE *tile, int rows, int64_t n, const tile_blend *by, int64_t step,
                          void *const *g) {
    ELEM scattered[LONG_TILE * WIDTH];
    for (int64_t c = 0; c < n; c++)
        STORE(scattered + c * WIDTH, blend_class(tile, c, by));
    for (int64_t c = 0; c < n; c++)
        for (int row = 0; row < rows; row++)
            memcpy((unsigned char *)g[row] + c * step, scattered + c * WIDTH + row, sizeof(ELEM));
}

static void NAME(grad_group)(const LANE *tile, int rows, int64_t n, const tile_blend *by,
                             void *const *g, bool neighbours, int64_t class_stride,
                             const unsigned char *next) {
    const int64_t step = class_stride * (int64_t)sizeof(ELEM);
    unsigned char *to = g[0];
    if (neighbours && rows == WIDTH) {
        for (int64_t c = 0; c < n; c++)
            STORE(to + c * step, blend_class(tile, c, by));
        return;
    }
#ifdef FOURS
    if (class_stride == 1 && n >= 4) {
        NAME(write_fours)(tile, rows, n, by, g, next);
        return;
    }
#endif
    (void)next;
    NAME(scatter)(tile, rows, n, by, step, g);
}

static void NAME(grad_across)(const void *e, int rows, int64_t n, const double *a, const double *b,
                              const double *weight, void *const *g, bool neighbours,
                              int64_t class_stride, void *next) {
    const int64_t size = n * (int64_t)sizeof(ELEM);
    for (int row = 0; row < rows; row += WIDTH) {
        const tile_blend by = blend_of_rows(a + row, b + row, weight);
        NAME(grad_group)
        (tile_of_row((void *)(uintptr_t)e, row), group_rows(row, rows), n, &by, g + row, neighbours,
         class_stride, next ? (unsigned char *)next + row * size : NULL);
    }
}
