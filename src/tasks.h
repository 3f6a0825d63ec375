/* SPDX-License-Identifier: MIT
 * Runs n tasks: on the calling thread, on threads of our own, or on the caller's executor. */
#ifndef XENT_SRC_TASKS_H
#define XENT_SRC_TASKS_H

#include "names.h"
#include "xent.h"

/* How many tasks may be under way at once under these options, at most `wanted` (>= 1). */
int32_t task_width(const xent_options *options, int64_t wanted);

/* Calls task(data, i) once for each i in [0, count), count <= task_width; returns when all are
 * done. Never fails: threads that cannot be started mean that the calling thread does their
 * part. */
void run_tasks(const xent_options *options, void (*task)(void *data, int64_t i), void *data,
               int64_t count);

/* Calls part(data, first, end) for ranges that together are [0, count), in up to `width` tasks
 * (>= 1, from task_width); returns when all are done. */
void run_ranges(const xent_options *options, int32_t width, int64_t count,
                void (*part)(void *data, int64_t first, int64_t end), void *data);

#endif
