/* SPDX-License-Identifier: MIT
 * `xent bench`: how fast the library is on this machine. */
#ifndef XENT_CLI_BENCH_H
#define XENT_CLI_BENCH_H

#include "flags.h"

extern const command BENCH_COMMAND;

/* Runs the verb; returns the exit code. */
int run_bench(int argc, char **argv);

#endif
