/* SPDX-License-Identifier: MIT
 * IDX, the format of MNIST: two zeros, type, number of axes, big-endian lengths, the elements.
 * http://yann.lecun.com/exdb/mnist/ */
#include "../complain.h"
#include "../tensors.h"
#include "format.h"

enum { FIRST_LENGTH = 4, LENGTH_SIZE = 4, CODE_END = 0x0f };

static const int32_t TYPES[CODE_END] = {
    [0x08] = XENT_U8,  [0x09] = XENT_I8,  [0x0b] = XENT_I16,
    [0x0c] = XENT_I32, [0x0d] = XENT_F32, [0x0e] = XENT_F64,
};

static bool recognise(const unsigned char *head, size_t size) {
    return size >= FIRST_LENGTH && head[0] == 0 && head[1] == 0 && head[2] < CODE_END &&
           TYPES[head[2]] != 0 && head[3] >= 1 && head[3] <= XENT_MAX_NDIM;
}

static int read_idx(source *file, const sought *what, contents *found) {
    unsigned char head[FIRST_LENGTH + LENGTH_SIZE * XENT_MAX_NDIM];
    (void)what;
    int code = read_source(file, 0, FIRST_LENGTH, head);
    if (code != EX_OK)
        return code;
    *found = (contents){.dtype = TYPES[head[2]], .ndim = head[3], .swapped = is_foreign('>')};
    found->offset = FIRST_LENGTH + LENGTH_SIZE * found->ndim;
    if (found->offset > file->size)
        return complain(EX_DATAERR, file->path, "is an IDX file that ends inside its header");
    code = read_source(file, FIRST_LENGTH, found->offset - FIRST_LENGTH, head + FIRST_LENGTH);
    for (int axis = 0; axis < found->ndim && code == EX_OK; axis++) {
        const unsigned char *at = head + FIRST_LENGTH + LENGTH_SIZE * axis;
        found->shape[axis] = (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
    }
    return code == EX_OK ? check_elements_end(file, found, type_name(found->dtype), NULL) : code;
}

const format IDX_FORMAT = {.name = "IDX", .recognise = recognise, .read = read_idx};
