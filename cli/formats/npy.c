/* SPDX-License-Identifier: MIT
 * .npy versions 1 to 3: magic, version, header length, a Python dictionary as text, then the
 * elements. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "npy.h"
#include "../complain.h"
#include "../suggest.h"
#include "../tensors.h"
#include "format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_SIZE = 6, TEXT_SIZE = 32, HEAD_ALIGNMENT = 64 };
static const char MAGIC[MAGIC_SIZE + 1] = "\x93NUMPY";

static const char LOAD[] = "numpy.load(sys.argv[1])";

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

/* NumPy itself refuses headers above 10,000 bytes; names of fields are what makes them long. */
enum { VERSION_END = MAGIC_SIZE + 2, LONGEST_HEADER = 1 << 20 };

static bool recognise(const unsigned char *head, size_t size) {
    return size >= MAGIC_SIZE && memcmp(head, MAGIC, MAGIC_SIZE) == 0;
}

static int refuse_cut(const source *file) {
    return complain(
        EX_DATAERR, file->path,
        "ends inside its header: the file is cut off or damaged; copy or save it again");
}

/* Finds where the dictionary's text begins and its length; the elements begin where it ends. */
static int find_header(const source *file, int64_t *start, int64_t *length) {
    unsigned char head[VERSION_END + 4] = {0};
    int64_t present = file->size < (int64_t)sizeof head ? file->size : (int64_t)sizeof head;
    int code = read_source(file, 0, present, head);
    if (code != EX_OK)
        return code;
    int major = present >= VERSION_END ? head[MAGIC_SIZE] : 1;
    int minor = present >= VERSION_END ? head[MAGIC_SIZE + 1] : 0;
    if (major < 1 || major > 3 || minor != 0)
        return complain(EX_DATAERR, file->path,
                        "is .npy version %d.%d: only 1.0, 2.0 and 3.0 are known", major, minor);
    int width = major == 1 ? 2 : 4;
    *start = VERSION_END + width;
    *length = 0;
    for (int i = 0; i < width; i++)
        *length |= (int64_t)head[VERSION_END + i] << (8 * i);
    if (*start > file->size || *length > file->size - *start)
        return refuse_cut(file);
    return *length <= LONGEST_HEADER
               ? EX_OK
               : complain(EX_DATAERR, file->path,
                          "has a header of %" PRId64 " bytes: more than %d cannot be right",
                          *length, (int)LONGEST_HEADER);
}

/* "f4" and the like; "V2" is how ml_dtypes' bfloat16 is saved. */
static int32_t find_type(const char *descr) {
    if (strchr("<>|", descr[0]) && strcmp(descr + 1, "V2") == 0)
        return XENT_BF16;
    for (int i = 0; i < TYPE_COUNT; i++) {
        bool known_order = strchr("<>", descr[0]) || (descr[0] == '|' && TYPES[i].code[1] == '1');
        if (known_order && strcmp(descr + 1, TYPES[i].code) == 0)
            return TYPES[i].dtype;
    }
    return 0;
}

/* What the letter of a type that cannot be read stands for; "": it is known by its name. */
static const char *kind_of_type(const char *descr) {
    static const struct {
        const char *letters, *name;
    } KINDS[] = {{"b", ", truth values"},
                 {"c", ", complex numbers"},
                 {"O", ", Python objects"},
                 {"US", ", text"},
                 {"Mm", ", dates or times"}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (descr[0] && descr[1] && strchr(KINDS[i].letters, descr[1]))
            return KINDS[i].name;
    }
    return "";
}

/* Long doubles, truth values and the like can be converted where they lie in a file of their own.
 */
static int refuse_type(const source *file, const sought *what, const char *descr) {
    complain(EX_DATAERR, file->path,
             "has elements of type '%s'%s, which cannot be read: the types are float16, float32, "
             "float64, bfloat16, int8 to int64 and uint8 to uint64; convert with a.astype(..) "
             "before numpy.save",
             descr, kind_of_type(descr));
    if (what->path && !what->unpacked && strchr("<>|", descr[0]) && strchr("fiub", descr[1]))
        suggest_conversion(what->typed,
                           &(conversion){.path = what->path, .file = what->path, .load = LOAD},
                           "a.astype({\"f\": numpy.float64, \"u\": numpy.uint64}.get(a.dtype.kind, "
                           "numpy.int64))");
    return EX_DATAERR;
}

static int fill_elements(const source *file, const sought *what, const header *head, int64_t offset,
                         contents *found) {
    int32_t dtype = find_type(head->descr);
    if (dtype == 0)
        return refuse_type(file, what, head->descr);
    if (head->ndim > XENT_MAX_NDIM)
        return complain(EX_DATAERR, file->path, "has %d axes: at most %d can be read", head->ndim,
                        XENT_MAX_NDIM);
    *found = (contents){.dtype = dtype,
                        .ndim = head->ndim,
                        .fortran_order = head->fortran_order,
                        .swapped = head->descr[0] != '|' && is_foreign(head->descr[0]),
                        .offset = offset,
                        .python = dtype == XENT_BF16 ? NULL : LOAD};
    memcpy(found->shape, head->shape, sizeof found->shape);
    return check_elements_end(file, found, head->descr, NULL);
}

static int read_header(const source *file, int64_t start, int64_t length, header *head) {
    char *text = malloc((size_t)length + 1);
    if (!text)
        return complain(EX_SOFTWARE, file->path, "not enough memory");
    int code = read_source(file, start, length, text);
    bool parsed = code == EX_OK && parse_header((cursor){text, text + length}, head);
    free(text);
    if (code != EX_OK || parsed)
        return code;
    return complain(
        EX_DATAERR, file->path,
        "has a header that is not {'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)} "
        "or the like: it is damaged, or holds Python objects or named fields");
}

static int read_npy(source *file, const sought *what, contents *found) {
    int64_t start = 0, length = 0;
    header head = {.ndim = 0};
    int code = find_header(file, &start, &length);
    if (code == EX_OK)
        code = read_header(file, start, length, &head);
    return code == EX_OK ? fill_elements(file, what, &head, start + length, found) : code;
}

const format NPY_FORMAT = {.name = ".npy", .recognise = recognise, .read = read_npy};

/* ---- writing --------------------------------------------------------------------------------- */

static const char *type_code(int32_t dtype) {
    int i = 0;
    if (dtype == XENT_BF16)
        return "V2";
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

size_t write_npy_head(char *head, const xent_tensor *tensor, bool fortran_order) {
    enum { START = MAGIC_SIZE + 4 };
    char shape[SHAPE_TEXT + 1];
    tuple_text(shape, tensor);
    int length = snprintf(head + START, NPY_HEAD - START,
                          "{'descr': '%c%s', 'fortran_order': %s, 'shape': %s, }",
                          type_size(tensor->dtype) == 1 ? '|'
                          : is_foreign('<')             ? '>'
                                                        : '<',
                          type_code(tensor->dtype), fortran_order ? "True" : "False", shape);
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
