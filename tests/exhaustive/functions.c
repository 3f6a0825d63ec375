/* SPDX-License-Identifier: MIT
 * exp, log, log1p and softcap of all floats. */
#include "cpu/kernels.h"
#include "curves.h"
#include "sweep.h"

#include <math.h>
#include <stdio.h>

enum { BATCH = 4096 };

typedef struct curve {
    double lowest, highest; /* the domain */
    bool any;               /* whether NaN is in it as well */
    double flush;           /* results below it may be 0, below half of it they must be */
    void (*apply)(const xent_math *math, double *values, int64_t n, double *slopes);
    long double (*exact)(double x);
    long double (*exact_slope)(double x); /* NULL: there is none */
    double slope_flush;
} curve;

static double error_of(double got, long double exact, double flush) {
    if (got == 0 && fabsl(exact) < flush)
        return 0;
    if (got != 0 && fabsl(exact) < flush / 2)
        return INFINITY;
    return ulps_of(got, exact);
}

/* Every NaN counts as the same. */
static void hash_values(sweep_result *result, const double *values, size_t count) {
    uint64_t words[BATCH];
    for (size_t i = 0; i < count; i++)
        words[i] = bits_of(isnan(values[i]) ? (double)NAN : values[i]);
    hash_words(result, words, count);
}

static void run_batch(const curve *of, const uint32_t *inputs, size_t count, bool errors,
                      sweep_result *result) {
    double values[BATCH], slopes[BATCH];
    for (size_t i = 0; i < count; i++)
        values[i] = (double)float_of(inputs[i]);
    of->apply(xent_math_functions(), values, (int64_t)count, slopes);
    hash_values(result, values, count);
    if (of->exact_slope)
        hash_values(result, slopes, count);
    result->inputs += count;
    for (size_t i = 0; errors && i < count; i++) {
        double x = (double)float_of(inputs[i]);
        note_error(result, 0, error_of(values[i], of->exact(x), of->flush), inputs[i]);
        if (of->exact_slope)
            note_error(result, 1, error_of(slopes[i], of->exact_slope(x), of->slope_flush),
                       inputs[i]);
    }
}

static void run_curve(const curve *of, const sweep_range *range, sweep_result *result) {
    uint32_t inputs[BATCH];
    size_t count = 0;
    for (uint64_t i = first_input(range); i < range->end; i += range->stride) {
        double x = (double)float_of((uint32_t)i);
        if (!(x >= of->lowest && x <= of->highest) && !(of->any && isnan(x)))
            continue;
        inputs[count++] = (uint32_t)i;
        if (count < BATCH)
            continue;
        run_batch(of, inputs, count, range->errors, result);
        count = 0;
    }
    run_batch(of, inputs, count, range->errors, result);
}

/* ---- the parts ------------------------------------------------------------------------------- */

static void apply_exp(const xent_math *math, double *values, int64_t n, double *slopes) {
    (void)slopes;
    math->exp(values, n);
}

static void apply_log(const xent_math *math, double *values, int64_t n, double *slopes) {
    (void)slopes;
    math->log(values, n);
}

static void apply_log1p(const xent_math *math, double *values, int64_t n, double *slopes) {
    (void)slopes;
    math->log1p(values, n);
}

static void apply_tanh(const xent_math *math, double *values, int64_t n, double *slopes) {
    math->bend(values, n, 1, 1, slopes);
}

static void run_exp(const sweep_range *range, sweep_result *result) {
    const curve of = {-INFINITY, 709, false, 0x1p-1021, apply_exp, curve_exp, NULL, 0};
    run_curve(&of, range, result);
}

static void run_log(const sweep_range *range, sweep_result *result) {
    const curve of = {0, INFINITY, false, 0, apply_log, curve_log, NULL, 0};
    run_curve(&of, range, result);
}

static void run_log1p(const sweep_range *range, sweep_result *result) {
    const curve of = {0, FLT_MAX, false, 0, apply_log1p, curve_log1p, NULL, 0};
    run_curve(&of, range, result);
}

static void run_tanh(const sweep_range *range, sweep_result *result) {
    const curve of = {.lowest = -INFINITY,
                      .highest = INFINITY,
                      .any = true,
                      .apply = apply_tanh,
                      .exact = curve_tanh,
                      .exact_slope = curve_tanh_slope,
                      .slope_flush = 0x1p-1019};
    run_curve(&of, range, result);
}

const sweep_part exp_part = {.name = "exp",
                             .inputs = "floats up to 709",
                             .count = UINT64_C(1) << 32,
                             .measures = {{"exp", "ulp", 1}},
                             .quick = QUICK,
                             .quick_hash = UINT64_C(0x21b5d61d9047771c),
                             .run = run_exp,
                             .describe = describe_float};

const sweep_part log_part = {.name = "log",
                             .inputs = "floats from 0 on",
                             .count = UINT64_C(1) << 32,
                             .measures = {{"log", "ulp", 1}},
                             .quick = QUICK,
                             .quick_hash = UINT64_C(0xaef97064d1d6b9d9),
                             .run = run_log,
                             .describe = describe_float};

const sweep_part log1p_part = {.name = "log1p",
                               .inputs = "finite floats from 0 on",
                               .count = UINT64_C(1) << 32,
                               .measures = {{"log1p", "ulp", 1}},
                               .quick = QUICK,
                               .quick_hash = UINT64_C(0xee71fa89a38a8b93),
                               .run = run_log1p,
                               .describe = describe_float};

const sweep_part tanh_part = {.name = "tanh",
                              .inputs = "floats",
                              .count = UINT64_C(1) << 32,
                              .measures = {{"tanh", "ulp", 1}, {"slope", "ulp", 7}},
                              .quick = QUICK,
                              .quick_hash = UINT64_C(0xe2788bf9bc1dc261),
                              .run = run_tanh,
                              .describe = describe_float};
