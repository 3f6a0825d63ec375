/* SPDX-License-Identifier: MIT
 * Memory of the room: arrays of zeros, and the sentence that goes with a status. */
#include "basics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *take_zeros(int64_t rows, int64_t columns, size_t size) {
    size_t count, bytes;
    if (__builtin_mul_overflow((uint64_t)rows, (uint64_t)columns, &count) ||
        __builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    return calloc(count > 0 ? count : 1, size);
}

void give_back(void *array) {
    free(array);
}

xent_status reject(xent_error *error, xent_status status, const char *format, ...) {
    va_list arguments;
    if (!error)
        return status;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}
