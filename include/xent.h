/* SPDX-License-Identifier: MIT
 * xent: sparse categorical cross-entropy (softmax cross-entropy with integer class labels): the
 * loss, its gradient, and the refusal of batches that mean nothing. This header is the reference
 * manual.
 *
 * A complete program:
 *
 *     #include <stdio.h>
 *     #include <xent.h>
 *     int main(void) {
 *         float logits[4][3] = {
 *             {1.2f, .8f, -.5f}, {-.2f, 1.5f, .1f}, {.9f, -.7f, 1.1f}, {-1, .3f, -.1f}};
 *         int64_t labels[4] = {0, 1, 2, 0};
 *         double loss;
 *         xent_error error;
 *         if (xent_mean_loss_f32(&logits[0][0], labels, 4, 3, NULL, &loss, &error) != XENT_OK)
 *             return fprintf(stderr, "%s\n", error.message), 1;
 *         printf("%.7f\n", loss);
 *     }
 *
 * prints 0.9058165 (cc -std=c99 program.c -lxent).
 *
 * THE FORMULA. Per row with logits x[0..C), label y, row weight w (1 unless given), class weights
 * k[c] (1 unless given) and their sum K, label smoothing e, z-loss coefficient q and denominator D:
 *
 *     z[c]   = s*x[c], with the logit scale s; then cap*tanh(z[c]/cap) if softcap > 0
 *     lse    = log sum_c exp z[c]         nll[c] = lse - z[c]         p[c] = exp(-nll[c])
 *     loss   = w*((1-e)*k[y]*nll[y] + (e/C)*sum_c k[c]*nll[c] + q*lse^2)
 *     d(sum of losses / D)/dz[c] =
 *              (w/D)*(((1-e)*k[y] + (e/C)*K + 2*q*lse)*p[c] - (1-e)*k[y]*[c = y] - (e/C)*k[c])
 *     d/dx[c] = s*(1 - (z[c]/cap)^2)*d/dz[c]          (s*d/dz[c] without softcap)
 *
 * (Smoothing with class weights as PyTorch's cross_entropy has it; z-loss as in PaLM,
 * arXiv:2204.02311; softcap as in Gemma 2, arXiv:2408.00118.)
 *
 * THE SAME BITS. One input gives one result, bit for bit: any number of threads, any instruction
 * set, any memory layout, gcc or clang, in place or not. A row's outputs depend on that row alone,
 * its gradient besides on D. Asking for more outputs never changes the others.
 *
 * ACCURACY. Results lie within a stated bound of the exact ones (docs/accuracy.md), also where
 * the label's probability is nearly 1 and where all logits share a large offset.
 *
 * WHAT THE LIBRARY NEVER DOES. It does not print, abort, set errno, handle signals, change
 * floating-point modes, or start a thread unless asked. There is no initialisation. Every function
 * may be called from any thread at any time, also in a forked child, as long as no call writes what
 * another one reads or writes. Results hold in the default floating-point environment, which it
 * neither sets nor checks. */
#ifndef XENT_H
#define XENT_H

#include <stddef.h>
#include <stdint.h>

#define XENT_VERSION_MAJOR 0
#define XENT_VERSION_MINOR 1
#define XENT_VERSION_PATCH 0

#if defined(_WIN32)
#error "xent supports POSIX systems only"
#elif defined(__GNUC__)
#define XENT_API __attribute__((visibility("default")))
#else
#define XENT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ---- */

/* What a call returns. The numbers are stable; new ones may be added at the end. On any status
 * other than XENT_OK no byte of any output or total has been written. */
typedef enum xent_status {
    XENT_OK = 0,
    XENT_BAD_ARGUMENT = 1,    /* a missing pointer, an option out of range, a contradiction */
    XENT_BAD_SHAPE = 2,       /* shapes or strides that do not fit together */
    XENT_BAD_DTYPE = 3,       /* an element type that this argument cannot have */
    XENT_BAD_LABEL = 4,       /* a label outside [0, C) that is not ignored */
    XENT_NOTHING_COUNTED = 5, /* the mean's denominator is 0 (on_nothing_counted = error) */
    XENT_OVERLAP = 6,         /* an output overlaps an input, another output or itself */
    XENT_NO_MEMORY = 7        /* scratch memory could not be had */
} xent_status;

/* The sentence that goes with a status: what is wrong, where, the likely mistake and the fix.
 * Always terminated; emptied on success; cut at the end if it would not fit. The layout is
 * frozen. */
typedef struct xent_error {
    char message[512];
} xent_error;

/* ---- tensors ---- */

/* Element types. BF16 and F16 are held in uint16_t; all types are in the machine's byte order.
 * Logits may be F32, F64, BF16 or F16; labels any of the eight integer types. The numbers are
 * stable. */
enum {
    XENT_F32 = 1,
    XENT_F64 = 2,
    XENT_BF16 = 3,
    XENT_F16 = 4,
    XENT_I8 = 5,
    XENT_U8 = 6,
    XENT_I16 = 7,
    XENT_U16 = 8,
    XENT_I32 = 9,
    XENT_U32 = 10,
    XENT_I64 = 11,
    XENT_U64 = 12
};

#define XENT_MAX_NDIM 8

/* A borrowed view of an N-d array; the library never keeps or frees it. `data` points at element
 * [0,...,0] and needs no alignment; it may be NULL if the tensor has no elements. Strides count
 * elements, may be negative, and may be 0 in tensors that are only read. Entries of shape and
 * stride from ndim on are not read; ndim 0 is a single element. The layout is frozen. */
typedef struct xent_tensor {
    void *data;
    int32_t dtype, ndim;
    int64_t shape[XENT_MAX_NDIM], stride[XENT_MAX_NDIM];
} xent_tensor;

/* Views of contiguous memory in C order: N-d, [rows, columns], [length]. They check nothing; an
 * ndim that is out of range is refused by the call that gets the tensor. */
XENT_API xent_tensor xent_ndarray(void *data, int dtype, int ndim, const int64_t *shape);
XENT_API xent_tensor xent_matrix(void *data, int dtype, int64_t rows, int64_t columns);
XENT_API xent_tensor xent_vector(void *data, int dtype, int64_t length);

/* ---- options ---- */

/* Runs count tasks: calls task(data, i) exactly once for each i in [0, count), in any order, on
 * any threads, and returns when all are done. Tasks never wait for one another, so running them
 * one after the other is right too. At most `width` (>= 1) tasks are handed to one run; a call may
 * need several runs, one after the other. The result's bits depend on neither. */
typedef struct xent_executor {
    void *context;
    int32_t width;
    void (*run)(void *context, void (*task)(void *data, int64_t i), void *data, int64_t count);
} xent_executor;

/* logits_are */
enum { XENT_LOGITS = 0, XENT_PROBABILITIES = 1, XENT_LOG_PROBABILITIES = 2 };
/* reduction: what D is, unless `denominator` says it */
enum {
    XENT_MEAN = 0,     /* sum of w*k[y] over counted rows (PyTorch's mean) */
    XENT_ROW_MEAN = 1, /* number of counted rows (Keras' sum over batch size) */
    XENT_SUM = 2       /* 1 */
};
/* on_bad_label */
enum {
    XENT_BAD_LABEL_ERROR = 0,  /* refuse the call with XENT_BAD_LABEL */
    XENT_BAD_LABEL_IGNORE = 1, /* treat the row as ignored, but count it in `bad` */
    XENT_BAD_LABEL_NAN = 2     /* the row's outputs and gradient and loss_sum become NaN; the row
                                  is left out of counted, weight_sum and D; others are unharmed */
};
/* on_nothing_counted: when D of a mean is 0 and `denominator` is not given; the gradient is 0 in
 * the last two. An empty batch is never an error: its mean is NaN, NaN, 0. */
enum { XENT_NOTHING_ERROR = 0, XENT_NOTHING_NAN = 1, XENT_NOTHING_ZERO = 2 };

/* A row is *counted* if its label is neither ignored nor bad. Start from XENT_OPTIONS_INIT, which
 * is also what a NULL pointer means; a struct_size smaller than the library's means that the
 * missing fields are as in XENT_OPTIONS_INIT; a larger one is accepted if the bytes unknown to the
 * library are 0. */
typedef struct xent_options {
    size_t struct_size; /* sizeof(xent_options) */
    /* XENT_PROBABILITIES: nll = -log p; XENT_LOG_PROBABILITIES: nll = -lp. The gradient is with
     * respect to what was passed. Smoothing, z-loss, softcap, logit_scale and the outputs lse,
     * entropy and probability are errors then. A label's p < 0, > 1 + 2^-6 or NaN (lp > 2^-6 or
     * NaN) makes its row NaN; sums are not checked; a NaN or +inf elsewhere makes the prediction
     * -1. */
    int32_t logits_are;
    int32_t class_axis; /* which axis of the logits counts classes; -1: the last, as in NumPy */
    int32_t reduction;
    int32_t on_bad_label;
    int32_t on_nothing_counted;
    /* 0 or 1: the calling thread; n: up to n; -1: all the process may use. Small batches stay on
     * the calling thread. Threads that cannot be started mean fewer threads, never an error; those
     * that were wait for the next call, and end with the program or as the library is unloaded. */
    int32_t threads;
    double denominator;     /* > 0 replaces D, whatever the reduction; 0: off */
    double label_smoothing; /* e in [0, 1] */
    double z_loss;          /* q >= 0 */
    double softcap;         /* cap >= 0; 0: off */
    double logit_scale;     /* s in [2^-64, 2^64]; 1: off */
    /* Label values whose rows are ignored. They may lie inside [0, C): the class then still takes
     * part in the softmax of other rows. NULL with ignore_count 0. */
    const int64_t *ignore;
    size_t ignore_count;
    /* k: NULL or F32/F64 [C]; finite and >= 0. Not applied to the z-loss term. */
    const xent_tensor *class_weight;
    /* w: NULL or F32/F64, shape of the labels; any value: with the upstream gradient as row_weight
     * and denominator 1, the call is the backward pass. */
    const xent_tensor *row_weight;
    const xent_executor *executor; /* NULL, or runs the tasks instead of `threads` */
} xent_options;

/* clang-format off */
#define XENT_OPTIONS_INIT \
    {sizeof(xent_options), 0, -1, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 1.0, NULL, 0, NULL, NULL, NULL}
/* clang-format on */

/* ---- outputs ---- */

/* Each NULL or a tensor that the caller owns. Shapes match exactly; strides are free, but elements
 * of an output must not share memory, and its axes must nest: each stride spans the axes of
 * smaller ones. Outputs overlap neither each other nor any input, judged by
 * address range, with one exception: grad may be the logits themselves (same data, dtype, shape
 * and strides). struct_size works as in xent_options. */
typedef struct xent_outputs {
    size_t struct_size; /* sizeof(xent_outputs) */
    /* F32/F64, shape of the labels: */
    const xent_tensor *loss; /* the row's own loss, never divided by D */
    const xent_tensor *lse;  /* log sum_c exp z[c] */
    /* I32/I64, shape of the labels: index of the largest logit, the lowest on ties; -1: none */
    const xent_tensor *prediction;
    /* F32/F64, shape of the labels: */
    const xent_tensor *label_probability; /* p[y] */
    const xent_tensor *entropy;           /* -sum_c p[c]*log p[c] */
    /* dtype and shape of the logits: */
    const xent_tensor *grad;        /* d(sum of losses / D)/dx */
    const xent_tensor *probability; /* p; never the logits' memory */
} xent_outputs;

#define XENT_OUTPUTS_INIT                                                                          \
    { sizeof(xent_outputs), NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* ---- totals ---- */

/* What a call found, as sums and counts that merge without loss, so that gradient accumulation and
 * data parallelism are never a mean of means. Each sum is held as two doubles (high and low part;
 * low is 0 when high is not finite). The layout is frozen. */
typedef struct xent_total {
    int64_t rows; /* = counted + ignored + bad */
    int64_t counted;
    int64_t ignored;
    int64_t bad;                 /* labels outside [0, C) that are not ignored */
    int64_t nonfinite;           /* rows whose loss is not finite, for any reason */
    int64_t correct;             /* counted rows whose prediction is the label */
    int64_t first_bad_row;       /* flat index in C order of the labels' shape; -1: none */
    int64_t first_bad_label;     /* its value, for U64 the 64 bits as they are; 0: none */
    int64_t first_nonfinite_row; /* flat index likewise; -1: none */
    double loss_sum, loss_sum_low;
    double weight_sum, weight_sum_low; /* of w*k[y] over counted rows */
    int64_t reserved[3];               /* 0 */
} xent_total;

/* The total of no rows: what to merge into. */
#define XENT_TOTAL_INIT                                                                            \
    {                                                                                              \
        0, 0, 0, 0, 0, 0, -1, 0, -1, 0.0, 0.0, 0.0, 0.0, {                                         \
            0, 0, 0                                                                                \
        }                                                                                          \
    }

/* ---- functions ---- */

/* Loss, gradient and row outputs of a batch.
 *   logits   F32/F64/BF16/F16, shape [..., C] (class axis where options say); C > 0 if there are
 *            rows
 *   labels   any integer type, the same shape without the class axis; [C] goes with a 0-d label
 *   options, outputs, total, error   each may be NULL
 * The total is overwritten, not added to.
 *
 * Rows that need care (loss, gradient, lse, entropy, label probability, probability | prediction):
 *   ignored                       all 0, whatever its logits are | -1
 *   NaN or +inf among the logits  NaN | -1; counted, in weight_sum and D; loss_sum NaN
 *   all logits -inf               as a NaN logit
 *   -inf logit, not the label's   p exactly 0; its gradient exactly 0 without smoothing
 *   label on a -inf logit         loss +inf, gradient p - onehot
 *   smoothing, -inf logit, k > 0  loss +inf (as PyTorch), gradient by the formula with p = 0
 *   a coefficient w, k, e, q = 0  its term is exactly 0; with w = 0 loss and gradient are 0 even
 *                                 if logits are NaN, and the row is counted
 *   w/D infinite                  gradient exactly 0 where p is, without smoothing; else it is 0,
 *                                 infinite or NaN, as rounding decides
 * Every NaN written is the positive quiet NaN.
 *
 * Order: arguments are checked before any data is read; then labels and weights; then scratch
 * memory is taken; from there on nothing can fail. What only the logits can show (NaN, +inf) is
 * never an error.
 *
 * Scratch memory is the stack, some 120 KB of each thread. A block of the heap is needed for more
 * than 8192 classes of BF16 or F16, 400000 of F32 or F64, 4096 that are not consecutive, or 1024
 * with weights, and for several threads that share many rows. */
XENT_API xent_status xent_cross_entropy(const xent_tensor *logits, const xent_tensor *labels,
                                        const xent_options *options, const xent_outputs *outputs,
                                        xent_total *total, xent_error *error);

/* ---- the linear form ---- */

/* Each NULL or a tensor that the caller owns. What xent_outputs says of memory holds here too; no
 * output may be an input. */
typedef struct xent_linear_outputs {
    size_t struct_size; /* sizeof(xent_linear_outputs) */
    /* as in xent_outputs: */
    const xent_tensor *loss, *lse, *prediction, *label_probability, *entropy;
    /* d(sum of losses / D)/d features: dtype and shape of the features */
    const xent_tensor *grad_features;
    /* The same of weight [C, D] and bias [C], the latter also where no bias is given: dtype of the
     * weight, or F32 or F64 if that is wider. */
    const xent_tensor *grad_weight, *grad_bias;
    /* The logits before logit_scale and softcap: F32 (F64 for F64), shape of the labels and then C.
     * Asked for alone, without a total, they take no longer than the product. Labels decide about
     * them as about the probability of the plain form: 0 where a row is ignored, which is not read,
     * NaN where a bad label makes its row NaN. Labels that are all 0 give every row its logits. */
    const xent_tensor *logits;
} xent_linear_outputs;

#define XENT_LINEAR_OUTPUTS_INIT                                                                   \
    { sizeof(xent_linear_outputs), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* Loss, gradients and row outputs of a batch whose logits are features*weight^T + bias, without
 * ever holding more than some rows of them (at most 32 MB of logits, or 64 rows) unless they are an
 * output; without gradients, none at all.
 *   features  F32/F64/BF16/F16, shape [..., D], any strides
 *   weight    the same dtype, [C, D], any strides (a [D, C] matrix: shape [C, D], strides swapped)
 *   bias      NULL or [C], the same dtype; for BF16 and F16 also F32
 *   labels    any integer type, the shape of the features without the last axis
 *   options, outputs, total, error   as in xent_cross_entropy; logits_are must be XENT_LOGITS and
 *             class_axis -1
 * Logits are floats (doubles of F64): logit c of a row is one chain of fma that begins with bias[c]
 * (or 0) and adds features[d]*weight[c][d] in the order of d. With those logits, row outputs have
 * the bits of xent_cross_entropy, sums agree to 2^-100. The gradient g of the logits, rounded to
 * their type, gives
 *     grad_features[d] = sum_c g[c]*weight[c][d]     one chain of fma in the order of c
 *     grad_weight[c][d] = sum over rows of g[c]*features[d]    grad_bias[c] = sum over rows of g[c]
 * where up to 256 counted rows are one chain, and the chains are added in the gradient's own type
 * (so that F32 or F64 suits BF16 better than BF16). The bits depend on neither threads nor
 * instruction set.
 *
 * Features of rows that are ignored, or bad and to be ignored, are not read; those, and rows of
 * weight 0, have no part in any gradient, even where their features are NaN. With NaN or infinity
 * in the weight or in features that count, gradients are as the sums above: mostly NaN.
 *
 * Memory: a block of the heap. For gradients, and for at most 64 classes, it holds a chunk of rows:
 * at most 32 MB of logits (more from 131072 classes on, since it holds at least 64 rows) and up to
 * 4096 rows of features; and for each task 1.4 MB (F64: 2.8 MB). Else no logits are stored: up to
 * 24 MB (32 under softcap), and for each task 4 KB (F64: 8 KB) more for each feature; from 4097
 * features on (F64: 2049) it is as for gradients. */
XENT_API xent_status xent_linear_cross_entropy(const xent_tensor *features,
                                               const xent_tensor *weight, const xent_tensor *bias,
                                               const xent_tensor *labels,
                                               const xent_options *options,
                                               const xent_linear_outputs *outputs,
                                               xent_total *total, xent_error *error);

/* ---- labels and totals ---- */

/* What the labels and weights of a batch say before any logit is there: rows, counted, ignored,
 * bad, first_bad_*, weight_sum; the other fields are as in XENT_TOTAL_INIT. For a batch in parts
 * (gradient accumulation, data larger than memory): count all labels, or merge the counts of the
 * parts, then call xent_cross_entropy on each part with options.denominator = weight_sum (for the
 * row mean: counted), if that is > 0. Row outputs and gradients then have the bits of one call; the
 * mean is xent_total_loss of the merged totals, under options without that denominator.
 *   labels   as above; classes   C >= 0 (> 0 if there are rows)
 *   options, total, error   each may be NULL
 * Refuses bad labels and class weights as xent_cross_entropy does; that nothing is counted is no
 * error here. */
XENT_API xent_status xent_count_labels(const xent_tensor *labels, int64_t classes,
                                       const xent_options *options, xent_total *total,
                                       xent_error *error);

/* The plain case in one line: mean loss of contiguous float logits [rows, classes] and labels
 * [rows], default options. grad: NULL, or [rows, classes]: a buffer of its own or the logits'
 * memory (then overwritten). *loss: NaN if there are no rows. error may be NULL. */
XENT_API xent_status xent_mean_loss_f32(const float *logits, const int64_t *labels, int64_t rows,
                                        int64_t classes, float *grad, double *loss,
                                        xent_error *error);

/* Adds `from` to `into`, as if from's rows came after into's: counts exactly, sums to about 2^-100
 * of the sum of magnitudes in any grouping, the same order giving the same bits. into's first_*
 * stay if set, else they are from's shifted by into->rows. */
XENT_API void xent_total_merge(xent_total *into, const xent_total *from);

/* The reduced loss loss_sum/D of a total under options (NULL: the mean): reduction, denominator and
 * on_nothing_counted are read. D = 0: NaN, or 0 under XENT_NOTHING_ZERO; options out of range:
 * NaN. */
XENT_API double xent_total_loss(const xent_total *total, const xent_options *options);

/* The name of a status ("XENT_BAD_SHAPE"); "unknown status" for other numbers. Static memory. */
XENT_API const char *xent_status_name(xent_status status);

/* The library's version, "major.minor.patch"; compare with XENT_VERSION_* of the header. Static
 * memory. */
XENT_API const char *xent_version(void);

/* The instruction set in use: "scalar", "avx2", "avx512" or "neon": the best this machine has,
 * capped by the environment variable XENT_ISA (one of these names; read once; other values change
 * nothing). Results are the same on all of them. Static memory. */
XENT_API const char *xent_isa(void);

/* How many threads `threads = -1` means here. */
XENT_API int32_t xent_thread_count(void);

#ifdef __cplusplus
}
#endif

#endif
