/* SPDX-License-Identifier: MIT
 * Products of matrices, block by block: out = a*b, each output one chain of fma in the order of the
 * columns of a, whatever the number of threads. */
#ifndef XENT_SRC_PRODUCT_H
#define XENT_SRC_PRODUCT_H

#include "cpu/kernels.h"
#include "names.h"

/* The longest chain of an output that is added to what is there. */
enum { PRODUCT_DEPTH = 256 };

/* A matrix that is only read; strides in elements. */
typedef struct matrix {
    const void *data;
    const xent_kernels *kernels; /* of its elements */
    int64_t element_size, row_stride, column_stride;
} matrix;

/* Takes rows x columns sums, which begin at [row, column) of the product, from a tile of lanes
 * whose rows lie `stride` lanes apart. Several threads call it, for different sums. */
typedef void product_sink(void *context, int64_t row, int64_t column, int64_t rows, int64_t columns,
                          const void *tile, int64_t stride);

/* a [rows, depth] times b [depth, columns]. */
struct product {
    int64_t rows, columns, depth, lane_bytes; /* depth 0: the start is all there is */
    matrix a, b;
    const void *start; /* lanes [columns] that all chains begin with; NULL: 0 */
    void *out;         /* lanes, rows out_stride lanes apart; NULL: the sink takes all sums */
    int64_t out_stride;
    /* If not NULL, it takes the sums that do not fill a tile; depth is at most PRODUCT_DEPTH. */
    product_sink *sink;
    void *context;
    bool adds; /* to what is in out, with a sink */
};

/* Bytes of scratch memory, aligned as malloc does, that one task of a product needs. */
size_t product_scratch(int64_t lane_bytes);

/* The same of a product that run_blocks takes. */
size_t product_block_scratch(int64_t lane_bytes, int64_t depth);

/* Computes it block by block into scratch memory. The sink takes each block of some rows and up to
 * BLOCK columns, which begin at a multiple of that, while it is in a cache. out is NULL. */
void run_blocks(const struct product *product, const xent_options *options, int32_t width,
                void *scratch);

/* Computes it in up to `width` tasks (from task_width) with width pieces of scratch. */
void run_product(const struct product *product, const xent_options *options, int32_t width,
                 void *scratch);

#endif
