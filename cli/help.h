/* SPDX-License-Identifier: MIT
 * `xent help`: all verbs at a glance, or all about one. */
#ifndef XENT_CLI_HELP_H
#define XENT_CLI_HELP_H

#include "flags.h"

#include <stdio.h>

extern const command HELP_COMMAND;

/* Runs the verb; returns the exit code. */
int run_help(int argc, char **argv);

/* What `xent help` prints, and what `xent VERB --help` prints. */
void print_overview(FILE *stream);
void print_help(const command *verb);

/* The exit codes, as pages show them. */
typedef struct exit_row {
    int code;
    const char *meaning;
} exit_row;
enum { EXIT_COUNT = 11 };
extern const exit_row EXITS[EXIT_COUNT];

#endif
