/* SPDX-License-Identifier: MIT
 * Times of every contender on one point, from repetitions that take turns. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"
#include "gate.h"

#include <stdlib.h>
#include <time.h>

enum { MOST_REPETITIONS = 1000 };

typedef struct samples {
    int turns, counts[CONTENDERS];
    double seconds[CONTENDERS][MOST_REPETITIONS];
} samples;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* What reading the clock adds to a sample: the least of many. */
static double clock_cost(void) {
    double least = 1.0;
    for (int i = 0; i < 1000; i++) {
        double begun = now(), spent = now() - begun;
        least = spent < least ? spent : least;
    }
    return least;
}

/* One sample: a call on each copy of the batch, whose logits are restored first whatever the last
 * contender did with them, so that all find the caches alike. */
static double take_sample(batch *held, job *work, const contender *who) {
    restore_logits(held);
    double begun = now();
    for (int64_t copy = 0; copy < held->copies; copy++)
        who->run(work, copy);
    return (now() - begun) / (double)held->copies;
}

/* Everyone once; the first of them is another one each time. The plain loop, which may take as long
 * as a dozen others, stays away once it has had enough turns. */
static void take_turns(batch *held, job *work, samples *taken, int enough) {
    for (int i = 0; i < CONTENDERS; i++) {
        int turn = (i + taken->turns) % CONTENDERS;
        const contender *who = &ALL_CONTENDERS[turn];
        if (takes_part(who, held->point) && !(who->is_plain && taken->turns >= enough))
            taken->seconds[turn][taken->counts[turn]++] = take_sample(held, work, who);
    }
    taken->turns++;
}

static int compare_doubles(const void *left, const void *right) {
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static quartiles summarise(double *seconds, int count, double cost) {
    qsort(seconds, (size_t)count, sizeof *seconds, compare_doubles);
    double median = 0.5 * (seconds[(count - 1) / 2] + seconds[count / 2]);
    return (quartiles){seconds[count / 4] - cost, median - cost, seconds[count * 3 / 4] - cost};
}

figures measure_point(const point *where, int threads, double seconds, int least) {
    batch held = fill_batch(where);
    pass_gate(&held, threads);
    job work = make_job(&held, threads);
    samples *taken = calloc(1, sizeof *taken);
    double begun = now(), cost = clock_cost() / (double)held.copies;
    while (taken &&
           (taken->turns < least || (taken->turns < MOST_REPETITIONS && now() - begun < seconds)))
        take_turns(&held, &work, taken, least);
    figures found = {.repetitions = taken ? taken->turns : 0, .copies = held.copies};
    for (int i = 0; taken && i < CONTENDERS; i++) {
        if (taken->counts[i] > 0)
            found.times[i] = summarise(taken->seconds[i], taken->counts[i], cost);
    }
    free(taken);
    free_job(&work);
    free_batch(&held);
    return found;
}
