/* SPDX-License-Identifier: MIT
 * Calls large enough for many tasks, in every way that rows meet the kernels: the same bytes from 1
 * to 16 threads and on executors, and as many tasks as were asked for.
 *
 * Linked with --wrap for pthread_create, so that threads are counted. */
#include "executors.h"
#include "solve.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST_THREADS = 16, FEWEST_TASKS = 20 };

static atomic_int started;

int real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *argument) __asm__("__real_pthread_create");
int wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *argument) __asm__("__wrap_pthread_create");

int wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *argument) {
    atomic_fetch_add(&started, 1);
    return real_pthread_create(thread, attributes, start, argument);
}

/* ---- what is compared ------------------------------------------------------------------------ */

/* A call of at least 20*131072 logits, and its answer from one thread. */
typedef struct subject {
    problem problem;
    arrangement how;
    answer answer;
} subject;

static subject make_subject(int32_t dtype, const char *variant_name, int64_t rows, int64_t classes,
                            int class_first, unsigned left_out) {
    const recipe from = {.dtype = dtype,
                         .kind = PLAIN,
                         .outer = 1,
                         .inner = rows,
                         .classes = classes,
                         .variant = variant_named(variant_name)};
    subject made = {.problem = make_problem(&from),
                    .how = {.class_first = class_first, .left_out = left_out}};
    made.answer = solve(&made.problem, &made.how);
    assert_int_equal(made.answer.status, XENT_OK);
    assert_false(made.answer.strayed);
    return made;
}

static void free_subject(subject *made) {
    free_answer(&made->answer);
    free_problem(&made->problem);
}

static void check_same(const subject *made, const arrangement *how) {
    answer found = solve(&made->problem, how);
    const char *differs = difference(&made->answer, &found);
    if (differs)
        fail_msg("%d threads, in place: %d: different %s", (int)how->threads, how->in_place,
                 differs);
    free_answer(&found);
}

/* n threads are the calling one and n - 1 more, which wait for the next call. `step` 1: every
 * number of them. With XENT_SHORT set, as under sanitizers: the largest alone, in place. */
static void check_threads(const subject *made, int32_t step) {
    static int32_t there = 1;
    const bool largest_alone = getenv("XENT_SHORT");
    for (int32_t threads = largest_alone ? MOST_THREADS : 2; threads <= MOST_THREADS;
         threads += step) {
        arrangement how = made->how;
        how.threads = threads;
        how.in_place = largest_alone || threads / step % 2;
        atomic_store(&started, 0);
        check_same(made, &how);
        assert_int_equal(atomic_load(&started), threads > there ? threads - there : 0);
        there = threads > there ? threads : there;
    }
}

static int64_t tasks_given(const subject *made, xent_executor inner) {
    tally kept = {.inner = inner};
    const xent_executor counting = counting_executor(&kept);
    arrangement how = made->how;
    how.executor = &counting;
    check_same(made, &how);
    return kept.tasks;
}

/* The second has but one thread and is left out under sanitizers. */
static void check_executors(const subject *made) {
    assert_int_equal(tasks_given(made, thread_executor(MOST_THREADS)), MOST_THREADS);
    if (!getenv("XENT_SHORT"))
        assert_true(tasks_given(made, reverse_executor(INT32_MAX)) >= FEWEST_TASKS);
}

static void check_tasks(subject made, int32_t step) {
    check_threads(&made, step);
    check_executors(&made);
    free_subject(&made);
}

/* ---- each way that rows meet the kernels ----------------------------------------------------- */

/* Row weights between which lie 150 bits, so that another order of additions would show. */
static void rows_of_many_classes(void **state) {
    (void)state;
    check_tasks(make_subject(XENT_F32, "wide-row-weight", 2700, 1024, 0, 0), 1);
}

/* More than fits the stack, so that each task has a slot of the heap. */
static void rows_whose_terms_need_scratch(void **state) {
    (void)state;
    check_tasks(make_subject(XENT_BF16, "smoothing-class-weight", 300, 9000, 0, 0), 7);
}

/* Their way is that of rows of many classes: left out under sanitizers. */
static void rows_of_doubles(void **state) {
    (void)state;
    if (getenv("XENT_SHORT"))
        return;
    check_tasks(make_subject(XENT_F64, "wide-row-weight", 2700, 1024, 0, 0), 7);
}

static void rows_of_few_classes(void **state) {
    (void)state;
    check_tasks(make_subject(XENT_F32, "wide-row-weight", 270000, 10, 0, 0), 7);
}

static void classes_with_a_stride(void **state) {
    (void)state;
    check_tasks(make_subject(XENT_F16, "class-weight", 2700, 1024, 2, 0), 7);
}

static void bent_rows(void **state) {
    (void)state;
    check_tasks(make_subject(XENT_F32, "everything", 2700, 1024, 0, 0), 7);
}

/* The gradient is larger than the caches, and written past them where it is not in place: with
 * AVX-512, and in sanitizer builds. */
static void large_gradients(void **state) {
    (void)state;
    check_tasks(make_subject(XENT_F32, "backward", 8300, 1024, 0, 1U << PROBABILITY), 14);
    if (!getenv("XENT_SHORT"))
        check_tasks(make_subject(XENT_F64, "bad-nan", 2100, 2100, 0, 1U << PROBABILITY), 14);
}

/* Fewer rows than threads, so that several tasks share a row: twice, to read it and to write it. */
static void rows_that_are_shared(void **state) {
    (void)state;
    const int32_t dtypes[] = {XENT_F32, XENT_BF16, XENT_F64};
    const bool one =
        getenv("XENT_SHORT"); /* that of the moments, which takes every step of the others */
    for (int i = one ? 1 : 0; i < (one ? 2 : 3); i++) {
        subject made = make_subject(dtypes[i], i == 1 ? "smoothing-class-weight" : "backward", 2,
                                    2200000 + i, 0, 0);
        check_threads(&made, 7);
        assert_int_equal(tasks_given(&made, thread_executor(MOST_THREADS)), 2 * 2 * MOST_THREADS);
        free_subject(&made);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_many_classes),  cmocka_unit_test(rows_whose_terms_need_scratch),
        cmocka_unit_test(rows_of_doubles),       cmocka_unit_test(rows_of_few_classes),
        cmocka_unit_test(classes_with_a_stride), cmocka_unit_test(bent_rows),
        cmocka_unit_test(large_gradients),       cmocka_unit_test(rows_that_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
