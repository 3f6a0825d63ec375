/* SPDX-License-Identifier: MIT
 * Row statistics -> loss and gradient coefficients, and what rows that need care get instead. */
#ifndef XENT_SRC_TERMS_H
#define XENT_SRC_TERMS_H

#include "cpu/kernels.h"
#include "names.h"

/* Merges the statistics of the range of classes that follows into's (its arg already counted from
 * the row's first class). */
void merge_stats(xent_stats *into, const xent_stats *from, double scale, const xent_math *math);

/* The factor that turns E of one block into E of the row (<= 1). */
double block_factor(const xent_stats *block, const xent_stats *row, double scale,
                    const xent_math *math);

/* The options and the denominator as the numbers in the formula. */
struct formula {
    int32_t logits_are;
    xent_coefficients by; /* denominator 0: the gradient is 0 */
};

struct formula make_formula(const xent_options *options, int64_t classes, double denominator);

typedef enum row_kind {
    ROW_SKIPPED, /* ignored, or bad and to be ignored: everything 0 */
    ROW_LOST,    /* bad and to be NaN: everything NaN */
    ROW_COUNTED
} row_kind;

/* One row on its way from label and logits to outputs. */
struct row {
    row_kind kind;
    int64_t index, label, prediction;
    double weight, label_weight; /* w and k[y] */
    double label_logit;          /* x[y], under softcap z[y] */
    double label_slope;          /* dz/dx at the label: s without softcap */
    xent_stats stats;

    double loss, lse, label_probability, entropy;
    /* gradient entry of class c: a*E_c - b*k_c; of the label: label_grad. All 0 if grad_is_zero,
     * NaN if grad_is_nan. Under softcap the first two are still to be multiplied with the slope. */
    double a, b, label_grad;
    double share; /* probability of class c: share*E_c */
    bool grad_is_zero, grad_is_nan, probability_is_nan;
};

/* From kind, label, weights, label_logit, label_slope, prediction and stats, all the rest, for
 * count rows. */
void finish_rows(const struct formula *formula, struct row *rows, int count, const xent_math *math);

#endif
