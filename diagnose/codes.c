/* SPDX-License-Identifier: MIT
 * Labels of any integer type and stride, read into the codes of diagnosis.h. */
#include "diagnosis.h"

#include <string.h>

static int64_t label_at(const xent_tensor *labels, int64_t offset) {
    union {
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
    } value;
    static const uint8_t SIZES[] = {[XENT_I8] = 1,  [XENT_U8] = 1,  [XENT_I16] = 2, [XENT_U16] = 2,
                                    [XENT_I32] = 4, [XENT_U32] = 4, [XENT_I64] = 8, [XENT_U64] = 8};
    size_t size = SIZES[labels->dtype];
    memcpy(&value, (const char *)labels->data + offset * (int64_t)size, size);
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

static bool is_ignored(const xent_diagnosis *all, const xent_options *options, int64_t label) {
    if (all->label_dtype == XENT_U64 && label < 0)
        return false;
    for (size_t i = 0; i < options->ignore_count; i++) {
        if (options->ignore[i] == label)
            return true;
    }
    return false;
}

static void note_bad(xent_diagnosis *all, int64_t row, int64_t label) {
    label_facts *facts = &all->label_facts;
    if (facts->bad++ == 0) {
        facts->first_bad_row = row;
        facts->first_bad_label = label;
    }
    facts->same_bad += label == facts->first_bad_label;
    facts->one_too_many += label == all->classes;
}

static int32_t code_of(xent_diagnosis *all, const xent_options *options, int64_t row,
                       int64_t label) {
    if (is_ignored(all, options, label)) {
        all->label_facts.ignored++;
        return IGNORED;
    }
    all->label_facts.zeros += label == 0;
    if (label >= 0 && label < all->classes)
        return (int32_t)label;
    note_bad(all, row, label);
    return label == all->classes ? (int32_t)label : BAD;
}

/* Moves to the next position in C order; `offset` follows it. */
static void step(const xent_tensor *labels, int64_t *position, int64_t *offset) {
    for (int axis = labels->ndim - 1; axis >= 0; axis--) {
        *offset += labels->stride[axis];
        if (++position[axis] < labels->shape[axis])
            return;
        *offset -= position[axis] * labels->stride[axis];
        position[axis] = 0;
    }
}

void read_codes(xent_diagnosis *all, const xent_tensor *labels, const xent_options *options) {
    int64_t position[XENT_MAX_NDIM] = {0}, offset = 0;
    for (int64_t row = 0; row < all->rows; row++) {
        all->labels[row] = code_of(all, options, row, label_at(labels, offset));
        step(labels, position, &offset);
    }
}
