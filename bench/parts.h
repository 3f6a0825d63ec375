/* SPDX-License-Identifier: MIT
 * Threads for what is compared with the library: work in equal parts, started per call as the
 * library starts its own; and the cores that all of it runs on. */
#ifndef XENT_BENCH_PARTS_H
#define XENT_BENCH_PARTS_H

#include <stdint.h>

enum { MOST_PARTS = 256 };

/* Calls work(data, part, begin, end) for consecutive parts of [0, whole), the first on this
 * thread; ends of parts are multiples of 64, but for the last. */
void in_parts(int parts, int64_t whole, void (*work)(void *, int, int64_t, int64_t), void *data);

/* Leaves this process the last so many of its cores, since the first one serves most interrupts;
 * returns the first of those, -1 if there are not so many. */
int pin_cores(int count);

#endif
