/* SPDX-License-Identifier: MIT
 * .npy versions 1 to 3: magic, version, header length, a Python dictionary as text, then the
 * elements. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "../complain.h"
#include "../suggest.h"
#include "../tensors.h"
#include "array.h"
#include "format.h"
#include "output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAGIC_SIZE = 6, TEXT_SIZE = 32, HEAD_SIZE = 512, HEAD_ALIGNMENT = 64 };
static const char MAGIC[MAGIC_SIZE + 1] = "\x93NUMPY";

/* Elements are mapped as they are, so files must be in the byte order of the machine. */
static const char HOST_ORDER = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';

typedef struct npy_type {
    int32_t dtype;
    char code[3];
} npy_type;

static const npy_type TYPES[] = {
    {XENT_F32, "f4"}, {XENT_F64, "f8"}, {XENT_F16, "f2"}, {XENT_I8, "i1"},
    {XENT_U8, "u1"},  {XENT_I16, "i2"}, {XENT_U16, "u2"}, {XENT_I32, "i4"},
    {XENT_U32, "u4"}, {XENT_I64, "i8"}, {XENT_U64, "u8"},
};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

/* ---- the dictionary -------------------------------------------------------------------------- */

typedef struct header {
    char descr[TEXT_SIZE]; /* "": not seen yet */
    bool has_order, fortran_order;
    bool has_shape;
    int ndim; /* may pass XENT_MAX_NDIM; axes beyond it are not kept */
    int64_t shape[XENT_MAX_NDIM];
} header;

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\t'))
        text->at++;
}

static bool next_is(cursor *text, char wanted) {
    skip_space(text);
    return text->at < text->end && *text->at == wanted;
}

static bool take(cursor *text, char wanted) {
    bool found = next_is(text, wanted);
    text->at += found;
    return found;
}

static bool take_word(cursor *text, const char *word) {
    size_t length = strlen(word);
    skip_space(text);
    bool found = (size_t)(text->end - text->at) >= length && memcmp(text->at, word, length) == 0;
    text->at += found ? length : 0;
    return found;
}

/* A quoted string of printable ASCII, without escapes, into TEXT_SIZE bytes. */
static bool take_string(cursor *text, char *string) {
    char quote = next_is(text, '"') ? '"' : '\'';
    if (!take(text, quote))
        return false;
    size_t length = 0;
    for (; text->at < text->end && *text->at != quote; text->at++) {
        if (*text->at < ' ' || *text->at > '~' || *text->at == '\\' || length + 1 == TEXT_SIZE)
            return false;
        string[length++] = *text->at;
    }
    string[length] = '\0';
    return take(text, quote);
}

/* A whole number as Python writes it: digits, no leading 0. */
static bool take_length(cursor *text, int64_t *length) {
    skip_space(text);
    const char *start = text->at;
    *length = 0;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (__builtin_mul_overflow(*length, 10, length) ||
            __builtin_add_overflow(*length, *text->at - '0', length))
            return false;
    }
    return text->at > start && (*start != '0' || text->at == start + 1);
}

/* A tuple of lengths; that of one length needs its comma. */
static bool take_shape(cursor *text, header *head) {
    bool comma = false;
    if (!take(text, '('))
        return false;
    while (!next_is(text, ')')) {
        int64_t length;
        if ((head->ndim > 0 && !comma) || !take_length(text, &length))
            return false;
        if (head->ndim < XENT_MAX_NDIM)
            head->shape[head->ndim] = length;
        head->ndim++;
        comma = take(text, ',');
    }
    head->has_shape = true;
    return take(text, ')') && (head->ndim != 1 || comma);
}

static bool take_order(cursor *text, header *head) {
    head->has_order = true;
    head->fortran_order = take_word(text, "True");
    return head->fortran_order || take_word(text, "False");
}

/* One "key: value", each of the three keys once. */
static bool take_entry(cursor *text, header *head) {
    char key[TEXT_SIZE];
    if (!take_string(text, key) || !take(text, ':'))
        return false;
    if (strcmp(key, "descr") == 0 && !*head->descr)
        return take_string(text, head->descr);
    if (strcmp(key, "fortran_order") == 0 && !head->has_order)
        return take_order(text, head);
    return strcmp(key, "shape") == 0 && !head->has_shape && take_shape(text, head);
}

static bool parse_header(cursor text, header *head) {
    bool more = true;
    if (!take(&text, '{'))
        return false;
    while (more && !next_is(&text, '}'))
        more = take_entry(&text, head) && (take(&text, ',') || next_is(&text, '}'));
    if (!more || !take(&text, '}'))
        return false;
    skip_space(&text);
    return text.at == text.end && *head->descr && head->has_order && head->has_shape;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool recognise(const file_bytes *file) {
    return file->size >= MAGIC_SIZE && memcmp(file->data, MAGIC, MAGIC_SIZE) == 0;
}

/* Finds the dictionary's text; the elements begin where it ends. */
static int find_header(const file_bytes *file, cursor *text) {
    enum { VERSION_END = MAGIC_SIZE + 2 };
    int major = file->size >= VERSION_END ? file->data[MAGIC_SIZE] : 1;
    int minor = file->size >= VERSION_END ? file->data[MAGIC_SIZE + 1] : 0;
    if (major < 1 || major > 3 || minor != 0)
        return complain(EX_DATAERR, file->path,
                        "is .npy version %d.%d: only 1.0, 2.0 and 3.0 are known", major, minor);
    size_t width = major == 1 ? 2 : 4;
    size_t start = VERSION_END + width, length = 0;
    for (size_t i = 0; i < width && start <= file->size; i++)
        length |= (size_t)file->data[VERSION_END + i] << (8 * i);
    if (start > file->size || length > file->size - start)
        return complain(
            EX_DATAERR, file->path,
            "ends inside its header: the file is cut off or damaged; copy or save it again");
    text->at = (const char *)file->data + start;
    text->end = text->at + length;
    return EX_OK;
}

static int find_type(const char *descr) {
    for (int i = 0; i < TYPE_COUNT; i++) {
        bool order_fits = descr[0] == HOST_ORDER || (descr[0] == '|' && TYPES[i].code[1] == '1');
        if (order_fits && strcmp(descr + 1, TYPES[i].code) == 0)
            return i;
    }
    return -1;
}

static int refuse_type(const char *path, const char *descr) {
    if (strchr("<>", descr[0]) && strchr("fiu", descr[1])) {
        complain(
            EX_DATAERR, path,
            "has elements of type '%s', which cannot be read here: the types are float16, float32, "
            "float64, int8 to int64 and uint8 to uint64 in this machine's byte order",
            descr);
        suggest_conversion(NULL, path,
                           "a.astype({\"f\": numpy.float64, \"i\": numpy.int64, "
                           "\"u\": numpy.uint64}[a.dtype.kind])");
        return EX_DATAERR;
    }
    return complain(
        EX_DATAERR, path,
        "has elements of type '%s': arrays hold float16, float32, float64, int8 to int64 or "
        "uint8 to uint64; convert with a.astype(..) before numpy.save",
        descr);
}

static int refuse_order(const char *path) {
    complain(EX_DATAERR, path, "is in Fortran order (last axis slowest): only C order can be read");
    suggest_conversion(NULL, path, "numpy.ascontiguousarray(a)");
    return EX_DATAERR;
}

/* Bytes of the elements. An axis of length 0 does not excuse the others. */
static bool data_size(const header *head, size_t element_size, size_t *size) {
    bool empty = false;
    *size = element_size;
    for (int axis = 0; axis < head->ndim; axis++) {
        empty = empty || head->shape[axis] == 0;
        if (head->shape[axis] > 0 && __builtin_mul_overflow(*size, head->shape[axis], size))
            return false;
    }
    bool fits = *size <= PTRDIFF_MAX;
    *size = empty ? 0 : *size;
    return fits;
}

static int check_size(const file_bytes *file, const header *head, size_t present,
                      size_t element_size) {
    size_t promised;
    char shape[SHAPE_TEXT];
    write_shape(shape, head->ndim, head->shape);
    if (!data_size(head, element_size, &promised))
        return complain(EX_DATAERR, file->path, "claims the shape %s, more than any file can hold",
                        shape);
    if (promised != present)
        return complain(
            EX_DATAERR, file->path,
            "has %zu bytes of elements, but shape %s of type '%s' needs %zu: the file is %s",
            present, shape, head->descr, promised,
            present < promised ? "cut off" : "longer than its header says");
    return EX_OK;
}

static int read_npy(const file_bytes *file, xent_tensor *tensor) {
    cursor text = {NULL, NULL};
    header head = {0};
    int code = find_header(file, &text);
    if (code != EX_OK)
        return code;
    if (!parse_header(text, &head))
        return complain(
            EX_DATAERR, file->path,
            "has a header that is not {'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)} "
            "or the like: it is damaged, or holds Python objects or named fields");
    int type = find_type(head.descr);
    if (type < 0)
        return refuse_type(file->path, head.descr);
    if (head.fortran_order)
        return refuse_order(file->path);
    if (head.ndim > XENT_MAX_NDIM)
        return complain(EX_DATAERR, file->path, "has %d axes: at most %d can be read", head.ndim,
                        XENT_MAX_NDIM);
    int32_t dtype = TYPES[type].dtype;
    size_t present = file->size - (size_t)(text.end - (const char *)file->data);
    code = check_size(file, &head, present, type_size(dtype));
    if (code == EX_OK)
        *tensor = xent_ndarray(file->data + (file->size - present), dtype, head.ndim, head.shape);
    return code;
}

const format NPY_FORMAT = {recognise, read_npy};

/* ---- writing --------------------------------------------------------------------------------- */

static const char *type_code(int32_t dtype) {
    int i = 0;
    while (TYPES[i].dtype != dtype)
        i++;
    return TYPES[i].code;
}

/* "(4, 3)", "(4,)", "()" */
static void tuple_text(char *text, const xent_tensor *tensor) {
    write_shape(text, tensor->ndim, tensor->shape);
    size_t length = strlen(text);
    text[0] = '(';
    strcpy(text + length - 1, tensor->ndim == 1 ? ",)" : ")");
}

/* A version 1.0 head, padded so that the elements are aligned; returns its size. */
static size_t write_head(char *head, const xent_tensor *tensor) {
    enum { START = MAGIC_SIZE + 4 };
    char shape[SHAPE_TEXT + 1];
    tuple_text(shape, tensor);
    int length = snprintf(
        head + START, HEAD_SIZE - START, "{'descr': '%c%s', 'fortran_order': False, 'shape': %s, }",
        type_size(tensor->dtype) == 1 ? '|' : HOST_ORDER, type_code(tensor->dtype), shape);
    size_t used = START + (size_t)length;
    size_t size = (used + HEAD_ALIGNMENT) / HEAD_ALIGNMENT * HEAD_ALIGNMENT;
    memset(head + used, ' ', size - used);
    head[size - 1] = '\n';
    memcpy(head, MAGIC, MAGIC_SIZE);
    const char version_and_length[4] = {1, 0, (char)((size - START) & 0xff),
                                        (char)((size - START) >> 8)};
    memcpy(head + MAGIC_SIZE, version_and_length, sizeof version_and_length);
    return size;
}

int write_npy(const char *path, const xent_tensor *tensor) {
    char head[HEAD_SIZE];
    size_t head_size = write_head(head, tensor);
    size_t size = (size_t)element_count(tensor) * type_size(tensor->dtype);
    return write_file(path, head, head_size, tensor->data, size);
}
