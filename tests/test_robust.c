/* SPDX-License-Identifier: MIT
 * What surrounds a call stays as it was: the heap, errno, floating-point modes, standard output.
 *
 * Linked with --wrap for the functions of the heap and pthread_create, so that they can be made
 * to fail. */
#define _GNU_SOURCE
#include "solve.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const arrangement plainest = {0};

static problem make_sample(int32_t dtype, int kind, const char *variant_name, int64_t rows,
                           int64_t classes) {
    const recipe from = {.dtype = dtype,
                         .kind = kind,
                         .outer = 1,
                         .inner = rows,
                         .classes = classes,
                         .variant = variant_named(variant_name)};
    return make_problem(&from);
}

/* ---- the heap -------------------------------------------------------------------------------- */

/* What the library did to the heap and to threads between watch_start and watch_end. */
static struct watch {
    atomic_bool on;
    atomic_int allocations, live, threads;
    int failing_allocation, failing_thread; /* the n-th, and all threads after it; 0: none */
} watch;

static int errno_after;
enum { ERRNO_BEFORE = 4711 };

static void watch_start(void) {
    atomic_store(&watch.allocations, 0);
    atomic_store(&watch.live, 0);
    atomic_store(&watch.threads, 0);
    errno = ERRNO_BEFORE;
    atomic_store(&watch.on, true);
}

static void watch_end(void) {
    errno_after = errno;
    atomic_store(&watch.on, false);
}

static bool allocation_fails(void) {
    if (!atomic_load(&watch.on))
        return false;
    bool fails = atomic_fetch_add(&watch.allocations, 1) + 1 == watch.failing_allocation;
    if (fails)
        errno = ENOMEM;
    return fails;
}

static void *count_block(void *block) {
    if (block && atomic_load(&watch.on))
        atomic_fetch_add(&watch.live, 1);
    return block;
}

void *real_malloc(size_t bytes) __asm__("__real_malloc");
void *real_calloc(size_t count, size_t bytes) __asm__("__real_calloc");
void *real_realloc(void *block, size_t bytes) __asm__("__real_realloc");
void *real_aligned_alloc(size_t alignment, size_t bytes) __asm__("__real_aligned_alloc");
int real_posix_memalign(void **block, size_t alignment,
                        size_t bytes) __asm__("__real_posix_memalign");
void real_free(void *block) __asm__("__real_free");
int real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *argument) __asm__("__real_pthread_create");

void *wrap_malloc(size_t bytes) __asm__("__wrap_malloc");
void *wrap_calloc(size_t count, size_t bytes) __asm__("__wrap_calloc");
void *wrap_realloc(void *block, size_t bytes) __asm__("__wrap_realloc");
void *wrap_aligned_alloc(size_t alignment, size_t bytes) __asm__("__wrap_aligned_alloc");
int wrap_posix_memalign(void **block, size_t alignment,
                        size_t bytes) __asm__("__wrap_posix_memalign");
void wrap_free(void *block) __asm__("__wrap_free");
int wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *argument) __asm__("__wrap_pthread_create");

void *wrap_malloc(size_t bytes) {
    return allocation_fails() ? NULL : count_block(real_malloc(bytes));
}

void *wrap_calloc(size_t count, size_t bytes) {
    return allocation_fails() ? NULL : count_block(real_calloc(count, bytes));
}

void *wrap_realloc(void *block, size_t bytes) {
    if (allocation_fails())
        return NULL;
    void *grown = real_realloc(block, bytes);
    return block ? grown : count_block(grown);
}

void *wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return allocation_fails() ? NULL : count_block(real_aligned_alloc(alignment, bytes));
}

int wrap_posix_memalign(void **block, size_t alignment, size_t bytes) {
    if (allocation_fails())
        return ENOMEM;
    int status = real_posix_memalign(block, alignment, bytes);
    if (status == 0)
        count_block(*block);
    return status;
}

void wrap_free(void *block) {
    if (block && atomic_load(&watch.on))
        atomic_fetch_sub(&watch.live, 1);
    real_free(block);
}

int wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *argument) {
    int nth = atomic_load(&watch.on) ? atomic_fetch_add(&watch.threads, 1) + 1 : 0;
    if (watch.failing_thread && nth >= watch.failing_thread) {
        errno = EAGAIN;
        return EAGAIN;
    }
    return real_pthread_create(thread, attributes, start, argument);
}

/* Calls that need scratch memory of every sort. */
static const struct {
    const char *variant;
    int64_t rows, classes;
    arrangement how;
} hungry[] = {
    {"plain", 5, 9000, {0}},
    {"everything", 40, 30, {0}},
    {"everything", 3, 2500, {.in_place = true}},
    {"softcap-smoothing", 70, 300, {.class_first = 2, .threads = 4}},
    {"smoothing-class-weight", 400, 100, {.threads = 3}},
    {"log-probabilities", 40, 1000, {.class_first = 1, .threads = 2}},
};
enum { HUNGRY = sizeof hungry / sizeof *hungry };

/* One call whose n-th allocation fails; returns whether there was an n-th. */
static bool survives_failure(const problem *what, arrangement how, int nth,
                             const answer *expected) {
    how.before = watch_start;
    how.after = watch_end;
    watch.failing_allocation = nth;
    answer found = solve(what, &how);
    watch.failing_allocation = 0;
    assert_int_equal(atomic_load(&watch.live), 0);
    assert_int_equal(errno_after, ERRNO_BEFORE);
    assert_false(found.strayed);
    if (found.status == XENT_OK)
        assert_null(difference(expected, &found));
    else {
        assert_int_equal(found.status, XENT_NO_MEMORY);
        assert_true(strlen(found.message) > 0);
    }
    free_answer(&found);
    return atomic_load(&watch.allocations) >= nth;
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    int failures = 0;
    for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++)
        for (int i = 0; i < HUNGRY; i++) {
            problem what =
                make_sample(dtype, PLAIN, hungry[i].variant, hungry[i].rows, hungry[i].classes);
            answer expected = solve(&what, &plainest);
            int nth = 1;
            while (survives_failure(&what, hungry[i].how, nth, &expected))
                nth++;
            failures += nth - 1;
            free_answer(&expected);
            free_problem(&what);
        }
    assert_true(failures > 0);
}

/* A chunk of rows, and then what a weight per class needs. */
static void the_linear_form_survives_failing_allocations(void **state) {
    enum { MANY = 1100 };
    static float features[3][2], weight[MANY][2], grad[MANY][2], class_weight[MANY] = {1};
    static int64_t labels[3];
    xent_tensor x = xent_matrix(features, XENT_F32, 3, 2),
                w = xent_matrix(weight, XENT_F32, MANY, 2);
    xent_tensor y = xent_vector(labels, XENT_I64, 3), k = xent_vector(class_weight, XENT_F32, MANY);
    xent_tensor g = xent_matrix(grad, XENT_F32, MANY, 2);
    xent_options options = XENT_OPTIONS_INIT;
    xent_linear_outputs outputs = XENT_LINEAR_OUTPUTS_INIT;
    xent_error error;
    (void)state;
    options.class_weight = &k;
    outputs.grad_weight = &g;
    for (int nth = 1; nth <= 3; nth++) {
        grad[0][0] = 5;
        watch.failing_allocation = nth;
        watch_start();
        xent_status status =
            xent_linear_cross_entropy(&x, &w, NULL, &y, &options, &outputs, NULL, &error);
        watch_end();
        watch.failing_allocation = 0;
        assert_int_equal(atomic_load(&watch.live), 0);
        assert_int_equal(errno_after, ERRNO_BEFORE);
        assert_int_equal(status, nth <= 2 ? XENT_NO_MEMORY : XENT_OK);
        assert_int_equal(strlen(error.message) > 0, nth <= 2);
        assert_true(grad[0][0] == (nth <= 2 ? 5 : 0));
    }
}

static void usual_calls_leave_the_heap_alone(void **state) {
    (void)state;
    const int64_t sizes[] = {1, 10, 64, 65, 1000, 4096, 8192, 50257, 400000};
    const int count = getenv("XENT_SHORT") ? 6 : 9; /* as under valgrind */
    for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++)
        for (int i = 0; i < count; i++)
            for (int class_first = 0; class_first < 3; class_first += 2) {
                const arrangement how = {
                    .class_first = class_first, .before = watch_start, .after = watch_end};
                bool is_wide = dtype == XENT_F32 || dtype == XENT_F64;
                int64_t most = class_first ? 4096 : is_wide ? 400000 : 8192;
                problem what = make_sample(dtype, PLAIN, "smoothing", 3, sizes[i]);
                answer found = solve(&what, &how);
                assert_int_equal(found.status, XENT_OK);
                assert_int_equal(atomic_load(&watch.allocations) > 0, sizes[i] > most);
                free_answer(&found);
                free_problem(&what);
            }
}

static void threads_that_cannot_start_are_done_without(void **state) {
    (void)state;
    problem what = make_sample(XENT_F32, MIXED, "everything", 1100, 1000);
    answer expected = solve(&what, &plainest);
    for (int nth = 1; nth <= 5; nth++) { /* those that have started stay: 0, 1, 3, 6, 7 of them */
        const arrangement how = {.threads = 8, .before = watch_start, .after = watch_end};
        watch.failing_thread = nth;
        answer found = solve(&what, &how);
        watch.failing_thread = 0;
        assert_int_equal(errno_after, ERRNO_BEFORE);
        assert_int_equal(atomic_load(&watch.live), 0);
        assert_true(atomic_load(&watch.threads) > 0);
        assert_null(difference(&expected, &found));
        free_answer(&found);
    }
    free_answer(&expected);
    free_problem(&what);
}

/* ---- errno ----------------------------------------------------------------------------------- */

static void errno_is_kept_by_calls(void **state) {
    (void)state;
    for (int v = 0; v < variant_count; v++)
        for (int refused = 0; refused < 2; refused++) {
            problem what = make_sample(XENT_F32 + v % 4, v % KINDS, variants[v].name, 40, 200);
            what.options.label_smoothing = refused ? 2 : what.options.label_smoothing;
            const arrangement how = {.threads = -1, .before = watch_start, .after = watch_end};
            answer found = solve(&what, &how);
            assert_int_equal(found.status, refused ? XENT_BAD_ARGUMENT : XENT_OK);
            assert_int_equal(errno_after, ERRNO_BEFORE);
            free_answer(&found);
            free_problem(&what);
        }
}

static void errno_is_kept_by_the_small_functions(void **state) {
    (void)state;
    xent_total total = XENT_TOTAL_INIT;
    const xent_total empty = XENT_TOTAL_INIT;
    errno = ERRNO_BEFORE;
    xent_total_merge(&total, &empty);
    assert_true(xent_total_loss(&total, NULL) != 0);
    assert_string_equal(xent_status_name(XENT_OVERLAP), "XENT_OVERLAP");
    assert_true(strlen(xent_version()) > 0 && strlen(xent_isa()) > 0 && xent_thread_count() > 0);
    assert_int_equal(errno, ERRNO_BEFORE);
}

/* ---- floating-point modes -------------------------------------------------------------------- */

#if defined(__x86_64__)
/* MXCSR without its exception flags: flush to zero, rounding, exception masks, denormals are
 * zero. */
static const unsigned modes[] = {0x1f80, 0x9f80, 0x1fc0, 0x9fc0, 0x3f80, 0x5f80, 0x7f80, 0xffc0};
static const unsigned mode_bits = 0xffc0;

static unsigned read_mode(void) {
    return __builtin_ia32_stmxcsr() & mode_bits;
}

static void write_mode(unsigned mode) {
    __builtin_ia32_ldmxcsr(mode);
}
#elif defined(__aarch64__)
/* FPCR: flush to zero (also of f16), rounding, default NaN. */
static const unsigned modes[] = {0, 1U << 24, 1U << 19, 1U << 22, 2U << 22, 3U << 22, 1U << 25};

static unsigned read_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (unsigned)mode;
}

static void write_mode(unsigned mode) {
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode));
}
#else
#error "say here how this machine's floating-point control register is read and written"
#endif
enum { MODES = sizeof modes / sizeof *modes };

static unsigned mode_before, mode_after;

/* Valgrind has no modes but the rounding. */
static bool machine_has_mode(unsigned mode) {
    write_mode(mode);
    unsigned found = read_mode();
    write_mode(modes[0]);
    return found == mode;
}

static void mode_start(void) {
    write_mode(mode_before);
}

static void mode_end(void) {
    mode_after = read_mode();
    write_mode(modes[0]);
}

static void floating_point_modes_are_kept_by_calls(void **state) {
    (void)state;
    for (int i = 0; i < MODES; i++)
        for (int v = 0; machine_has_mode(modes[i]) && v < variant_count; v++) {
            problem what =
                make_sample(XENT_F32 + v % 4, v % KINDS, variants[v].name, 20, v % 3 ? 12 : 1100);
            const arrangement how = {
                .threads = v % 3, .class_first = v % 2, .before = mode_start, .after = mode_end};
            mode_before = modes[i];
            answer found = solve(&what, &how);
            assert_int_equal(found.status, XENT_OK);
            assert_int_equal(mode_after, modes[i]);
            free_answer(&found);
            free_problem(&what);
        }
}

/* Loads the library, calls a function of it and unloads it; mode_after is what it leaves behind. */
static bool load_and_unload(const char *path, unsigned mode) {
    const char *(*isa)(void) = NULL;
    write_mode(mode);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "xent_isa") : NULL;
    memcpy(&isa, &symbol, sizeof isa);
    bool named = isa && strlen(isa()) > 0;
    mode_after = read_mode();
    write_mode(modes[0]);
    return library && named && dlclose(library) == 0;
}

static void floating_point_modes_are_kept_by_loading(void **state) {
    (void)state;
    const char *path = getenv("XENT_SHARED_LIBRARY");
    if (!path)
        fail_msg("XENT_SHARED_LIBRARY must hold the path of the shared library");
    for (int i = 0; i < MODES; i++) {
        assert_true(load_and_unload(path, modes[i]));
        if (machine_has_mode(modes[i]))
            assert_int_equal(mode_after, modes[i]);
    }
}

/* ---- unloading ------------------------------------------------------------------------------- */

static int count_threads(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* The system may list a thread for a moment after it was joined. */
static bool come_to_threads(int wanted) {
    for (int tries = 0; tries < 500 && count_threads() != wanted; tries++)
        usleep(10000);
    return count_threads() == wanted;
}

typedef xent_status cross_entropy(const xent_tensor *, const xent_tensor *, const xent_options *,
                                  const xent_outputs *, xent_total *, xent_error *);

/* The threads that wait for work would wait in code that is no longer there. */
static void threads_end_when_the_library_is_unloaded(void **state) {
    (void)state;
    enum { ROWS = 300, CLASSES = 1000 };
    int before = count_threads();
    float *logits = zeroed(ROWS * CLASSES * sizeof *logits);
    int64_t *labels = zeroed(ROWS * sizeof *labels);
    const xent_tensor x = xent_matrix(logits, XENT_F32, ROWS, CLASSES);
    const xent_tensor y = xent_vector(labels, XENT_I64, ROWS);
    xent_options options = XENT_OPTIONS_INIT;
    options.threads = 3;
    for (int i = 0; i < 3; i++) {
        void *library = dlopen(getenv("XENT_SHARED_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
        assert_non_null(library);
        void *symbol = dlsym(library, "xent_cross_entropy");
        cross_entropy *call;
        memcpy(&call, &symbol, sizeof call);
        assert_int_equal(call(&x, &y, &options, NULL, NULL, NULL), XENT_OK);
        assert_int_equal(count_threads(), before + 2);
        assert_int_equal(dlclose(library), 0);
        assert_true(come_to_threads(before));
    }
    free(logits);
    free(labels);
}

/* ---- standard output ------------------------------------------------------------------------- */

static void call_in_every_way(void) {
    for (int v = 0; v < variant_count; v++)
        for (int bad = 0; bad < 4; bad++) {
            problem what = make_sample(XENT_F32 + v % 4, MIXED, variants[v].name, 20, 70);
            const arrangement how = {.threads = 2, .before = watch_start, .after = watch_end};
            what.labels[3] = bad == 1 ? 70 : what.labels[3];
            what.options.z_loss = bad == 2 ? -1 : what.options.z_loss;
            watch.failing_allocation = bad == 3 ? 1 : 0;
            answer found = solve(&what, &how);
            watch.failing_allocation = 0;
            free_answer(&found);
            free_problem(&what);
        }
}

/* File descriptors 1 and 2 lead to a file meanwhile; returns its size. */
static int64_t bytes_printed_by(void (*action)(void)) {
    FILE *file = tmpfile();
    struct stat found;
    assert_non_null(file);
    fflush(NULL);
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    action();
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    assert_int_equal(fstat(fileno(file), &found), 0);
    fclose(file);
    return found.st_size;
}

static void print_a_byte(void) {
    putchar('.');
}

static void nothing_is_printed(void **state) {
    (void)state;
    assert_int_equal(bytes_printed_by(print_a_byte), 1);
    assert_int_equal(bytes_printed_by(call_in_every_way), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(the_linear_form_survives_failing_allocations),
        cmocka_unit_test(usual_calls_leave_the_heap_alone),
        cmocka_unit_test(threads_that_cannot_start_are_done_without),
        cmocka_unit_test(errno_is_kept_by_calls),
        cmocka_unit_test(errno_is_kept_by_the_small_functions),
        cmocka_unit_test(floating_point_modes_are_kept_by_calls),
        cmocka_unit_test(floating_point_modes_are_kept_by_loading),
        cmocka_unit_test(threads_end_when_the_library_is_unloaded),
        cmocka_unit_test(nothing_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
