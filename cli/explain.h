/* SPDX-License-Identifier: MIT
 * Why the library refused a call, in terms of files and flags, with the fix one can type. */
#ifndef XENT_CLI_EXPLAIN_H
#define XENT_CLI_EXPLAIN_H

#include "loss.h"

#include <stdbool.h>

/* The library decides what is refused, and why, in terms of C; this looks at the same call for the
 * user's likely mistake. Prints it and returns the exit code: EX_USAGE for flags, EX_DATAERR for
 * files, EX_SOFTWARE with the library's own sentence for what no file or flag can cause. */
int explain_refusal(const loss_call *call, xent_status status, const xent_error *error);

/* XENT_BAD_SHAPE and XENT_BAD_DTYPE: what does not fit together. EX_OK and silence if all fits. */
int explain_fit(const loss_call *call);

/* Whether the logits can be cut into rows along --class-axis. EX_OK and silence if they can. */
int explain_axis(const loss_call *call);

/* XENT_BAD_LABEL: the first label that is no class, and what it looks like. */
int explain_labels(const loss_call *call);

/* A note about the rows whose loss is not finite: the first of them, and what is in it. */
void note_nonfinite(const loss_call *call);

/* Suggests to convert a file and to run the command with the new one, if Python can load it;
 * `expression` and `flags` as in suggest_conversion. */
void suggest_converted(const loss_call *call, const array *from, const char *expression,
                       const char *flags);

/* Whether a label's row is left out because of --ignore. */
bool is_ignored(const loss_call *call, int64_t label);

#endif
