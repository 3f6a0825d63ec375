/* SPDX-License-Identifier: MIT
 * The files of a call: opened, loaded but for the logits, and closed. */
#ifndef XENT_CLI_INPUTS_H
#define XENT_CLI_INPUTS_H

#include "loss.h"

/* Standard input can be read once, and is no file if it is the keyboard: EX_OK, or says so and
 * returns EX_USAGE. Files may be NULL: not given. */
int check_standard_input(const char *const *files, size_t count);
int check_inputs(const loss_request *request);

/* An output must not replace a file that is read, nor another output (NULL: there is none); `use`:
 * what that is. EX_OK, or says so and returns EX_USAGE. */
int refuse_same(const char *flag, const char *path, const char *other, const char *use);

/* Opens a file (NULL: not given, EX_OK), of which flags (or NULL) may say something, as open_array.
 */
int open_described(const command_line *typed, const char *path, const file_flags *flags, bool reals,
                   array *out);

/* Opens what the request names and sets the options of the call. EX_OK or as open_array. */
int open_files(loss_call *call);

/* Everything but the logits into memory. EX_OK or as load_array. */
int load_files(loss_call *call);

void close_files(loss_call *call);

#endif
