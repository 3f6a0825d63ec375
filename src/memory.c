/* SPDX-License-Identifier: MIT
 * Taking memory from the heap without a trace. */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>

/* Compilers that take malloc not to touch errno drop a plain store. */
void *quiet_malloc(size_t size) {
    volatile int *place = &errno;
    int kept = *place;
    void *piece = malloc(size);
    *place = kept;
    return piece;
}
