/* SPDX-License-Identifier: MIT
 * The kernels for up to ACROSS rows side by side, a lane a row, once per element type; same
 * operations and order per row as in along_template.h. Include after it. Tiles hold lanes
 * [class][ACROSS]; one call of the functions on a "group" does the WIDTH rows that begin at its
 * pointers. */

/* Lanes of n <= TILE classes of a group's rows into tile; rows that do not exist become 0. Elements
 * are set side by side a row at a time: a vector is slow to read right after its parts were
 * written. */
static void NAME(pack)(const unsigned char *x, int rows, int64_t n, int64_t row_stride,
                       int64_t class_stride, LANE *tile) {
    const int64_t row_step = row_stride * (int64_t)sizeof(ELEM);
    const int64_t class_step = class_stride * (int64_t)sizeof(ELEM);
    ELEM side_by_side[TILE * WIDTH];
    if (row_stride == 1 && rows == WIDTH) {
        for (int64_t c = 0; c < n; c++)
            v_store(tile + c * ACROSS, LOAD(x + c * class_step));
        return;
    }
    if (rows < WIDTH)
        memset(side_by_side, 0, (size_t)n * WIDTH * sizeof(ELEM));
    for (int row = 0; row < rows; row++)
        for (int64_t c = 0; c < n; c++)
            memcpy(side_by_side + c * WIDTH + row, x + row * row_step + c * class_step,
                   sizeof(ELEM));
    for (int64_t c = 0; c < n; c++)
        v_store(tile + c * ACROSS, LOAD(side_by_side + c * WIDTH));
}

/* n <= TILE classes of a group's rows from tile to where they belong. */
static void NAME(unpack)(const LANE *tile, int rows, int64_t n, int64_t row_stride,
                         int64_t class_stride, unsigned char *g) {
    const int64_t row_step = row_stride * (int64_t)sizeof(ELEM);
    const int64_t class_step = class_stride * (int64_t)sizeof(ELEM);
    ELEM side_by_side[TILE * WIDTH];
    if (row_stride == 1 && rows == WIDTH) {
        for (int64_t c = 0; c < n; c++)
            STORE(g + c * class_step, v_load(tile + c * ACROSS));
        return;
    }
    for (int64_t c = 0; c < n; c++)
        STORE(side_by_side + c * WIDTH, v_load(tile + c * ACROSS));
    for (int row = 0; row < rows; row++)
        for (int64_t c = 0; c < n; c++)
            memcpy(g + row * row_step + c * class_step, side_by_side + c * WIDTH + row,
                   sizeof(ELEM));
}

/* arg, max and poisoned of a group's rows. Classes [first, first + n) of the block are in tile. */
static void NAME(group_largest)(const LANE *tile, int64_t first, int64_t n, group *rows) {
    for (int64_t c = 0; c < n; c++) {
        vec a = v_load(tile + c * ACROSS);
        rows->bad = v_or(rows->bad, v_bad(a));
        mask larger = v_lt(rows->max, a);
        rows->max = v_select(larger, a, rows->max);
        rows->arg = v_select(larger, v_set((LANE)(first + c)), rows->arg);
    }
}

/* Turns tile into E; adds to the sums. The moments come first, while x is there. */
static void NAME(group_sum)(LANE *tile, int64_t first, int64_t n, const group *rows, double scale,
                            bool more, const double *weight, group_sums *sums) {
    for (int64_t c = 0; c < n; c++) {
        int64_t part = (first + c) % PARTS, moment = (first + c) % MOMENT_PARTS;
        vec x = v_load(tile + c * ACROSS), e = group_term(x, rows);
        v_store(tile + c * ACROSS, e);
        if (more)
            add_moments(x, e, rows, scale, weight ? weight[c] : 1, &sums->gap[moment],
                        &sums->heat[moment]);
        mask top = v_eq(v_set((LANE)(first + c)), rows->arg);
        sums->top = v_select(top, e, sums->top);
        sums->rest[part] = v_add(sums->rest[part], v_select(top, v_set(0), e));
    }
}

/* Statistics of a group's rows. Where the block is longer than a tile and e is NULL it is packed
 * twice. */
static void NAME(group_stats)(const unsigned char *x, int count, int64_t n, int64_t row_stride,
                              int64_t class_stride, double scale, bool more, const double *weight,
                              LANE *e, xent_stats *stats) {
    LANE own[TILE * ACROSS];
    const int64_t chunk = e ? n : TILE, step = class_stride * (int64_t)sizeof(ELEM);
    LANE *tile = e ? e : own;
    group rows = empty_group();
    for (int64_t c = 0; c < n; c += chunk) {
        int64_t some = n - c < chunk ? n - c : chunk;
        NAME(pack)(x + c * step, count, some, row_stride, class_stride, tile);
        NAME(group_largest)(tile, c, some, &rows);
    }
    group_read(&rows, count, stats);
    group_refer(&rows, count, scale, stats);
    group_sums sums;
    clear_sums(&sums, n, more);
    for (int64_t c = 0; c < n; c += chunk) {
        int64_t some = n - c < chunk ? n - c : chunk;
        if (n > chunk)
            NAME(pack)(x + c * step, count, some, row_stride, class_stride, tile);
        NAME(group_sum)(tile, c, some, &rows, scale, more, weight ? weight + c : NULL, &sums);
    }
    group_finish(&sums, count, n, more, weight, stats);
}

static void NAME(stats_across)(const void *x, int rows, int64_t n, int64_t row_stride,
                               int64_t class_stride, double scale, bool more, const double *weight,
                               void *e, xent_stats *stats) {
    for (int row = 0; row < rows; row += WIDTH)
        NAME(group_stats)
    ((const unsigned char *)x + row * row_stride * (int64_t)sizeof(ELEM),
     rows - row < WIDTH ? rows - row : WIDTH, n, row_stride, class_stride, scale, more, weight,
     e ? (LANE *)e + row : NULL, stats + row);
}

static void NAME(terms_across)(const void *x, int rows, int64_t n, int64_t row_stride,
                               int64_t class_stride, double scale, const xent_stats *stats,
                               void *e) {
    for (int row = 0; row < rows; row += WIDTH) {
        LANE *tile = (LANE *)e + row;
        int count = rows - row < WIDTH ? rows - row : WIDTH;
        group these = empty_group();
        xent_stats copy[WIDTH];
        memcpy(copy, stats + row, (size_t)count * sizeof *copy);
        group_refer(&these, count, scale, copy);
        NAME(pack)
        ((const unsigned char *)x + row * row_stride * (int64_t)sizeof(ELEM), count, n, row_stride,
         class_stride, tile);
        for (int64_t c = 0; c < n; c++)
            v_store(tile + c * ACROSS, group_term(v_load(tile + c * ACROSS), &these));
    }
}

static void NAME(grad_across)(const void *e, int rows, int64_t n, const double *a, const double *b,
                              const double *weight, void *g, int64_t row_stride,
                              int64_t class_stride) {
    for (int row = 0; row < rows; row += WIDTH) {
        const LANE *tile = (const LANE *)e + row;
        int count = rows - row < WIDTH ? rows - row : WIDTH;
        unsigned char *to = (unsigned char *)g + row * row_stride * (int64_t)sizeof(ELEM);
        const vec factor_a = v_narrow(load_rows(a + row, count));
        const wide factor_b = load_rows(b + row, count);
        LANE values[TILE * ACROSS];
        for (int64_t c = 0; c < n; c++) {
            vec pull = v_narrow(w_mul(factor_b, w_set(weight ? -weight[c] : -1)));
            v_store(values + c * ACROSS, v_fma(factor_a, v_load(tile + c * ACROSS), pull));
        }
        NAME(unpack)(values, count, n, row_stride, class_stride, to);
    }
}
