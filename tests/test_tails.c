/* SPDX-License-Identifier: MIT
 * The parts of diagnose/ that have numbers of their own: tails against sums of exact terms, rows
 * against sums in order, assignments against all there are. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "../diagnose/assign.h"
#include "../diagnose/row.h"
#include "../diagnose/tails.h"
#include "draw.h"

#include <math.h>
#include <string.h>

static void assert_near(double got, double wanted) {
    if (!(fabs(got - wanted) <= 1e-10 * fabs(wanted)))
        fail_msg("%.17g, not %.17g", got, wanted);
}

static double choose(int n, int k) {
    double product = 1;
    for (int i = 1; i <= k; i++)
        product = product * (n - k + i) / i;
    return product;
}

static void binomial_tails(void **state) {
    (void)state;
    for (int n = 1; n <= 60; n++) {
        for (int tenths = 1; tenths < 10; tenths += 2) {
            double p = tenths / 10.0, above = 0;
            for (int k = n; k > n * p; k--) {
                above += choose(n, k) * pow(p, k) * pow(1 - p, n - k);
                assert_near(binomial_above(k, n, p), above < 1 ? above : 1);
                assert_near(binomial_below(n - k, n, 1 - p), above < 1 ? above : 1);
            }
        }
    }
    assert_near(binomial_above(0, 10, 0.5), 1);
    assert_near(binomial_above(5, 10, 0.5), 1);
    assert_near(binomial_above(10, 10, 0.5), 1.0 / 1024);
    assert_true(binomial_above(3, 10, 0) == 0);
}

static void hypergeometric_tails(void **state) {
    enum { ALL = 40, MARKED = 13 };
    (void)state;
    for (int drawn = 1; drawn < ALL; drawn++) {
        double above = 0;
        int most = drawn < MARKED ? drawn : MARKED;
        for (int k = most; k > drawn * (double)MARKED / ALL && drawn - k <= ALL - MARKED; k--) {
            above += choose(MARKED, k) * choose(ALL - MARKED, drawn - k) / choose(ALL, drawn);
            assert_near(hypergeometric_above(k, drawn, MARKED, ALL), above);
        }
    }
    assert_near(hypergeometric_above(0, 5, 5, 10), 1);
}

static void rows_of_any_length(void **state) {
    enum { MOST = 5000 };
    static float row[MOST];
    uint64_t dice = 5;
    (void)state;
    for (int n = 1; n <= MOST; n += n < 80 ? 1 : 613) {
        double sum = 0, least = INFINITY;
        for (int c = 0; c < n; c++) {
            row[c] = (float)draw_normal(&dice, 1);
            sum += (double)row[c];
            least = fmin(least, (double)row[c]);
        }
        row_facts got = look_at_row(row, n);
        assert_true(fabs(got.sum - sum) < 1e-3 && (double)got.least == least);
        float first = row[0];
        row[0] = row[n - 1];
        row[n - 1] = first;
        row_facts turned = look_at_row(row, n);
        assert_true(n == 1 || turned.order != got.order);
    }
}

/* The best of all assignments of 5 labels. */
static int64_t best_of_all(const int32_t *counts, int n, int label, unsigned taken) {
    int64_t best = label < n ? INT64_MIN : 0;
    for (int c = 0; label < n && c < n; c++) {
        if (taken >> c & 1)
            continue;
        int64_t sum = counts[label * n + c] + best_of_all(counts, n, label + 1, taken | 1U << c);
        best = sum > best ? sum : best;
    }
    return best;
}

static void assignments_are_the_best(void **state) {
    enum { SIDE = 6, CASES = 300 };
    uint64_t dice = 11;
    (void)state;
    for (int i = 0; i < CASES; i++) {
        int32_t counts[SIDE * SIDE], to[SIDE];
        bool taken[SIDE] = {false};
        int64_t sum = 0;
        for (int k = 0; k < SIDE * SIDE; k++)
            counts[k] = (int32_t)draw(&dice, 9);
        assert_int_equal(assign_exactly(counts, SIDE, to), XENT_OK);
        for (int c = 0; c < SIDE; c++) {
            assert_true(to[c] >= 0 && to[c] < SIDE && !taken[to[c]]);
            taken[to[c]] = true;
            sum += counts[c * SIDE + to[c]];
        }
        assert_int_equal(sum, best_of_all(counts, SIDE, 0, 0));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binomial_tails),
        cmocka_unit_test(hypergeometric_tails),
        cmocka_unit_test(rows_of_any_length),
        cmocka_unit_test(assignments_are_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
