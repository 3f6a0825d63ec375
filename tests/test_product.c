/* SPDX-License-Identifier: MIT
 * Products of matrices of lanes, in all ways that a tile takes its rows and columns: every output
 * is one chain of fma, bit for bit, and nothing else is written. Matrices and scratch are as large
 * as they must be and no larger, for whoever watches the heap. */
#include "draw.h"
#include "product.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct shape {
    int64_t rows, columns, depth;
} SHAPES[] = {
    {1, 1, 1},      {13, 10, 784},  {37, 16, 300},  {25, 64, 700},  {300, 3, 40}, {8, 10, 20000},
    {14, 60, 4500}, {10, 37, 256},  {24, 100, 255}, {10, 784, 256}, {5, 48, 1},   {300, 130, 7},
    {530, 70, 33},  {70, 1100, 10}, {40, 65, 600},  {48, 33, 300},  {3, 64, 256}, {24, 128, 200},
    {9, 0, 20},     {9, 20, 0},     {0, 9, 20},
};

/* What varies from case to case. */
struct way {
    int32_t dtype, width;
    bool a_turned, b_turned, starts, adds, sinks;
    int64_t gap;
    int crooked; /* bytes that the matrices are off their alignment */
};

struct made {
    struct product product;
    char *a, *b, *out, *expected, *start;
    size_t out_size;
};

static double number_at(int32_t dtype, const char *lanes, int64_t i) {
    float single;
    double value;
    if (dtype == XENT_F64) {
        memcpy(&value, lanes + i * 8, sizeof value);
        return value;
    }
    memcpy(&single, lanes + i * 4, sizeof single);
    return (double)single;
}

static void put_number(int32_t dtype, char *lanes, int64_t i, double value) {
    float single = (float)value;
    if (dtype == XENT_F64)
        memcpy(lanes + i * 8, &value, sizeof value);
    else
        memcpy(lanes + i * 4, &single, sizeof single);
}

static char *draw_lanes(const struct way *way, int64_t count, int crooked, uint64_t *dice) {
    char *lanes = malloc((size_t)(count * (way->dtype == XENT_F64 ? 8 : 4) + crooked + 1));
    if (!lanes)
        abort();
    for (int64_t i = 0; i < count; i++)
        put_number(way->dtype, lanes + crooked, i, draw_normal(dice, 1));
    return lanes;
}

/* [rows][columns], or turned: [columns][rows]; the last line has no gap behind it. */
static matrix draw_matrix(const struct way *way, int64_t rows, int64_t columns, bool turned,
                          char **memory, uint64_t *dice) {
    const int64_t lines = turned ? columns : rows, length = turned ? rows : columns;
    const int64_t pitch = length + way->gap;
    *memory = draw_lanes(way, lines > 0 ? (lines - 1) * pitch + length : 0, way->crooked, dice);
    return (matrix){.data = *memory + way->crooked,
                    .kernels = xent_kernels_for(way->dtype),
                    .element_size = way->dtype == XENT_F64 ? 8 : 4,
                    .row_stride = turned ? 1 : pitch,
                    .column_stride = turned ? pitch : 1};
}

static void take_sums(void *context, int64_t row, int64_t column, int64_t rows, int64_t columns,
                      const void *tile, int64_t stride) {
    const struct made *made = context;
    const struct product *product = &made->product;
    const int32_t dtype = product->lane_bytes == 8 ? XENT_F64 : XENT_F32;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            int64_t place = (row + i) * product->out_stride + column + j;
            double sum = number_at(dtype, tile, i * stride + j);
            double before = product->adds ? number_at(dtype, made->out, place) : 0;
            put_number(dtype, made->out, place, before + sum);
        }
}

static void make(struct made *made, const struct shape *shape, const struct way *way,
                 uint64_t *dice) {
    const int64_t stride = shape->columns + way->gap, count = shape->rows * stride;
    made->out_size = (size_t)(count * (way->dtype == XENT_F64 ? 8 : 4));
    made->product = (struct product){
        .rows = shape->rows,
        .columns = shape->columns,
        .depth = shape->depth,
        .lane_bytes = way->dtype == XENT_F64 ? 8 : 4,
        .a = draw_matrix(way, shape->rows, shape->depth, way->a_turned, &made->a, dice),
        .b = draw_matrix(way, shape->depth, shape->columns, way->b_turned, &made->b, dice),
        .out_stride = stride,
        .sink = way->sinks ? take_sums : NULL,
        .context = made,
        .adds = way->sinks && way->adds};
    made->start = draw_lanes(way, shape->columns, 0, dice);
    made->product.start = way->starts ? made->start : NULL;
    made->product.out = made->out = draw_lanes(way, count, 0, dice);
    made->expected = malloc(made->out_size + 1);
    if (!made->expected)
        abort();
    memcpy(made->expected, made->out, made->out_size);
}

static void expect(const struct made *made, const struct way *way) {
    const struct product *product = &made->product;
    const matrix *a = &product->a, *b = &product->b;
    for (int64_t i = 0; i < product->rows; i++)
        for (int64_t j = 0; j < product->columns; j++) {
            double sum = way->starts ? number_at(way->dtype, made->start, j) : 0;
            for (int64_t k = 0; k < product->depth; k++) {
                double x = number_at(way->dtype, a->data, i * a->row_stride + k * a->column_stride);
                double y = number_at(way->dtype, b->data, k * b->row_stride + j * b->column_stride);
                sum = way->dtype == XENT_F64 ? fma(x, y, sum)
                                             : (double)fmaf((float)x, (float)y, (float)sum);
            }
            int64_t place = i * product->out_stride + j;
            double before = product->adds ? number_at(way->dtype, made->expected, place) : 0;
            put_number(way->dtype, made->expected, place, before + sum);
        }
}

static bool is_right(const struct shape *shape, const struct way *way, uint64_t *dice) {
    xent_options options = XENT_OPTIONS_INIT;
    struct made made;
    options.threads = way->width;
    make(&made, shape, way, dice);
    expect(&made, way);
    void *scratch = malloc((size_t)way->width * product_scratch(made.product.lane_bytes));
    run_product(&made.product, &options, way->width, scratch);
    bool same = memcmp(made.out, made.expected, made.out_size) == 0;
    void *const blocks[] = {made.a, made.b, made.out, made.expected, made.start, scratch};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        free(blocks[i]);
    return same;
}

int main(void) {
    const char *cases = getenv("XENT_CASES");
    const int step = cases && strlen(cases) < 4 ? 5 : 1; /* emulated, or under a sanitizer */
    uint64_t dice = 5;
    int wrong = 0, tried = 0;
    for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++)
        for (int bits = (int)s % step; bits < 32; bits += step) {
            struct way way = {.dtype = bits & 1 ? XENT_F64 : XENT_F32,
                              .a_turned = bits & 2,
                              .b_turned = bits & 4,
                              .sinks = bits & 8 && SHAPES[s].depth <= PRODUCT_DEPTH,
                              .crooked = bits & 16 ? 1 : 0};
            way.starts = chance(&dice, 50);
            way.adds = chance(&dice, 50);
            way.gap = draw(&dice, 3);
            way.width = 1 + (int32_t)draw(&dice, 3);
            bool right = is_right(&SHAPES[s], &way, &dice);
            tried++;
            wrong += !right;
            if (!right && wrong <= 5)
                printf("%" PRId64 " x %" PRId64 " of %" PRId64 ", %d\n", SHAPES[s].rows,
                       SHAPES[s].columns, SHAPES[s].depth, bits);
        }
    printf("%s: %d products, %d wrong\n", xent_isa(), tried, wrong);
    return wrong > 0;
}
