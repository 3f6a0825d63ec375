/* SPDX-License-Identifier: MIT
 * Rows of any type and stride, as floats side by side. */
#include "gather.h"
#include "widen.h"

#include <math.h>
#include <string.h>

size_t element_size(int32_t dtype) {
    return dtype == XENT_F64 ? 8 : dtype == XENT_F32 ? 4 : 2;
}

static int64_t offset_of(walk *rows, int64_t row) {
    int64_t offset = 0;
    for (int axis = rows->ndim - 1; axis >= 0; axis--) {
        rows->position[axis] = row % rows->length[axis];
        offset += rows->position[axis] * rows->stride[axis];
        row /= rows->length[axis];
    }
    return offset;
}

walk begin_walk(const xent_tensor *part, int class_axis, int64_t row) {
    walk rows = {.class_stride = part->stride[class_axis]};
    for (int axis = 0; axis < part->ndim; axis++) {
        if (axis == class_axis)
            continue;
        rows.length[rows.ndim] = part->shape[axis];
        rows.stride[rows.ndim++] = part->stride[axis];
    }
    rows.offset = offset_of(&rows, row);
    return rows;
}

static int64_t next_offset(walk *rows) {
    int64_t offset = rows->offset;
    for (int axis = rows->ndim - 1; axis >= 0; axis--) {
        rows->offset += rows->stride[axis];
        if (++rows->position[axis] < rows->length[axis])
            break;
        rows->offset -= rows->position[axis] * rows->stride[axis];
        rows->position[axis] = 0;
    }
    return offset;
}

/* What is taken from a row of doubles before it is narrowed: floats tell values far from 0 hardly
 * apart, and only differences matter. Not under a soft cap, beyond which all are alike anyway. */
static double far_from_zero(const xent_diagnosis *all, const char *row, int64_t class_stride) {
    const double far = 1024.0;
    double most = -(double)INFINITY, value;
    for (int64_t c = 0; c < all->classes; c++) {
        memcpy(&value, row + c * class_stride * (int64_t)sizeof value, sizeof value);
        most = value > most ? value : most;
    }
    return isfinite(most) && fabs(most) > far ? most : 0.0;
}

static bool may_move(const xent_diagnosis *all) {
    return all->dtype == XENT_F64 && all->run.logits_are == XENT_LOGITS && all->run.softcap <= 0.0;
}

void keep_offset(xent_diagnosis *all, const xent_tensor *part) {
    if (all->across && all->added == 0 && may_move(all))
        all->offset = far_from_zero(all, part->data, part->stride[all->class_axis]);
}

static void narrow_from(const char *row, int64_t class_stride, int64_t classes, double offset,
                        float *to) {
    double value;
    for (int64_t c = 0; c < classes; c++) {
        memcpy(&value, row + c * class_stride * (int64_t)sizeof value, sizeof value);
        to[c] = (float)(value - offset);
    }
}

/* Along another axis neighbouring rows share lines of the cache, so they are read together. */
static void widen_rows(const xent_diagnosis *all, const char *data, const int64_t *offsets,
                       int64_t class_stride, int64_t count, float *to) {
    const int64_t size = (int64_t)element_size(all->dtype);
    for (int64_t i = 0; i < count && class_stride == 1; i++)
        widen(all->dtype, data + offsets[i] * size, all->classes, to + i * all->classes);
    for (int64_t c = 0; c < all->classes && class_stride != 1; c++) {
        for (int64_t i = 0; i < count; i++)
            to[i * all->classes + c] =
                widen_one(all->dtype, data + (offsets[i] + c * class_stride) * size);
    }
}

bool lies_in_place(const xent_tensor *part, int class_axis) {
    return part->dtype == XENT_F32 && part->stride[class_axis] == 1 &&
           (uintptr_t)part->data % sizeof(float) == 0;
}

void gather(const xent_diagnosis *all, const xent_tensor *part, walk *from, int64_t count,
            float *memory, const float **rows, double *moved) {
    const char *data = part->data;
    const int64_t size = (int64_t)element_size(all->dtype);
    int64_t offsets[GATHERED];
    bool in_place = lies_in_place(part, all->class_axis);
    for (int64_t i = 0; i < count; i++) {
        offsets[i] = next_offset(from);
        moved[i] = all->offset;
        if (may_move(all) && !all->across)
            moved[i] = far_from_zero(all, data + offsets[i] * size, from->class_stride);
        rows[i] = in_place ? (const float *)part->data + offsets[i] : memory + i * all->classes;
    }
    if (!in_place)
        widen_rows(all, data, offsets, from->class_stride, count, memory);
    for (int64_t i = 0; i < count; i++) {
        if (moved[i] != 0.0)
            narrow_from(data + offsets[i] * size, from->class_stride, all->classes, moved[i],
                        memory + i * all->classes);
    }
}
