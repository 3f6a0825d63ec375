/* SPDX-License-Identifier: MIT
 * The files of a training: opened and judged. */
#ifndef XENT_CLI_TRAIN_INPUTS_H
#define XENT_CLI_TRAIN_INPUTS_H

#include "train.h"

/* Refuses outputs that cannot be, or would replace what is read. */
int check_train_outputs(const train_call *call);

/* Opens features, labels and weights, finds the classes, holds rows out and says what the training
 * is of. EX_OK, or says what is wrong and returns its exit code. */
int open_train_inputs(train_call *call);
void close_train_inputs(train_call *call);

/* Why the library refused the rows of a pass: reads them again for one that is not finite. Returns
 * the exit code after a sentence. */
int explain_training(train_call *call);

#endif
