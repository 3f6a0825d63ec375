/* SPDX-License-Identifier: MIT
 * The files of a call: opened, loaded but for the logits, and closed. */
#ifndef XENT_CLI_INPUTS_H
#define XENT_CLI_INPUTS_H

#include "loss.h"

/* Standard input can be read once, and is no file if it is the keyboard: EX_OK, or says so and
 * returns EX_USAGE. */
int check_inputs(const loss_request *request);

/* Opens what the request names and sets the options of the call. EX_OK or as open_array. */
int open_files(loss_call *call);

/* Everything but the logits into memory. EX_OK or as load_array. */
int load_files(loss_call *call);

void close_files(loss_call *call);

#endif
