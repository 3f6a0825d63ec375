/* SPDX-License-Identifier: MIT
 * `xent train`: a linear classifier of features in a file. */
#ifndef XENT_CLI_TRAIN_H
#define XENT_CLI_TRAIN_H

#include "checkpoint.h"
#include "feed.h"
#include "journal.h"
#include "progress.h"

/* Everything about the call, filled from top to bottom. */
typedef struct train_call {
    command_line typed;
    train_request request;
    char *checkpoint; /* its path */
    features features;
    array labels, class_weight;
    class_list classes;
    xent_tensor weights; /* of the classes; data NULL: none */
    feed feed;
    json_t *about; /* what the training is of */
    xent_training *training;
    history history;
    journal journal;
    progress shown;
    xent_training_report report; /* of the last pass */
    xent_status refusal;         /* of the library, with its sentence */
    xent_error error;
    double begun, before; /* seconds: when, and how long until it was interrupted */
    double saved;         /* when the last checkpoint was written */
    int64_t saved_passes; /* that it holds */
    char title[128];      /* of the curve */
    bool is_done;         /* the model was there before */
} train_call;

/* Runs the verb; returns the exit code. */
int run_train(int argc, char **argv);

/* Prints what was learnt. EX_OK or EX_SOFTWARE. */
int report_training(const train_call *call);

#endif
