/* SPDX-License-Identifier: MIT
 * Tails of exact distributions: the first term by logarithms, the others by their ratios. */
#include "tails.h"

#include <math.h>

/* log n!, by Stirling's series (Abramowitz and Stegun 6.1.41) of (n + 8)!, so that its error stays
 * below 1e-11. */
static double log_factorial(int64_t n) {
    double shifted = 1.0;
    for (int i = 1; i <= 8; i++)
        shifted *= (double)n + i;
    double x = (double)n + 9.0, square = x * x;
    double series = 1.0 / 1260.0 - 1.0 / (1680.0 * square);
    series = (1.0 / 12.0 - (1.0 / 360.0 - series / square) / square) / x;
    double half_log_two_pi = 0.91893853320467274178;
    return (x - 0.5) * log(x) - x + half_log_two_pi + series - log(shifted);
}

static double log_choose(int64_t n, int64_t k) {
    return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

/* Terms above the mean fall, so the rest is negligible once one is. */
static const double NEGLIGIBLE = 1e-17;

static double at_most_one(double p) {
    return p < 1.0 ? p : 1.0;
}

double binomial_above(int64_t k, int64_t n, double p) {
    if (k <= 0 || (double)k <= (double)n * p)
        return 1.0;
    if (k > n || p <= 0.0)
        return 0.0;
    double odds = p / (1.0 - p);
    double term = 1.0, sum = 0.0;
    for (int64_t i = k; i <= n && term > NEGLIGIBLE * sum; i++) {
        sum += term;
        term *= (double)(n - i) / (double)(i + 1) * odds;
    }
    double first = log_choose(n, k) + (double)k * log(p) + (double)(n - k) * log(1.0 - p);
    return at_most_one(exp(first) * sum);
}

double binomial_below(int64_t k, int64_t n, double p) {
    return binomial_above(n - k, n, 1.0 - p);
}

double hypergeometric_above(int64_t k, int64_t drawn, int64_t marked, int64_t all) {
    int64_t most = drawn < marked ? drawn : marked;
    if (all <= 0 || k <= 0 || (double)k <= (double)drawn * (double)marked / (double)all)
        return 1.0;
    double term = 1.0, sum = 0.0;
    for (int64_t i = k; i <= most && term > NEGLIGIBLE * sum; i++) {
        sum += term;
        term *= (double)(marked - i) / (double)(i + 1) * (double)(drawn - i) /
                (double)(all - marked - drawn + i + 1);
    }
    double first =
        log_choose(marked, k) + log_choose(all - marked, drawn - k) - log_choose(all, drawn);
    return at_most_one(exp(first) * sum);
}
