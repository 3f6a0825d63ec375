/* SPDX-License-Identifier: MIT
 * Totals: sums against exact integers, merges in any grouping, first_* indices, NaN and infinities,
 * reductions. */
#include "total.h"
#include "xent.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

/* Sums of integers below 2^120 are exact here, and the rounding errors of two_sum on integers are
 * integers. */
__extension__ typedef __int128 wide;

enum { LEAVES = 64, ROUNDS = 500 };

static uint64_t state = 0x9e3779b97f4a7c15u;

/* Marsaglia's xorshift64. */
static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int64_t below(int64_t limit) {
    return (int64_t)(next_random() % (uint64_t)limit);
}

/* A random integer of either sign with up to 53 + spread bits. */
static double random_integer(int spread) {
    double value = ldexp((double)(next_random() >> 11), (int)below(spread + 1));
    return next_random() & 1 ? value : -value;
}

/* One row more. */
static void add_to_sum(double *high, double *low, double value) {
    const double rows[SUM_LANES] = {value};
    struct lane_sums sums = {{*high}, {*low}};
    *high = *low = 0;
    add_rows(&sums, rows, SUM_LANES);
    finish_sum(&sums, 1, high, low);
}

static wide pair_value(double high, double low) {
    return (wide)high + (wide)low;
}

static wide magnitude(wide value) {
    return value < 0 ? -value : value;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void assert_same(double a, double b) {
    assert_int_equal(bits_of(a), bits_of(b));
}

/* The positive quiet NaN, and no other. */
static void assert_nan(double value) {
    assert_int_equal(bits_of(value), UINT64_C(0x7ff8000000000000));
}

/* A total of a few rows whose sums have a low part; some have a bad or a nonfinite row. */
static xent_total random_total(void) {
    xent_total total = XENT_TOTAL_INIT;
    total.rows = 1 + below(100);
    total.bad = below(2);
    total.ignored = below(total.rows - total.bad + 1);
    total.counted = total.rows - total.bad - total.ignored;
    total.correct = below(total.counted + 1);
    if (total.bad) {
        total.first_bad_row = below(total.rows);
        total.first_bad_label = -1 - below(1000);
    }
    if (below(4) == 0) {
        total.nonfinite = 1;
        total.first_nonfinite_row = below(total.rows);
    }
    for (int i = 0; i < 3; i++) {
        add_to_sum(&total.loss_sum, &total.loss_sum_low, random_integer(47));
        add_to_sum(&total.weight_sum, &total.weight_sum_low, fabs(random_integer(47)));
    }
    return total;
}

static void random_leaves(xent_total *leaves) {
    for (int i = 0; i < LEAVES; i++)
        leaves[i] = random_total();
}

static xent_total merge_in_order(const xent_total *leaves) {
    xent_total all = XENT_TOTAL_INIT;
    for (int i = 0; i < LEAVES; i++)
        xent_total_merge(&all, &leaves[i]);
    return all;
}

/* Merges random neighbours until one is left: any grouping, the order kept. */
static xent_total merge_in_groups(const xent_total *leaves) {
    xent_total left[LEAVES];
    memcpy(left, leaves, sizeof left);
    for (int count = LEAVES; count > 1; count--) {
        int64_t at = below(count - 1);
        xent_total_merge(&left[at], &left[at + 1]);
        memmove(&left[at + 1], &left[at + 2], (size_t)(count - 2 - at) * sizeof *left);
    }
    return left[0];
}

static void shuffle(xent_total *leaves) {
    for (int i = LEAVES - 1; i > 0; i--) {
        int64_t j = below(i + 1);
        xent_total kept = leaves[i];
        leaves[i] = leaves[j];
        leaves[j] = kept;
    }
}

/* Both sums of `all` within 2^-98 of the sum of the leaves' magnitudes. */
static void assert_sums(const xent_total *leaves, const xent_total *all) {
    wide loss = 0, loss_size = 0, weight = 0;
    for (int i = 0; i < LEAVES; i++) {
        wide leaf = pair_value(leaves[i].loss_sum, leaves[i].loss_sum_low);
        loss += leaf;
        loss_size += magnitude(leaf);
        weight += pair_value(leaves[i].weight_sum, leaves[i].weight_sum_low);
    }
    wide loss_error = pair_value(all->loss_sum, all->loss_sum_low) - loss;
    wide weight_error = pair_value(all->weight_sum, all->weight_sum_low) - weight;
    assert_true(magnitude(loss_error) <= loss_size >> 98);
    assert_true(magnitude(weight_error) <= weight >> 98);
}

/* The counts of `all`, and its first rows found by walking over the leaves. */
static void assert_counts(const xent_total *leaves, const xent_total *all) {
    xent_total sum = XENT_TOTAL_INIT;
    for (int i = 0; i < LEAVES; i++) {
        const xent_total *leaf = &leaves[i];
        if (sum.first_bad_row == -1 && leaf->bad) {
            sum.first_bad_row = sum.rows + leaf->first_bad_row;
            sum.first_bad_label = leaf->first_bad_label;
        }
        if (sum.first_nonfinite_row == -1 && leaf->nonfinite)
            sum.first_nonfinite_row = sum.rows + leaf->first_nonfinite_row;
        sum.rows += leaf->rows;
        sum.counted += leaf->counted;
        sum.ignored += leaf->ignored;
        sum.bad += leaf->bad;
        sum.nonfinite += leaf->nonfinite;
        sum.correct += leaf->correct;
    }
    assert_memory_equal(all, &sum, offsetof(xent_total, loss_sum));
    assert_memory_equal(all->reserved, sum.reserved, sizeof sum.reserved);
}

static void any_grouping_and_order(void **unused) {
    (void)unused;
    xent_total leaves[LEAVES];
    random_leaves(leaves);
    for (int round = 0; round < ROUNDS; round++) {
        xent_total in_order = merge_in_order(leaves), in_groups = merge_in_groups(leaves);
        assert_sums(leaves, &in_order);
        assert_counts(leaves, &in_order);
        assert_sums(leaves, &in_groups);
        assert_counts(leaves, &in_groups);
        shuffle(leaves);
        if (round % 10 == 9)
            random_leaves(leaves);
    }
}

static void same_order_same_bits(void **unused) {
    (void)unused;
    xent_total leaves[LEAVES], copy[LEAVES];
    random_leaves(leaves);
    memcpy(copy, leaves, sizeof copy);
    xent_total first = merge_in_order(leaves), second = merge_in_order(copy);
    assert_memory_equal(&first, &second, sizeof first);
    assert_memory_equal(leaves, copy, sizeof copy);
}

/* A million times 0.1, a multiple of 2^-56, needs 73 bits: two doubles hold every partial sum
 * exactly. */
static void long_sum_is_exact(void **unused) {
    (void)unused;
    double high = 0, low = 0;
    for (int i = 0; i < 1000000; i++)
        add_to_sum(&high, &low, 0.1);
    assert_true(pair_value(ldexp(high, 56), ldexp(low, 56)) == (wide)ldexp(0.1, 56) * 1000000);
}

static void cancellation_is_exact(void **unused) {
    (void)unused;
    double high = 0, low = 0;
    const double values[] = {1e30, 3, -1e30, 0x1p-60, -3};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        add_to_sum(&high, &low, values[i]);
    assert_same(high, 0x1p-60);
    assert_same(low, 0);
}

static void first_rows(void **unused) {
    (void)unused;
    xent_total into = XENT_TOTAL_INIT, from = XENT_TOTAL_INIT;
    into.rows = 10;
    from.rows = 5;
    xent_total_merge(&into, &from);
    assert_int_equal(into.first_bad_row, -1);
    assert_int_equal(into.first_bad_label, 0);
    assert_int_equal(into.first_nonfinite_row, -1);
    from.first_bad_row = 0;
    from.first_bad_label = -100;
    xent_total_merge(&into, &from);
    assert_int_equal(into.first_bad_row, 15);
    assert_int_equal(into.first_bad_label, -100);
    from.first_bad_label = 7;
    from.first_nonfinite_row = 4;
    xent_total_merge(&into, &from);
    assert_int_equal(into.first_bad_row, 15);
    assert_int_equal(into.first_bad_label, -100);
    assert_int_equal(into.first_nonfinite_row, 24);
    xent_total_merge(&into, &from);
    assert_int_equal(into.first_nonfinite_row, 24);
    assert_int_equal(into.rows, 30);
}

/* One sum after adding two values, each with a low part that must vanish with a high part that is
 * not finite. */
static xent_total sum_of(double a, double b) {
    xent_total into = XENT_TOTAL_INIT, from = XENT_TOTAL_INIT;
    into.loss_sum = from.weight_sum = a;
    from.loss_sum = into.weight_sum = b;
    into.loss_sum_low = isfinite(a) ? a * 0x1p-54 : 0;
    from.weight_sum_low = into.loss_sum_low;
    xent_total_merge(&into, &from);
    return into;
}

static void nan_and_infinity(void **unused) {
    (void)unused;
    const double odd_nan = -(double)NAN;
    const double cases[][3] = {
        {1, INFINITY, INFINITY},      {INFINITY, INFINITY, INFINITY},  {1, -INFINITY, -INFINITY},
        {DBL_MAX, DBL_MAX, INFINITY}, {-DBL_MAX, -DBL_MAX, -INFINITY}, {1, odd_nan, NAN},
        {odd_nan, odd_nan, NAN},      {INFINITY, -INFINITY, NAN},      {INFINITY, odd_nan, NAN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        xent_total total = sum_of(cases[i][0], cases[i][1]);
        assert_same(total.loss_sum, cases[i][2]);
        assert_same(total.weight_sum, cases[i][2]);
        assert_same(total.loss_sum_low, 0);
        assert_same(total.weight_sum_low, 0);
        add_to_sum(&total.loss_sum, &total.loss_sum_low, 5);
        assert_same(total.loss_sum, cases[i][2]);
        assert_same(total.loss_sum_low, 0);
    }
}

/* loss_sum 12 of rows with weights that sum to 8, five of them counted. */
static xent_total small_total(void) {
    xent_total total = XENT_TOTAL_INIT;
    total.rows = 6;
    total.counted = 5;
    total.ignored = 1;
    total.loss_sum = 12;
    total.weight_sum = 8;
    return total;
}

static double loss_under(const xent_total *total, int reduction, int nothing, double denominator) {
    xent_options options = XENT_OPTIONS_INIT;
    options.reduction = reduction;
    options.on_nothing_counted = nothing;
    options.denominator = denominator;
    return xent_total_loss(total, &options);
}

static void reductions(void **unused) {
    (void)unused;
    xent_total total = small_total();
    assert_same(xent_total_loss(&total, NULL), 1.5);
    for (int nothing = XENT_NOTHING_ERROR; nothing <= XENT_NOTHING_ZERO; nothing++) {
        assert_same(loss_under(&total, XENT_MEAN, nothing, 0), 1.5);
        assert_same(loss_under(&total, XENT_ROW_MEAN, nothing, 0), 2.4);
        assert_same(loss_under(&total, XENT_SUM, nothing, 0), 12);
        for (int reduction = XENT_MEAN; reduction <= XENT_SUM; reduction++)
            assert_same(loss_under(&total, reduction, nothing, 16), 0.75);
    }
    total.weight_sum = -8;
    assert_same(xent_total_loss(&total, NULL), -1.5);
}

static void nothing_counted(void **unused) {
    (void)unused;
    const xent_total nothing = XENT_TOTAL_INIT;
    for (int reduction = XENT_MEAN; reduction <= XENT_ROW_MEAN; reduction++) {
        assert_nan(loss_under(&nothing, reduction, XENT_NOTHING_ERROR, 0));
        assert_nan(loss_under(&nothing, reduction, XENT_NOTHING_NAN, 0));
        assert_same(loss_under(&nothing, reduction, XENT_NOTHING_ZERO, 0), 0);
        assert_same(loss_under(&nothing, reduction, XENT_NOTHING_ERROR, 3), 0);
    }
    assert_same(loss_under(&nothing, XENT_SUM, XENT_NOTHING_ERROR, 0), 0);
    assert_nan(xent_total_loss(&nothing, NULL));
}

static void losses_that_are_not_finite(void **unused) {
    (void)unused;
    xent_total total = small_total();
    total.loss_sum = INFINITY;
    assert_same(xent_total_loss(&total, NULL), INFINITY);
    assert_same(loss_under(&total, XENT_SUM, XENT_NOTHING_ERROR, 0), INFINITY);
    total.loss_sum = NAN;
    assert_nan(xent_total_loss(&total, NULL));
    total = small_total();
    total.weight_sum = NAN;
    assert_nan(xent_total_loss(&total, NULL));
    total.weight_sum = INFINITY;
    assert_same(xent_total_loss(&total, NULL), 0);
    total.loss_sum = INFINITY;
    assert_nan(xent_total_loss(&total, NULL));
}

static void options_that_mean_nothing(void **unused) {
    (void)unused;
    const xent_total total = small_total();
    xent_options options = XENT_OPTIONS_INIT;
    options.struct_size = 0;
    assert_nan(xent_total_loss(&total, &options));
    assert_nan(loss_under(&total, XENT_SUM + 1, 0, 0));
    assert_nan(loss_under(&total, -1, 0, 0));
    assert_nan(loss_under(&total, XENT_SUM, 0, -1));
    assert_nan(loss_under(&total, XENT_SUM, 0, NAN));
}

/* The quotient of two pairs of integers is off by at most one unit in the last of its 53 bits: the
 * remainder is at most the divisor. */
static void quotient_is_accurate(void **unused) {
    (void)unused;
    for (int i = 0; i < 20000; i++) {
        xent_total total = XENT_TOTAL_INIT;
        add_to_sum(&total.loss_sum, &total.loss_sum_low, 0x1p57 + random_integer(3));
        add_to_sum(&total.loss_sum, &total.loss_sum_low, random_integer(0));
        add_to_sum(&total.weight_sum, &total.weight_sum_low, 0x1p58 + random_integer(4));
        add_to_sum(&total.weight_sum, &total.weight_sum_low, random_integer(0));
        int exponent;
        double mantissa = frexp(xent_total_loss(&total, NULL), &exponent);
        wide quotient = (wide)ldexp(mantissa, 53);
        wide loss = pair_value(total.loss_sum, total.loss_sum_low);
        wide weight = pair_value(total.weight_sum, total.weight_sum_low);
        wide remainder = loss * ((wide)1 << (53 - exponent)) - quotient * weight;
        assert_true(magnitude(remainder) <= magnitude(weight));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_grouping_and_order),
        cmocka_unit_test(same_order_same_bits),
        cmocka_unit_test(long_sum_is_exact),
        cmocka_unit_test(cancellation_is_exact),
        cmocka_unit_test(first_rows),
        cmocka_unit_test(nan_and_infinity),
        cmocka_unit_test(reductions),
        cmocka_unit_test(nothing_counted),
        cmocka_unit_test(losses_that_are_not_finite),
        cmocka_unit_test(options_that_mean_nothing),
        cmocka_unit_test(quotient_is_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
