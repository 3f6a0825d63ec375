/* SPDX-License-Identifier: MIT
 * What the sweeps over all inputs measure with is right: the long double functions against MPFR;
 * and at the worst inputs that the sweeps found, MPFR finds the same errors. */
#include "exhaustive/curves.h"
#include "hash.h"
#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mpfr.h>

enum { PRECISION = 160, POINTS = 100000 };

typedef struct curve {
    const char *name;
    long double (*near)(double x);
    void (*exact)(mpfr_t y, const mpfr_t x);
    void (*library)(double *value);
    double low, high;    /* floats from low to high are tried */
    double worst, error; /* found by `make test-exhaustive`; in ulp */
} curve;

static int failures;

static void exact_exp(mpfr_t y, const mpfr_t x) {
    mpfr_exp(y, x, MPFR_RNDN);
}

static void exact_log(mpfr_t y, const mpfr_t x) {
    mpfr_log(y, x, MPFR_RNDN);
}

static void exact_log1p(mpfr_t y, const mpfr_t x) {
    mpfr_log1p(y, x, MPFR_RNDN);
}

static void exact_tanh(mpfr_t y, const mpfr_t x) {
    mpfr_tanh(y, x, MPFR_RNDN);
}

static void exact_slope(mpfr_t y, const mpfr_t x) {
    mpfr_sech(y, x, MPFR_RNDN);
    mpfr_sqr(y, y, MPFR_RNDN);
}

static void library_exp(double *value) {
    xent_math_functions()->exp(value, 1);
}

static void library_log(double *value) {
    xent_math_functions()->log(value, 1);
}

static void library_log1p(double *value) {
    xent_math_functions()->log1p(value, 1);
}

static void library_tanh(double *value) {
    xent_math_functions()->bend(value, 1, 1, 1, NULL);
}

static void library_slope(double *value) {
    double x = *value;
    xent_math_functions()->bend(&x, 1, 1, 1, value);
}

/* |got - exact| in units in the last place of a double near the exact value at x. */
static double ulps(long double got, double x, const curve *of) {
    mpfr_t y, result;
    mpfr_inits2(PRECISION, y, result, (mpfr_ptr)0);
    mpfr_set_d(y, x, MPFR_RNDN);
    of->exact(y, y);
    mpfr_set_ld(result, got, MPFR_RNDN);
    mpfr_sub(result, result, y, MPFR_RNDN);
    if (!mpfr_zero_p(y))
        mpfr_mul_2si(result, result, 53 - mpfr_get_exp(y), MPFR_RNDN);
    double error = fabs(mpfr_get_d(result, MPFR_RNDU));
    mpfr_clears(y, result, (mpfr_ptr)0);
    return error;
}

/* A float in [low, high], every binade as likely; a negative low means both signs. */
static double draw_float(const curve *of, uint64_t *state) {
    for (;;) {
        uint32_t bits = (uint32_t)(next_random(state) >> 32);
        float x;
        memcpy(&x, &bits, sizeof x);
        if ((double)x >= of->low && (double)x <= of->high && x != 0)
            return (double)x;
    }
}

static void test_curve(const curve *of) {
    uint64_t state = 1;
    double largest = 0, at = 0;
    for (int i = 0; i < POINTS; i++) {
        double x = draw_float(of, &state), error = ulps(of->near(x), x, of);
        if (error > largest) {
            largest = error;
            at = x;
        }
    }
    double value = of->worst;
    of->library(&value);
    double error = ulps((long double)value, of->worst, of);
    int right = largest <= 0x1p-8 && fabs(error - of->error) < 0.0005;
    failures += !right;
    printf("%s: the long double is off by at most %.5f ulp of a double, at %a; the library by %.4f "
           "at %a%s\n",
           of->name, largest, at, error, of->worst, right ? "" : " FAILED");
}

int main(void) {
    const curve curves[] = {
        {"exp", curve_exp, exact_exp, library_exp, -708, 709, 0x1.a56fcp+2, 0.9092},
        {"log", curve_log, exact_log, library_log, 0, FLT_MAX, 0x1.8db856p-2, 0.7441},
        {"log1p", curve_log1p, exact_log1p, library_log1p, 0, FLT_MAX, 0x1.25642cp-1, 0.7339},
        {"tanh", curve_tanh, exact_tanh, library_tanh, -FLT_MAX, FLT_MAX, 0x1.7dcb64p-4, 0.9512},
        {"slope of tanh", curve_tanh_slope, exact_slope, library_slope, -353, 353, 0x1.0a29ep+2,
         4.2116},
    };
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        test_curve(&curves[i]);
    mpfr_free_cache();
    printf("%d failures\n", failures);
    return failures != 0;
}
