/* SPDX-License-Identifier: MIT
 * Threads for what is compared with the library, and the cores that all of it runs on. */
#define _GNU_SOURCE
#include "parts.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

typedef struct slice {
    void (*work)(void *, int, int64_t, int64_t);
    void *data;
    int part;
    int64_t begin, end;
} slice;

static void *run_slice(void *data) {
    const slice *mine = data;
    mine->work(mine->data, mine->part, mine->begin, mine->end);
    return NULL;
}

void in_parts(int parts, int64_t whole, void (*work)(void *, int, int64_t, int64_t), void *data) {
    pthread_t threads[MOST_PARTS];
    slice slices[MOST_PARTS];
    bool started[MOST_PARTS];
    const int64_t unit = 64;
    int64_t each = (whole / parts + unit - 1) / unit * unit;
    for (int part = parts - 1; part >= 0; part--) {
        int64_t begin = part * each < whole ? part * each : whole;
        int64_t end = part + 1 < parts && begin + each < whole ? begin + each : whole;
        slices[part] = (slice){work, data, part, begin, end};
        started[part] =
            part > 0 && pthread_create(&threads[part], NULL, run_slice, &slices[part]) == 0;
        if (!started[part])
            run_slice(&slices[part]);
    }
    for (int part = 1; part < parts; part++) {
        if (started[part])
            pthread_join(threads[part], NULL);
    }
}

int pin_cores(int count) {
    cpu_set_t allowed, kept;
    CPU_ZERO(&kept);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -1;
    int first = -1;
    for (size_t core = CPU_SETSIZE; core-- > 0 && count > 0;) {
        if (!CPU_ISSET(core, &allowed))
            continue;
        CPU_SET(core, &kept);
        first = (int)core;
        count--;
    }
    return count == 0 && sched_setaffinity(0, sizeof kept, &kept) == 0 ? first : -1;
}
