/* SPDX-License-Identifier: MIT
 * Features in a file: rows of equally many numbers, read a few rows at a time. */
#ifndef XENT_CLI_FEATURE_ROWS_H
#define XENT_CLI_FEATURE_ROWS_H

#include "formats/array.h"
#include "options.h"
#include "suggest.h"

/* The last axes of the array are a row's features, the others count rows: [60000, 28, 28] is 60000
 * rows of 784. */
typedef struct features {
    array file;
    int row_axes; /* how many of the axes count rows */
    int64_t rows, width;
    int64_t row_size; /* bytes */
} features;

/* Features are U8, F32, F64, BF16 or F16: EX_OK, or says so and returns EX_DATAERR. */
int check_features(const features *opened);
void close_features(features *opened);

/* Says how many of the axes count rows, in [0, ndim], and makes rows of a file in Fortran order
 * lie together, in a temporary file. EX_OK, or as read_source or a spool. */
int set_row_axes(features *opened, int row_axes);

/* Reads rows [first, first + count) into memory; *view is they, [count, width], in the machine's
 * byte order. EX_OK or as read_source. */
int read_rows(const features *from, int64_t first, int64_t count, void *memory, xent_tensor *view);

/* Says that so many rows, or those of them that there are, will be read soon. */
void expect_rows(const features *from, int64_t first, int64_t count);

/* How many rows fit so many bytes, at least one. */
int64_t rows_that_fit(const features *from, int64_t bytes);

/* A row of the file as people find it: "7", or "[2, 5]" where several axes count rows; text holds
 * SHAPE_TEXT bytes. */
const char *write_row(char *text, const features *from, int64_t row);

#endif
