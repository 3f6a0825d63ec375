/* SPDX-License-Identifier: MIT
 * What goes to stderr: errors, which decide the exit code, and notes, which -q silences. */
#ifndef XENT_CLI_COMPLAIN_H
#define XENT_CLI_COMPLAIN_H

#include "xent.h"

#include <stdbool.h>
#include <sysexits.h> /* the exit codes: EX_OK, EX_USAGE 64, EX_DATAERR 65, .. EX_IOERR 74 */

/* Prints "xent: subject: sentence" (subject: a file or a flag; NULL: none) and returns exit_code:
 * `return complain(...)`. */
int complain(int exit_code, const char *subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What no file or flag can cause, in the library's own sentence; returns EX_SOFTWARE. XENT_OK is
 * silent and EX_OK. */
int complain_internally(xent_status status, const xent_error *error);

/* Prints "xent: sentence" unless quiet. */
void note(bool quiet, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
