/* SPDX-License-Identifier: MIT
 * Features in a file: rows of equally many numbers, read a few rows at a time. */
#include "feature_rows.h"
#include "complain.h"
#include "tensors.h"

#include <stdlib.h>

/* ---- judging --------------------------------------------------------------------------------- */

int check_features(const features *opened) {
    int32_t dtype = opened->file.tensor.dtype;
    if (is_float(dtype) || dtype == XENT_U8)
        return EX_OK;
    return complain(EX_DATAERR, opened->file.path,
                    "holds %s, but features must be float16, bfloat16, float32, float64 or uint8. "
                    "If these are features, and not labels, convert them: a.astype(numpy.float32)",
                    type_name(dtype));
}

void close_features(features *opened) {
    close_array(&opened->file);
}

/* ---- rows that lie together ------------------------------------------------------------------ */

/* Rows [first, first + count) of a file in Fortran order, in C order behind the spool's end. */
static int spool_rows(const array *from, int64_t first, int64_t count, void *memory, char *ordered,
                      source *spool) {
    box part = whole_box(&from->tensor);
    xent_tensor view;
    part.first[0] = first;
    part.length[0] = count;
    int code = read_box(from, &part, memory, &view);
    if (code != EX_OK)
        return code;
    copy_in_c_order(&view, ordered);
    return write_spool(spool, ordered, (size_t)element_count(&view) * type_size(view.dtype));
}

/* The first axis changes fastest: a block is some of its indices and all of the other axes. */
static int spool_blocks(const array *from, source *spool) {
    enum { BUDGET = 1 << 26 };
    const int64_t size = (int64_t)type_size(from->tensor.dtype), length = from->tensor.shape[0];
    int64_t each = length > 0 ? element_count(&from->tensor) / length * size : 0;
    int64_t most = each > 0 && each < BUDGET ? BUDGET / each : 1;
    char *memory = malloc((size_t)(most * each + 1)), *ordered = malloc((size_t)(most * each + 1));
    int code = memory && ordered ? EX_OK : complain(EX_SOFTWARE, from->path, "not enough memory");
    for (int64_t at = 0; at < length && each > 0 && code == EX_OK; at += most)
        code =
            spool_rows(from, at, most < length - at ? most : length - at, memory, ordered, spool);
    free(memory);
    free(ordered);
    return code;
}

static int put_rows_together(array *file) {
    source spool;
    int code = open_spool(file->path, &spool);
    if (code != EX_OK)
        return code;
    code = spool_blocks(file, &spool);
    if (code != EX_OK) {
        close_source(&spool);
        return code;
    }
    replace_source(&file->file, &spool);
    file->found.fortran_order = file->found.swapped = false;
    file->found.offset = 0;
    set_dense_strides(&file->tensor, false);
    return EX_OK;
}

int set_row_axes(features *opened, int row_axes) {
    const xent_tensor *tensor = &opened->file.tensor;
    opened->row_axes = row_axes;
    opened->rows = opened->width = 1;
    for (int axis = 0; axis < tensor->ndim; axis++)
        *(axis < row_axes ? &opened->rows : &opened->width) *= tensor->shape[axis];
    opened->row_size = opened->width * (int64_t)type_size(tensor->dtype);
    return opened->file.found.fortran_order && tensor->ndim > 1 ? put_rows_together(&opened->file)
                                                                : EX_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

int read_rows(const features *from, int64_t first, int64_t count, void *memory, xent_tensor *view) {
    const contents *found = &from->file.found;
    int code = read_source(&from->file.file, found->offset + first * from->row_size,
                           count * from->row_size, memory);
    *view = xent_matrix(memory, found->dtype, count, from->width);
    if (code == EX_OK && found->swapped)
        swap_bytes(memory, count * from->width, type_size(found->dtype));
    return code;
}

void expect_rows(const features *from, int64_t first, int64_t count) {
    if (count > from->rows - first)
        count = from->rows - first;
    if (count > 0)
        expect_source(&from->file.file, from->file.found.offset + first * from->row_size,
                      count * from->row_size);
}

int64_t rows_that_fit(const features *from, int64_t bytes) {
    return from->row_size > 0 && from->row_size < bytes ? bytes / from->row_size : 1;
}

const char *write_row(char *text, const features *from, int64_t row) {
    const xent_tensor rows = xent_ndarray(NULL, XENT_U8, from->row_axes, from->file.tensor.shape);
    return write_position(text, &rows, row);
}
