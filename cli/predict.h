/* SPDX-License-Identifier: MIT
 * `xent predict`: what a linear classifier says of features in a file. */
#ifndef XENT_CLI_PREDICT_H
#define XENT_CLI_PREDICT_H

#include "flags.h"

extern const command PREDICT_COMMAND;

/* Runs the verb; returns the exit code. */
int run_predict(int argc, char **argv);

#endif
