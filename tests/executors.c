/* SPDX-License-Identifier: MIT
 * Executors of the caller's own, as different as the contract allows. */
#define _POSIX_C_SOURCE 200809L
#include "executors.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct job {
    pthread_t thread;
    void (*task)(void *data, int64_t i);
    void *data;
    int64_t i;
} job;

enum { MAX_JOBS = 64 };

static void run_reverse(void *context, void (*task)(void *data, int64_t i), void *data,
                        int64_t count) {
    (void)context;
    while (count > 0)
        task(data, --count);
}

static void *run_job(void *data) {
    job *mine = data;
    mine->task(mine->data, mine->i);
    return NULL;
}

static void run_on_threads(void *context, void (*task)(void *data, int64_t i), void *data,
                           int64_t count) {
    (void)context;
    job jobs[MAX_JOBS];
    if (count > MAX_JOBS)
        abort();
    for (int64_t i = 0; i < count; i++) {
        jobs[i] = (job){.task = task, .data = data, .i = i};
        if (pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) != 0)
            abort();
    }
    for (int64_t i = 0; i < count; i++)
        pthread_join(jobs[i].thread, NULL);
}

static void run_counted(void *context, void (*task)(void *data, int64_t i), void *data,
                        int64_t count) {
    tally *kept = context;
    kept->tasks += count;
    kept->inner.run(kept->inner.context, task, data, count);
}

xent_executor reverse_executor(int32_t width) {
    return (xent_executor){.width = width, .run = run_reverse};
}

xent_executor thread_executor(int32_t width) {
    return (xent_executor){.width = width, .run = run_on_threads};
}

xent_executor counting_executor(tally *kept) {
    return (xent_executor){.context = kept, .width = kept->inner.width, .run = run_counted};
}
