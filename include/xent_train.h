/* SPDX-License-Identifier: MIT
 * Softmax regression (a linear classifier, multinomial logistic regression) trained on features
 * that need not fit memory: they are given in blocks, pass after pass, and logits are never stored.
 * On top of xent.h; this header is the reference manual.
 *
 * A complete program:
 *
 *     #include <stdio.h>
 *     #include <xent_train.h>
 *     int main(void) {
 *         float features[6][2] = {{0, 1}, {1, 3}, {2, 0}, {3, 1}, {1, 1}, {2, 2}};
 *         int64_t labels[6] = {0, 1, 1, 0, 0, 1};
 *         xent_tensor x = xent_matrix(features, XENT_F32, 6, 2);
 *         xent_tensor y = xent_vector(labels, XENT_I64, 6);
 *         xent_training *training;
 *         xent_training_report report = {0};
 *         xent_error error;
 *         xent_status status = xent_training_begin(2, 2, NULL, &training, &error);
 *         while (status == XENT_OK && !report.ended) {
 *             status = xent_training_add(training, &x, &y, NULL, &error);
 *             if (status == XENT_OK)
 *                 status = xent_training_step(training, &report, &error);
 *         }
 *         if (status != XENT_OK)
 *             return fprintf(stderr, "%s\n", error.message), 1;
 *         printf("%.4f\n", report.objective);
 *         xent_training_free(training);
 *     }
 *
 * prints 0.5970, the least objective there is (cc -std=c99 program.c -lxent). Two things are not
 * shown: options, and xent_training_model, which gives weight and bias.
 *
 * THE MODEL. logits = u*weight^T + bias with u = (features - mean)*scale, weight [C, D], bias [C],
 * mean and scale [D]. mean is 0 and scale a factor that is given (1) unless features are
 * standardised: then they are found in the first pass, so that over the rows that count each u has
 * mean 0 and variance 1 (row weights have no part in it; a feature that is constant gets the scale
 * 1).
 *
 * THE OBJECTIVE. sum of losses / D + l2/2*|weight|^2: losses with class weights, row weights and
 * label smoothing as in xent.h, D = sum of w*k[y] over counted rows; the bias is free.
 * scikit-learn's LogisticRegression has the same with l2 = 1/(C*D).
 *
 * PASSES. All rows, in any blocks, then xent_training_step; again while the report says so. L-BFGS
 * (XENT_LBFGS) begins with a pass that finds what the labels and features say (XENT_PASS_LOOK),
 * then needs the objective at one point after the other: most passes are an iteration, some are
 * trials of a line search that are followed by another one. Every pass must bring the same rows in
 * the same order. Under XENT_SGD and XENT_ADAM a pass is an epoch whose batches are batch_rows
 * rows each, in the order in which they come, which the caller may change from pass to pass; they
 * begin with XENT_PASS_LOOK only if features are standardised.
 *
 * THE SAME BITS. Rows are regrouped into units of a fixed size, so that the model depends neither
 * on the blocks they come in, nor on threads or the instruction set. It depends on the order of
 * rows. Blocks of any size will do; where features are F32 (or of options.dtype), neither scaled
 * nor standardised, and [rows, D], blocks of some thousand rows are read where they lie.
 *
 * HELD-OUT ROWS may be scored in every pass, after the rows of the pass: the best model is then the
 * iterate of the least held-out loss, and `patience` ends the training. */
#ifndef XENT_TRAIN_H
#define XENT_TRAIN_H

#include "xent.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ---- */

/* method */
enum {
    XENT_LBFGS = 0, /* L-BFGS with a line search for the strong Wolfe conditions */
    XENT_SGD = 1,   /* v = momentum*v + gradient; parameters -= learning_rate*v */
    XENT_ADAM = 2   /* Adam (arXiv:1412.6980) with beta 0.9, 0.999 and epsilon 1e-8 */
};
/* precondition: the metric in which L-BFGS begins. The objective reached is the same, the number
 * of passes is not. */
enum {
    XENT_PRECONDITION_AUTO = 0,     /* FULL up to 2048 features, else DIAGONAL */
    XENT_PRECONDITION_NONE = 1,     /* the parameters as they are */
    XENT_PRECONDITION_DIAGONAL = 2, /* the second moment of each feature */
    XENT_PRECONDITION_FULL = 3      /* all second moments, [D, D], from a sample of the rows */
};

/* Start from XENT_TRAINING_OPTIONS_INIT, which is also what a NULL pointer means; struct_size
 * works as in xent_options. */
typedef struct xent_training_options {
    size_t struct_size; /* sizeof(xent_training_options) */
    int32_t method;
    int32_t dtype;          /* XENT_F32 or XENT_F64: of weight and bias, and what u is rounded to */
    int32_t on_bad_label;   /* XENT_BAD_LABEL_ERROR or XENT_BAD_LABEL_IGNORE */
    int32_t threads;        /* as in xent_options */
    int32_t standardize;    /* 1: find mean and scale in a first pass */
    int32_t max_iterations; /* of L-BFGS, 0: 1000; or epochs, 0: 20 */
    /* With held-out rows: how many iterations (epochs) in a row may bring no lesser held-out loss;
     * one more ends the training. 0: any number. */
    int32_t patience;
    int32_t precondition;
    int32_t history;    /* pairs of vectors that L-BFGS keeps, 1 to 100 */
    int32_t batch_rows; /* rows of a batch of SGD and Adam, at least 1 */
    uint64_t seed;      /* of the sample of XENT_PRECONDITION_FULL */
    double l2;          /* finite and >= 0 */
    double label_smoothing;
    double scale; /* finite and not 0: a factor on all features; 1: off; not with standardize */
    /* L-BFGS ends when no entry of the objective's gradient is larger; 0: when nothing is to be
     * gained any more. */
    double tolerance;
    double learning_rate;  /* of SGD, 0: 0.1; of Adam, 0: 0.001 */
    double rate_decay;     /* in (0, 1]: the learning rate is multiplied by it after each epoch */
    double momentum;       /* of SGD, in [0, 1) */
    const int64_t *ignore; /* label values whose rows are left out, as in xent_options; copied */
    size_t ignore_count;
    const xent_tensor *class_weight; /* k: NULL or F32/F64 [C]; finite and >= 0; copied */
    const xent_executor *executor;   /* as in xent_options; lives as long as the training */
} xent_training_options;

/* clang-format off */
#define XENT_TRAINING_OPTIONS_INIT \
    {sizeof(xent_training_options), XENT_LBFGS, XENT_F32, XENT_BAD_LABEL_ERROR, 0, 0, 0, 0, \
     XENT_PRECONDITION_AUTO, 10, 256, 0, 0.0, 0.0, 1.0, 1e-5, 0.0, 1.0, 0.9, NULL, 0, NULL, NULL}
/* clang-format on */

/* ---- what a pass has shown ---- */

/* pass: what it was for */
enum {
    XENT_PASS_LOOK = 1,      /* counts, mean and scale, second moments; no step was taken */
    XENT_PASS_TRIAL = 2,     /* a step of the line search that another one follows */
    XENT_PASS_ITERATION = 3, /* an L-BFGS iterate, or the point that L-BFGS begins with */
    XENT_PASS_EPOCH = 4
};
/* ended: why no other pass is wanted */
enum {
    XENT_TRAINING_GOES_ON = 0,
    XENT_TRAINING_CONVERGED = 1,  /* the gradient is within the tolerance */
    XENT_TRAINING_AT_REST = 2,    /* no step lessens the objective beyond rounding errors */
    XENT_TRAINING_ITERATIONS = 3, /* max_iterations are done */
    XENT_TRAINING_PATIENCE = 4,   /* the held-out loss has not fallen for long enough */
    XENT_TRAINING_DIVERGED = 5    /* the objective of an epoch is not finite: the learning rate is
                                      too large; the model is the one of the epoch before */
};

/* Numbers that a pass did not find are NaN (an accuracy of a pass that looks, say). Later versions
 * may give the reserved ones a meaning. */
typedef struct xent_training_report {
    int32_t pass;
    int32_t ended;
    int32_t is_best;      /* 1: the model is now the one of this pass */
    int32_t reserved_int; /* 0 */
    int64_t passes, iterations;
    int64_t constant_features, first_constant_feature; /* found by XENT_PASS_LOOK; 0 and -1: none */
    /* At the point of this pass; in an epoch: of the batches as they were met, and the weight that
     * they leave. */
    double objective;
    double loss;     /* sum of losses / D */
    double accuracy; /* of counted rows */
    double gradient; /* the largest entry of the objective's gradient; NaN in an epoch */
    double step;     /* how much of the L-BFGS direction was tried; an epoch's learning rate */
    double held_out_loss, held_out_accuracy;
    xent_total total, held_out; /* first_bad_row counts the rows of the pass */
    double reserved[4];         /* 0 */
} xent_training_report;

/* ---- training ---- */

/* One thread at a time may use it. */
typedef struct xent_training xent_training;

/* Begins with all parameters 0.
 *   classes   C, from 2
 *   features  D, from 1; C*(D + 1) below 2^40
 *   options, error   each may be NULL
 * On any status but XENT_OK (XENT_BAD_ARGUMENT, XENT_BAD_SHAPE or XENT_BAD_DTYPE of class_weight,
 * XENT_NO_MEMORY) *training is NULL.
 * Memory, with P = C*(D + 1): L-BFGS (60 + 8*history)*P bytes, SGD 36*P, Adam 44*P (12*P more where
 * parameters are F64); a unit of rows, some 8 MB; what xent_linear_cross_entropy takes; and for
 * XENT_PRECONDITION_FULL a factor of 4*(D + 1)^2 bytes, C of them if those fit 64 MB, 8*(D + 1)^2
 * for each that is being built (a thread builds one at a time; several only if they fit 64 MB), and
 * a sample of rows of up to 64 MB. All that lasts is taken here. */
XENT_API xent_status xent_training_begin(int64_t classes, int64_t features,
                                         const xent_training_options *options,
                                         xent_training **training, xent_error *error);

/* Parameters to begin with, or to go on from (warm start): before the first pass. L-BFGS takes
 * their mean over the classes off, which changes no probability.
 *   weight   F32/F64 [C, D], of u; bias   NULL (0) or F32/F64 [C]; finite, and within 1e30 */
XENT_API xent_status xent_training_set(xent_training *training, const xent_tensor *weight,
                                       const xent_tensor *bias, xent_error *error);

/* The next rows of the pass.
 *   features    U8, F32, F64, BF16 or F16, [.., D], any strides
 *   labels      any integer type, the shape of the features without the last axis
 *   row_weight  NULL (1) or F32/F64, shape of the labels, finite and >= 0
 * All are read before it returns. Refused, and then nothing of the block has been added: shapes and
 * types that do not fit, labels outside [0, C) as options say, weights. Refused as well: NaN and
 * infinity in the features of rows that count, with row of the pass, column and value; this is
 * found when a unit is full, so that the call may be a later one, and this training then takes no
 * other pass (xent_training_model and states saved before remain). So too after XENT_NO_MEMORY. */
XENT_API xent_status xent_training_add(xent_training *training, const xent_tensor *features,
                                       const xent_tensor *labels, const xent_tensor *row_weight,
                                       xent_error *error);

/* Rows to score and not to learn from, at the parameters of the pass: for SGD and Adam those after
 * its batches. They come last: nothing is learnt in a pass after the first of them. Arguments,
 * refusals as above; in every pass but one that looks (where they are not read), or in none. */
XENT_API xent_status xent_training_score(xent_training *training, const xent_tensor *features,
                                         const xent_tensor *labels, const xent_tensor *row_weight,
                                         xent_error *error);

/* Ends the pass and decides on the next one: while report->ended is 0 another pass is wanted. After
 * XENT_TRAINING_CONVERGED, _ITERATIONS or _PATIENCE more passes may follow all the same.
 * Refused (and the training ended) where the first pass shows that there is nothing to learn: no
 * row counts, all labels are one class, or a class has no row while label_smoothing is 0 (its bias
 * would go to minus infinity); or another pass has other rows than the one before. report and error
 * may be NULL. */
XENT_API xent_status xent_training_step(xent_training *training, xent_training_report *report,
                                        xent_error *error);

/* The best parameters so far: the last iterate or epoch, with held-out rows the one of least
 * held-out loss; what training began with before there is one. Contiguous, valid until the next
 * call with this training. weight [C, D] and bias [C] of options.dtype; mean and scale F64 [D],
 * with data NULL where they are 0 and 1 for all features. */
typedef struct xent_training_parameters {
    xent_tensor weight, bias, mean, scale;
} xent_training_parameters;

XENT_API xent_status xent_training_model(const xent_training *training,
                                         xent_training_parameters *model, xent_error *error);

/* ---- state: to stop here and go on elsewhere, with the same bits ---- */

/* How many tensors the state consists of, and each of them: F64, F32 or I64, contiguous, valid
 * until the next call with this training; the name is static memory. Between two passes: in the
 * middle of one, or after a refusal, the count is 0. An index out of range: XENT_BAD_ARGUMENT. */
XENT_API int32_t xent_training_state_count(const xent_training *training);
XENT_API xent_status xent_training_state(const xent_training *training, int32_t index,
                                         const char **name, xent_tensor *tensor, xent_error *error);

/* Goes on where that state was taken: on a training that has just begun, with the same classes,
 * features and options (but for threads, executor, max_iterations, patience and tolerance, which
 * may differ; a sentence names what does differ). names and tensors: `count` of them, in any order;
 * others than the state's are not looked at. A status other than XENT_OK leaves the training as it
 * was. */
XENT_API xent_status xent_training_restore(xent_training *training, const char *const *names,
                                           const xent_tensor *tensors, int32_t count,
                                           xent_error *error);

/* NULL is allowed. */
XENT_API void xent_training_free(xent_training *training);

/* u = (features - mean)*scale in doubles, rounded once to the type of u; what the training itself
 * does, for whoever applies the model.
 *   features   as in xent_training_add; mean, scale   NULL (0, 1) or F64 [D]; data NULL as well
 *   prepared   F32 or F64, shape of the features, contiguous; not the features' memory */
XENT_API xent_status xent_prepare_features(const xent_tensor *features, const xent_tensor *mean,
                                           const xent_tensor *scale, const xent_tensor *prepared,
                                           xent_error *error);

#ifdef __cplusplus
}
#endif

#endif
