/* SPDX-License-Identifier: MIT
 * Products of matrices, block by block. What a block of b needs lies in panels that stay in the
 * caches while the rows of a pass by, PRODUCT_DEPTH steps of the chains at a time. */
#include "product.h"

#include "tasks.h"

#include <string.h>

/* Rows and columns of a block, multiples of every tile's. BLOCK_STRIDE: lanes from row to row of a
 * block of its own; a power of 2 would put all rows into few sets of a cache. MOST_TILE: lanes of
 * the largest tile. */
enum {
    BLOCK_ROWS = 264,
    BLOCK_COLUMNS = BLOCK,
    BLOCK_STRIDE = BLOCK + 16,
    MOST_TILE = 12 * 32,
    MOST_COLUMNS = 32
};

/* One task: its part of the rows or of the columns. */
struct part {
    const struct product *product;
    const xent_products *by;
    int64_t lane;                             /* bytes */
    int64_t row, column, row_end, column_end; /* all of it */
    char *rows, *columns, *lines;             /* panels of a and of b; elements as lanes */
    char *block; /* lanes [BLOCK_ROWS][BLOCK_STRIDE]; NULL: sums go where the product says */
    /* Whole tiles read a, or b, where it lies: then only what is left of its rows, or columns,
     * becomes a panel. rows_first: all columns of some rows before the next rows. */
    bool reads_a, reads_b, rows_first;
    int64_t depth; /* of a block */
};

static int64_t at_most(int64_t value, int64_t limit) {
    return value < limit ? value : limit;
}

static int64_t round_up(int64_t value, int64_t step) {
    return (value + step - 1) / step * step;
}

/* A packer's arguments: `count` rows (or columns) of a matrix and their steps. */
struct piece {
    const char *data;
    int64_t apart, step, count, depth;
};

/* Elements that are no lanes are widened first, in the direction in which they are consecutive. */
static struct piece as_lanes(const struct part *part, const matrix *from, struct piece piece) {
    int64_t width = at_most(piece.count, MOST_COLUMNS), size = from->element_size;
    bool along = piece.step == 1;
    int64_t lines = along ? width : piece.depth, length = along ? piece.depth : width;
    int64_t next = along ? piece.apart : piece.step, within = along ? piece.step : piece.apart;
    if (size == part->lane)
        return piece;
    for (int64_t i = 0; i < lines; i++)
        from->kernels->to_lanes(piece.data + i * next * size, length, within,
                                part->lines + i * length * part->lane);
    return (struct piece){.data = part->lines,
                          .apart = along ? length : 1,
                          .step = along ? 1 : length,
                          .count = piece.count,
                          .depth = piece.depth};
}

/* Panels of `width` rows (or columns) each, for steps [0, depth). */
static void pack_panels(const struct part *part, const matrix *from, struct piece all,
                        int64_t width, bool are_rows, char *panels) {
    int64_t panel = width * all.depth * part->lane;
    for (int64_t i = 0; i < all.count; i += width, panels += panel) {
        struct piece some = all;
        some.data += i * all.apart * from->element_size;
        some.count = at_most(all.count - i, width);
        some = as_lanes(part, from, some);
        if (are_rows)
            part->by->pack_rows(some.data, some.apart, some.step, some.count, some.depth, panels);
        else
            part->by->pack_columns(some.data, some.apart, some.step, some.count, some.depth,
                                   panels);
    }
}

static const char *place_in(const matrix *from, int64_t row, int64_t column) {
    int64_t offset = row * from->row_stride + column * from->column_stride;
    return (const char *)from->data + offset * from->element_size;
}

/* Of `count` rows or columns those that do not fill a tile. */
static int64_t whole_tiles(int64_t count, int64_t width) {
    return count - count % width;
}

static void pack_a(const struct part *part, int64_t row, int64_t rows, int64_t k, int64_t depth) {
    const matrix *a = &part->product->a;
    int64_t first = part->reads_a ? whole_tiles(rows, part->by->rows) : 0;
    struct piece piece = {.data = place_in(a, row + first, k),
                          .apart = a->row_stride,
                          .step = a->column_stride,
                          .count = rows - first,
                          .depth = depth};
    pack_panels(part, a, piece, part->by->rows, true, part->rows);
}

static void pack_b(const struct part *part, int64_t column, int64_t columns, int64_t k,
                   int64_t depth, char *panels) {
    const matrix *b = &part->product->b;
    int64_t first = part->reads_b ? whole_tiles(columns, part->by->columns) : 0;
    struct piece piece = {.data = place_in(b, k, column + first),
                          .apart = b->column_stride,
                          .step = b->row_stride,
                          .count = columns - first,
                          .depth = depth};
    pack_panels(part, b, piece, part->by->columns, false, panels);
}

/* What a tile takes from a matrix: a panel, or, where apart is not 0, its own memory. */
struct side {
    const char *data;
    int64_t apart;
};

/* Rows [i, ..) of `rows` that begin at `row`. */
static struct side side_of_a(const struct part *part, int64_t row, int64_t rows, int64_t i,
                             int64_t k, int64_t depth) {
    const matrix *a = &part->product->a;
    if (!part->reads_a)
        return (struct side){part->rows + i * depth * part->lane, 0};
    if (rows - i < part->by->rows)
        return (struct side){part->rows, 0};
    return (struct side){place_in(a, row + i, k), a->row_stride};
}

static struct side side_of_b(const struct part *part, int64_t column, int64_t columns, int64_t j,
                             int64_t k, int64_t depth, const char *panels) {
    const matrix *b = &part->product->b;
    if (!part->reads_b)
        return (struct side){panels + j * depth * part->lane, 0};
    if (columns - j < part->by->columns)
        return (struct side){panels, 0};
    return (struct side){place_in(b, k, column + j), b->row_stride};
}

/* Copies rows x columns lanes. */
static void copy_lanes(const struct part *part, int64_t rows, int64_t columns, const char *from,
                       int64_t from_stride, char *to, int64_t to_stride) {
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_stride * part->lane, from + i * from_stride * part->lane,
               (size_t)(columns * part->lane));
}

/* What the chains of a tile begin with: it has to have room for those beyond the last column. */
static const void *find_start(const struct part *part, int64_t column, double room[MOST_COLUMNS]) {
    static const double zeros[MOST_COLUMNS];
    int64_t columns = at_most(part->column_end - column, part->by->columns);
    const char *start = part->product->start;
    if (!start)
        return zeros;
    memset(room, 0, MOST_COLUMNS * sizeof *room);
    memcpy(room, start + column * part->lane, (size_t)(columns * part->lane));
    return room;
}

/* A tile that is not whole, or has no place in out, is computed in memory of its own. start: NULL,
 * or what the chains begin with. */
static void run_tile(const struct part *part, int64_t row, int64_t column, struct side a,
                     struct side b, int64_t depth, const void *start) {
    const struct product *product = part->product;
    const xent_products *by = part->by;
    int64_t rows = at_most(part->row_end - row, by->rows);
    int64_t columns = at_most(part->column_end - column, by->columns);
    char *out = product->out;
    double tile[MOST_TILE];
    if (out)
        out += (row * product->out_stride + column) * part->lane;
    if (out && rows == by->rows && columns == by->columns) {
        by->tile(a.data, a.apart, b.data, b.apart, depth, start, product->adds, out,
                 product->out_stride);
        return;
    }
    if (out && !start)
        copy_lanes(part, rows, columns, out, product->out_stride, (char *)tile, by->columns);
    by->tile(a.data, a.apart, b.data, b.apart, depth, start, false, tile, by->columns);
    if (product->sink)
        product->sink(product->context, row, column, rows, columns, tile, by->columns);
    else if (out)
        copy_lanes(part, rows, columns, (char *)tile, by->columns, out, product->out_stride);
}

/* Steps [k, k + depth) of some rows of a against some columns of b. */
struct chunk {
    int64_t row, rows, column, columns, k, depth;
    const char *panels; /* of b */
};

static void run_tile_of(const struct part *part, const struct chunk *of, int64_t i, int64_t j) {
    const int64_t row = of->row + i, column = of->column + j;
    struct side a = side_of_a(part, of->row, of->rows, i, of->k, of->depth);
    struct side b = side_of_b(part, of->column, of->columns, j, of->k, of->depth, of->panels);
    double room[MOST_COLUMNS];
    const void *start = of->k == 0 ? find_start(part, column, room) : NULL;
    if (part->block) /* which has room for all of any tile */
        part->by->tile(a.data, a.apart, b.data, b.apart, of->depth, start, false,
                       part->block + (i * BLOCK_STRIDE + j) * part->lane, BLOCK_STRIDE);
    else
        run_tile(part, row, column, a, b, of->depth, start);
}

static void run_chunk_of(const struct part *part, const struct chunk *of) {
    const int64_t height = part->by->rows, width = part->by->columns;
    pack_a(part, of->row, of->rows, of->k, of->depth);
    if (part->rows_first) {
        for (int64_t i = 0; i < of->rows; i += height)
            for (int64_t j = 0; j < of->columns; j += width)
                run_tile_of(part, of, i, j);
    } else {
        for (int64_t j = 0; j < of->columns; j += width)
            for (int64_t i = 0; i < of->rows; i += height)
                run_tile_of(part, of, i, j);
    }
}

static void run_part(const struct part *part) {
    const int64_t all = part->product->depth;
    for (int64_t column = part->column; column < part->column_end; column += BLOCK_COLUMNS) {
        int64_t columns = at_most(part->column_end - column, BLOCK_COLUMNS);
        for (int64_t k = 0; k == 0 || k < all; k += part->depth) {
            struct chunk some = {.column = column,
                                 .columns = columns,
                                 .k = k,
                                 .depth = at_most(all - k, part->depth),
                                 .panels = part->columns};
            pack_b(part, column, columns, k, some.depth, part->columns);
            for (some.row = part->row; some.row < part->row_end; some.row += BLOCK_ROWS) {
                some.rows = at_most(part->row_end - some.row, BLOCK_ROWS);
                run_chunk_of(part, &some);
            }
        }
    }
}

/* The panels of all steps are there, so that a block of sums is whole before the next begins. */
static void run_block(const struct part *part, int64_t row, int64_t column) {
    const struct product *product = part->product;
    int64_t rows = at_most(part->row_end - row, BLOCK_ROWS);
    int64_t columns = at_most(part->column_end - column, BLOCK_COLUMNS);
    struct chunk some = {.row = row, .rows = rows, .column = column, .columns = columns};
    for (; some.k == 0 || some.k < product->depth; some.k += PRODUCT_DEPTH) {
        some.depth = at_most(product->depth - some.k, PRODUCT_DEPTH);
        some.panels = part->columns + some.k * BLOCK_COLUMNS * part->lane;
        run_chunk_of(part, &some);
    }
    product->sink(product->context, row, column, rows, columns, part->block, BLOCK_STRIDE);
}

static void run_part_in_blocks(const struct part *part) {
    const int64_t all = part->product->depth;
    for (int64_t column = part->column; column < part->column_end; column += BLOCK_COLUMNS) {
        for (int64_t k = 0; k < all; k += PRODUCT_DEPTH)
            pack_b(part, column, at_most(part->column_end - column, BLOCK_COLUMNS), k,
                   at_most(all - k, PRODUCT_DEPTH), part->columns + k * BLOCK_COLUMNS * part->lane);
        for (int64_t row = part->row; row < part->row_end; row += BLOCK_ROWS)
            run_block(part, row, column);
    }
}

/* What the tasks share. */
struct parts {
    const struct product *product;
    const xent_products *by;
    int64_t lane, width;
    size_t scratch_size; /* of each */
    char *scratch;
    bool in_blocks;
};

static size_t panels_size(int64_t lane_bytes, int64_t depth) {
    return (size_t)(lane_bytes * (PRODUCT_DEPTH * (BLOCK_ROWS + MOST_COLUMNS) +
                                  BLOCK_COLUMNS * round_up(depth, PRODUCT_DEPTH)));
}

size_t product_scratch(int64_t lane_bytes) {
    return panels_size(lane_bytes, PRODUCT_DEPTH);
}

size_t product_block_scratch(int64_t lane_bytes, int64_t depth) {
    return panels_size(lane_bytes, depth) + (size_t)(lane_bytes * BLOCK_ROWS * BLOCK_STRIDE);
}

/* Its share of the side that is longer in tiles, or in blocks, which are never split. */
static void choose_part(const struct parts *all, int64_t i, struct part *part) {
    const struct product *product = all->product;
    int64_t tile = all->in_blocks ? BLOCK_COLUMNS : all->by->columns;
    bool deals_rows = product->rows / all->by->rows > product->columns / tile;
    int64_t length = deals_rows ? product->rows : product->columns;
    int64_t share = round_up((length - 1) / all->width + 1, deals_rows ? all->by->rows : tile);
    int64_t first = at_most(i * share, length), end = at_most(first + share, length);
    *(deals_rows ? &part->row : &part->column) = first;
    *(deals_rows ? &part->row_end : &part->column_end) = end;
}

static bool are_lanes(const matrix *from, int64_t lane) {
    return from->element_size == lane && from->column_stride == 1 && from->row_stride > 0;
}

/* A panel is worth its making if several tiles read it. Columns that lie a multiple of 256 bytes
 * apart from step to step would meet in too few places of a cache to be there for the next tile. */
static void choose_way(struct part *part) {
    enum { FEW_TILES = 4, FEW_STEPS = 32 };
    const struct product *product = part->product;
    const matrix *a = &product->a, *b = &product->b;
    const int64_t lane = part->lane, width = part->by->columns, height = part->by->rows;
    part->depth = PRODUCT_DEPTH;
    if (part->block || product->columns == 0)
        return;
    part->reads_a =
        are_lanes(a, lane) && b->element_size == lane && product->columns <= FEW_TILES * width;
    part->reads_b = !part->reads_a && are_lanes(b, lane) && product->rows <= FEW_TILES * height &&
                    b->row_stride * lane % 256 != 0;
    part->rows_first = part->reads_a || product->depth <= FEW_STEPS;
    if (part->reads_a) /* as much as there is room for in panels */
        part->depth = at_most(PRODUCT_DEPTH * BLOCK_COLUMNS / round_up(product->columns, width),
                              PRODUCT_DEPTH * BLOCK_ROWS / height);
}

static void run_one_part(void *data, int64_t i) {
    const struct parts *all = data;
    const int64_t panel = PRODUCT_DEPTH * all->lane;
    char *scratch = all->scratch + (size_t)i * all->scratch_size;
    struct part part = {.product = all->product,
                        .by = all->by,
                        .lane = all->lane,
                        .row_end = all->product->rows,
                        .column_end = all->product->columns,
                        .rows = scratch,
                        .lines = scratch + BLOCK_ROWS * panel,
                        .columns = scratch + (BLOCK_ROWS + MOST_COLUMNS) * panel};
    if (all->in_blocks)
        part.block = scratch + panels_size(all->lane, all->product->depth);
    choose_part(all, i, &part);
    choose_way(&part);
    if (all->in_blocks)
        run_part_in_blocks(&part);
    else
        run_part(&part);
}

void run_product(const struct product *product, const xent_options *options, int32_t width,
                 void *scratch) {
    struct parts all = {.product = product,
                        .by = product->b.kernels->products,
                        .lane = product->lane_bytes,
                        .width = width,
                        .scratch_size = product_scratch(product->lane_bytes),
                        .scratch = scratch};
    run_tasks(options, run_one_part, &all, width);
}

void run_blocks(const struct product *product, const xent_options *options, int32_t width,
                void *scratch) {
    struct parts all = {.product = product,
                        .by = product->b.kernels->products,
                        .lane = product->lane_bytes,
                        .width = width,
                        .scratch_size = product_block_scratch(product->lane_bytes, product->depth),
                        .scratch = scratch,
                        .in_blocks = true};
    run_tasks(options, run_one_part, &all, width);
}
