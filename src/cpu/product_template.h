/* SPDX-License-Identifier: MIT
 * Products of matrices, once per lane type. PRODUCT_ROWS comes from the vocabulary: with
 * PRODUCT_VECTORS vectors a row it is what the registers hold. Include after
 * block_template.h and transpose_template.h. */
enum { PRODUCT_VECTORS = 2, PRODUCT_COLUMNS = PRODUCT_VECTORS * WIDTH };

/* Step k of row i is a[i*apart + k*a_step], of the columns b + k*b_step. The sums stay in
 * registers. What will be read in the end, or by the next tile, which is the one below, is asked
 * for meanwhile. */
static inline void find_tile(const unsigned char *a, int64_t apart, int64_t a_step,
                             const unsigned char *b, int64_t b_step, int64_t depth,
                             const void *start, bool adds, void *out, int64_t stride) {
    const int64_t size = sizeof(LANE);
    const LANE *from = start ? start : out;
    const int64_t from_stride = start ? 0 : stride;
    LANE *to = out;
    vec sums[PRODUCT_ROWS][PRODUCT_VECTORS];
    for (int i = 0; i < PRODUCT_ROWS; i++)
        for (int j = 0; j < PRODUCT_VECTORS; j++)
            sums[i][j] = v_load(from + i * from_stride + j * WIDTH);
    for (int i = 0; i < PRODUCT_ROWS; i++)
        __builtin_prefetch(to + ((adds ? 0 : PRODUCT_ROWS) + i) * stride, 1);
#pragma GCC unroll 4
    for (int64_t k = 0; k < depth; k++, a += a_step * size, b += b_step * size)
        for (int i = 0; i < PRODUCT_ROWS; i++) {
            vec row = v_set(lane_at(a, i * apart));
            for (int j = 0; j < PRODUCT_VECTORS; j++)
                sums[i][j] = v_fma(row, v_load(b + j * WIDTH * size), sums[i][j]);
        }
    for (int i = 0; i < PRODUCT_ROWS; i++)
        for (int j = 0; j < PRODUCT_VECTORS; j++) {
            LANE *place = to + i * stride + j * WIDTH;
            vec sum = adds ? v_add(v_load(place), sums[i][j]) : sums[i][j];
            v_store(place, v_select(v_eq(sum, sum), sum, v_set((LANE)NAN)));
        }
}

static void product_tile(const void *a, int64_t apart, const void *b, int64_t step, int64_t depth,
                         const void *start, bool adds, void *out, int64_t stride) {
    if (apart != 0)
        find_tile(a, apart, 1, b, PRODUCT_COLUMNS, depth, start, adds, out, stride);
    else if (step != 0)
        find_tile(a, 1, PRODUCT_ROWS, b, step, depth, start, adds, out, stride);
    else
        find_tile(a, 1, PRODUCT_ROWS, b, PRODUCT_COLUMNS, depth, start, adds, out, stride);
}

static inline void pack(const unsigned char *lanes, int64_t apart, int64_t step, int64_t count,
                        int64_t width, int64_t depth, LANE *panel) {
    const int64_t size = sizeof(LANE);
    for (int64_t k = 0; k < depth; k++)
        for (int64_t i = 0; i < width; i++) {
            panel[k * width + i] = 0;
            if (i < count)
                memcpy(&panel[k * width + i], lanes + (i * apart + k * step) * size, sizeof(LANE));
        }
}

/* Where the panel's rows are not whole vectors, the last reaches into the place of the next step,
 * which overwrites that; so steps are taken in order, and where all steps of one vector are taken
 * before those of another, the first vector comes last. */
static inline void pack_neighbours(const LANE *from, int64_t step, int64_t depth, LANE *to) {
    enum { OVER = PRODUCT_ROWS % WIDTH, WHOLE = PRODUCT_ROWS - OVER };
    for (int64_t k = 0; k < depth; k++, from += step, to += PRODUCT_ROWS) {
        for (int j = 0; j < WHOLE; j += WIDTH)
            v_store(to + j, v_load(from + j));
        if (OVER > 0)
            v_store(to + WHOLE, v_load_some(from + WHOLE, OVER, 0));
    }
}

static inline void pack_lines(const LANE *from, int64_t apart, int64_t depth, LANE *to) {
    const void *rows[WIDTH];
    for (int j = (PRODUCT_ROWS - 1) / WIDTH * WIDTH; j >= 0; j -= WIDTH) {
        for (int i = 0; i < WIDTH; i++)
            rows[i] = from + (j + i < PRODUCT_ROWS ? j + i : 0) * apart;
        rows_to_tile(rows, depth, to + j, PRODUCT_ROWS);
    }
}

/* A full panel whose rows or whose steps are consecutive in memory is moved in vectors, but for its
 * last step, beyond which there is nothing to write to. */
static void pack_rows(const void *lanes, int64_t apart, int64_t step, int64_t count, int64_t depth,
                      void *panel) {
    const LANE *from = lanes;
    const int64_t last = depth - 1;
    LANE *to = panel;
    if (count < PRODUCT_ROWS || last < 4 || (apart != 1 && step != 1)) {
        pack(lanes, apart, step, count, PRODUCT_ROWS, depth, panel);
        return;
    }
    if (apart == 1)
        pack_neighbours(from, step, last, to);
    else
        pack_lines(from, apart, last, to);
    pack((const unsigned char *)(from + last * step), apart, step, PRODUCT_ROWS, PRODUCT_ROWS, 1,
         to + last * PRODUCT_ROWS);
}

/* A full panel whose columns or whose steps are consecutive in memory is moved in vectors. */
static void pack_columns(const void *lanes, int64_t apart, int64_t step, int64_t count,
                         int64_t depth, void *panel) {
    const LANE *from = lanes;
    const void *columns[WIDTH];
    LANE *to = panel;
    if (count < PRODUCT_COLUMNS || depth < 4 || (apart != 1 && step != 1)) {
        pack(lanes, apart, step, count, PRODUCT_COLUMNS, depth, panel);
        return;
    }
    for (int64_t k = 0; apart == 1 && k < depth; k++)
        for (int j = 0; j < PRODUCT_COLUMNS; j += WIDTH)
            v_store(to + k * PRODUCT_COLUMNS + j, v_load(from + k * step + j));
    for (int j = 0; apart != 1 && j < PRODUCT_COLUMNS; j += WIDTH) {
        for (int i = 0; i < WIDTH; i++)
            columns[i] = from + (j + i) * apart;
        rows_to_tile(columns, depth, to + j, PRODUCT_COLUMNS);
    }
}

static const xent_products products = {.rows = PRODUCT_ROWS,
                                       .columns = PRODUCT_COLUMNS,
                                       .pack_rows = pack_rows,
                                       .pack_columns = pack_columns,
                                       .tile = product_tile};
