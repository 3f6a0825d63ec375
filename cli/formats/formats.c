/* SPDX-License-Identifier: MIT
 * The table of formats, told apart by content, and what their readers share. */
#include "../complain.h"
#include "../tensors.h"
#include "format.h"

#include <inttypes.h>
#include <string.h>

/* Text, which has no mark of its own, comes last. */
static const format *const FORMATS[] = {&NPY_FORMAT, &NPZ_FORMAT, &GZ_FORMAT, &SAFETENSORS_FORMAT,
                                        &IDX_FORMAT, &CSV_FORMAT, NULL};

static const format *find_format(const unsigned char *head, size_t size) {
    const format *const *known = FORMATS;
    while (*known && !(*known)->recognise(head, size))
        known++;
    return *known;
}

/* What data of our kind often come in, and no reader here can open. */
typedef struct foreign_format {
    const char *name, *mark; /* the first bytes */
} foreign_format;

static const foreign_format FOREIGN[] = {
    {"a Python pickle", "\x80\x02"}, {"a Python pickle", "\x80\x03"},
    {"a Python pickle", "\x80\x04"}, {"a Python pickle", "\x80\x05"},
    {"an HDF5 file", "\x89HDF"},     {"a Parquet file", "PAR1"},
    {"a MATLAB file", "MATLAB 5.0"}};

static const char *find_foreign(const unsigned char *head, size_t size) {
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++) {
        size_t length = strlen(FOREIGN[i].mark);
        if (size >= length && memcmp(head, FOREIGN[i].mark, length) == 0)
            return FOREIGN[i].name;
    }
    return NULL;
}

int refuse_foreign(const source *file, const char *kind) {
    return complain(EX_DATAERR, file->path,
                    "is %s, which cannot be read: save its arrays by numpy.save, or by "
                    "safetensors, in Python",
                    kind);
}

static int refuse_unknown(const source *file, const unsigned char *head, size_t size) {
    const char *foreign = find_foreign(head, size);
    if (foreign)
        return refuse_foreign(file, foreign);
    return complain(
        EX_DATAERR, file->path,
        "is of no known format: .npy, .npz, .safetensors, numbers as text (.csv, .tsv), IDX, or "
        "one of them packed by gzip. A raw file is described by --dtype f32 --shape 4,3 (logits) "
        "or --labels-dtype i64 --labels-shape 4 (labels)");
}

int read_elements(source *file, const sought *what, contents *found) {
    unsigned char head[FORMAT_HEAD];
    int64_t size = file->size < FORMAT_HEAD ? file->size : FORMAT_HEAD;
    int code = read_source(file, 0, size, head);
    if (code != EX_OK)
        return code;
    if (size == 0)
        return complain(EX_DATAERR, file->path, "the file is empty");
    const format *known = find_format(head, (size_t)size);
    if (!known)
        return refuse_unknown(file, head, (size_t)size);
    if (known->unpacks && what->unpacked)
        return complain(EX_DATAERR, file->path,
                        "holds a %s file inside: unpack the outer one before", known->name);
    if (what->member && !known->has_members)
        return complain(EX_DATAERR, file->path,
                        "is a %s file, which holds one array and no member '%s'", known->name,
                        what->member);
    return known->read(file, what, found);
}

bool elements_size(int ndim, const int64_t *shape, int64_t element_size, int64_t *size) {
    bool empty = false;
    *size = element_size;
    for (int axis = 0; axis < ndim; axis++) {
        empty = empty || shape[axis] == 0;
        if (shape[axis] > 0 && __builtin_mul_overflow(*size, shape[axis], size))
            return false;
    }
    *size = empty ? 0 : *size;
    return true;
}

int check_elements_end(const source *file, const contents *found, const char *type,
                       const char *otherwise) {
    int64_t promised, present = file->size - found->offset;
    char shape[SHAPE_TEXT];
    write_shape(shape, found->ndim, found->shape);
    if (!elements_size(found->ndim, found->shape, (int64_t)type_size(found->dtype), &promised))
        return complain(EX_DATAERR, file->path, "claims the shape %s, more than any file can hold",
                        shape);
    if (promised != present)
        return complain(EX_DATAERR, file->path,
                        "has %" PRId64
                        " bytes of elements, but shape %s of type '%s' needs %" PRId64 ": %s",
                        present, shape, type, promised,
                        otherwise            ? otherwise
                        : present < promised ? "the file is cut off"
                                             : "the file is longer than its header says");
    return EX_OK;
}
