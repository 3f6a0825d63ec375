/* SPDX-License-Identifier: MIT
 * Threads of our own, which wait for work between calls. */
#ifndef XENT_SRC_POOL_H
#define XENT_SRC_POOL_H

#include "names.h"

#include <stdint.h>

enum { MAX_THREADS = 256 };

/* Calls task(data, i) once for each i in [0, count), count in [1, MAX_THREADS], on this thread
 * and on up to count - 1 others; returns when all are done. Never fails: threads that cannot be
 * had mean that the others do their part. Any number of threads may call it at once, also in a
 * child after fork. */
void run_on_pool(void (*task)(void *data, int64_t i), void *data, int64_t count);

#endif
