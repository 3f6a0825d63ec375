/* SPDX-License-Identifier: MIT
 * Taking memory from the heap without a trace. */
#ifndef XENT_SRC_MEMORY_H
#define XENT_SRC_MEMORY_H

#include "names.h"

#include <stddef.h>

/* malloc that keeps errno when it fails. */
void *quiet_malloc(size_t size);

#endif
