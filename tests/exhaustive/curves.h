/* SPDX-License-Identifier: MIT
 * What exp, log, log1p and softcap are compared with: long double functions of the C library, which
 * test_curves compares with MPFR. */
#ifndef XENT_TESTS_CURVES_H
#define XENT_TESTS_CURVES_H

long double curve_exp(double x);
long double curve_log(double x);
long double curve_log1p(double x);
long double curve_tanh(double x);
long double curve_tanh_slope(double x); /* tanh'(x); 1 at infinities, as softcap's slope there */

#endif
