/* SPDX-License-Identifier: MIT
 * Executors of the caller's own, as different as the contract allows. */
#ifndef XENT_TESTS_EXECUTORS_H
#define XENT_TESTS_EXECUTORS_H

#include "xent.h"

/* Runs the last task first, on the calling thread. */
xent_executor reverse_executor(int32_t width);
/* Runs each task on a thread of its own, all of them at once. width <= 64. */
xent_executor thread_executor(int32_t width);

/* Another executor, and how many tasks it was given. */
typedef struct tally {
    xent_executor inner;
    int64_t tasks;
} tally;

/* Hands everything on to kept->inner and adds up the tasks; of its width. */
xent_executor counting_executor(tally *kept);

#endif
