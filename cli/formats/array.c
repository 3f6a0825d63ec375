/* SPDX-License-Identifier: MIT
 * Arrays in files of any known format: opened, then read whole or a box at a time. */
#define _POSIX_C_SOURCE 200809L
#include "array.h"
#include "../complain.h"
#include "../tensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opening --------------------------------------------------------------------------------- */

/* Whether the first length characters of path name a file, or standard input. */
static bool is_file(char *name, const char *path, size_t length) {
    memcpy(name, path, length);
    name[length] = '\0';
    return strcmp(name, "-") == 0 || access(name, F_OK) == 0;
}

/* "file:member" is a file and a member only if there is no file of the whole name; a member may
 * have colons in its name. */
static int split_path(const char *path, array *out) {
    if (!strchr(path, ':') || access(path, F_OK) == 0)
        return EX_OK;
    char *name = malloc(strlen(path) + 1);
    if (!name)
        return complain(EX_SOFTWARE, path, "not enough memory");
    for (const char *colon = strchr(path, ':'); colon; colon = strchr(colon + 1, ':')) {
        if (colon[1] && is_file(name, path, (size_t)(colon - path))) {
            out->file_name = name;
            out->member = colon + 1;
            return EX_OK;
        }
    }
    free(name);
    return EX_OK;
}

static int take_as(const description *said, array *out) {
    int32_t found = out->found.dtype;
    if (said->dtype == 0)
        return EX_OK;
    if (said->dtype != found && (said->dtype != XENT_BF16 || type_size(found) != 2))
        return complain(EX_DATAERR, out->path,
                        "holds %s, which is not taken for %s, since that would change its numbers: "
                        "leave the type out, or convert the file",
                        type_name(found), type_name(said->dtype));
    out->found.dtype = said->dtype;
    out->found.python = NULL;
    return EX_OK;
}

/* Elements without a head, as the user describes them. */
static int find_raw(const description *said, array *out) {
    out->found = (contents){
        .dtype = said->dtype, .ndim = said->ndim, .swapped = said->swapped, .offset = said->offset};
    memcpy(out->found.shape, said->shape, sizeof out->found.shape);
    if (said->offset > out->file.size)
        return complain(EX_DATAERR, out->path, "ends before the offset at which elements begin");
    return check_elements_end(&out->file, &out->found, type_name(said->dtype),
                              said->offset ? "the shape, the type, the offset or the file is wrong"
                                           : "the shape, the type or the file is wrong");
}

static int find_elements(const description *said, bool reals, array *out) {
    bool has_name = strcmp(out->file_name ? out->file_name : out->path, "-") != 0;
    const sought what = {.member = out->member,
                         .reals = reals,
                         .path = has_name ? out->path : NULL,
                         .typed = said->typed};
    if (said->raw)
        return find_raw(said, out);
    int code = read_elements(&out->file, &what, &out->found);
    if (!has_name)
        out->found.python = NULL;
    return code == EX_OK ? take_as(said, out) : code;
}

int open_array(const char *path, const description *said, bool reals, array *out) {
    *out = (array){.path = path, .file.descriptor = -1};
    int code = said->raw ? EX_OK : split_path(path, out);
    if (code == EX_OK)
        code = open_source(out->file_name ? out->file_name : path, &out->file);
    if (code != EX_OK)
        return code;
    if (out->member)
        out->file.path = path;
    code = find_elements(said, reals, out);
    out->path = out->file.path;
    if (code != EX_OK)
        return code;
    out->tensor = xent_ndarray(NULL, out->found.dtype, out->found.ndim, out->found.shape);
    set_dense_strides(&out->tensor, out->found.fortran_order);
    return EX_OK;
}

void close_array(array *opened) {
    if (!opened->path)
        return;
    close_source(&opened->file);
    free(opened->tensor.data);
    free(opened->file_name);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_run(void *context, int64_t offset, int64_t size, char *memory) {
    const array *opened = context;
    return read_source(&opened->file, opened->found.offset + offset, size, memory);
}

int read_box(const array *opened, const box *part, void *memory, xent_tensor *view) {
    const contents *found = &opened->found;
    int code = for_each_run(&opened->tensor, found->fortran_order, part, memory, read_run,
                            (void *)(uintptr_t)opened);
    *view = xent_ndarray(memory, found->dtype, found->ndim, part->length);
    set_dense_strides(view, found->fortran_order);
    if (code == EX_OK && found->swapped)
        swap_bytes(memory, box_count(part, found->ndim), type_size(found->dtype));
    return code;
}

void copy_in_c_order(const xent_tensor *from, char *to) {
    const size_t size = type_size(from->dtype);
    const int64_t count = element_count(from);
    for (int64_t i = 0; i < count; i++, to += size) {
        int64_t offset = 0, rest = i;
        for (int axis = from->ndim - 1; axis >= 0; axis--) {
            offset += rest % from->shape[axis] * from->stride[axis];
            rest /= from->shape[axis];
        }
        memcpy(to, (const char *)from->data + (size_t)offset * size, size);
    }
}

static void *take_memory(const array *opened) {
    size_t size = (size_t)element_count(&opened->tensor) * type_size(opened->tensor.dtype);
    void *memory = malloc(size ? size : 1);
    if (!memory)
        complain(EX_SOFTWARE, opened->path, "not enough memory for its %zu bytes", size);
    return memory;
}

static int put_in_c_order(array *opened) {
    char *ordered = take_memory(opened);
    if (!ordered)
        return EX_SOFTWARE;
    copy_in_c_order(&opened->tensor, ordered);
    free(opened->tensor.data);
    opened->tensor =
        xent_ndarray(ordered, opened->found.dtype, opened->found.ndim, opened->found.shape);
    return EX_OK;
}

int load_array(array *opened) {
    const box all = whole_box(&opened->tensor);
    xent_tensor view;
    void *memory = take_memory(opened);
    if (!memory)
        return EX_SOFTWARE;
    int code = read_box(opened, &all, memory, &view);
    opened->tensor = view;
    return code == EX_OK && opened->found.fortran_order ? put_in_c_order(opened) : code;
}
