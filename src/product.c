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

static void pack_a(const struct part *part, int64_t row, int64_t rows, int64_t k, int64_t depth) {
    const matrix *a = &part->product->a;
    const char *data = a->data;
    struct piece piece = {.data =
                              data + (row * a->row_stride + k * a->column_stride) * a->element_size,
                          .apart = a->row_stride,
                          .step = a->column_stride,
                          .count = rows,
                          .depth = depth};
    pack_panels(part, a, piece, part->by->rows, true, part->rows);
}

static void pack_b(const struct part *part, int64_t column, int64_t columns, int64_t k,
                   int64_t depth, char *panels) {
    const matrix *b = &part->product->b;
    const char *data = b->data;
    struct piece piece = {.data = data +
                                  (k * b->row_stride + column * b->column_stride) * b->element_size,
                          .apart = b->column_stride,
                          .step = b->row_stride,
                          .count = columns,
                          .depth = depth};
    pack_panels(part, b, piece, part->by->columns, false, panels);
}

/* Copies rows x columns lanes. */
static void copy_lanes(const struct part *part, int64_t rows, int64_t columns, const char *from,
                       int64_t from_stride, char *to, int64_t to_stride) {
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_stride * part->lane, from + i * from_stride * part->lane,
               (size_t)(columns * part->lane));
}

/* What the chains of a tile begin with, with room for those beyond the last column. */
static void find_start(const struct part *part, int64_t column, int64_t columns,
                       double start[MOST_COLUMNS]) {
    memset(start, 0, MOST_COLUMNS * sizeof *start);
    if (part->product->start)
        memcpy(start, (const char *)part->product->start + column * part->lane,
               (size_t)(columns * part->lane));
}

/* A tile that is not whole, or has no place in out, is computed in memory of its own. */
static void run_tile(const struct part *part, int64_t row, int64_t column, const char *a,
                     const char *b, bool begins, int64_t depth) {
    const struct product *product = part->product;
    const xent_products *by = part->by;
    int64_t rows = at_most(part->row_end - row, by->rows);
    int64_t columns = at_most(part->column_end - column, by->columns);
    bool whole = rows == by->rows && columns == by->columns;
    char *out = product->out;
    double start[MOST_COLUMNS], tile[MOST_TILE];
    if (out)
        out += (row * product->out_stride + column) * part->lane;
    if (begins)
        find_start(part, column, columns, start);
    if (out && whole) {
        by->tile(a, b, depth, begins ? start : NULL, product->adds, out, product->out_stride);
        return;
    }
    if (out && !begins)
        copy_lanes(part, rows, columns, out, product->out_stride, (char *)tile, by->columns);
    by->tile(a, b, depth, begins ? start : NULL, false, tile, by->columns);
    if (product->sink)
        product->sink(product->context, row, column, rows, columns, tile, by->columns);
    else if (out)
        copy_lanes(part, rows, columns, (char *)tile, by->columns, out, product->out_stride);
}

/* The block has room for all of any tile. */
static void run_tile_of_block(const struct part *part, int64_t column, const char *a, const char *b,
                              bool begins, int64_t depth, char *to) {
    double start[MOST_COLUMNS];
    if (begins)
        find_start(part, column, at_most(part->column_end - column, part->by->columns), start);
    part->by->tile(a, b, depth, begins ? start : NULL, false, to, BLOCK_STRIDE);
}

/* Some rows of a against the panels of b. */
static void run_rows_of_block(const struct part *part, int64_t row, int64_t rows, int64_t column,
                              int64_t columns, int64_t k, int64_t depth, const char *panels) {
    const xent_products *by = part->by;
    pack_a(part, row, rows, k, depth);
    for (int64_t j = 0; j < columns; j += by->columns)
        for (int64_t i = 0; i < rows; i += by->rows) {
            const char *a = part->rows + i * depth * part->lane;
            const char *b = panels + j * depth * part->lane;
            if (part->block)
                run_tile_of_block(part, column + j, a, b, k == 0, depth,
                                  part->block + (i * BLOCK_STRIDE + j) * part->lane);
            else
                run_tile(part, row + i, column + j, a, b, k == 0, depth);
        }
}

static void run_part(const struct part *part) {
    const int64_t all = part->product->depth;
    for (int64_t column = part->column; column < part->column_end; column += BLOCK_COLUMNS) {
        int64_t columns = at_most(part->column_end - column, BLOCK_COLUMNS);
        for (int64_t k = 0; k == 0 || k < all; k += PRODUCT_DEPTH) {
            int64_t depth = at_most(all - k, PRODUCT_DEPTH);
            pack_b(part, column, columns, k, depth, part->columns);
            for (int64_t row = part->row; row < part->row_end; row += BLOCK_ROWS)
                run_rows_of_block(part, row, at_most(part->row_end - row, BLOCK_ROWS), column,
                                  columns, k, depth, part->columns);
        }
    }
}

/* The panels of all steps are there, so that a block of sums is whole before the next begins. */
static void run_block(const struct part *part, int64_t row, int64_t column) {
    const struct product *product = part->product;
    int64_t rows = at_most(part->row_end - row, BLOCK_ROWS);
    int64_t columns = at_most(part->column_end - column, BLOCK_COLUMNS);
    for (int64_t k = 0; k == 0 || k < product->depth; k += PRODUCT_DEPTH)
        run_rows_of_block(part, row, rows, column, columns, k,
                          at_most(product->depth - k, PRODUCT_DEPTH),
                          part->columns + k * BLOCK_COLUMNS * part->lane);
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
