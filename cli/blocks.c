/* SPDX-License-Identifier: MIT
 * A batch in blocks of rows that fit memory: boxes of logits, and the labels that go with them. */
#include "blocks.h"
#include "complain.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdlib.h>

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The outermost axis along which a block can be cut: what lies behind one index of it fits. */
division divide_batch(const xent_tensor *logits, const xent_tensor *labels, int class_axis,
                      int64_t budget) {
    int64_t classes = logits->shape[class_axis], row = classes * (int64_t)type_size(logits->dtype);
    int64_t rows = row > 0 ? budget / row : INT64_MAX;
    division how = {.logits = logits, .labels = labels, .class_axis = class_axis};
    how.axis = labels->ndim;
    how.inner = how.length = 1;
    if (rows < 1)
        rows = 1;
    if (element_count(labels) == 0) /* no block but the empty one */
        return how;
    while (how.axis > 0 && how.inner <= rows / labels->shape[how.axis - 1])
        how.inner *= labels->shape[--how.axis];
    if (how.axis > 0) {
        how.axis--;
        how.length = rows / how.inner;
    } else if (labels->ndim > 0) {
        how.inner /= labels->shape[0];
        how.length = labels->shape[0];
    }
    how.most = how.length * how.inner * classes;
    return how;
}

/* The index of a row along each axis of the labels. */
static void find_place(const xent_tensor *labels, int64_t row, int64_t *place) {
    for (int axis = labels->ndim - 1; axis >= 0; axis--) {
        place[axis] = row % labels->shape[axis];
        row /= labels->shape[axis];
    }
}

static box logits_box(const division *how, const box *labels) {
    box part = {{0}, {0}};
    for (int axis = 0, from = 0; axis < how->logits->ndim; axis++) {
        bool is_class = axis == how->class_axis;
        part.first[axis] = is_class ? 0 : labels->first[from];
        part.length[axis] = is_class ? how->logits->shape[axis] : labels->length[from++];
    }
    return part;
}

bool next_block(const division *how, block *at) {
    const xent_tensor *labels = how->labels;
    at->first += at->rows;
    if (at->first >= element_count(labels))
        return false;
    find_place(labels, at->first, at->labels.first);
    for (int axis = 0; axis < labels->ndim; axis++)
        at->labels.length[axis] = axis < how->axis ? 1 : labels->shape[axis];
    if (how->axis < labels->ndim) {
        int64_t left = labels->shape[how->axis] - at->labels.first[how->axis];
        at->labels.length[how->axis] = smaller(left, how->length);
    }
    at->rows = box_count(&at->labels, labels->ndim);
    at->logits = logits_box(how, &at->labels);
    return true;
}

box logits_of_row(const xent_tensor *logits, const xent_tensor *labels, int class_axis,
                  int64_t row) {
    const division how = {.logits = logits, .class_axis = class_axis};
    box label = {{0}, {0}};
    find_place(labels, row, label.first);
    for (int axis = 0; axis < labels->ndim; axis++)
        label.length[axis] = 1;
    return logits_box(&how, &label);
}

void *take_numbers(int64_t count, size_t size, const array *whose, int *code) {
    void *memory = calloc(count > 0 ? (size_t)count : 1, size);
    if (!memory && *code == EX_OK)
        *code =
            complain(EX_SOFTWARE, whose->path,
                     "not enough memory for %" PRId64 " numbers of %zu bytes at once", count, size);
    return memory;
}
