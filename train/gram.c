/* SPDX-License-Identifier: MIT
 * Weighted second moments of rows, tile by tile: sums of 128 products in float, which are added to
 * doubles. */
#include "gram.h"

#include <string.h>

enum { TILE_ROWS = 4 };

/* Written as vectors, since no compiler is sure to keep a tile in registers otherwise. */
typedef float four __attribute__((vector_size(16)));

static int64_t panels_of(int64_t edge) {
    return (edge + GRAM_PANEL - 1) / GRAM_PANEL;
}

size_t gram_scratch(int64_t edge) {
    return 2 * (size_t)panels_of(edge) * GRAM_ROWS * GRAM_PANEL * sizeof(float);
}

/* Panel after panel: 8 entries of each row, the rows one below the other. */
static void pack(const float *const *rows, const float *weights, int64_t count, int64_t edge,
                 float *plain, float *weighted) {
    const int64_t size = GRAM_ROWS * GRAM_PANEL;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < edge; j++) {
            int64_t place = j / GRAM_PANEL * size + i * GRAM_PANEL + j % GRAM_PANEL;
            plain[place] = rows[i][j];
            weighted[place] = weights[i] * rows[i][j];
        }
}

static void find_tile(const float *a, const float *b, int64_t count, float *tile) {
    four sums[TILE_ROWS][2] = {{{0}}};
    for (int64_t k = 0; k < count; k++, a += GRAM_PANEL, b += GRAM_PANEL) {
        four left, right;
        memcpy(&left, b, sizeof left);
        memcpy(&right, b + 4, sizeof right);
        for (int i = 0; i < TILE_ROWS; i++) {
            four one = {a[i], a[i], a[i], a[i]};
            sums[i][0] += one * left;
            sums[i][1] += one * right;
        }
    }
    memcpy(tile, sums, sizeof sums);
}

static int64_t at_most(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void add_tile(double *matrix, int64_t edge, int64_t row, int64_t column, const float *tile) {
    int64_t rows = at_most(edge - row, TILE_ROWS), columns = at_most(edge - column, GRAM_PANEL);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            matrix[(row + i) * edge + column + j] += (double)tile[i * GRAM_PANEL + j];
}

void add_gram(double *matrix, int64_t edge, const float *const *rows, const float *weights,
              int64_t count, void *scratch) {
    const int64_t panels = panels_of(edge), size = GRAM_ROWS * GRAM_PANEL;
    float *plain = scratch, *weighted = plain + panels * size;
    float tile[TILE_ROWS * GRAM_PANEL];
    memset(scratch, 0, gram_scratch(edge));
    pack(rows, weights, count, edge, plain, weighted);
    for (int64_t p = 0; p < panels; p++)
        for (int64_t i = 0; i < GRAM_PANEL; i += TILE_ROWS)
            for (int64_t q = 0; q <= p; q++) {
                find_tile(weighted + p * size + i, plain + q * size, count, tile);
                add_tile(matrix, edge, p * GRAM_PANEL + i, q * GRAM_PANEL, tile);
            }
}
