/* SPDX-License-Identifier: MIT
 * exp, log, log1p, tanh and its slope as long doubles. */
#include "curves.h"

#include <math.h>

/* 0 far below what a double holds, where the C library's own function is slow. */
long double curve_exp(double x) {
    return x < -800 ? 0 : expl(x);
}

long double curve_log(double x) {
    return logl(x);
}

long double curve_log1p(double x) {
    return log1pl(x);
}

long double curve_tanh(double x) {
    return isinf(x) ? x : tanhl(x);
}

long double curve_tanh_slope(double x) {
    if (isnan(x) || isinf(x))
        return 1;
    long double u = curve_exp(-2 * fabs(x));
    return 4 * u / ((1 + u) * (1 + u));
}
