/* SPDX-License-Identifier: MIT
 * Threads of our own, which wait for work between calls.
 *
 * They are started when they are first wanted and end with the program, or when the library is
 * unloaded. A child after fork has none of its parent's and starts its own. */
#define _GNU_SOURCE /* pthread_sigmask */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* One call's work, on the caller's stack: each thread that joins takes the next index until none is
 * left. The second half is guarded by the pool's lock. */
typedef struct run {
    void (*task)(void *data, int64_t i);
    void *data;
    int64_t count;
    atomic_int_fast64_t next;

    unsigned long
        modes; /* of the caller's floating-point arithmetic: everyone computes under them */

    int places, inside;        /* threads that may still join, and that are at work */
    struct run *older, *newer; /* runs with places, in the order they came */
    pthread_cond_t left;       /* signalled when the last thread leaves */
} run;

static struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted; /* signalled when a run has places, and when the threads are to end */
    run *oldest, *newest;
    int threads, busy; /* started, and inside a run */
    int places;        /* of all runs together */
    bool ending;
    pthread_t handles[MAX_THREADS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER};

/* Rounding, flushing to zero and masks: MXCSR, FPCR. */
#if defined(__x86_64__)
static unsigned long read_modes(void) {
    return __builtin_ia32_stmxcsr();
}

static void write_modes(unsigned long modes) {
    __builtin_ia32_ldmxcsr((unsigned)modes);
}
#elif defined(__aarch64__)
static unsigned long read_modes(void) {
    unsigned long modes;
    __asm__ volatile("mrs %0, fpcr" : "=r"(modes));
    return modes;
}

static void write_modes(unsigned long modes) {
    __asm__ volatile("msr fpcr, %0" : : "r"(modes));
}
#else
static unsigned long read_modes(void) {
    return 0;
}

static void write_modes(unsigned long modes) {
    (void)modes;
}
#endif

static void do_tasks(run *mine) {
    int64_t i;
    while ((i = atomic_fetch_add(&mine->next, 1)) < mine->count)
        mine->task(mine->data, i);
}

/* ---- the list of runs with places; the lock is held ------------------------------------------ */

static void append(run *mine) {
    mine->older = pool.newest;
    mine->newer = NULL;
    *(pool.newest ? &pool.newest->newer : &pool.oldest) = mine;
    pool.newest = mine;
    pool.places += mine->places;
}

/* Closes a run for those that have not joined yet. */
static void withdraw(run *mine) {
    if (mine->places == 0)
        return;
    pool.places -= mine->places;
    mine->places = 0;
    *(mine->older ? &mine->older->newer : &pool.oldest) = mine->newer;
    *(mine->newer ? &mine->newer->older : &pool.newest) = mine->older;
}

/* ---- the threads ----------------------------------------------------------------------------- */

/* Joins the oldest run with a place. The lock is held, but not while tasks run. */
static void join_run(run *theirs) {
    theirs->inside++;
    pool.busy++;
    if (theirs->places == 1) {
        withdraw(theirs);
    } else {
        theirs->places--;
        pool.places--;
    }
    pthread_mutex_unlock(&pool.lock);
    write_modes(theirs->modes);
    do_tasks(theirs);
    pthread_mutex_lock(&pool.lock);
    pool.busy--;
    if (--theirs->inside == 0)
        pthread_cond_signal(&theirs->left);
}

static void *serve(void *nothing) {
    pthread_mutex_lock(&pool.lock);
    while (pool.oldest || !pool.ending) {
        if (pool.oldest)
            join_run(pool.oldest);
        else
            pthread_cond_wait(&pool.wanted, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    return nothing;
}

/* Starts threads until there is one for every place or there are no more to be had. They inherit a
 * mask that keeps the application's handlers off them; only signals of a fault of their own get
 * through. The lock is held. */
static void start_threads(void) {
    int wanted = pool.busy + pool.places;
    sigset_t mask, kept;
    wanted = wanted < MAX_THREADS ? wanted : MAX_THREADS;
    if (pool.threads >= wanted || pool.ending)
        return;
    sigfillset(&mask);
    sigdelset(&mask, SIGSEGV);
    sigdelset(&mask, SIGBUS);
    sigdelset(&mask, SIGFPE);
    sigdelset(&mask, SIGILL);
    pthread_sigmask(SIG_SETMASK, &mask, &kept);
    while (pool.threads < wanted &&
           pthread_create(&pool.handles[pool.threads], NULL, serve, NULL) == 0)
        pool.threads++;
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
}

/* ---- fork and the end ------------------------------------------------------------------------ */

static void before_fork(void) {
    pthread_mutex_lock(&pool.lock);
}

static void after_fork_in_parent(void) {
    pthread_mutex_unlock(&pool.lock);
}

/* Only the forking thread goes on, so no run is under way; what the others held is forgotten. */
static void after_fork_in_child(void) {
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wanted, NULL);
    pool.oldest = pool.newest = NULL;
    pool.threads = pool.busy = pool.places = 0;
}

static void watch_forks(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* At the end of the program, or before the library's code is unmapped. */
__attribute__((destructor)) static void end_threads(void) {
    pthread_mutex_lock(&pool.lock);
    pool.ending = true;
    pthread_cond_broadcast(&pool.wanted);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < pool.threads; i++)
        pthread_join(pool.handles[i], NULL);
}

/* ---- one call -------------------------------------------------------------------------------- */

/* Threads use the run, so a cancellation of the caller has to wait until they have left it. */
void run_on_pool(void (*task)(void *data, int64_t i), void *data, int64_t count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    run mine = {.task = task,
                .data = data,
                .count = count,
                .modes = read_modes(),
                .places = (int)count - 1,
                .left = PTHREAD_COND_INITIALIZER};
    int cancelable, kept = errno;
    pthread_once(&once, watch_forks);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelable);
    pthread_mutex_lock(&pool.lock);
    append(&mine);
    start_threads();
    for (int i = 0; i < mine.places; i++)
        pthread_cond_signal(&pool.wanted);
    pthread_mutex_unlock(&pool.lock);

    do_tasks(&mine);
    pthread_mutex_lock(&pool.lock);
    withdraw(&mine);
    while (mine.inside > 0)
        pthread_cond_wait(&mine.left, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_setcancelstate(cancelable, &cancelable);
    errno = kept;
}
