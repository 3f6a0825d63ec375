/* SPDX-License-Identifier: MIT
 * Views of contiguous memory, and the names of statuses and of the version. */
#include "xent.h"

_Static_assert(XENT_VERSION_MAJOR == 0, "xent_version() follows the header");
_Static_assert(XENT_VERSION_MINOR == 1, "xent_version() follows the header");
_Static_assert(XENT_VERSION_PATCH == 0, "xent_version() follows the header");

/* A length of more than 2^63 elements wraps here, as unsigned numbers do, and is refused by the
 * call. */
xent_tensor xent_ndarray(void *data, int dtype, int ndim, const int64_t *shape) {
    xent_tensor tensor = {.data = data, .dtype = dtype, .ndim = ndim};
    if (ndim < 0 || ndim > XENT_MAX_NDIM)
        return tensor;
    uint64_t stride = 1;
    for (int axis = ndim - 1; axis >= 0; axis--) {
        tensor.shape[axis] = shape[axis];
        tensor.stride[axis] = (int64_t)stride;
        stride *= (uint64_t)shape[axis];
    }
    return tensor;
}

xent_tensor xent_matrix(void *data, int dtype, int64_t rows, int64_t columns) {
    const int64_t shape[2] = {rows, columns};
    return xent_ndarray(data, dtype, 2, shape);
}

xent_tensor xent_vector(void *data, int dtype, int64_t length) {
    return xent_ndarray(data, dtype, 1, &length);
}

const char *xent_status_name(xent_status status) {
    switch (status) {
    case XENT_OK:
        return "XENT_OK";
    case XENT_BAD_ARGUMENT:
        return "XENT_BAD_ARGUMENT";
    case XENT_BAD_SHAPE:
        return "XENT_BAD_SHAPE";
    case XENT_BAD_DTYPE:
        return "XENT_BAD_DTYPE";
    case XENT_BAD_LABEL:
        return "XENT_BAD_LABEL";
    case XENT_NOTHING_COUNTED:
        return "XENT_NOTHING_COUNTED";
    case XENT_OVERLAP:
        return "XENT_OVERLAP";
    case XENT_NO_MEMORY:
        return "XENT_NO_MEMORY";
    }
    return "unknown status";
}

const char *xent_version(void) {
    return "0.1.0";
}
