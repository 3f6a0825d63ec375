/* SPDX-License-Identifier: MIT
 * `xent check`: what is wrong with a batch when its shapes fit. */
#ifndef XENT_CLI_CHECK_H
#define XENT_CLI_CHECK_H

#include "options.h"

/* Runs the verb; returns the exit code. */
int run_check(int argc, char **argv);

#endif
