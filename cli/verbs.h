/* SPDX-License-Identifier: MIT
 * The verbs: what is typed after `xent`. */
#ifndef XENT_CLI_VERBS_H
#define XENT_CLI_VERBS_H

#include "flags.h"

typedef struct verb_row {
    const command *shown;
    int (*run)(int argc, char **argv); /* returns the exit code */
} verb_row;

enum { VERB_COUNT = 9 };
extern const verb_row VERBS[VERB_COUNT];

/* NULL: there is none of this name. */
const verb_row *find_verb(const char *name);

/* Says that there is none of this name; returns EX_USAGE. */
int refuse_verb(const char *name);

/* For a verb whose one operand, if any, is a verb: *found is that, NULL without an operand. EX_OK,
 * or says what is wrong and returns EX_USAGE. */
int read_verb(const command *shown, int argc, char **argv, const verb_row **found);

#endif
