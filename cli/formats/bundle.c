/* SPDX-License-Identifier: MIT
 * Tensors by name, with metadata, in a .safetensors file: a model, or a training to go on with. */
#include "bundle.h"
#include "../complain.h"
#include "../tensors.h"
#include "output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading --------------------------------------------------------------------------------- */

int open_bundle(const char *path, bundle *opened) {
    *opened = (bundle){.file.descriptor = -1};
    int code = open_source(path, &opened->file);
    return code == EX_OK ? read_safetensors_head(&opened->file, &opened->head) : code;
}

void close_bundle(bundle *opened) {
    free_safetensors_head(&opened->head);
    close_source(&opened->file);
}

const safetensors_entry *find_in_bundle(const bundle *opened, const char *name) {
    for (int64_t i = 0; i < opened->head.count; i++) {
        if (strcmp(opened->head.entries[i].name, name) == 0)
            return &opened->head.entries[i];
    }
    return NULL;
}

int load_from_bundle(const bundle *opened, const safetensors_entry *entry, xent_tensor *tensor) {
    contents found;
    tensor->data = NULL;
    int code = find_safetensors_elements(&opened->head, entry, &found);
    if (code != EX_OK)
        return code;
    int64_t size = entry->end - entry->begin;
    void *memory = malloc(size > 0 ? (size_t)size : 1);
    if (!memory)
        return complain(EX_SOFTWARE, opened->file.path,
                        "not enough memory for the %" PRId64 " bytes of '%s'", size, entry->name);
    code = read_source(&opened->file, found.offset, size, memory);
    if (code != EX_OK) {
        free(memory);
        return code;
    }
    *tensor = xent_ndarray(memory, found.dtype, found.ndim, found.shape);
    if (found.swapped)
        swap_bytes(memory, element_count(tensor), type_size(found.dtype));
    return EX_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int64_t size_of(const named_tensor *one) {
    return element_count(&one->tensor) * (int64_t)type_size(one->tensor.dtype);
}

/* {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]} */
static json_t *describe(const named_tensor *one, int64_t begin) {
    json_t *shape = json_array();
    for (int axis = 0; axis < one->tensor.ndim; axis++) {
        if (json_array_append_new(shape, json_integer(one->tensor.shape[axis])) != 0) {
            json_decref(shape);
            return NULL;
        }
    }
    const json_int_t first = begin, end = first + size_of(one);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", safetensors_type_name(one->tensor.dtype),
                     "shape", shape, "data_offsets", first, end);
}

static json_t *build_header(const named_tensor *tensors, size_t count, json_t *metadata) {
    json_t *header = json_object();
    int64_t end = 0;
    int failed = json_object_set(header, "__metadata__", metadata);
    for (size_t i = 0; i < count && !failed; i++) {
        failed = json_object_set_new(header, tensors[i].name, describe(&tensors[i], end));
        end += size_of(&tensors[i]);
    }
    if (!failed)
        return header;
    json_decref(header);
    return NULL;
}

/* The header with its length before it, padded with blanks so that elements are aligned: *size
 * bytes of memory from malloc; NULL: there is none. */
static char *write_head(const named_tensor *tensors, size_t count, json_t *metadata,
                        int64_t *size) {
    enum { ALIGNMENT = 64 };
    json_t *header = build_header(tensors, count, metadata);
    size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
    size_t whole = (SAFETENSORS_LENGTH + length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *head = length > 0 ? malloc(whole) : NULL;
    if (head) {
        memset(head, ' ', whole);
        json_dumpb(header, head + SAFETENSORS_LENGTH, length, JSON_COMPACT);
        for (int i = 0; i < SAFETENSORS_LENGTH; i++)
            head[i] = (char)((whole - SAFETENSORS_LENGTH) >> (8 * i) & 0xff);
    }
    json_decref(header);
    *size = (int64_t)whole;
    return head;
}

static int write_elements(const output *file, int64_t offset, const named_tensor *one) {
    const size_t size = type_size(one->tensor.dtype);
    int64_t bytes = size_of(one);
    if (!is_foreign('<') || size == 1)
        return write_output(file, offset, one->tensor.data, bytes);
    char *swapped = malloc(bytes > 0 ? (size_t)bytes : 1);
    if (!swapped)
        return complain(EX_SOFTWARE, file->path, "not enough memory for '%s'", one->name);
    memcpy(swapped, one->tensor.data, (size_t)bytes);
    swap_bytes(swapped, element_count(&one->tensor), size);
    int code = write_output(file, offset, swapped, bytes);
    free(swapped);
    return code;
}

int write_bundle(const char *path, const named_tensor *tensors, size_t count, json_t *metadata) {
    output file = {.path = NULL};
    int64_t head_size, offset;
    char *head = write_head(tensors, count, metadata, &head_size);
    if (!head)
        return complain(EX_SOFTWARE, path, "not enough memory to write the file");
    offset = head_size;
    for (size_t i = 0; i < count; i++)
        offset += size_of(&tensors[i]);
    int code = begin_output(path, offset, &file);
    if (code == EX_OK)
        code = write_output(&file, 0, head, offset = head_size);
    for (size_t i = 0; i < count && code == EX_OK; i++) {
        code = write_elements(&file, offset, &tensors[i]);
        offset += size_of(&tensors[i]);
    }
    if (code == EX_OK)
        code = finish_output(&file);
    drop_output(&file);
    free(head);
    return code;
}
