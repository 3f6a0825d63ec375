/* SPDX-License-Identifier: MIT
 * N-d shape + class axis -> rows, classes and the address of each row in every tensor of a call. */
#ifndef XENT_SRC_LAYOUT_H
#define XENT_SRC_LAYOUT_H

#include "names.h"
#include "xent.h"

#include <stdbool.h>

/* Bytes of one element of a dtype; 0 for an unknown dtype. */
static inline int64_t dtype_size(int32_t dtype) {
    static const int64_t sizes[] = {
        [XENT_F32] = 4, [XENT_F64] = 8, [XENT_BF16] = 2, [XENT_F16] = 2,
        [XENT_I8] = 1,  [XENT_U8] = 1,  [XENT_I16] = 2,  [XENT_U16] = 2,
        [XENT_I32] = 4, [XENT_U32] = 4, [XENT_I64] = 8,  [XENT_U64] = 8,
    };
    return dtype >= XENT_F32 && dtype <= XENT_U64 ? sizes[dtype] : 0;
}

/* "f32", "bf16", "i64"; "unknown" for an unknown dtype. */
const char *dtype_name(int32_t dtype);

/* The rows of one tensor, in C order of the labels' shape: where row i begins. Axes of length 1 are
 * dropped and axes that continue each other in memory are merged, so most tensors have one axis
 * here. `step` is in bytes. */
typedef struct row_view {
    char *data; /* row `first` (of class 0); NULL: the tensor was not given */
    int32_t dtype, ndim;
    int64_t first; /* row of the call with which the view begins: 0 but for some of its rows */
    int64_t rows;  /* of the call; where the view ends */
    int64_t shape[XENT_MAX_NDIM], step[XENT_MAX_NDIM];
    int64_t class_step;   /* bytes from one class to the next; 0 in tensors without a class axis */
    int64_t class_stride; /* the same in elements */
} row_view;

/* Sets a view. tensor: NULL sets its data alone, to NULL. class_axis: a valid axis of the tensor,
 * which is left out of the rows; -1: the tensor has the labels' shape. rows: the product of the
 * other lengths. The tensor was checked before. */
void view_rows(row_view *view, const xent_tensor *tensor, int class_axis, int64_t rows);

/* Address of row (in [0, rows)) of the view. */
char *row_address(const row_view *view, int64_t row);

/* Where a class of the row that begins at `row` lies. */
static inline void *class_address(const row_view *view, void *row, int64_t class) {
    return (char *)row + class * view->class_step;
}

/* Where rows [first, first + count) begin; an empty view leaves addresses as they are. Whether each
 * is an element after the one before. */
bool row_addresses(const row_view *view, int64_t first, int64_t count, void **addresses);

/* Whether each row begins right after the one before, whose classes are consecutive. */
static inline bool rows_are_dense(const row_view *view, int64_t classes) {
    return view->ndim > 0 && view->class_stride == 1 &&
           view->step[view->ndim - 1] == classes * view->class_step;
}

/* How many rows from `row` on, itself included, lie at equal steps (*step bytes apart). An empty
 * view: all rows. */
int64_t row_run(const row_view *view, int64_t row, int64_t *step);

/* Rows, classes and the views of every tensor of one call. */
typedef struct layout {
    int64_t rows, classes;
    int label_ndim; /* the labels' shape, to print coordinates */
    int64_t label_shape[XENT_MAX_NDIM];
    row_view logits, labels, row_weight, grad, probability;
    row_view loss, lse, prediction, label_probability, entropy;
} layout;

/* The same without logits and outputs: what labels and weights need. */
layout make_label_layout(const xent_tensor *labels, int64_t classes, const xent_options *options);

/* Sets all of it; of a tensor that was not given, data alone. All arguments were checked before;
 * options->class_axis is in [-ndim, ndim). */
void set_layout(layout *shape, const xent_tensor *logits, const xent_tensor *labels,
                const xent_options *options, const xent_outputs *outputs);

#endif
