/* SPDX-License-Identifier: MIT
 * The head of a .safetensors file: its tensors by name, type, shape and place, and its metadata. As
 * strict as the format's own implementation. https://github.com/huggingface/safetensors */
#include "safetensors_head.h"
#include "../complain.h"
#include "../tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_HEADER = 100000000 };
static const char METADATA[] = "__metadata__";

static const safetensors_type TYPES[] = {
    {"F64", 64, XENT_F64}, {"F32", 32, XENT_F32}, {"F16", 16, XENT_F16}, {"BF16", 16, XENT_BF16},
    {"I64", 64, XENT_I64}, {"I32", 32, XENT_I32}, {"I16", 16, XENT_I16}, {"I8", 8, XENT_I8},
    {"U64", 64, XENT_U64}, {"U32", 32, XENT_U32}, {"U16", 16, XENT_U16}, {"U8", 8, XENT_U8},
    {"BOOL", 8, 0},        {"C64", 64, 0},        {"F8_E5M2", 8, 0},     {"F8_E4M3", 8, 0},
    {"F8_E8M0", 8, 0},     {"F8_E5M2FNUZ", 8, 0}, {"F8_E4M3FNUZ", 8, 0}, {"F6_E2M3", 6, 0},
    {"F6_E3M2", 6, 0},     {"F4", 4, 0},
};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

static int refuse(const source *file, const char *reason) {
    return complain(EX_DATAERR, file->path,
                    "is not a valid .safetensors file: %s. It is damaged, or not written by the "
                    "safetensors library",
                    reason);
}

/* ---- one tensor's description ---------------------------------------------------------------- */

static const safetensors_type *find_type(const json_t *name) {
    for (int i = 0; i < TYPE_COUNT && json_is_string(name); i++) {
        if (strcmp(TYPES[i].name, json_string_value(name)) == 0)
            return &TYPES[i];
    }
    return NULL;
}

/* A whole number >= 0 at a place of an array. */
static bool read_size(const json_t *array, size_t i, int64_t *size) {
    const json_t *number = json_array_get(array, i);
    *size = json_integer_value(number);
    return json_is_integer(number) && *size >= 0;
}

/* The size in bits; false if a length is none or the product is too large. */
static bool shape_bits(const json_t *shape, int64_t *bits) {
    bool empty = false;
    int64_t length;
    for (size_t axis = 0; axis < json_array_size(shape); axis++) {
        if (!read_size(shape, axis, &length))
            return false;
        empty = empty || length == 0;
        if (length > 0 && __builtin_mul_overflow(*bits, length, bits))
            return false;
    }
    *bits = empty ? 0 : *bits;
    return json_is_array(shape);
}

/* Fills an entry from {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}; returns what is
 * wrong, or NULL. */
static const char *read_entry(const json_t *from, safetensors_entry *to) {
    const json_t *offsets = json_object_get(from, "data_offsets");
    to->shape = json_object_get(from, "shape");
    to->type = find_type(json_object_get(from, "dtype"));
    if (json_object_size(from) != 3)
        return "a tensor has other fields than dtype, shape and data_offsets";
    if (!to->type)
        return "a tensor has an unknown dtype";
    if (json_array_size(offsets) != 2 || !read_size(offsets, 0, &to->begin) ||
        !read_size(offsets, 1, &to->end) || to->end < to->begin)
        return "a tensor has data_offsets that are not two places in order";
    int64_t bits = to->type->bits;
    if (!shape_bits(to->shape, &bits))
        return "a tensor has a shape that no file can hold";
    if (bits % 8 != 0 || bits / 8 != to->end - to->begin)
        return "a tensor's shape and its data_offsets differ in size";
    return NULL;
}

/* ---- the header ------------------------------------------------------------------------------ */

static bool are_strings(json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (!json_is_string(value))
            return false;
    }
    return json_is_object(object);
}

static int by_place(const void *a, const void *b) {
    const safetensors_entry *one = a, *other = b;
    int order = (one->begin > other->begin) - (one->begin < other->begin);
    return order ? order : (one->end > other->end) - (one->end < other->end);
}

/* The tensors must lie one after the other, and fill the file to its end. */
static int check_places(safetensors_head *head) {
    int64_t end = 0;
    if (head->count > 0)
        qsort(head->entries, (size_t)head->count, sizeof *head->entries, by_place);
    for (int64_t i = 0; i < head->count; i++) {
        if (head->entries[i].begin != end)
            return refuse(head->file, "between the tensors is a hole, or two overlap");
        end = head->entries[i].end;
    }
    if (end != head->file->size - SAFETENSORS_LENGTH - head->length)
        return refuse(head->file, "the last tensor does not end where the file ends");
    return EX_OK;
}

static int read_entries(safetensors_head *head) {
    const char *key, *wrong = NULL;
    json_t *value;
    head->entries = calloc(json_object_size(head->document) + 1, sizeof *head->entries);
    if (!head->entries)
        return complain(EX_SOFTWARE, head->file->path, "not enough memory");
    json_object_foreach(head->document, key, value) {
        safetensors_entry *to = &head->entries[head->count];
        if (strcmp(key, METADATA) == 0) {
            wrong = are_strings(value) ? NULL : "its metadata is not strings by name";
        } else {
            to->name = key;
            wrong = read_entry(value, to);
            head->count++;
        }
        if (wrong)
            return refuse(head->file, wrong);
    }
    return check_places(head);
}

static int parse_header(safetensors_head *head, const char *text) {
    json_error_t error;
    head->document = json_loadb(text, (size_t)head->length, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(head->document))
        return read_entries(head);
    return json_error_code(&error) == json_error_out_of_memory
               ? complain(EX_SOFTWARE, head->file->path, "not enough memory")
               : refuse(head->file, "its header is not a JSON object with names that differ");
}

static int read_text(safetensors_head *head) {
    unsigned char bytes[SAFETENSORS_LENGTH];
    int code = read_source(head->file, 0, SAFETENSORS_LENGTH, bytes);
    if (code != EX_OK)
        return code;
    for (int i = 0; i < SAFETENSORS_LENGTH; i++)
        head->length |= (int64_t)bytes[i] << (8 * i);
    if (head->length > head->file->size - SAFETENSORS_LENGTH)
        return refuse(head->file, "the file ends inside its header");
    if (head->length > LONGEST_HEADER)
        return refuse(head->file, "its header is longer than 100,000,000 bytes");
    char *text = malloc((size_t)head->length + 1);
    if (!text)
        return complain(EX_SOFTWARE, head->file->path, "not enough memory");
    code = read_source(head->file, SAFETENSORS_LENGTH, head->length, text);
    if (code == EX_OK)
        code = parse_header(head, text);
    free(text);
    return code;
}

int read_safetensors_head(const source *file, safetensors_head *head) {
    *head = (safetensors_head){.file = file};
    if (file->size < SAFETENSORS_LENGTH)
        return refuse(file, "it is shorter than the length of a header");
    return read_text(head);
}

void free_safetensors_head(safetensors_head *head) {
    free(head->entries);
    json_decref(head->document);
}

/* ---- what is asked of it --------------------------------------------------------------------- */

int find_safetensors_elements(const safetensors_head *head, const safetensors_entry *from,
                              contents *found) {
    const size_t ndim = json_array_size(from->shape);
    if (from->type->dtype == 0)
        return complain(EX_DATAERR, head->file->path,
                        "holds %s, which cannot be read: the types are F16, BF16, F32, F64, I8 to "
                        "I64 and U8 to U64",
                        from->type->name);
    if (ndim > XENT_MAX_NDIM)
        return complain(EX_DATAERR, head->file->path, "has %zu axes: at most %d can be read", ndim,
                        XENT_MAX_NDIM);
    *found = (contents){.dtype = from->type->dtype, .ndim = (int32_t)ndim};
    found->swapped = is_foreign('<');
    found->offset = SAFETENSORS_LENGTH + head->length + from->begin;
    for (size_t axis = 0; axis < ndim; axis++)
        read_size(from->shape, axis, &found->shape[axis]);
    return EX_OK;
}

const char *safetensors_note(const safetensors_head *head, const char *name) {
    return json_string_value(json_object_get(json_object_get(head->document, METADATA), name));
}

const char *safetensors_type_name(int32_t dtype) {
    int i = 0;
    while (TYPES[i].dtype != dtype)
        i++;
    return TYPES[i].name;
}
