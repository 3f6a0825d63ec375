/* SPDX-License-Identifier: MIT
 * Scores opened files block by block: logits in, gradient and row losses out. */
#ifndef XENT_CLI_SCORE_H
#define XENT_CLI_SCORE_H

#include "loss.h"

/* Labels and weights are in memory, the options are set and everything fits. Fills total, seconds
 * and row_loss, and writes the files that were asked for, or says what is wrong and returns its
 * exit code; then no file has been touched. */
int score_files(loss_call *call);

#endif
