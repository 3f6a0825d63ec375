/* SPDX-License-Identifier: MIT
 * Calls from several threads at once, after a fork, with more threads than rows, and on the
 * caller's executor. */
#define _POSIX_C_SOURCE 200809L
#include "executors.h"
#include "solve.h"

#include <float.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { CALLERS = 6, ROUNDS = 4 };

static problem make_sample(int32_t dtype, const char *variant_name, int64_t rows, int64_t classes) {
    const recipe from = {.dtype = dtype,
                         .kind = MIXED,
                         .outer = 1,
                         .inner = rows,
                         .classes = classes,
                         .variant = variant_named(variant_name)};
    return make_problem(&from);
}

/* What the arrangements of a problem differ in: NULL if in nothing. */
static const char *solve_and_compare(const problem *what, const arrangement *how,
                                     const answer *expected) {
    answer found = solve(what, how);
    const char *differs = difference(expected, &found);
    free_answer(&found);
    return differs;
}

/* ---- several callers ------------------------------------------------------------------------- */

typedef struct caller {
    pthread_t thread;
    pthread_barrier_t *start;
    const problem *problem;
    arrangement how;
    answer answer;
} caller;

static void *call_once(void *data) {
    caller *mine = data;
    pthread_barrier_wait(mine->start);
    mine->answer = solve(mine->problem, &mine->how);
    return NULL;
}

/* All callers read the same logits at the same time; each writes outputs of its own. */
static void call_from_all(const problem *what, caller callers[CALLERS]) {
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, CALLERS);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.start = &start, .problem = what, .how = {.threads = i % 4}};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_once, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    pthread_barrier_destroy(&start);
}

/* Comes first, so that the first calls of the process are among them. */
static void concurrent_calls_agree(void **state) {
    (void)state;
    caller callers[CALLERS];
    for (int round = 0; round < ROUNDS; round++) {
        problem what = make_sample(XENT_F32 + round, round % 2 ? "everything" : "plain", 67, 4500);
        call_from_all(&what, callers);
        for (int i = 0; i < CALLERS; i++) {
            assert_int_equal(callers[i].answer.status, XENT_OK);
            assert_false(callers[i].answer.strayed);
            assert_null(difference(&callers[0].answer, &callers[i].answer));
        }
        for (int i = 0; i < CALLERS; i++)
            free_answer(&callers[i].answer);
        free_problem(&what);
    }
}

static void refusals_from_all_threads_agree(void **state) {
    (void)state;
    caller callers[CALLERS];
    problem what = make_sample(XENT_F32, "plain", 67, 30);
    what.labels[40] = 31;
    call_from_all(&what, callers);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].answer.status, XENT_BAD_LABEL);
        assert_false(callers[i].answer.strayed);
        assert_string_equal(callers[i].answer.message, callers[0].answer.message);
        free_answer(&callers[i].answer);
    }
    free_problem(&what);
}

/* ---- numbers of threads ---------------------------------------------------------------------- */

static void any_number_of_threads_is_fine(void **state) {
    (void)state;
    static const int32_t counts[] = {-1, 0, 1, 2, 5, 64, 1000, INT32_MAX};
    static const int64_t row_counts[] = {1, 2, 3, 130};
    for (int r = 0; r < 4; r++) {
        problem what = make_sample(XENT_BF16, "softcap-smoothing", row_counts[r], 1500);
        static const arrangement plainest = {0};
        answer expected = solve(&what, &plainest);
        assert_int_equal(expected.status, XENT_OK);
        for (int i = 0; i < 8; i++) {
            const arrangement how = {.threads = counts[i]};
            assert_null(solve_and_compare(&what, &how, &expected));
        }
        free_answer(&expected);
        free_problem(&what);
    }
}

static void thread_count_is_sensible(void **state) {
    (void)state;
    assert_in_range(xent_thread_count(), 1, sysconf(_SC_NPROCESSORS_CONF));
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* Ends with 0 if the child's answer is the expected one. A child that hangs is ended by SIGALRM. */
static int status_of_child(const problem *what, const answer *expected, int32_t threads) {
    pid_t child = fork();
    if (child == 0) {
        const arrangement how = {.threads = threads};
        alarm(60);
        _exit(solve_and_compare(what, &how, expected) ? 1 : 0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_forked_child_can_call(void **state) {
    (void)state;
    static const arrangement threaded = {.threads = 4};
    problem what = make_sample(XENT_F32, "everything", 3000, 100);
    answer expected = solve(&what, &threaded);
    assert_int_equal(expected.status, XENT_OK);
    assert_int_equal(status_of_child(&what, &expected, 4), 0);
    assert_int_equal(status_of_child(&what, &expected, 1), 0);
    assert_null(solve_and_compare(&what, &threaded, &expected));
    free_answer(&expected);
    free_problem(&what);
}

/* A call of three tasks. */
enum { FORK_ROWS = 700, FORK_CLASSES = 400 };

typedef struct plain_call {
    float logits[FORK_ROWS * FORK_CLASSES], grad[FORK_ROWS * FORK_CLASSES];
    int64_t labels[FORK_ROWS];
    double loss;
} plain_call;

static void make_plain_call(plain_call *made) {
    for (int i = 0; i < FORK_ROWS * FORK_CLASSES; i++)
        made->logits[i] = (float)(i * 37 % 101) / 16;
    for (int row = 0; row < FORK_ROWS; row++)
        made->labels[row] = row * 7 % FORK_CLASSES;
}

static bool run_plain_call(plain_call *call) {
    const xent_tensor logits = xent_matrix(call->logits, XENT_F32, FORK_ROWS, FORK_CLASSES);
    const xent_tensor labels = xent_vector(call->labels, XENT_I64, FORK_ROWS);
    xent_tensor grad = xent_matrix(call->grad, XENT_F32, FORK_ROWS, FORK_CLASSES);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total;
    options.threads = 3;
    outputs.grad = &grad;
    bool right = xent_cross_entropy(&logits, &labels, &options, &outputs, &total, NULL) == XENT_OK;
    call->loss = xent_total_loss(&total, NULL);
    return right;
}

typedef struct forker {
    pthread_t thread;
    plain_call call;
    const plain_call *expected;
    int failures;
} forker;

/* Calls and forks in turn, while the other threads do the same; each child calls as well. */
static void *call_and_fork(void *data) {
    forker *mine = data;
    for (int round = 0; round < ROUNDS; round++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0)
            alarm(60);
        bool right = run_plain_call(&mine->call) &&
                     memcmp(&mine->call, mine->expected, sizeof mine->call) == 0;
        if (child == 0)
            _exit(right ? 0 : 1);
        mine->failures += !right || waitpid(child, &status, 0) != child || status != 0;
    }
    return NULL;
}

static void several_threads_can_fork(void **state) {
    (void)state;
    enum { FORKERS = 4 };
    plain_call *expected = zeroed(sizeof *expected);
    forker *forkers = zeroed(FORKERS * sizeof *forkers);
    make_plain_call(expected);
    for (int i = 0; i < FORKERS; i++) {
        make_plain_call(&forkers[i].call);
        forkers[i].expected = expected;
    }
    assert_true(run_plain_call(expected));
    for (int i = 0; i < FORKERS; i++)
        assert_int_equal(pthread_create(&forkers[i].thread, NULL, call_and_fork, &forkers[i]), 0);
    for (int i = 0; i < FORKERS; i++)
        pthread_join(forkers[i].thread, NULL);
    for (int i = 0; i < FORKERS; i++)
        assert_int_equal(forkers[i].failures, 0);
    free(forkers);
    free(expected);
}

/* ---- floating-point modes -------------------------------------------------------------------- */

#if defined(__x86_64__)
static void flush_subnormals(bool flush) {
    __builtin_ia32_ldmxcsr(flush ? 0x9fc0 : 0x1f80);
}
#elif defined(__aarch64__)
static void flush_subnormals(bool flush) {
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)flush << 24));
}
#else
#error "say here how this machine flushes subnormal numbers to 0"
#endif

/* Valgrind does not flush. */
static bool machine_can_flush(void) {
    volatile float smallest = FLT_MIN, half = 0.5f;
    flush_subnormals(true);
    volatile float flushed = smallest * half;
    flush_subnormals(false);
    return flushed == 0;
}

/* Half of the gradient's entries are subnormal. */
static void threads_compute_as_their_caller(void **state) {
    (void)state;
    enum { SIZE = FORK_ROWS * FORK_CLASSES };
    const int32_t counts[] = {3, 1, 3};
    if (!machine_can_flush())
        skip();
    float *logits = zeroed(SIZE * sizeof *logits), *grads = zeroed(3 * SIZE * sizeof *grads);
    int64_t *label_data = zeroed(FORK_ROWS * sizeof *label_data);
    for (int i = 0; i < SIZE; i++)
        logits[i] = i % 2 ? 0 : -86;
    for (int i = 0; i < 3; i++) { /* the first call starts the threads under the usual modes */
        const xent_tensor x = xent_matrix(logits, XENT_F32, FORK_ROWS, FORK_CLASSES);
        const xent_tensor y = xent_vector(label_data, XENT_I64, FORK_ROWS);
        xent_tensor g = xent_matrix(grads + i * SIZE, XENT_F32, FORK_ROWS, FORK_CLASSES);
        xent_options options = XENT_OPTIONS_INIT;
        xent_outputs outputs = XENT_OUTPUTS_INIT;
        options.threads = counts[i];
        outputs.grad = &g;
        flush_subnormals(i > 0);
        xent_status status = xent_cross_entropy(&x, &y, &options, &outputs, NULL, NULL);
        flush_subnormals(false);
        assert_int_equal(status, XENT_OK);
    }
    assert_memory_not_equal(grads, grads + SIZE, SIZE * sizeof *grads);
    assert_memory_equal(grads + SIZE, grads + 2 * SIZE, SIZE * sizeof *grads);
    free(logits);
    free(grads);
    free(label_data);
}

/* ---- the executor ---------------------------------------------------------------------------- */

/* Hands the tasks on to run_each and keeps what it was asked for. */
typedef struct record {
    int32_t width;
    int runs;
    int64_t tasks, most;
    bool broken; /* a count outside of [1, width] */
} record;

static void run_recorded(void *context, void (*task)(void *data, int64_t i), void *data,
                         int64_t count) {
    record *kept = context;
    kept->runs++;
    kept->tasks += count;
    kept->most = count > kept->most ? count : kept->most;
    kept->broken |= count < 1 || count > kept->width;
    for (int64_t i = 0; i < count; i++)
        task(data, (i + count / 2) % count);
}

static void executor_is_given_at_most_its_width(void **state) {
    (void)state;
    static const arrangement plainest = {0};
    problem what = make_sample(XENT_F32, "plain", 3000, 50);
    answer expected = solve(&what, &plainest);
    for (int32_t width = 1; width <= 16; width++) {
        record kept = {.width = width};
        const xent_executor recorder = {.context = &kept, .width = width, .run = run_recorded};
        const arrangement how = {.executor = &recorder, .threads = -1};
        assert_null(solve_and_compare(&what, &how, &expected));
        assert_false(kept.broken);
        assert_int_equal(kept.most > 1, width > 1);
    }
    free_answer(&expected);
    free_problem(&what);
}

/* Runs every task on another thread than the caller's, one after the other. */
typedef struct lone_task {
    void (*task)(void *data, int64_t i);
    void *data;
    int64_t i;
} lone_task;

static void *run_lone_task(void *data) {
    lone_task *mine = data;
    mine->task(mine->data, mine->i);
    return NULL;
}

static void run_elsewhere(void *context, void (*task)(void *data, int64_t i), void *data,
                          int64_t count) {
    atomic_int *runs = context;
    for (int64_t i = 0; i < count; i++) {
        lone_task one = {task, data, i};
        pthread_t thread;
        atomic_fetch_add(runs, 1);
        assert_int_equal(pthread_create(&thread, NULL, run_lone_task, &one), 0);
        pthread_join(thread, NULL);
    }
}

/* A task that waited for another would never end here. */
static void tasks_do_not_wait_for_one_another(void **state) {
    (void)state;
    static const arrangement plainest = {0};
    for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++) {
        problem what = make_sample(dtype, "everything", 1500, 200);
        answer expected = solve(&what, &plainest);
        atomic_int runs = 0;
        const xent_executor elsewhere = {.context = &runs, .width = 8, .run = run_elsewhere};
        const arrangement how = {.executor = &elsewhere};
        assert_null(solve_and_compare(&what, &how, &expected));
        assert_true(atomic_load(&runs) > 1);
        free_answer(&expected);
        free_problem(&what);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concurrent_calls_agree),
        cmocka_unit_test(refusals_from_all_threads_agree),
        cmocka_unit_test(any_number_of_threads_is_fine),
        cmocka_unit_test(thread_count_is_sensible),
        cmocka_unit_test(a_forked_child_can_call),
        cmocka_unit_test(several_threads_can_fork),
        cmocka_unit_test(threads_compute_as_their_caller),
        cmocka_unit_test(executor_is_given_at_most_its_width),
        cmocka_unit_test(tasks_do_not_wait_for_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
