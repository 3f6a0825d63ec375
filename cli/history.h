/* SPDX-License-Identifier: MIT
 * What every pass of a training has shown. */
#ifndef XENT_CLI_HISTORY_H
#define XENT_CLI_HISTORY_H

#include "xent_train.h"

#include <jansson.h>

/* Of a pass; NaN where it did not find a number. */
enum {
    PAST_PASS, /* its kind, XENT_PASS_.. */
    PAST_ITERATION,
    PAST_OBJECTIVE,
    PAST_LOSS,
    PAST_ACCURACY,
    PAST_GRADIENT,
    PAST_STEP,
    PAST_HELD_OUT_LOSS,
    PAST_HELD_OUT_ACCURACY,
    PAST_IS_BEST,
    PAST_SECONDS, /* since the training began, without the time between an end and --resume */
    PAST_COUNT
};

typedef struct history {
    double (*passes)[PAST_COUNT]; /* from malloc */
    int64_t count, room;
} history;

/* Adds a pass. EX_OK, or EX_SOFTWARE after a sentence. */
int add_to_history(history *held, const xent_training_report *report, double seconds);
/* All of it as a tensor, F64 [count, PAST_COUNT], and back. */
xent_tensor history_tensor(const history *held);
int restore_history(history *held, const xent_tensor *tensor);
void free_history(history *held);

/* The pass whose parameters the model has; NULL: none yet. */
const double *best_pass(const history *held);
const double *last_pass(const history *held);

/* A pass as JSON; NULL: no memory. */
json_t *json_pass(const history *held, int64_t i);

#endif
