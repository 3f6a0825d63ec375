/* SPDX-License-Identifier: MIT
 * The kernel contract.
 *
 * A kernel sees one block: at most BLOCK consecutive classes of one row ("along"), or of up to
 * MOST_ROWS rows side by side ("across"), of which ACROSS share a tile of up to TILE classes, or of
 * LONG_TILE where there is but one tile. A "lane" is float for F32,
 * BF16 and F16, double for F64.
 * Kernels never see option structs, tensors or threads; they cannot fail; they allocate nothing;
 * pointers need no alignment.
 *
 * Same bits: every kernel on every instruction set performs the same correctly rounded operations
 * in the same order. E of class c of a block goes to partial sum c % PARTS in the lane type, so
 * that each is a chain of at most 4; the partial sums fold by halves (128, 64, .. 1) in double. The
 * moments, in double throughout, have MOMENT_PARTS partial sums. Leaving out a term that is exactly
 * 0 does not change a sum of terms >= 0. */
#ifndef XENT_CPU_KERNELS_H
#define XENT_CPU_KERNELS_H

#include "xent.h"

#include <float.h>
#include <stdbool.h>

/* Results are the same everywhere only where every operation is rounded once, to its own type. */
#if FLT_EVAL_METHOD != 0
#error "xent needs FLT_EVAL_METHOD 0: do not compile with -mfpmath=387"
#endif
#ifdef __FAST_MATH__
#error "xent needs exact floating-point arithmetic: do not compile with -ffast-math"
#endif

enum {
    BLOCK = 1024,
    PARTS = 256,
    MOMENT_PARTS = 64,
    ACROSS = 16,
    TILE = 64,
    LONG_TILE = 256,
    SUM_LANES = 16,
    SUM_STEP = 8, /* doubles of the widest vector */
    MOST_ROWS = 64
};

/* What one range of classes of a row amounts to. Below, z = scale*x and E_c = 2^(z_c*log2(e) -
 * k), or, where |scale*max| >= 2^20 (shifted), E_c = 2^((z_c - scale*max)*log2(e)); E_c below
 * about 2^-125.5 (f64: 2^-1021) is exactly 0. */
typedef struct xent_stats {
    int64_t arg;      /* first index of the largest x in the range; -1: none, or all -inf */
    double max;       /* its x, exact; -inf if arg is -1 */
    int64_t k;        /* 0 when shifted */
    double top, rest; /* E_arg, and the sum of every other E_c */
    double mass;      /* the last three by stats_more only: sum of weight_c, */
    double gap;       /* of weight_c*scale*(max - x_c): +inf if x_c is -inf and weight_c > 0; 0 if
                         weight_c is 0, */
    double heat;      /* of E_c*scale*(max - x_c): 0 where E_c is 0 */
    bool shifted;
    bool poisoned; /* a NaN or +inf was among them: nothing else here means anything */
} xent_stats;

/* Statistics of up to MOST_ROWS rows, a column for each number; shifted and poisoned are 1 or 0,
 * and arg is -1 of poisoned rows too. Vectors read and write beyond the last row. */
enum { COLUMN = MOST_ROWS + 16 };
typedef struct xent_stats_columns {
    int64_t arg[COLUMN];
    double max[COLUMN], k[COLUMN], top[COLUMN], rest[COLUMN];
    double mass[COLUMN], gap[COLUMN], heat[COLUMN];
    double shifted[COLUMN], poisoned[COLUMN];
} xent_stats_columns;

/* Products of matrices of lanes, a tile of rows x columns outputs at a time. Each output is one
 * chain of fma in the order of the steps k: a[row][0]*b[0][column], a[row][1]*b[1][column], .. A
 * panel holds what a tile takes from one matrix in the order in which it is taken: of a
 * [depth][rows], of b [depth][columns]. */
typedef struct xent_products {
    int rows, columns;
    /* Steps [0, depth) of `count` rows (or columns), which lie `apart` lanes from each other and
     * their steps `step` lanes, as a panel; what the panel has room for beyond them is 0. */
    void (*pack_rows)(const void *lanes, int64_t apart, int64_t step, int64_t count, int64_t depth,
                      void *panel);
    void (*pack_columns)(const void *lanes, int64_t apart, int64_t step, int64_t count,
                         int64_t depth, void *panel);
    /* A tile of out, whose rows lie `stride` lanes apart. a is a panel, or, where apart is not 0,
     * rows of consecutive steps that many lanes apart; b likewise, or, where step is not 0,
     * consecutive columns whose steps are that many lanes apart; one of the two at most. The chains
     * begin with the numbers at start [columns], or, where that is NULL, go on from what is there.
     * adds: only then are the sums added to what is there, instead of replacing it. A NaN is the
     * positive quiet one. */
    void (*tile)(const void *a, int64_t apart, const void *b, int64_t step, int64_t depth,
                 const void *start, bool adds, void *out, int64_t stride);
} xent_products;

typedef struct xent_kernels {
    /* One block of n in [1, BLOCK] consecutive elements x. e: NULL, or n lanes that receive E; it
     * may be x itself where elements are lanes. weight: NULL (all 1) or n doubles. target: where
     * the block's gradient will be written, if no cache has it, or NULL; like the logits, what
     * follows it is fetched meanwhile. */
    void (*stats)(const void *x, int64_t n, double scale, void *e, const void *target,
                  xent_stats *stats);
    void (*stats_more)(const void *x, int64_t n, double scale, const double *weight, void *e,
                       const void *target, xent_stats *stats);

    /* g = a*E, or fma(a, E, -b*weight), rounded to a lane and then to an element. a as a lane must
     * be 0 or normal. n of any size; e may be g where elements are lanes. */
    void (*grad)(const void *e, int64_t n, double a, void *g);
    void (*grad_more)(const void *e, int64_t n, double a, double b, const double *weight, void *g);

    /* grad, where elements are lanes written past the caches: others see it after fence. The second
     * where E was not kept: it is computed again from a block and its stats; x and g must not
     * overlap. */
    void (*grad_past_caches)(const void *e, int64_t n, double a, void *g);
    void (*grad_again)(const void *x, int64_t n, double scale, const xent_stats *stats, double a,
                       void *g);
    void (*fence)(void);
    bool past_caches; /* whether that is better for gradients larger than any cache */

    /* stats and stats_more of rows in [1, MOST_ROWS] rows that begin at x[0], x[1], .., their
     * classes class_stride elements apart, with the same bits per row. neighbours: x[j + 1] is an
     * element after x[j]; fast then, and where class_stride is 1. e:
     * lanes [tiles][TILE][ACROSS], or [LONG_TILE][ACROSS], that receive E of ACROSS rows a tile,
     * or NULL where there are more classes. Without `more`, mass, gap and heat are not set; k,
     * shifted and poisoned only without e, for the merge of blocks. next: where the logits lie that
     * will be read after these, which are fetched meanwhile: the same classes of as many rows,
     * next_stride elements apart, the rows being neighbours, or, where it is 1, all classes of one
     * row right after the other's. NULL: none. */
    void (*stats_across)(const void *const *x, bool neighbours, int rows, int64_t n,
                         int64_t class_stride, double scale, bool more, const double *weight,
                         void *e, const void *next, int64_t next_stride, xent_stats_columns *stats);
    /* E of n in [1, TILE] classes anywhere in a block, given the block's stats. */
    void (*terms_across)(const void *const *x, bool neighbours, int rows, int64_t n,
                         int64_t class_stride, double scale, const xent_stats_columns *stats,
                         void *e);
    /* grad and grad_more of n classes, with E as left by the two above. next: where those of the
     * rows after these will be written, one right after the other, if no cache has it; or NULL. */
    void (*grad_across)(const void *e, int rows, int64_t n, const double *a, const double *b,
                        const double *weight, void *const *g, bool neighbours, int64_t class_stride,
                        void *next);

    /* n strided elements as lanes (exact). */
    void (*to_lanes)(const void *x, int64_t n, int64_t stride, void *lanes);
    /* n strided elements to doubles (exact), and doubles to strided elements, rounded once; a NaN
     * as the positive quiet one. stride in elements. */
    void (*widen)(const void *x, int64_t n, int64_t stride, double *out);
    void (*narrow)(const double *in, int64_t n, void *out, int64_t stride);
    /* The same of one element of each of n <= MOST_ROWS rows that begin at x[0], x[1], .., that of
     * its class, whose classes lie class_step bytes apart. pick takes class 0 where it is below;
     * put reads up to a vector of doubles beyond the last. */
    void (*pick)(const void *const *x, const int64_t *class, int64_t class_step, int64_t n,
                 double *out);
    void (*put)(const double *in, const int64_t *class, int64_t class_step, int64_t n,
                void *const *x);

    const xent_products *products; /* of lanes */
} xent_kernels;

/* The numbers in the formula of xent.h that all rows share. */
typedef struct xent_coefficients {
    double scale;       /* s; 1 under softcap, whose z hold it already */
    double rate;        /* e/C */
    double hard;        /* 1 - e */
    double z_loss;      /* q */
    double denominator; /* D; 0: the gradient is not used */
    double least, most; /* what a lane holds with its full precision */
    bool plain; /* rate and z_loss are 0, all weights 1, no softcap, and nothing but loss, a, b and
                   label_grad is wanted: the weights' and moments' columns are not read */
} xent_coefficients;

/* The rows' statistics and what else the formula takes and gives. Statistics of rows that mean
 * nothing are as of a single logit of 0. */
typedef struct xent_columns {
    xent_stats_columns stats;
    double weight[COLUMN], label_weight[COLUMN]; /* w and k[y] */
    double label_logit[COLUMN];                  /* x[y], under softcap z[y] */
    double label_slope[COLUMN];                  /* dz/dx at the label: s without softcap */

    double spread[COLUMN], ratio[COLUMN]; /* log1p(rest/top), exp(z_y - max) */
    double loss[COLUMN], lse[COLUMN], label_probability[COLUMN], entropy[COLUMN];
    /* gradient of class c: a*E_c - b*k_c, of the label: label_grad; under softcap the first is
     * still to be multiplied with the slope; probability: share*E_c */
    double a[COLUMN], b[COLUMN], label_grad[COLUMN], share[COLUMN];
} xent_columns;

/* Functions on n doubles in place; each result depends on its value alone. */
typedef struct xent_math {
    /* The first three within 1 ulp: exp of values <= 709, 0 where exp(value) < 2^-1021; log of
     * values >= 0, log 0 = -inf; log1p of finite values >= 0. */
    void (*exp)(double *values, int64_t n);
    void (*log)(double *values, int64_t n);
    void (*log1p)(double *values, int64_t n);
    /* Softcap: z = cap*tanh(scale*x/cap), slope = dz/dx = scale*4u/(1 + u)^2 with u =
     * exp(-2*scale*|x|/cap). NaN, +inf and -inf stay, with slope = scale. slope may be NULL. */
    void (*bend)(double *values, int64_t n, double scale, double cap, double *slope);
    /* Adds n values, a multiple of SUM_STEP, to SUM_LANES sums of two doubles each: value i to sum
     * i % SUM_LANES, with an error of at most 2^-105 of it. low is 0 where high is not finite. */
    void (*add)(double *high, double *low, const double *values, int64_t n);
    /* The formula: the second half of the columns of rows [first, first + n). Returns whether all a
     * and b are 0 or of a size in [least, most]. */
    bool (*finish)(const xent_coefficients *by, xent_columns *rows, int64_t first, int64_t n);
} xent_math;

/* The best of this machine, under the cap of XENT_ISA. dtype: F32, F64, BF16 or F16. */
const xent_kernels *xent_kernels_for(int32_t dtype);
const xent_math *xent_math_functions(void);

#endif
