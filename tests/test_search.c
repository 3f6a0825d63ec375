/* SPDX-License-Identifier: MIT
 * The line search of training: from any first step it ends where the strong Wolfe conditions hold,
 * also beyond the place where the function has no value, and amid rounding errors. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "../train/search.h"

#include <math.h>

/* A function and its slope; all fall at 0. */
typedef double curve(double x, double *slope);

static double parabola(double x, double *slope) {
    *slope = 2 * (x - 3);
    return (x - 3) * (x - 3);
}

/* The first function of More and Thuente (1994), with beta = 2. */
static double shallow(double x, double *slope) {
    double square = x * x + 2;
    *slope = (x * x - 2) / (square * square);
    return -x / square;
}

/* Many valleys. */
static double wavy(double x, double *slope) {
    *slope = x / 5 - 1 + cos(3 * x) * 0.9;
    return x * x / 10 - x + sin(3 * x) * 0.3;
}

/* Overflows at some distance. */
static double steep(double x, double *slope) {
    *slope = exp(x * 40) - 2;
    return exp(x * 40) / 40 - 2 * x;
}

/* Zero but for errors of some 1e-9: the slope alone says where the minimum is. */
static double drowned(double x, double *slope) {
    *slope = 1e-10 * (x - 1);
    return 0.5 + 1e-9 * sin(1e6 * x);
}

static void ends_where_the_conditions_hold(void **state) {
    curve *const curves[] = {parabola, shallow, wavy, steep, drowned};
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int power = -3; power <= 3; power++) {
            const double first = pow(10, power), noise = i == 4 ? 1e-8 : 0;
            struct search search;
            double start_slope, slope, value = curves[i](0, &start_slope);
            const double start = value;
            int found = SEARCH_GOES_ON, trials = 0;
            begin_search(&search, value, start_slope, first, noise);
            while (found == SEARCH_GOES_ON) {
                value = curves[i](search.step, &slope);
                found = continue_search(&search, value, slope);
                trials++;
            }
            if (found != SEARCH_DONE || trials > 18)
                fail_msg("curve %d from %g: %d after %d trials", i, first, found, trials);
            assert_true(fabs(slope) <= 0.9 * fabs(start_slope));
            assert_true(value <= start + 1e-4 * search.step * start_slope + noise);
        }
}

/* Nothing is found, and that is said. */
static void gives_up(void **state) {
    struct search search;
    int found = SEARCH_GOES_ON, trials = 0;
    (void)state;
    begin_search(&search, 1, -1, 1, 0);
    for (; found == SEARCH_GOES_ON; trials++)
        found = continue_search(&search, trials % 2 ? 2 : (double)NAN, -1);
    assert_int_equal(found, SEARCH_FAILED);
    assert_true(trials < 40 && search.step > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_where_the_conditions_hold),
        cmocka_unit_test(gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
