/* SPDX-License-Identifier: MIT
 * How many tasks may be under way, and who runs them: the calling thread, our own, or the caller's
 * executor. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "tasks.h"

#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__)
/* Processors that the calling thread may use; 0 if the kernel has more of them than a cpu_set_t. */
static int64_t allowed_processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}
#else
static int64_t allowed_processors(void) {
    return 0;
}
#endif

/* The one or two numbers that a small file begins with; 0 for what is not there. */
static void read_numbers(const char *path, int64_t *first, int64_t *second) {
    char text[64];
    char *rest = text;
    ssize_t length = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        length = read(file, text, sizeof text - 1);
        close(file);
    }
    text[length > 0 ? length : 0] = '\0';
    *first = strtoll(text, &rest, 10);
    *second = strtoll(rest, NULL, 10);
}

/* Processors' worth of time that the control group grants, rounded up; MAX_THREADS if it sets no
 * limit. cpu.max (version 2) reads "quota period" or "max period"; version 1 has a file for each,
 * -1 for none. */
static int64_t granted_processors(void) {
    int64_t quota, period, none;
    read_numbers("/sys/fs/cgroup/cpu.max", &quota, &period);
    if (period <= 0) {
        read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota, &none);
        read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, &none);
    }
    return quota > 0 && period > 0 ? (quota - 1) / period + 1 : MAX_THREADS;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int32_t xent_thread_count(void) {
    int kept = errno;
    int64_t count = allowed_processors();
    if (count < 1)
        count = sysconf(_SC_NPROCESSORS_ONLN);
    count = smaller(smaller(count, granted_processors()), MAX_THREADS);
    errno = kept;
    return count < 1 ? 1 : (int32_t)count;
}

int32_t task_width(const xent_options *options, int64_t wanted) {
    if (options->executor)
        return (int32_t)smaller(options->executor->width, wanted);
    if (options->threads == 0 || options->threads == 1 || wanted <= 1)
        return 1;
    int64_t count = options->threads < 0 ? xent_thread_count() : options->threads;
    return (int32_t)smaller(smaller(count, MAX_THREADS), wanted);
}

void run_tasks(const xent_options *options, void (*task)(void *data, int64_t i), void *data,
               int64_t count) {
    if (count == 1)
        task(data, 0);
    else if (count > 1 && options->executor)
        options->executor->run(options->executor->context, task, data, count);
    else if (count > 1)
        run_on_pool(task, data, count);
}

struct ranges {
    int64_t width, count;
    void (*part)(void *data, int64_t first, int64_t end);
    void *data;
};

static void run_range(void *data, int64_t i) {
    const struct ranges *all = data;
    int64_t share = all->count / all->width, more = all->count % all->width;
    int64_t first = i * share + (i < more ? i : more);
    all->part(all->data, first, first + share + (i < more));
}

void run_ranges(const xent_options *options, int32_t width, int64_t count,
                void (*part)(void *data, int64_t first, int64_t end), void *data) {
    struct ranges all = {.width = width, .count = count, .part = part, .data = data};
    if (width == 1)
        part(data, 0, count);
    else
        run_tasks(options, run_range, &all, width);
}
