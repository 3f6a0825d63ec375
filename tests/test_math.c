/* SPDX-License-Identifier: MIT
 * exp, log, log1p and softcap in double precision against MPFR: the largest error in units in the
 * last place. */
#include "kernels.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpfr.h>

enum { MOST_POINTS = 400000, PRECISION = 160 };

static double points[MOST_POINTS], got[MOST_POINTS], slopes[MOST_POINTS];
static int64_t point_count;
static int failures;
static uint64_t state = 0x853c49e6748fea9bu;

/* Marsaglia's xorshift64, as a double in [1, 2). */
static double random_mantissa(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return 1 + ldexp((double)(state >> 12), -52);
}

static void expect(int right, const char *what, double value) {
    if (right)
        return;
    failures++;
    printf("FAILED: %s at %a\n", what, value);
}

/* ---- points ---------------------------------------------------------------------------------- */

static void add_point(double x) {
    if (point_count < MOST_POINTS)
        points[point_count++] = x;
}

/* x and its eight nearest neighbours, as far as they lie in [low, high]. */
static void add_near(double x, double low, double high) {
    double below = x, above = x;
    for (int i = 0; i < 5; i++) {
        if (below >= low && below <= high)
            add_point(below);
        if (i > 0 && above >= low && above <= high)
            add_point(above);
        below = nextafter(below, -INFINITY);
        above = nextafter(above, INFINITY);
    }
}

/* `each` random points of every binade from 2^first to 2^last, times sign. */
static void add_binades(int first, int last, int each, double sign) {
    for (int exponent = first; exponent <= last; exponent++)
        for (int i = 0; i < each; i++)
            add_point(sign * ldexp(random_mantissa(), exponent));
}

/* ---- errors ---------------------------------------------------------------------------------- */

typedef struct curve {
    const char *name;
    void (*exact)(mpfr_t y, mpfr_t x, const struct curve *of);
    double scale, cap; /* of softcap */
    double limit;      /* ulps allowed */
    double flush;      /* results below it may be 0, below half of it they must be */
} curve;

/* |got - exact| in units in the last place of a double near the exact value. */
static double ulps(double result, mpfr_t exact) {
    mpfr_t error;
    if (!isfinite(result))
        return INFINITY;
    mpfr_init2(error, PRECISION);
    mpfr_sub_d(error, exact, result, MPFR_RNDN);
    mpfr_exp_t exponent = mpfr_zero_p(exact) ? -1021 : mpfr_get_exp(exact);
    mpfr_mul_2si(error, error, 53 - (exponent < -1021 ? -1021 : exponent), MPFR_RNDN);
    double size = fabs(mpfr_get_d(error, MPFR_RNDU));
    mpfr_clear(error);
    return size;
}

/* Compares results[i] with the curve at points[i]; prints the largest error and where it is. */
static void measure(const curve *of, const double *results) {
    mpfr_t x, y;
    mpfr_inits2(PRECISION, x, y, (mpfr_ptr)0);
    double worst = 0, worst_at = 0;
    for (int64_t i = 0; i < point_count; i++) {
        mpfr_set_d(x, points[i], MPFR_RNDN);
        of->exact(y, x, of);
        double size = fabs(mpfr_get_d(y, MPFR_RNDZ));
        if (size < of->flush / 2)
            expect(results[i] == 0, of->name, points[i]);
        if (size < of->flush && results[i] == 0)
            continue;
        double error = ulps(results[i], y);
        expect(error <= of->limit, of->name, points[i]);
        if (error > worst) {
            worst = error;
            worst_at = points[i];
        }
    }
    printf("%-28s %7d points, largest error %.4f ulp at %a\n", of->name, (int)point_count, worst,
           worst_at);
    mpfr_clears(x, y, (mpfr_ptr)0);
}

/* ---- the functions --------------------------------------------------------------------------- */

static void exact_exp(mpfr_t y, mpfr_t x, const curve *of) {
    (void)of;
    mpfr_exp(y, x, MPFR_RNDN);
}

static void exact_log(mpfr_t y, mpfr_t x, const curve *of) {
    (void)of;
    mpfr_log(y, x, MPFR_RNDN);
}

static void exact_log1p(mpfr_t y, mpfr_t x, const curve *of) {
    (void)of;
    mpfr_log1p(y, x, MPFR_RNDN);
}

static void scaled_argument(mpfr_t y, mpfr_t x, const curve *of) {
    mpfr_mul_d(y, x, of->scale, MPFR_RNDN);
    mpfr_div_d(y, y, of->cap, MPFR_RNDN);
}

static void exact_softcap(mpfr_t y, mpfr_t x, const curve *of) {
    scaled_argument(y, x, of);
    mpfr_tanh(y, y, MPFR_RNDN);
    mpfr_mul_d(y, y, of->cap, MPFR_RNDN);
}

/* d/dx cap*tanh(scale*x/cap) = scale*sech(scale*x/cap)^2. */
static void exact_slope(mpfr_t y, mpfr_t x, const curve *of) {
    scaled_argument(y, x, of);
    mpfr_sech(y, y, MPFR_RNDN);
    mpfr_sqr(y, y, MPFR_RNDN);
    mpfr_mul_d(y, y, of->scale, MPFR_RNDN);
}

/* A function's result depends on its value alone: not on its neighbours or their number. */
static void check_alone(void (*function)(double *values, int64_t n), const char *name) {
    double few[7];
    for (int64_t i = 0; i + 7 <= point_count; i += 97) {
        int64_t n = 1 + i % 7;
        memcpy(few, &points[i], sizeof few);
        function(few, n);
        expect(!memcmp(few, &got[i], (size_t)n * sizeof *few), name, points[i]);
    }
}

/* Values at which the result is known exactly, bit for bit. */
static void check_exact(void (*function)(double *values, int64_t n), const char *name,
                        const double (*pairs)[2], int count) {
    for (int i = 0; i < count; i++) {
        double value = pairs[i][0];
        function(&value, 1);
        expect(!memcmp(&value, &pairs[i][1], sizeof value), name, pairs[i][0]);
    }
}

static void test_exp(const xent_math *functions) {
    const curve of = {"exp", exact_exp, 1, 1, 1, 0x1p-1021};
    const double known[][2] = {{0, 1},      {-0.0, 1},    {-INFINITY, 0},
                               {-1e300, 0}, {-5e-324, 1}, {-0x1p-60, 1}};
    point_count = 0;
    add_binades(-60, 8, 1000, -1);
    add_binades(-60, 8, 500, 1);
    add_near(709, 700, 709);
    add_near(-0x1.1833b9a7d6193p+9, -709, 0); /* 1.01 ulp without compensation */
    for (int i = 0; i < 100000; i++)
        add_point(-708 * (random_mantissa() - 1));
    for (int n = -2045; n <= 2048; n++)
        add_near(-n * 0.34657359027997264, -INFINITY, 709);
    memcpy(got, points, sizeof got);
    functions->exp(got, point_count);
    measure(&of, got);
    check_alone(functions->exp, of.name);
    check_exact(functions->exp, of.name, known, sizeof known / sizeof *known);
}

static void test_log(const xent_math *functions) {
    const curve of = {"log", exact_log, 1, 1, 1, 0};
    const double known[][2] = {{0, -INFINITY}, {-0.0, -INFINITY}, {1, 0}};
    point_count = 0;
    add_binades(-1074, 1023, 60, 1);
    for (int e = -1074; e <= 1023; e++) {
        add_near(ldexp(1, e), 5e-324, INFINITY);
        add_near(ldexp(1.4142135623730951, e), 5e-324, INFINITY);
    }
    for (int e = 1; e <= 53; e++) {
        add_near(1 + ldexp(1, -e), 0, INFINITY);
        add_near(1 - ldexp(1, -e), 5e-324, INFINITY);
    }
    for (int i = 0; i < 100000; i++)
        add_point(0.5 + 0.75 * random_mantissa());
    memcpy(got, points, sizeof got);
    functions->log(got, point_count);
    measure(&of, got);
    check_alone(functions->log, of.name);
    check_exact(functions->log, of.name, known, sizeof known / sizeof *known);
}

static void test_log1p(const xent_math *functions) {
    const curve of = {"log1p", exact_log1p, 1, 1, 1, 0};
    const double known[][2] = {{0, 0}, {5e-324, 5e-324}, {0x1p-60, 0x1p-60}};
    point_count = 0;
    add_binades(-1074, 1023, 60, 1);
    add_binades(-60, 20, 1000, 1);
    for (int e = -60; e <= 1023; e++) {
        add_near(ldexp(1, e), 0, INFINITY);
        add_near(ldexp(1, e) - 1, 0, INFINITY);
        add_near(ldexp(1.4142135623730951, e) - 1, 0, INFINITY);
    }
    memcpy(got, points, sizeof got);
    functions->log1p(got, point_count);
    measure(&of, got);
    check_alone(functions->log1p, of.name);
    check_exact(functions->log1p, of.name, known, sizeof known / sizeof *known);
}

/* Arguments from 2^-1000 on, most of them from 2^-40 to 2^9, where tanh bends. */
static void softcap_points(double stretch) {
    point_count = 0;
    add_binades(-1000, 1000, 10, stretch);
    add_binades(-40, 8, 1000, stretch);
    add_binades(-40, 8, 1000, -stretch);
    for (int n = 0; n <= 2048; n++)
        add_near(n * 0.17328679513998632 * stretch, 0, INFINITY);
}

/* z = cap*tanh(scale*x/cap): the product with cap costs up to half an ulp, one where it passes a
 * power of 2, more than tanh alone, which is what scale = cap = 1 shows. */
static void test_softcap(const xent_math *functions, double scale, double cap) {
    bool plain = scale == 1 && cap == 1;
    const curve of = {plain ? "tanh" : "softcap", exact_softcap, scale, cap, plain ? 1 : 2, 0};
    const curve slope = {
        plain ? "slope of tanh" : "slope of softcap", exact_slope, scale, cap, 7, 0};
    softcap_points(cap / scale);
    memcpy(got, points, sizeof got);
    functions->bend(got, point_count, scale, cap, slopes);
    measure(&of, got);
    int64_t kept = 0;
    for (int64_t i = 0; i < point_count; i++) {
        if (fabs(points[i] * scale / cap) > 353)
            continue; /* u is 0 from about 353.9 on */
        points[kept] = points[i];
        slopes[kept++] = slopes[i];
    }
    point_count = kept;
    measure(&slope, slopes);
}

static void test_softcap_values(const xent_math *functions) {
    const double x[] = {0, 1e-300, INFINITY, -INFINITY, 1e300, -1e300, 5e-324, -5e-324};
    const double z[] = {0, 1e-300, INFINITY, -INFINITY, 1, -1, 5e-324, -5e-324};
    const double slope[] = {1, 1, 1, 1, 0, 0, 1, 1};
    double values[9], seen[9];
    for (int i = 0; i < 8; i++)
        values[i] = x[i];
    values[8] = NAN;
    functions->bend(values, 9, 1, 1, seen);
    for (int i = 0; i < 8; i++) {
        expect(!memcmp(&values[i], &z[i], sizeof *z), "tanh", x[i]);
        expect(seen[i] == slope[i], "slope of tanh", x[i]);
    }
    expect(isnan(values[8]) && seen[8] == 1, "tanh of NaN", NAN);
    values[0] = 3;
    functions->bend(values, 1, 0.5, 2, NULL);
    functions->bend(memcpy(&values[1], &(double){3}, sizeof(double)), 1, 0.5, 2, seen);
    expect(values[0] == values[1], "softcap without slope", 3);
}

int main(void) {
    const xent_math *functions = xent_math_functions();
    printf("instruction set %s\n", xent_isa());
    test_exp(functions);
    test_log(functions);
    test_log1p(functions);
    test_softcap(functions, 1, 1);
    test_softcap(functions, 1, 30);
    test_softcap(functions, 0.7, 50);
    test_softcap_values(functions);
    mpfr_free_cache();
    printf("%d failures\n", failures);
    return failures != 0;
}
