/* SPDX-License-Identifier: MIT
 * `xent loss`: from files to files. */
#ifndef XENT_CLI_LOSS_H
#define XENT_CLI_LOSS_H

#include "formats/array.h"
#include "options.h"
#include "suggest.h"

/* Everything about the call, filled from top to bottom. */
typedef struct loss_call {
    command_line typed;
    loss_request request;
    array logits, labels, class_weight, row_weight;
    xent_options options; /* the request's, with pointers into this struct */
    double *row_loss;     /* one per label, from malloc, where each is printed; else NULL */
    xent_total total;
    double seconds;
} loss_call;

/* The axis of the classes, in [0, ndim) unless --class-axis is out of range. */
int class_axis(const loss_call *call);

/* Runs the verb; returns the exit code. */
int run_loss(int argc, char **argv);

#endif
