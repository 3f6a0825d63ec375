/* SPDX-License-Identifier: MIT
 * Calls of a training: features of every type and layout, arguments that are refused, memory that
 * fails, threads. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "draw.h"
#include "executors.h"
#include "xent_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 60, CLASSES = 3, FEATURES = 5, PARAMETERS = CLASSES * (FEATURES + 1) };

/* Small whole numbers, which every type holds. */
static float features[ROWS * FEATURES];
static int32_t labels[ROWS];

static void draw_rows(void) {
    uint64_t dice = 5;
    for (int i = 0; i < ROWS; i++) {
        labels[i] = (int32_t)draw(&dice, CLASSES);
        for (int d = 0; d < FEATURES; d++)
            features[i * FEATURES + d] = (float)(draw(&dice, 8) + (d == labels[i] ? 2 : 0));
    }
}

static xent_training_options some_options(void) {
    xent_training_options options = XENT_TRAINING_OPTIONS_INIT;
    options.l2 = 0.01;
    options.max_iterations = 12;
    return options;
}

static xent_training *begin(const xent_training_options *options) {
    xent_training *training = NULL;
    xent_error error;
    if (xent_training_begin(CLASSES, FEATURES, options, &training, &error) != XENT_OK)
        fail_msg("%s", error.message);
    return training;
}

static xent_status run(xent_training *training, const xent_tensor *x, const xent_tensor *y,
                       xent_error *error) {
    xent_training_report report = {0};
    xent_status status = XENT_OK;
    while (status == XENT_OK && !report.ended) {
        status = xent_training_add(training, x, y, NULL, error);
        if (status == XENT_OK)
            status = xent_training_step(training, &report, error);
    }
    return status;
}

static void train(const xent_training_options *options, const xent_tensor *x, const xent_tensor *y,
                  float *parameters) {
    xent_training *training = begin(options);
    xent_training_parameters model;
    xent_error error;
    if (run(training, x, y, &error) != XENT_OK)
        fail_msg("%s", error.message);
    xent_training_model(training, &model, NULL);
    memcpy(parameters, model.weight.data, PARAMETERS * sizeof *parameters);
    xent_training_free(training);
}

static xent_tensor plain_features(void) {
    return xent_matrix(features, XENT_F32, ROWS, FEATURES);
}

static xent_tensor plain_labels(void) {
    return xent_vector(labels, XENT_I32, ROWS);
}

/* ---- types and layouts ---- */

static void features_of_every_type_give_the_same(void **state) {
    const int32_t types[] = {XENT_U8, XENT_F64, XENT_BF16, XENT_F16, XENT_F32};
    static double other[2 * ROWS * FEATURES];
    float wanted[PARAMETERS], got[PARAMETERS];
    uint64_t dice = 1;
    (void)state;
    for (int way = 0; way < 10; way++) {
        xent_training_options options = some_options();
        options.standardize = way & 1;
        xent_tensor x = plain_features(), y = plain_labels();
        train(&options, &x, &y, wanted);
        x = xent_matrix(other, types[way / 2], ROWS, FEATURES);
        x.stride[1] = 2 * ROWS; /* columns first, every other element */
        x.stride[0] = 2;
        for (int i = 0; i < ROWS * FEATURES; i++) {
            int64_t place = i / FEATURES * x.stride[0] + i % FEATURES * x.stride[1];
            if (x.dtype == XENT_U8)
                store_integer(&x, place, (int64_t)features[i]);
            else
                store_real(&x, place, features[i], &dice);
        }
        train(&options, &x, &y, got);
        assert_memory_equal(wanted, got, sizeof got);
    }
}

/* [3, 4, 5] rows and labels of another type, some of which are ignored. */
static void rows_may_have_axes(void **state) {
    static int64_t wide[ROWS];
    const int64_t shape[] = {3, 4, 5, FEATURES}, mark[] = {-7, 99};
    float wanted[PARAMETERS], got[PARAMETERS];
    xent_training_options options = some_options();
    (void)state;
    xent_tensor x = plain_features(), y = plain_labels();
    x.shape[0] = y.shape[0] = ROWS - 3;
    train(&options, &x, &y, wanted);
    for (int i = 0; i < ROWS; i++)
        wide[i] = i < ROWS - 3 ? labels[i] : i == ROWS - 1 ? 99 : -7;
    features[(ROWS - 1) * FEATURES] = NAN;
    x = xent_ndarray(features, XENT_F32, 4, shape);
    y = xent_ndarray(wide, XENT_I64, 3, shape);
    options.ignore = mark;
    options.ignore_count = 2;
    train(&options, &x, &y, got);
    assert_memory_equal(wanted, got, sizeof got);
    draw_rows();
}

/* A class to ignore: as if its rows were not there. */
static void a_class_may_be_ignored(void **state) {
    static float fewer[ROWS * FEATURES];
    static int32_t fewer_labels[ROWS];
    const int64_t ignored = 2;
    float wanted[PARAMETERS], got[PARAMETERS];
    xent_training_options options = some_options();
    int rows = 0;
    (void)state;
    for (int i = 0; i < ROWS; i++)
        if (labels[i] != ignored) {
            memcpy(fewer + rows * FEATURES, features + i * FEATURES, FEATURES * sizeof *fewer);
            fewer_labels[rows++] = labels[i];
        }
    options.label_smoothing = 0.1; /* without it, a class without rows is refused */
    xent_tensor x = xent_matrix(fewer, XENT_F32, rows, FEATURES);
    xent_tensor y = xent_vector(fewer_labels, XENT_I32, rows);
    train(&options, &x, &y, wanted);
    options.ignore = &ignored;
    options.ignore_count = 1;
    x = plain_features();
    y = plain_labels();
    train(&options, &x, &y, got);
    assert_memory_equal(wanted, got, sizeof got);
}

/* A class weight counts as that many rows, and so does a row weight. */
static void weights_stand_for_rows(void **state) {
    static float twice[2 * ROWS * FEATURES];
    static int32_t twice_labels[2 * ROWS];
    double class_weight[CLASSES] = {1, 2, 1};
    float wanted[PARAMETERS], got[PARAMETERS];
    xent_training_options options = some_options();
    xent_tensor k = xent_vector(class_weight, XENT_F64, CLASSES);
    int rows = 0;
    (void)state;
    for (int i = 0; i < ROWS; i++)
        for (int n = 0; n < (labels[i] == 1 ? 2 : 1); n++, rows++) {
            memcpy(twice + rows * FEATURES, features + i * FEATURES, FEATURES * sizeof *twice);
            twice_labels[rows] = labels[i];
        }
    options.max_iterations = 200;
    options.tolerance = 1e-6;
    xent_tensor x = xent_matrix(twice, XENT_F32, rows, FEATURES);
    xent_tensor y = xent_vector(twice_labels, XENT_I32, rows);
    train(&options, &x, &y, wanted);
    options.class_weight = &k;
    x = plain_features();
    y = plain_labels();
    train(&options, &x, &y, got);
    for (int i = 0; i < CLASSES * FEATURES; i++)
        assert_true(fabsf(wanted[i] - got[i]) < 1e-3f);
}

/* A warm start at the optimum is the end. */
static void training_may_begin_anywhere(void **state) {
    xent_training_options options = some_options();
    float optimum[PARAMETERS];
    xent_training_report report = {0};
    (void)state;
    options.max_iterations = 200;
    options.tolerance = 1e-6;
    xent_tensor x = plain_features(), y = plain_labels();
    train(&options, &x, &y, optimum);
    xent_tensor weight = xent_matrix(optimum, XENT_F32, CLASSES, FEATURES);
    xent_tensor bias = xent_vector(optimum + CLASSES * FEATURES, XENT_F32, CLASSES);
    xent_training *training = begin(&options);
    assert_int_equal(xent_training_set(training, &weight, &bias, NULL), XENT_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(xent_training_add(training, &x, &y, NULL, NULL), XENT_OK);
        assert_int_equal(xent_training_step(training, &report, NULL), XENT_OK);
    }
    assert_int_equal(report.ended, XENT_TRAINING_CONVERGED);
    assert_int_equal(report.iterations, 0);
    xent_training_free(training);
}

/* The held-out loss rises in the end: the best iterate is kept, and patience ends it. */
static void patience_ends_it(void **state) {
    xent_training_options options = some_options();
    xent_training_report report = {0};
    double best = INFINITY;
    int worse = 0;
    (void)state;
    options.l2 = 0;
    options.max_iterations = 500;
    options.tolerance = 0;
    options.patience = 3;
    xent_tensor x = xent_matrix(features, XENT_F32, 12, FEATURES), y = plain_labels();
    xent_tensor held_x = xent_matrix(features + 12 * FEATURES, XENT_F32, 48, FEATURES);
    xent_tensor held_y = xent_vector(labels + 12, XENT_I32, 48);
    y.shape[0] = 12;
    xent_training *training = begin(&options);
    while (!report.ended) {
        xent_error error;
        assert_int_equal(xent_training_add(training, &x, &y, NULL, NULL), XENT_OK);
        assert_int_equal(xent_training_score(training, &held_x, &held_y, NULL, NULL), XENT_OK);
        if (xent_training_step(training, &report, &error) != XENT_OK)
            fail_msg("%s", error.message);
        assert_true(!report.is_best || report.held_out_loss < best);
        best = report.is_best ? report.held_out_loss : best;
        worse = report.is_best ? 0 : worse + (report.pass == XENT_PASS_ITERATION);
    }
    assert_int_equal(report.ended, XENT_TRAINING_PATIENCE);
    assert_int_equal(worse, 4);
    xent_training_parameters model;
    xent_linear_outputs none = XENT_LINEAR_OUTPUTS_INIT;
    xent_total total;
    xent_training_model(training, &model, NULL);
    xent_linear_cross_entropy(&held_x, &model.weight, &model.bias, &held_y, NULL, &none, &total,
                              NULL);
    assert_true(xent_total_loss(&total, NULL) == best);
    xent_training_free(training);
}

/* ---- what is refused ---- */

static void says(xent_status status, xent_status wanted, const xent_error *error,
                 const char *part) {
    if (status != wanted || !strstr(error->message, part))
        fail_msg("%s: \"%s\", not \"%s\"", xent_status_name(status), error->message, part);
}

static void options_are_judged(void **state) {
    const xent_training_options good = XENT_TRAINING_OPTIONS_INIT;
    xent_training_options bad[12];
    static const char *const parts[] = {
        "struct_size is 0", "options.method = 3", "options.dtype = 4",  "on_bad_label = 2",
        "history = 0",      "batch_rows = 0",     "options.l2 = -1",    "options.scale = 0",
        "momentum = 1",     "rate_decay = 0",     "beside standardize", "label_smoothing = 2"};
    xent_training *training;
    xent_error error;
    (void)state;
    for (int i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].struct_size = 0;
    bad[1].method = 3;
    bad[2].dtype = XENT_F16;
    bad[3].on_bad_label = XENT_BAD_LABEL_NAN;
    bad[4].history = bad[5].batch_rows = 0;
    bad[6].l2 = -1;
    bad[7].scale = 0;
    bad[8].momentum = 1;
    bad[9].rate_decay = 0;
    bad[10].scale = 0.5;
    bad[10].standardize = 1;
    bad[11].label_smoothing = 2;
    for (int i = 0; i < 12; i++) {
        says(xent_training_begin(2, 2, &bad[i], &training, &error), XENT_BAD_ARGUMENT, &error,
             parts[i]);
        assert_null(training);
    }
    says(xent_training_begin(1, 2, NULL, &training, &error), XENT_BAD_ARGUMENT, &error,
         "classes = 1: a classifier needs at least 2");
    says(xent_training_begin(2, 0, NULL, &training, &error), XENT_BAD_ARGUMENT, &error,
         "features = 0");
    says(xent_training_begin(1 << 30, 1 << 30, NULL, &training, &error), XENT_BAD_ARGUMENT, &error,
         "2^40 parameters");
    says(xent_training_begin(2, 2, NULL, NULL, &error), XENT_BAD_ARGUMENT, &error, "training is");
}

static void rows_are_judged(void **state) {
    double weights[ROWS];
    xent_training_options options = some_options();
    xent_training *training = begin(&options);
    xent_tensor x = plain_features(), y = plain_labels(), bad = x;
    xent_tensor w = xent_vector(weights, XENT_F64, ROWS);
    xent_error error;
    (void)state;
    for (int i = 0; i < ROWS; i++)
        weights[i] = i == 7 ? -2 : 1;
    bad.dtype = XENT_I32;
    says(xent_training_add(training, &bad, &y, NULL, &error), XENT_BAD_DTYPE, &error,
         "features must be U8, F32, F64, BF16 or F16");
    bad = x;
    bad.shape[1] = 4;
    says(xent_training_add(training, &bad, &y, NULL, &error), XENT_BAD_SHAPE, &error,
         "has 4 entries, and the model 5 features");
    bad = y;
    bad.shape[0] = 59;
    says(xent_training_add(training, &x, &bad, NULL, &error), XENT_BAD_SHAPE, &error,
         "[60,5] and labels [59]");
    says(xent_training_add(training, &x, &y, &w, &error), XENT_BAD_ARGUMENT, &error,
         "row_weight[7] is -2");
    says(xent_training_add(training, NULL, &y, NULL, &error), XENT_BAD_ARGUMENT, &error,
         "features is NULL");
    labels[30] = 3;
    says(xent_training_add(training, &x, &y, NULL, &error), XENT_BAD_LABEL, &error, "3");
    labels[30] = 0;
    says(xent_training_step(training, NULL, &error), XENT_BAD_ARGUMENT, &error,
         "the pass has no rows");
    xent_training_free(training);
    says(xent_training_add(NULL, &x, &y, NULL, &error), XENT_BAD_ARGUMENT, &error, "NULL");
    xent_training_free(NULL);
    draw_rows();
}

/* Of the first pass; and of an epoch, where nothing has looked. */
static void data_are_judged(void **state) {
    xent_training_options options = some_options();
    xent_tensor x = plain_features(), y = plain_labels();
    xent_error error;
    (void)state;
    for (int method = XENT_LBFGS; method <= XENT_ADAM; method++) {
        options.method = method;
        features[41 * FEATURES + 2] = method == XENT_SGD ? INFINITY : NAN;
        xent_training *training = begin(&options);
        says(run(training, &x, &y, &error), XENT_BAD_ARGUMENT, &error, "features[41, 2] is ");
        says(xent_training_add(training, &x, &y, NULL, &error), XENT_BAD_ARGUMENT, &error,
             "begin another one");
        assert_int_equal(xent_training_state_count(training), 0);
        xent_training_free(training);
        draw_rows();
    }
    options.method = XENT_LBFGS;
    for (int i = 0; i < ROWS; i++)
        labels[i] = 2;
    xent_training *one = begin(&options);
    says(run(one, &x, &y, &error), XENT_BAD_LABEL, &error, "all 60 labels are 2");
    xent_training_free(one);
    for (int i = 0; i < ROWS; i++)
        labels[i] = i % 2 * 2;
    one = begin(&options);
    says(run(one, &x, &y, &error), XENT_BAD_LABEL, &error,
         "1 of 3 classes have no row, the first is 1");
    xent_training_free(one);
    options.label_smoothing = 0.1;
    one = begin(&options);
    assert_int_equal(run(one, &x, &y, &error), XENT_OK);
    xent_training_free(one);
    draw_rows();
}

static void passes_bring_the_same_rows(void **state) {
    xent_training_options options = some_options();
    xent_training *training = begin(&options);
    xent_tensor x = plain_features(), y = plain_labels();
    xent_error error;
    (void)state;
    assert_int_equal(xent_training_add(training, &x, &y, NULL, NULL), XENT_OK);
    assert_int_equal(xent_training_step(training, NULL, NULL), XENT_OK);
    x.shape[0] = y.shape[0] = ROWS - 1;
    assert_int_equal(xent_training_add(training, &x, &y, NULL, NULL), XENT_OK);
    says(xent_training_step(training, NULL, &error), XENT_BAD_ARGUMENT, &error,
         "this pass had 59 rows of which 59 count, the first one 60 and 60");
    xent_training_free(training);
}

/* ---- memory and threads ---- */

static long allocations_left = -1; /* -1: no limit */
static long allocations_made;
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");

void *wrap_calloc(size_t count, size_t size) {
    allocations_made++;
    if (allocations_left == 0)
        return NULL;
    allocations_left -= allocations_left > 0;
    return real_calloc(count, size);
}

static xent_status train_once(const xent_training_options *options, xent_error *error) {
    xent_training *training;
    xent_tensor x = plain_features(), y = plain_labels();
    xent_status status = xent_training_begin(CLASSES, FEATURES, options, &training, error);
    if (status == XENT_OK)
        status = run(training, &x, &y, error);
    xent_training_free(training);
    return status;
}

static void memory_may_fail_anywhere(void **state) {
    (void)state;
    for (int method = XENT_LBFGS; method <= XENT_ADAM; method++) {
        xent_training_options options = some_options();
        xent_error error;
        options.method = method;
        options.tolerance = 0;
        allocations_made = 0;
        assert_int_equal(train_once(&options, &error), XENT_OK);
        long needed = allocations_made;
        assert_true(needed > 10);
        for (long n = 0; n < needed; n++) {
            allocations_left = n;
            xent_status status = train_once(&options, &error);
            allocations_left = -1;
            assert_int_equal(status, XENT_NO_MEMORY);
            assert_true(error.message[0] != '\0');
        }
    }
}

/* Large enough for tasks to be dealt out: by the calls of the linear form, or for the metric. */
static void check_tasks(int64_t classes, int64_t width, int64_t count, int32_t iterations) {
    const size_t size = (size_t)(classes * width) * sizeof(float);
    float *x = malloc((size_t)(count * width) * sizeof *x), *kept = malloc(size);
    int32_t *y = malloc((size_t)count * sizeof *y);
    uint64_t dice = 3;
    for (int64_t i = 0; i < count * width; i++)
        x[i] = (float)draw_normal(&dice, 1);
    for (int64_t i = 0; i < count; i++)
        y[i] = (int32_t)draw(&dice, classes);
    xent_tensor rows = xent_matrix(x, XENT_F32, count, width),
                given = xent_vector(y, XENT_I32, count);
    for (int way = 0; way < 4; way++) {
        xent_training_options options = some_options();
        tally dealt = {way == 2 ? reverse_executor(5) : thread_executor(5), 0};
        xent_executor counting = counting_executor(&dealt);
        xent_training_parameters model;
        xent_training *training;
        options.max_iterations = iterations;
        options.tolerance = 0;
        options.threads = way == 1 ? 4 : 1;
        options.executor = way >= 2 ? &counting : NULL;
        assert_int_equal(xent_training_begin(classes, width, &options, &training, NULL), XENT_OK);
        assert_int_equal(run(training, &rows, &given, NULL), XENT_OK);
        xent_training_model(training, &model, NULL);
        if (way == 0)
            memcpy(kept, model.weight.data, size);
        assert_memory_equal(kept, model.weight.data, size);
        assert_true(way < 2 || dealt.tasks > 0);
        xent_training_free(training);
    }
    free(x);
    free(y);
    free(kept);
}

static void tasks_do_not_show(void **state) {
    (void)state;
    check_tasks(64, 150, 3000, 2);
    check_tasks(5, 100, 1200, 8); /* the metric is renewed after 6 iterations */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_of_every_type_give_the_same),
        cmocka_unit_test(rows_may_have_axes),
        cmocka_unit_test(a_class_may_be_ignored),
        cmocka_unit_test(weights_stand_for_rows),
        cmocka_unit_test(training_may_begin_anywhere),
        cmocka_unit_test(patience_ends_it),
        cmocka_unit_test(options_are_judged),
        cmocka_unit_test(rows_are_judged),
        cmocka_unit_test(data_are_judged),
        cmocka_unit_test(passes_bring_the_same_rows),
        cmocka_unit_test(memory_may_fail_anywhere),
        cmocka_unit_test(tasks_do_not_show),
    };
    draw_rows();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
