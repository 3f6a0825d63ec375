/* SPDX-License-Identifier: MIT
 * Blocks of rows as the caller gives them: what is refused, and where each row lies. */
#include "training.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

size_t size_of_dtype(int32_t dtype) {
    static const size_t sizes[] = {0, 4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8};
    return sizes[dtype];
}

/* ---- what is refused ---- */

static xent_status check_view(const char *name, const xent_tensor *tensor, xent_error *error) {
    int64_t count = 1;
    if (!tensor)
        return reject(error, XENT_BAD_ARGUMENT, "%s is NULL", name);
    if (tensor->dtype < XENT_F32 || tensor->dtype > XENT_U64)
        return reject(error, XENT_BAD_ARGUMENT,
                      "%s: dtype %" PRId32 " is none of XENT_F32 .. XENT_U64", name, tensor->dtype);
    if (tensor->ndim < 0 || tensor->ndim > XENT_MAX_NDIM)
        return reject(error, XENT_BAD_ARGUMENT, "%s: ndim = %" PRId32 " must lie from 0 to %d",
                      name, tensor->ndim, XENT_MAX_NDIM);
    for (int axis = 0; axis < tensor->ndim; axis++) {
        int64_t length = tensor->shape[axis];
        if (length < 0 || (length > 0 && count > INT64_MAX / 16 / length))
            return reject(error, XENT_BAD_SHAPE,
                          "%s: shape[%d] = %" PRId64 " is negative or more than memory can hold",
                          name, axis, length);
        count *= length > 0 ? length : 1;
    }
    return XENT_OK;
}

static bool is_empty(const xent_tensor *tensor) {
    for (int axis = 0; axis < tensor->ndim; axis++)
        if (tensor->shape[axis] == 0)
            return true;
    return false;
}

xent_status check_features(const xent_tensor *features, int64_t width, xent_error *error) {
    xent_status status = check_view("features", features, error);
    if (status != XENT_OK)
        return status;
    if (features->dtype > XENT_F16 && features->dtype != XENT_U8)
        return reject(error, XENT_BAD_DTYPE,
                      "features must be U8, F32, F64, BF16 or F16, not dtype %" PRId32
                      " (see the enum in xent.h)",
                      features->dtype);
    if (features->ndim < 1 || features->shape[features->ndim - 1] != width)
        return reject(error, XENT_BAD_SHAPE,
                      "the last axis of features has %" PRId64 " entries, and the model %" PRId64
                      " features: give rows of %" PRId64,
                      features->ndim < 1 ? 0 : features->shape[features->ndim - 1], width, width);
    if (!features->data && !is_empty(features))
        return reject(error, XENT_BAD_ARGUMENT, "features.data is NULL");
    return XENT_OK;
}

static void print_shape(const xent_tensor *tensor, char *text, size_t room) {
    size_t used = (size_t)snprintf(text, room, "[");
    for (int axis = 0; axis < tensor->ndim && used < room; axis++)
        used += (size_t)snprintf(text + used, room - used, axis ? ",%" PRId64 : "%" PRId64,
                                 tensor->shape[axis]);
    if (used < room)
        snprintf(text + used, room - used, "]");
}

static xent_status check_labels_fit(const xent_tensor *features, const xent_tensor *labels,
                                    xent_error *error) {
    char shape[100], other[100];
    bool same = labels->ndim == features->ndim - 1;
    for (int axis = 0; same && axis < labels->ndim; axis++)
        same = labels->shape[axis] == features->shape[axis];
    if (same)
        return XENT_OK;
    print_shape(features, shape, sizeof shape);
    print_shape(labels, other, sizeof other);
    return reject(error, XENT_BAD_SHAPE,
                  "features have the shape %s and labels %s: labels have one entry for each row of "
                  "features",
                  shape, other);
}

/* Of numbers that weigh an objective; what the shapes say, xent_count_labels judges. */
static xent_status check_weights(const struct block *block, xent_error *error) {
    for (int64_t row = 0; block->weights && row < block->rows; row++) {
        double weight = weight_of(block, row);
        if (!(weight >= 0 && weight <= 1e300))
            return reject(error, XENT_BAD_ARGUMENT,
                          "row_weight[%" PRId64 "] is %g: weights of rows to learn from are finite "
                          "and not negative",
                          row, weight);
    }
    return XENT_OK;
}

xent_status check_block(const struct xent_training *training, struct block *block,
                        xent_total *counts, xent_error *error) {
    xent_options counting = training->run;
    counting.row_weight = block->weights;
    xent_status status = check_features(block->features, training->features, error);
    if (status == XENT_OK)
        status = check_view("labels", block->labels, error);
    if (status == XENT_OK)
        status = check_labels_fit(block->features, block->labels, error);
    if (status == XENT_OK)
        status = xent_count_labels(block->labels, training->classes, &counting, counts, error);
    if (status != XENT_OK)
        return status;
    block->rows = counts->rows;
    return check_weights(block, error);
}

/* ---- where rows lie ---- */

/* Of row `row` in C order of the first `axes` axes, in elements. */
static int64_t offset_of(const xent_tensor *tensor, int axes, int64_t row) {
    int64_t offset = 0;
    for (int axis = axes - 1; axis > 0; axis--) {
        offset += row % tensor->shape[axis] * tensor->stride[axis];
        row /= tensor->shape[axis];
    }
    return axes > 0 && row > 0 ? offset + row * tensor->stride[0] : offset;
}

static const char *element_of(const xent_tensor *tensor, int axes, int64_t row) {
    int64_t size = (int64_t)size_of_dtype(tensor->dtype);
    return (const char *)tensor->data + offset_of(tensor, axes, row) * size;
}

const char *features_of(const struct block *block, int64_t row) {
    return element_of(block->features, block->features->ndim - 1, row);
}

double weight_of(const struct block *block, int64_t row) {
    if (!block->weights)
        return 1;
    return feature_at(block->weights->dtype, element_of(block->weights, block->weights->ndim, row));
}

/* As a 64-bit number; a U64 above all of them is negative, and no class either. */
static int64_t read_label(int32_t dtype, const char *from) {
    int64_t wide;
    int32_t word;
    int16_t half;
    int8_t byte;
    switch (dtype) {
    case XENT_I8:
    case XENT_U8:
        memcpy(&byte, from, sizeof byte);
        return dtype == XENT_I8 ? byte : (uint8_t)byte;
    case XENT_I16:
    case XENT_U16:
        memcpy(&half, from, sizeof half);
        return dtype == XENT_I16 ? half : (uint16_t)half;
    case XENT_I32:
    case XENT_U32:
        memcpy(&word, from, sizeof word);
        return dtype == XENT_I32 ? word : (int64_t)(uint32_t)word;
    default:
        memcpy(&wide, from, sizeof wide);
        return wide;
    }
}

int64_t label_of(const struct xent_training *training, const struct block *block, int64_t row) {
    const xent_tensor *labels = block->labels;
    int64_t label = read_label(labels->dtype, element_of(labels, labels->ndim, row));
    if (label < 0 || label >= training->classes)
        return -1;
    for (size_t i = 0; i < training->options.ignore_count; i++)
        if (label == training->ignore[i])
            return -1;
    return label;
}
