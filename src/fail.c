/* SPDX-License-Identifier: MIT
 * Writing the sentence that goes with a status. */
#include "fail.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

xent_status fail(xent_error *error, xent_status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

const char *shape_text(char *text, int ndim, const int64_t *shape) {
    int used = snprintf(text, SHAPE_TEXT, "[");
    for (int axis = 0; axis < ndim; axis++)
        used += snprintf(text + used, (size_t)(SHAPE_TEXT - used), axis ? ", %" PRId64 : "%" PRId64,
                         shape[axis]);
    snprintf(text + used, (size_t)(SHAPE_TEXT - used), "]");
    return text;
}
