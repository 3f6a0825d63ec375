/* SPDX-License-Identifier: MIT
 * What `xent train` can be asked for. */
#ifndef XENT_CLI_TRAIN_OPTIONS_H
#define XENT_CLI_TRAIN_OPTIONS_H

#include "options.h"
#include "xent_train.h"

typedef struct train_request {
    const char *files[2]; /* features, labels */
    file_flags features_file, labels_file;
    const char *model, *class_weight, *log;  /* files and a folder; NULL: not given */
    int32_t iterations, epochs, batch, seed; /* 0: not given */
    int32_t resume, json, quiet;
    double validation; /* share of rows that are held out */
    double every;      /* seconds between checkpoints */
    whole_list ignore;
    xent_training_options options; /* its pointers are the caller's business */
} train_request;

extern const command TRAIN_COMMAND;

/* Reads what was typed after the verb and what contradicts itself in it. EX_OK and *request filled,
 * or says what is wrong and returns EX_USAGE. request->ignore.values is freed by the caller either
 * way. */
int read_train_request(int argc, char **argv, train_request *request);

/* "lbfgs" */
const char *method_name(int32_t method);

#endif
