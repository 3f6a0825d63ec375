/* SPDX-License-Identifier: MIT
 * Features as u = (features - mean)*scale: in the type of u, in doubles where features are F64. */
#include "training.h"

#include "../diagnose/widen.h"

#include <string.h>

enum { PIECE = 256 };

/* ---- elements of any dtype, next to each other ---- */

static void gather(const struct preparation *how, size_t size, const char *from, int64_t count,
                   unsigned char *to) {
    for (int64_t i = 0; i < count; i++)
        memcpy(to + (size_t)i * size, from + i * how->stride * (int64_t)size, size);
}

static void widen_bytes(const char *restrict from, int64_t count, float *restrict to) {
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)(unsigned char)from[i];
}

static void to_floats(const struct preparation *how, const char *from, int64_t count, float *to) {
    unsigned char together[PIECE * sizeof(float)];
    if (how->stride != 1) {
        gather(how, size_of_dtype(how->from), from, count, together);
        from = (const char *)together;
    }
    if (how->from == XENT_U8)
        widen_bytes(from, count, to);
    else
        widen(how->from, from, count, to);
}

static void to_doubles(const struct preparation *how, const char *from, int64_t count, double *to) {
    float floats[PIECE];
    if (how->from == XENT_F64) {
        gather(how, sizeof *to, from, count, (unsigned char *)to);
        return;
    }
    to_floats(how, from, count, floats);
    for (int64_t i = 0; i < count; i++)
        to[i] = (double)floats[i];
}

/* ---- mean and scale ---- */

static void subtract_floats(const float *restrict mean, int64_t count, float *restrict u) {
    for (int64_t i = 0; i < count; i++)
        u[i] -= mean[i];
}

static void multiply_floats(const float *restrict scale, int64_t count, float *restrict u) {
    for (int64_t i = 0; i < count; i++)
        u[i] *= scale[i];
}

void narrow_all(const double *restrict from, int64_t count, float *restrict to) {
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)from[i];
}

/* Entries [first, first + count); if they are not there as floats, they are made so. */
static void change_floats(const struct preparation *how, int64_t first, int64_t count, float *u) {
    float narrow[PIECE];
    const float *mean = how->float_mean ? how->float_mean + first : NULL;
    const float *scale = how->float_scale ? how->float_scale + first : NULL;
    if (how->mean && !mean) {
        narrow_all(how->mean + first, count, narrow);
        mean = narrow;
    }
    if (mean)
        subtract_floats(mean, count, u);
    if (how->scale && !scale) {
        narrow_all(how->scale + first, count, narrow);
        scale = narrow;
    }
    if (scale)
        multiply_floats(scale, count, u);
}

static void change_doubles(const double *mean, const double *scale, int64_t count,
                           double *restrict u) {
    for (int64_t i = 0; mean && i < count; i++)
        u[i] -= mean[i];
    for (int64_t i = 0; scale && i < count; i++)
        u[i] *= scale[i];
}

static void prepare_floats(const struct preparation *how, const char *from, int64_t first,
                           int64_t count, float *to) {
    float floats[PIECE];
    to_floats(how, from, count, floats);
    change_floats(how, first, count, floats);
    memcpy(to, floats, (size_t)count * sizeof *floats);
}

static void prepare_doubles(const struct preparation *how, const char *from, int64_t first,
                            int64_t count, void *to) {
    double doubles[PIECE];
    to_doubles(how, from, count, doubles);
    change_doubles(how->mean ? how->mean + first : NULL, how->scale ? how->scale + first : NULL,
                   count, doubles);
    if (how->to == XENT_F32)
        narrow_all(doubles, count, to);
    else
        memcpy(to, doubles, (size_t)count * sizeof *doubles);
}

void prepare_row(const struct preparation *how, const char *features, void *u) {
    const int64_t size = (int64_t)size_of_dtype(how->from);
    for (int64_t d = 0; d < how->count; d += PIECE) {
        int64_t left = how->count - d, count = left < PIECE ? left : PIECE;
        const char *from = features + d * how->stride * size;
        char *to = (char *)u + (size_t)d * size_of_dtype(how->to);
        if (how->to == XENT_F32 && how->from != XENT_F64)
            prepare_floats(how, from, d, count, (float *)(void *)to);
        else
            prepare_doubles(how, from, d, count, to);
    }
}

double feature_at(int32_t dtype, const char *features) {
    const struct preparation how = {.from = dtype, .to = XENT_F64, .stride = 1, .count = 1};
    double value;
    prepare_row(&how, features, &value);
    return value;
}

/* ---- for whoever applies a model ---- */

static xent_status check_vector(const char *name, const xent_tensor *vector, int64_t width,
                                xent_error *error) {
    if (!vector || !vector->data)
        return XENT_OK;
    if (vector->dtype != XENT_F64 || vector->ndim != 1 || vector->shape[0] != width ||
        (vector->stride[0] != 1 && width > 1))
        return reject(error, XENT_BAD_SHAPE,
                      "%s must be contiguous F64 [%lld], an entry for each feature", name,
                      (long long)width);
    return XENT_OK;
}

static xent_status check_prepared(const xent_tensor *features, const xent_tensor *prepared,
                                  xent_error *error) {
    int64_t stride = 1;
    if (!prepared || (!prepared->data && features->ndim > 0 && features->shape[0] != 0))
        return reject(error, XENT_BAD_ARGUMENT, "prepared is NULL: it receives the result");
    if (prepared->dtype != XENT_F32 && prepared->dtype != XENT_F64)
        return reject(error, XENT_BAD_DTYPE, "prepared must be F32 or F64");
    bool same = prepared->ndim == features->ndim;
    for (int axis = features->ndim - 1; same && axis >= 0; axis--) {
        same = prepared->shape[axis] == features->shape[axis] &&
               (prepared->stride[axis] == stride || prepared->shape[axis] < 2);
        stride *= features->shape[axis];
    }
    if (!same)
        return reject(error, XENT_BAD_SHAPE,
                      "prepared must be contiguous and have the shape of the features");
    return XENT_OK;
}

static const double *data_of(const xent_tensor *vector) {
    return vector ? vector->data : NULL;
}

xent_status xent_prepare_features(const xent_tensor *features, const xent_tensor *mean,
                                  const xent_tensor *scale, const xent_tensor *prepared,
                                  xent_error *error) {
    int64_t rows = 1, width = 0;
    if (error)
        error->message[0] = '\0';
    if (!features)
        return reject(error, XENT_BAD_ARGUMENT, "features is NULL");
    if (features->ndim > 0 && features->ndim <= XENT_MAX_NDIM)
        width = features->shape[features->ndim - 1];
    xent_status status = check_features(features, width, error);
    if (status == XENT_OK)
        status = check_vector("mean", mean, width, error);
    if (status == XENT_OK)
        status = check_vector("scale", scale, width, error);
    if (status == XENT_OK)
        status = check_prepared(features, prepared, error);
    if (status != XENT_OK)
        return status;
    const struct preparation how = {.from = features->dtype,
                                    .to = prepared->dtype,
                                    .stride = features->stride[features->ndim - 1],
                                    .count = width,
                                    .mean = data_of(mean),
                                    .scale = data_of(scale)};
    const struct block block = {.features = features};
    for (int axis = 0; axis < features->ndim - 1; axis++)
        rows *= features->shape[axis];
    for (int64_t row = 0; row < rows; row++)
        prepare_row(&how, features_of(&block, row),
                    (char *)prepared->data + (size_t)(row * width) * size_of_dtype(how.to));
    return XENT_OK;
}
