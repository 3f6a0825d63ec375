/* SPDX-License-Identifier: MIT
 * What is kept of a training, and what the parts of the room tell each other. */
#ifndef XENT_TRAIN_TRAINING_H
#define XENT_TRAIN_TRAINING_H

#include "basics.h"
#include "lbfgs.h"
#include "metric.h"

#include <stdbool.h>

/* Rows that count, gathered until there are enough for one call of the linear form. */
struct unit {
    int64_t capacity, rows;
    void *features; /* [capacity][D], u as lanes; in a pass that looks, the features as doubles */
    int64_t *labels, *places; /* [capacity]; places: which rows of the pass they are */
    double *weights;
    bool weighs; /* a weight is not 1 */
};

/* The pass under way. counts: of all rows by their labels; found: losses of those that count. */
struct pass {
    xent_total counts, found, held_counts, held_found, batch;
    bool scores;    /* rows are held-out ones by now */
    bool overflows; /* a row's loss is not finite although its features are */
};

/* What the first pass gathers. */
struct look {
    int64_t *class_rows; /* [C] */
    double rows;         /* in mean and spread */
    double *mean, *spread,
        *some;      /* [D]; spread: sum of squares about the mean; some: of one unit */
    double *origin; /* [D], the first row: what the sample is relative to */
};

/* Whole numbers of the state, in the order in which they are written. */
struct counters {
    int64_t looked;     /* there is no pass to look any more */
    int64_t begun;      /* the objective at the first point is known */
    int64_t rests;      /* no other step will help */
    int64_t transforms; /* mean and scale are not 0 and 1 */
    int64_t passes, iterations, best_pass, since_best;
    int64_t rows, counted; /* of every pass; 0: not known yet */
    int64_t blocks, sampled, seen;
    int64_t pairs, next, zooms, trials;
};
enum { COUNTERS = sizeof(struct counters) / sizeof(int64_t) };

struct numbers {
    double held_out; /* the least held-out loss */
    double weight_sum;
    double rate, beta1_power, beta2_power; /* of SGD and Adam */
    struct place start, low, high;         /* of the line search */
    double noise, step;
};
enum { OPTION_NUMBERS = 17 };
enum { NUMBERS = sizeof(struct numbers) / sizeof(double) };

struct xent_training {
    xent_training_options options;         /* with defaults in the place of 0 */
    xent_options run;                      /* how units are scored */
    double option_numbers[OPTION_NUMBERS]; /* options that results depend on, for the state */
    xent_tensor class_weights;
    int64_t *ignore;
    double *class_weight;
    int64_t classes, features, parameters; /* C, D, C*(D + 1) */
    size_t lane;                           /* bytes of a parameter */
    bool batches;                          /* the method is SGD or Adam */
    bool looks;                            /* passes begin with one that looks */
    bool broken;                           /* a refusal ended it */
    struct counters count;
    struct numbers number;
    double *mean, *scale;            /* [D] */
    float *float_mean, *float_scale; /* [D], the same as floats */
    double *point;                   /* [C*D + C], where the next pass evaluates */
    void *lanes, *best;              /* of it, and of the model */
    double *gradient;                /* [C*D + C], of the pass or batch */
    void *unit_gradient;             /* lanes [C*D + C], of one unit */
    double *velocity, *squares;      /* [C*D + C], of SGD and Adam */
    struct unit unit;
    struct pass pass;
    struct look look;
    struct sample sample;
    struct metric metric;
    struct lbfgs lbfgs;
};

/* ---- options.c ---- */

/* Defaults in the place of 0, and one sentence for each rule; classes and features are judged. */
xent_status read_training_options(int64_t classes, int64_t features,
                                  const xent_training_options *given,
                                  xent_training_options *options, xent_error *error);

/* ---- block.c ---- */

/* Features with their labels and weights, in any shape: rows. */
struct block {
    const xent_tensor *features, *labels, *weights;
    int64_t rows;
};

xent_status check_features(const xent_tensor *features, int64_t width, xent_error *error);
xent_status check_block(const struct xent_training *training, struct block *block,
                        xent_total *counts, xent_error *error);

/* The class of a row; -1: it does not count. */
int64_t label_of(const struct xent_training *training, const struct block *block, int64_t row);
double weight_of(const struct block *block, int64_t row);
const char *features_of(const struct block *block, int64_t row);

/* ---- prepare.c ---- */

/* How features become u: the type of u, and mean and scale or NULL. */
struct preparation {
    int32_t from, to; /* dtypes */
    int64_t stride, count;
    const double *mean, *scale;
    const float *float_mean, *float_scale; /* NULL, or the same as floats */
};

void narrow_all(const double *from, int64_t count, float *to);
void prepare_row(const struct preparation *how, const char *features, void *u);
double feature_at(int32_t dtype, const char *features);
size_t size_of_dtype(int32_t dtype);

/* ---- unit.c ---- */

bool take_unit(struct xent_training *training);

/* The rows of a block, unit by unit. */
xent_status take_rows(struct xent_training *training, const struct block *block, xent_error *error);

/* What is left in the unit. */
xent_status finish_unit(struct xent_training *training, xent_error *error);

/* ---- look.c ---- */

bool take_look(struct xent_training *training);
xent_status look_at_unit(struct xent_training *training, xent_error *error);
void drop_sample(struct xent_training *training);
xent_status finish_look(struct xent_training *training, xent_error *error);

/* ---- learn.c ---- */

/* Loss, and gradient unless rows are held-out ones, of rows of u. */
xent_status learn_from(struct xent_training *training, const xent_tensor *features,
                       xent_error *error);

/* The rows of one batch are there: SGD or Adam takes its step. */
void finish_batch(struct xent_training *training);
void set_lanes(struct xent_training *training);

/* The objective's own part: l2/2*|weight|^2, and its gradient. */
double penalty(const struct xent_training *training);
void add_penalty(struct xent_training *training);

/* ---- state.c ---- */

/* What L-BFGS, metric and sample count, into the counters and numbers of the state. */
void note_numbers(struct xent_training *training);
void note_options(struct xent_training *training);

/* ---- training.c ---- */

/* XENT_OK, or the sentence that this training takes no other pass. */
xent_status check_open(const struct xent_training *training, xent_error *error);
/* After mean and scale changed. */
void note_transform(struct xent_training *training);
void begin_pass(struct xent_training *training);

#endif
