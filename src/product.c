/* SPDX-License-Identifier: MIT
 * Products of matrices, block by block. What a block of b needs lies in panels that stay in the
 * caches while the rows of a pass by, PRODUCT_DEPTH steps of the chains at a time. */
#include "product.h"

#include "tasks.h"

#include <string.h>

/* Rows and columns of a block, multiples of every tile's. MOST_TILE: lanes of the largest tile. */
enum { BLOCK_ROWS = 264, BLOCK_COLUMNS = 1024, MOST_TILE = 12 * 32, MOST_COLUMNS = 32 };

/* One task: its part of the rows or of the columns. */
struct part {
    const struct product *product;
    const xent_products *by;
    int64_t lane;                             /* bytes */
    int64_t row, column, row_end, column_end; /* all of it */
    char *rows, *columns, *lines;             /* panels of a and of b; elements as lanes */
};

static int64_t at_most(int64_t value, int64_t limit) {
    return value < limit ? value : limit;
}

static int64_t round_up(int64_t value, int64_t step) {
    return (value + step - 1) / step * step;
}

size_t product_scratch(int64_t lane_bytes) {
    return (size_t)(lane_bytes * PRODUCT_DEPTH * (BLOCK_ROWS + BLOCK_COLUMNS + MOST_COLUMNS));
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
                   int64_t depth) {
    const matrix *b = &part->product->b;
    const char *data = b->data;
    struct piece piece = {.data = data +
                                  (k * b->row_stride + column * b->column_stride) * b->element_size,
                          .apart = b->column_stride,
                          .step = b->row_stride,
                          .count = columns,
                          .depth = depth};
    pack_panels(part, b, piece, part->by->columns, false, part->columns);
}

/* Copies rows x columns lanes. */
static void copy_lanes(const struct part *part, int64_t rows, int64_t columns, const char *from,
                       int64_t from_stride, char *to, int64_t to_stride) {
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_stride * part->lane, from + i * from_stride * part->lane,
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
    double start[MOST_COLUMNS] = {0}, tile[MOST_TILE];
    if (out)
        out += (row * product->out_stride + column) * part->lane;
    if (begins && product->start)
        memcpy(start, (const char *)product->start + column * part->lane,
               (size_t)(columns * part->lane));
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

/* Some rows of a against the panels of b. */
static void run_rows_of_block(const struct part *part, int64_t row, int64_t column, int64_t columns,
                              int64_t k, int64_t depth) {
    const xent_products *by = part->by;
    int64_t rows = at_most(part->row_end - row, BLOCK_ROWS);
    pack_a(part, row, rows, k, depth);
    for (int64_t j = 0; j < columns; j += by->columns)
        for (int64_t i = 0; i < rows; i += by->rows)
            run_tile(part, row + i, column + j, part->rows + i * depth * part->lane,
                     part->columns + j * depth * part->lane, k == 0, depth);
}

static void run_part(const struct part *part) {
    const int64_t all = part->product->depth;
    for (int64_t column = part->column; column < part->column_end; column += BLOCK_COLUMNS) {
        int64_t columns = at_most(part->column_end - column, BLOCK_COLUMNS);
        for (int64_t k = 0; k == 0 || k < all; k += PRODUCT_DEPTH) {
            int64_t depth = at_most(all - k, PRODUCT_DEPTH);
            pack_b(part, column, columns, k, depth);
            for (int64_t row = part->row; row < part->row_end; row += BLOCK_ROWS)
                run_rows_of_block(part, row, column, columns, k, depth);
        }
    }
}

/* What the tasks share. */
struct parts {
    const struct product *product;
    const xent_products *by;
    int64_t lane, width;
    char *scratch;
};

/* The longer side is dealt out. */
static void run_one_part(void *data, int64_t i) {
    const struct parts *all = data;
    const struct product *product = all->product;
    char *scratch = all->scratch + (size_t)i * product_scratch(all->lane);
    struct part part = {.product = product,
                        .by = all->by,
                        .lane = all->lane,
                        .row_end = product->rows,
                        .column_end = product->columns,
                        .rows = scratch,
                        .columns = scratch + BLOCK_ROWS * PRODUCT_DEPTH * all->lane,
                        .lines =
                            scratch + (BLOCK_ROWS + BLOCK_COLUMNS) * PRODUCT_DEPTH * all->lane};
    bool deals_rows = product->rows > product->columns;
    int64_t length = deals_rows ? product->rows : product->columns;
    int64_t tile = deals_rows ? all->by->rows : all->by->columns;
    int64_t share = round_up((length - 1) / all->width + 1, tile);
    int64_t first = at_most(i * share, length), end = at_most(first + share, length);
    *(deals_rows ? &part.row : &part.column) = first;
    *(deals_rows ? &part.row_end : &part.column_end) = end;
    run_part(&part);
}

void run_product(const struct product *product, const xent_options *options, int32_t width,
                 void *scratch) {
    struct parts all = {.product = product,
                        .by = product->b.kernels->products,
                        .lane = product->lane_bytes,
                        .width = width,
                        .scratch = scratch};
    run_tasks(options, run_one_part, &all, width);
}
