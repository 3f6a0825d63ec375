/* SPDX-License-Identifier: MIT
 * `xent completion`: scripts by which shells complete verbs, flags, words and files. */
#ifndef XENT_CLI_COMPLETION_H
#define XENT_CLI_COMPLETION_H

#include "flags.h"

extern const command COMPLETION_COMMAND;

/* Runs the verb; returns the exit code. */
int run_completion(int argc, char **argv);

/* Each prints its shell's script, made from the table of verbs. */
void print_bash_completion(void);
void print_fish_completion(void);
void print_zsh_completion(void);

/* Prints the words of "mean|sum", or the names of all verbs, with blanks between them. */
void print_words(const char *words);
void print_verbs(void);

/* Prints what may stand in the place of an operand that is no file, as above. */
void print_operand_words(const command *shown);

/* Prints text, and a backslash before each character of `special`. Between apostrophes, where no
 * shell but fish knows backslashes, an apostrophe is not text. */
void print_escaped(const char *text, const char *special);

#endif
