/* SPDX-License-Identifier: MIT
 * For words of fewer elements than a vector has, where an instruction set has none: through a
 * copy. */
#ifndef XENT_COPY_SOME_H
#define XENT_COPY_SOME_H

#include <stdint.h>
#include <string.h>

/* The first n of `width` elements from p, the others from `fill`. */
static inline void copy_some(void *part, const void *p, int64_t n, int width, const void *fill,
                             size_t size) {
    memcpy(part, p, (size_t)n * size);
    for (size_t i = (size_t)n; i < (size_t)width; i++)
        memcpy((char *)part + i * size, fill, size);
}

#endif
