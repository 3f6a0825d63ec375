/* SPDX-License-Identifier: MIT
 * Training: gradients against differences, the optimum against a slow reference, the same bits for
 * blocks, threads and states, and what is refused. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "draw.h"
#include "xent_train.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 700, CLASSES = 4, FEATURES = 9, PARAMETERS = CLASSES * (FEATURES + 1) };

/* Overlapping classes, so that the optimum is finite. */
static struct data {
    float features[ROWS * FEATURES];
    int64_t labels[ROWS];
    double weights[ROWS];
} data;

static void draw_data(void) {
    uint64_t dice = 11;
    for (int i = 0; i < ROWS; i++) {
        data.labels[i] = draw(&dice, CLASSES);
        data.weights[i] = 0.25 * (double)draw(&dice, 9);
        for (int d = 0; d < FEATURES; d++) {
            double middle = d % CLASSES == data.labels[i] ? 1 : 0;
            data.features[i * FEATURES + d] = (float)(middle + draw_normal(&dice, 1 + 0.2 * d));
        }
    }
}

/* ---- one training ---- */

struct way {
    xent_training_options options;
    int64_t block; /* rows of a block */
    bool weighs;
    int64_t held_out; /* the last rows are not learnt from */
};

static struct way usual(void) {
    const xent_training_options options = XENT_TRAINING_OPTIONS_INIT;
    struct way way = {options, 100, false, 0};
    way.options.l2 = 1e-3;
    return way;
}

static xent_training *begin_way(const struct way *way) {
    xent_training *training = NULL;
    xent_error error;
    if (xent_training_begin(CLASSES, FEATURES, &way->options, &training, &error) != XENT_OK)
        fail_msg("%s", error.message);
    return training;
}

typedef xent_status add_call(xent_training *training, const xent_tensor *features,
                             const xent_tensor *labels, const xent_tensor *row_weight,
                             xent_error *error);

static xent_status add_rows(xent_training *training, const struct way *way, add_call *call,
                            int64_t first, int64_t end) {
    xent_status status = XENT_OK;
    for (int64_t i = first; i < end && status == XENT_OK; i += way->block) {
        int64_t rows = end - i < way->block ? end - i : way->block;
        xent_tensor x = xent_matrix(data.features + i * FEATURES, XENT_F32, rows, FEATURES);
        xent_tensor y = xent_vector(data.labels + i, XENT_I64, rows);
        xent_tensor w = xent_vector(data.weights + i, XENT_F64, rows);
        status = call(training, &x, &y, way->weighs ? &w : NULL, NULL);
    }
    return status;
}

static xent_status run_pass(xent_training *training, const struct way *way,
                            xent_training_report *report) {
    const int64_t learnt = ROWS - way->held_out;
    xent_status status = add_rows(training, way, xent_training_add, 0, learnt);
    if (status == XENT_OK && way->held_out > 0)
        status = add_rows(training, way, xent_training_score, learnt, ROWS);
    return status == XENT_OK ? xent_training_step(training, report, NULL) : status;
}

struct result {
    double parameters[PARAMETERS];
    xent_training_report last;
};

static void read_model(const xent_training *training, struct result *result) {
    xent_training_parameters model;
    assert_int_equal(xent_training_model(training, &model, NULL), XENT_OK);
    for (int i = 0; i < PARAMETERS; i++)
        result->parameters[i] = model.weight.dtype == XENT_F64 ? ((double *)model.weight.data)[i]
                                                               : ((float *)model.weight.data)[i];
}

static struct result train(const struct way *way) {
    struct result result = {.last.ended = 0};
    xent_training *training = begin_way(way);
    while (!result.last.ended)
        assert_int_equal(run_pass(training, way, &result.last), XENT_OK);
    read_model(training, &result);
    xent_training_free(training);
    return result;
}

/* ---- the slow reference: the objective in long double, from its formula ---- */

static long double row_loss(const double *parameters, const float *x, int64_t label, double e) {
    long double z[CLASSES], sum = 0, loss = 0;
    for (int c = 0; c < CLASSES; c++) {
        z[c] = parameters[CLASSES * FEATURES + c];
        for (int d = 0; d < FEATURES; d++)
            z[c] += (long double)parameters[c * FEATURES + d] * x[d];
        sum += expl(z[c]);
    }
    for (int c = 0; c < CLASSES; c++)
        loss += ((c == label ? 1 - e : 0) + e / CLASSES) * (logl(sum) - z[c]);
    return loss;
}

static long double objective(const struct way *way, const double *parameters) {
    long double sum = 0, weight = 0, squares = 0;
    for (int i = 0; i < ROWS - way->held_out; i++) {
        double w = way->weighs ? data.weights[i] : 1;
        sum += w * row_loss(parameters, data.features + i * FEATURES, data.labels[i],
                            way->options.label_smoothing);
        weight += w;
    }
    for (int i = 0; i < CLASSES * FEATURES; i++)
        squares += (long double)parameters[i] * parameters[i];
    return sum / weight + way->options.l2 / 2 * squares;
}

/* The largest slope of the objective, by central differences. */
static long double largest_slope(const struct way *way, const double *parameters) {
    double moved[PARAMETERS];
    long double most = 0, step = 1e-6L;
    for (int i = 0; i < PARAMETERS; i++) {
        memcpy(moved, parameters, sizeof moved);
        moved[i] += (double)step;
        long double above = objective(way, moved);
        moved[i] -= 2 * (double)step;
        long double slope = fabsl(above - objective(way, moved)) / (2 * step);
        most = slope > most ? slope : most;
    }
    return most;
}

/* ---- the optimum ---- */

static void ends_where_all_slopes_are_0(void **state) {
    (void)state;
    for (int i = 0; i < 16; i += getenv("XENT_SHORT") ? 5 : 1) {
        struct way way = usual();
        way.options.dtype = i & 1 ? XENT_F64 : XENT_F32;
        way.options.tolerance = i & 1 ? 1e-9 : 1e-6;
        way.options.label_smoothing = i & 2 ? 0.1 : 0;
        way.weighs = i & 4;
        way.options.precondition = i & 8 ? 1 + (i & 1) : 3;
        struct result result = train(&way);
        assert_int_equal(result.last.ended, XENT_TRAINING_CONVERGED);
        long double slope = largest_slope(&way, result.parameters);
        if (!(slope < (i & 1 ? 2e-9L : 2e-6L)))
            fail_msg("way %d: the largest slope is %Lg", i, slope);
        assert_true(fabs(result.last.objective - (double)objective(&way, result.parameters)) <
                    (i & 1 ? 1e-12 : 1e-6));
    }
}

static void fewer_passes_in_a_metric(void **state) {
    int64_t passes[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct way way = usual();
        way.options.precondition = i ? XENT_PRECONDITION_FULL : XENT_PRECONDITION_NONE;
        passes[i] = train(&way).last.passes;
    }
    assert_true(passes[1] < passes[0] && passes[1] <= 14);
}

/* The first iterate's gradient in the report is the objective's. */
static void the_report_tells_the_objective(void **state) {
    (void)state;
    struct way way = usual();
    struct result zero = {.last.ended = 0};
    xent_training *training = begin_way(&way);
    assert_int_equal(run_pass(training, &way, &zero.last), XENT_OK);
    assert_int_equal(zero.last.pass, XENT_PASS_LOOK);
    assert_true(isnan(zero.last.objective));
    assert_int_equal(run_pass(training, &way, &zero.last), XENT_OK);
    assert_int_equal(zero.last.pass, XENT_PASS_ITERATION);
    assert_true(fabs(zero.last.objective - log(CLASSES)) < 1e-9);
    assert_true(fabs(zero.last.gradient - (double)largest_slope(&way, zero.parameters)) < 1e-7);
    assert_int_equal(zero.last.total.rows, ROWS);
    assert_int_equal(zero.last.passes, 2);
    xent_training_free(training);
}

/* SGD and Adam come near to the same objective; a huge learning rate is said to diverge. */
static void mini_batches_learn_too(void **state) {
    (void)state;
    struct way way = usual();
    double least = train(&way).last.objective;
    for (int method = XENT_SGD; method <= XENT_ADAM; method++) {
        way.options.method = method;
        way.options.batch_rows = 50;
        way.options.max_iterations = 60;
        way.options.learning_rate = method == XENT_SGD ? 0.02 : 0.01;
        way.options.rate_decay = 0.93;
        struct result result = train(&way);
        assert_int_equal(result.last.ended, XENT_TRAINING_ITERATIONS);
        double reached = (double)objective(&way, result.parameters);
        if (!(reached >= least - 1e-7 && reached < least + 5e-4))
            fail_msg("method %d reached %.9g, L-BFGS %.9g", method, reached, least);
    }
    way.options.method = XENT_SGD;
    way.options.learning_rate = 1e200;
    assert_int_equal(train(&way).last.ended, XENT_TRAINING_DIVERGED);
}

/* Mean and spread come together from units of 64 rows. */
static void units_join(const struct way *given) {
    struct way way = *given;
    xent_training_parameters one, other;
    xent_training *whole = begin_way(&way);
    way.options.method = XENT_ADAM;
    way.options.batch_rows = 64;
    xent_training *parts = begin_way(&way);
    assert_int_equal(run_pass(whole, &way, NULL), XENT_OK);
    assert_int_equal(run_pass(parts, &way, NULL), XENT_OK);
    assert_int_equal(xent_training_model(whole, &one, NULL), XENT_OK);
    assert_int_equal(xent_training_model(parts, &other, NULL), XENT_OK);
    for (int d = 0; d < FEATURES; d++) {
        const double *mean = one.mean.data, *scale = one.scale.data;
        const double *mean_too = other.mean.data, *scale_too = other.scale.data;
        assert_true(fabs(mean[d] - mean_too[d]) <= 1e-6 * fabs(mean[d]));
        assert_true(fabs(scale[d] - scale_too[d]) <= 1e-6 * scale[d]);
    }
    xent_training_free(whole);
    xent_training_free(parts);
}

/* Of u as mean and scale make it, the trained model is that of u trained as it is. */
static void standardizes(void **state) {
    (void)state;
    struct way way = usual();
    float kept[ROWS * FEATURES];
    xent_training_parameters model;
    xent_training_report report = {0};
    memcpy(kept, data.features, sizeof kept);
    for (int i = 0; i < ROWS; i++) {
        data.features[i * FEATURES] = 1e5f + data.features[i * FEATURES];
        data.features[i * FEATURES + 1] = 7;
    }
    way.options.standardize = 1;
    units_join(&way);
    xent_training *training = begin_way(&way);
    assert_int_equal(run_pass(training, &way, &report), XENT_OK);
    assert_int_equal(report.constant_features, 1);
    assert_int_equal(report.first_constant_feature, 1);
    while (!report.ended)
        assert_int_equal(run_pass(training, &way, &report), XENT_OK);
    struct result result;
    read_model(training, &result);
    assert_int_equal(xent_training_model(training, &model, NULL), XENT_OK);
    const double *scale = model.scale.data;
    xent_tensor x = xent_matrix(data.features, XENT_F32, ROWS, FEATURES), u = x;
    float prepared[ROWS * FEATURES];
    u.data = prepared;
    assert_int_equal(xent_prepare_features(&x, &model.mean, &model.scale, &u, NULL), XENT_OK);
    for (int d = 0; d < FEATURES; d++) {
        double mean = 0, square = 0;
        for (int i = 0; i < ROWS; i++) {
            mean += prepared[i * FEATURES + d] / ROWS;
            square += prepared[i * FEATURES + d] * prepared[i * FEATURES + d] / ROWS;
        }
        assert_true(fabs(mean) < 1e-2 && (d == 1 ? square == 0 : fabs(square - 1) < 1e-2));
    }
    assert_true(scale[1] == 1);
    memcpy(data.features, prepared, sizeof prepared);
    way.options.standardize = 0;
    assert_true(largest_slope(&way, result.parameters) < 2e-5L);
    assert_true(fabs(report.objective - train(&way).last.objective) < 1e-7);
    xent_training_free(training);
    memcpy(data.features, kept, sizeof kept);
}

/* ---- the same bits ---- */

static void same_bits(const struct result *a, const struct result *b) {
    assert_memory_equal(a->parameters, b->parameters, sizeof a->parameters);
    assert_true(a->last.objective == b->last.objective);
    assert_int_equal(a->last.passes, b->last.passes);
}

static void blocks_and_threads_do_not_show(void **state) {
    const int64_t blocks[] = {1, 7, 256, ROWS};
    (void)state;
    for (int method = XENT_LBFGS; method <= XENT_ADAM; method++) {
        struct way way = usual();
        way.options.method = method;
        way.options.batch_rows = 64;
        way.options.max_iterations = 12;
        way.weighs = method == XENT_ADAM;
        way.held_out = 93;
        struct result first = train(&way);
        for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i += getenv("XENT_SHORT") ? 3 : 1) {
            way.block = blocks[i];
            way.options.threads = 1 << i % 3;
            struct result other = train(&way);
            same_bits(&first, &other);
            assert_true(first.last.held_out_loss == other.last.held_out_loss);
        }
    }
}

/* ---- the state ---- */

enum { MOST = 24 };

struct saved {
    int32_t count;
    const char *names[MOST];
    xent_tensor tensors[MOST];
};

static size_t bytes_of(const xent_tensor *tensor) {
    size_t size = tensor->dtype == XENT_F32 ? 4 : 8;
    for (int axis = 0; axis < tensor->ndim; axis++)
        size *= (size_t)tensor->shape[axis];
    return size;
}

static struct saved save(const xent_training *training) {
    struct saved saved = {.count = xent_training_state_count(training)};
    assert_true(saved.count > 5 && saved.count <= MOST);
    for (int32_t i = 0; i < saved.count; i++) {
        xent_tensor *tensor = &saved.tensors[i];
        assert_int_equal(xent_training_state(training, i, &saved.names[i], tensor, NULL), XENT_OK);
        size_t size = bytes_of(tensor);
        void *copy = malloc(size + 1);
        if (size > 0)
            memcpy(copy, tensor->data, size);
        tensor->data = copy;
    }
    return saved;
}

static void free_saved(const struct saved *saved) {
    for (int32_t i = 0; i < saved->count; i++)
        free(saved->tensors[i].data);
}

/* After every pass another training takes over. */
static struct result train_in_relay(const struct way *way) {
    struct result result = {.last.ended = 0};
    xent_training *training = begin_way(way);
    while (!result.last.ended) {
        xent_error error;
        struct saved saved = save(training);
        xent_training_free(training);
        training = begin_way(way);
        if (xent_training_restore(training, saved.names, saved.tensors, saved.count, &error))
            fail_msg("%s", error.message);
        free_saved(&saved);
        assert_int_equal(run_pass(training, way, &result.last), XENT_OK);
    }
    read_model(training, &result);
    xent_training_free(training);
    return result;
}

static void a_state_goes_on_with_the_same_bits(void **state) {
    (void)state;
    for (int i = 0; i < 8; i += getenv("XENT_SHORT") ? 3 : 1) {
        struct way way = usual();
        way.options.method = i < 4 ? XENT_LBFGS : i < 6 ? XENT_SGD : XENT_ADAM;
        way.options.standardize = i & 1;
        way.options.dtype = i & 2 ? XENT_F64 : XENT_F32;
        way.options.precondition = i == 2 ? XENT_PRECONDITION_NONE : XENT_PRECONDITION_AUTO;
        way.options.history = i == 3 ? 3 : 10;
        way.options.tolerance = 1e-7;
        way.options.max_iterations = i < 4 ? 60 : 5;
        way.options.rate_decay = 0.9;
        way.held_out = i & 1 ? 100 : 0;
        struct result whole = train(&way), relay = train_in_relay(&way);
        same_bits(&whole, &relay);
        assert_true(whole.last.is_best == relay.last.is_best);
    }
}

/* Features so large that steps are much too long, and the line search has to zoom. */
static void a_state_may_lie_amid_a_line_search(void **state) {
    (void)state;
    for (int i = 0; i < 7; i += getenv("XENT_SHORT") ? 3 : 1) {
        struct way way = usual();
        way.options.precondition = XENT_PRECONDITION_NONE;
        way.options.scale = 3 * pow(7, i);
        way.options.max_iterations = 12;
        struct result whole = train(&way), relay = train_in_relay(&way);
        same_bits(&whole, &relay);
    }
}

static void says(xent_status status, xent_status wanted, const xent_error *error,
                 const char *part) {
    if (status != wanted || !strstr(error->message, part))
        fail_msg("%s: \"%s\", not \"%s\"", xent_status_name(status), error->message, part);
}

/* A damaged state is refused, or taken over without harm. */
static void other_states_are_refused(void **state) {
    (void)state;
    struct way way = usual(), other = usual();
    xent_error error;
    xent_training_report report;
    xent_training *training = begin_way(&way);
    for (int i = 0; i < 9; i++)
        assert_int_equal(run_pass(training, &way, &report), XENT_OK);
    struct saved saved = save(training);
    xent_training_free(training);
    other.options.l2 = 0.5;
    training = begin_way(&other);
    says(xent_training_restore(training, saved.names, saved.tensors, saved.count, &error),
         XENT_BAD_ARGUMENT, &error, "l2 = 0.001");
    xent_training_free(training);
    training = begin_way(&way);
    says(xent_training_restore(training, saved.names, saved.tensors, saved.count - 1, &error),
         XENT_BAD_ARGUMENT, &error, "the state has no tensor");
    int64_t *counters = saved.tensors[0].data;
    for (int64_t i = 0; i < saved.tensors[0].shape[0]; i++)
        for (int k = 0; k < 4; k++) {
            const int64_t kept = counters[i], bad[] = {-1, INT64_MAX, kept + 1, 1 << 20};
            counters[i] = bad[k];
            xent_training *one = begin_way(&way);
            if (xent_training_restore(one, saved.names, saved.tensors, saved.count, NULL) ==
                XENT_OK)
                run_pass(one, &way, NULL);
            xent_training_free(one);
            counters[i] = kept;
        }
    saved.tensors[7].shape[0]--;
    says(xent_training_restore(training, saved.names, saved.tensors, saved.count, &error),
         XENT_BAD_SHAPE, &error, "type and shape");
    xent_training_free(training);
    free_saved(&saved);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_where_all_slopes_are_0),
        cmocka_unit_test(fewer_passes_in_a_metric),
        cmocka_unit_test(the_report_tells_the_objective),
        cmocka_unit_test(mini_batches_learn_too),
        cmocka_unit_test(standardizes),
        cmocka_unit_test(blocks_and_threads_do_not_show),
        cmocka_unit_test(a_state_goes_on_with_the_same_bits),
        cmocka_unit_test(a_state_may_lie_amid_a_line_search),
        cmocka_unit_test(other_states_are_refused),
    };
    draw_data();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
