/* SPDX-License-Identifier: MIT
 * Small questions about tensors in C order: names, shapes, single values. */
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct dtype_facts {
    const char *name, *short_name;
    size_t size;
} dtype_facts;

static const dtype_facts DTYPES[] = {
    [XENT_F32] = {"float32", "f32", 4},    [XENT_F64] = {"float64", "f64", 8},
    [XENT_BF16] = {"bfloat16", "bf16", 2}, [XENT_F16] = {"float16", "f16", 2},
    [XENT_I8] = {"int8", "i8", 1},         [XENT_U8] = {"uint8", "u8", 1},
    [XENT_I16] = {"int16", "i16", 2},      [XENT_U16] = {"uint16", "u16", 2},
    [XENT_I32] = {"int32", "i32", 4},      [XENT_U32] = {"uint32", "u32", 4},
    [XENT_I64] = {"int64", "i64", 8},      [XENT_U64] = {"uint64", "u64", 8},
};
enum { DTYPE_END = sizeof DTYPES / sizeof *DTYPES };

int32_t find_type_name(const char *name) {
    for (int32_t dtype = 1; dtype < DTYPE_END; dtype++) {
        const dtype_facts *facts = &DTYPES[dtype];
        if (facts->name && (strcmp(name, facts->name) == 0 || strcmp(name, facts->short_name) == 0))
            return dtype;
    }
    return 0;
}

bool is_foreign(char order) {
    return order != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>');
}

const char *type_name(int32_t dtype) {
    return DTYPES[dtype].name;
}

size_t type_size(int32_t dtype) {
    return DTYPES[dtype].size;
}

bool is_float(int32_t dtype) {
    return dtype <= XENT_F16;
}

int64_t element_count(const xent_tensor *tensor) {
    int64_t count = 1;
    for (int axis = 0; axis < tensor->ndim; axis++)
        count *= tensor->shape[axis];
    return count;
}

const char *write_shape(char *text, int ndim, const int64_t *shape) {
    size_t used = (size_t)snprintf(text, SHAPE_TEXT, "[");
    for (int axis = 0; axis < ndim; axis++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%" PRId64, axis ? ", " : "",
                                 shape[axis]);
    snprintf(text + used, SHAPE_TEXT - used, "]");
    return text;
}

const char *write_position(char *text, const xent_tensor *tensor, int64_t i) {
    int64_t position[XENT_MAX_NDIM];
    int64_t rest = i;
    for (int axis = tensor->ndim - 1; axis >= 0; axis--) {
        position[axis] = rest % tensor->shape[axis];
        rest /= tensor->shape[axis];
    }
    if (tensor->ndim > 1)
        return write_shape(text, tensor->ndim, position);
    snprintf(text, SHAPE_TEXT, "%" PRId64, i);
    return text;
}

bool equal_shapes(int ndim, const int64_t *shape, int other_ndim, const int64_t *other) {
    return ndim == other_ndim && memcmp(shape, other, (size_t)ndim * sizeof *shape) == 0;
}

int64_t label_at(const xent_tensor *labels, int64_t i) {
    const char *element = (const char *)labels->data + (size_t)i * type_size(labels->dtype);
    union {
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
    } value;
    memcpy(&value, element, type_size(labels->dtype));
    switch (labels->dtype) {
    case XENT_I8:
        return value.i8;
    case XENT_U8:
        return value.u8;
    case XENT_I16:
        return value.i16;
    case XENT_U16:
        return value.u16;
    case XENT_I32:
        return value.i32;
    case XENT_U32:
        return value.u32;
    default:
        return value.i64;
    }
}

const char *write_label(char *text, const xent_tensor *labels, int64_t bits) {
    if (labels->dtype == XENT_U64)
        snprintf(text, LABEL_TEXT, "%" PRIu64, (uint64_t)bits);
    else
        snprintf(text, LABEL_TEXT, "%" PRId64, bits);
    return text;
}

/* Sign, 5 bits of exponent, 10 of fraction. */
static double half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size;
    if (exponent == 31)
        size = fraction ? NAN : INFINITY;
    else
        size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

double real_at(const xent_tensor *tensor, int64_t i) {
    const char *element = (const char *)tensor->data + (size_t)i * type_size(tensor->dtype);
    union {
        uint16_t half[2];
        uint32_t u32;
        float f32;
        double f64;
    } value;
    memcpy(&value, element, type_size(tensor->dtype));
    switch (tensor->dtype) {
    case XENT_F16:
        return half_value(value.half[0]);
    case XENT_BF16: /* the upper half of a float32 */
        value.u32 = (uint32_t)value.half[0] << 16;
        return (double)value.f32;
    case XENT_F32:
        return (double)value.f32;
    default:
        return value.f64;
    }
}

void swap_bytes(char *elements, int64_t count, size_t size) {
    for (int64_t i = 0; size > 1 && i < count; i++, elements += size) {
        for (size_t low = 0, high = size - 1; low < high; low++, high--) {
            char kept = elements[low];
            elements[low] = elements[high];
            elements[high] = kept;
        }
    }
}
