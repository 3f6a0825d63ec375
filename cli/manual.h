/* SPDX-License-Identifier: MIT
 * `xent manual`: manual pages in roff. */
#ifndef XENT_CLI_MANUAL_H
#define XENT_CLI_MANUAL_H

#include "flags.h"

extern const command MANUAL_COMMAND;

/* Runs the verb; returns the exit code. */
int run_manual(int argc, char **argv);

#endif
