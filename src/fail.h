/* SPDX-License-Identifier: MIT
 * Writing the sentence that goes with a status. */
#ifndef XENT_SRC_FAIL_H
#define XENT_SRC_FAIL_H

#include "names.h"
#include "xent.h"

/* Writes the formatted sentence to error (if there is one) and returns status: `return
 * fail(...)`. */
xent_status fail(xent_error *error, xent_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "[4, 3]" into text, which holds SHAPE_TEXT bytes; returns text. */
enum { SHAPE_TEXT = 192 };
const char *shape_text(char *text, int ndim, const int64_t *shape);

#endif
