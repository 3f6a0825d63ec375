/* SPDX-License-Identifier: MIT
 * `xent info`: what this program is and what it found of the machine. */
#ifndef XENT_CLI_INFO_H
#define XENT_CLI_INFO_H

#include "flags.h"

extern const command INFO_COMMAND;

/* Runs the verb; returns the exit code. */
int run_info(int argc, char **argv);

#endif
