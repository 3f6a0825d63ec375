/* SPDX-License-Identifier: MIT
 * Sums held as two doubles, their merge, and the reduced loss. */
#include "total.h"

#include "structs.h"

#include <math.h>

/* a + b = sum + *error exactly: Knuth's TwoSum (The Art of Computer Programming, vol. 2, 4.2.2). */
static double two_sum(double a, double b, double *error) {
    double sum = a + b;
    double part = sum - a;
    *error = (a - (sum - part)) + (b - part);
    return sum;
}

/* The same for |a| >= |b| or a = 0: Dekker's Fast2Sum. */
static double fast_two_sum(double a, double b, double *error) {
    double sum = a + b;
    *error = b - (sum - a);
    return sum;
}

/* Adds the pair (other, other_low) to (*high, *low) with an error of at most 3*2^-106 of the sum,
 * whatever the signs: Algorithm 6 (AccurateDWPlusDW) of Joldes, Muller and Popescu,
 * doi:10.1145/3121432. */
static void add_pair(double *high, double *low, double other, double other_low) {
    double error, error_low, sum_low;
    double sum = two_sum(*high, other, &error);
    if (isfinite(sum)) {
        sum_low = two_sum(*low, other_low, &error_low);
        sum = fast_two_sum(sum, error + sum_low, &error);
        sum = fast_two_sum(sum, error + error_low, &error);
    }
    *high = isnan(sum) ? NAN : sum;
    *low = isfinite(sum) ? error : 0;
}

void add_rows(struct lane_sums *sums, const double *values, int64_t n) {
    xent_math_functions()->add(sums->high, sums->low, values, n);
}

void finish_sum(const struct lane_sums *sums, int64_t rows, double *high, double *low) {
    for (int lane = 0; lane < SUM_LANES && lane < rows; lane++)
        add_pair(high, low, sums->high[lane], isfinite(sums->high[lane]) ? sums->low[lane] : 0);
}

void xent_total_merge(xent_total *into, const xent_total *from) {
    if (into->first_bad_row < 0 && from->first_bad_row >= 0) {
        into->first_bad_row = into->rows + from->first_bad_row;
        into->first_bad_label = from->first_bad_label;
    }
    if (into->first_nonfinite_row < 0 && from->first_nonfinite_row >= 0)
        into->first_nonfinite_row = into->rows + from->first_nonfinite_row;
    into->rows += from->rows;
    into->counted += from->counted;
    into->ignored += from->ignored;
    into->bad += from->bad;
    into->nonfinite += from->nonfinite;
    into->correct += from->correct;
    add_pair(&into->loss_sum, &into->loss_sum_low, from->loss_sum, from->loss_sum_low);
    add_pair(&into->weight_sum, &into->weight_sum_low, from->weight_sum, from->weight_sum_low);
}

/* (a + a_low)/(b + b_low), b not 0: the quotient of the high parts and one step of Newton's
 * correction, whose remainder a - quotient*b an fma gives exactly. */
static double divide_pairs(double a, double a_low, double b, double b_low) {
    double quotient = a / b;
    if (!isfinite(quotient) || !isfinite(b))
        return isnan(quotient) ? NAN : quotient;
    double remainder = fma(-quotient, b, a) + fma(-quotient, b_low, a_low);
    return quotient + remainder / b;
}

double xent_total_loss(const xent_total *total, const xent_options *given) {
    xent_options options;
    double divisor = 1, divisor_low = 0;
    if (read_options(given, &options, NULL) != XENT_OK || options.reduction < XENT_MEAN ||
        options.reduction > XENT_SUM || !(options.denominator >= 0) || isinf(options.denominator))
        return NAN;
    if (options.denominator > 0) {
        divisor = options.denominator;
    } else if (options.reduction == XENT_MEAN) {
        divisor = total->weight_sum;
        divisor_low = total->weight_sum_low;
    } else if (options.reduction == XENT_ROW_MEAN) {
        divisor = (double)total->counted;
    }
    if (divisor == 0)
        return options.on_nothing_counted == XENT_NOTHING_ZERO ? 0 : NAN;
    return divide_pairs(total->loss_sum, total->loss_sum_low, divisor, divisor_low);
}
