/* SPDX-License-Identifier: MIT
 * The verbs: what is typed after `xent`. */
#ifndef XENT_CLI_VERBS_H
#define XENT_CLI_VERBS_H

#include "flags.h"

typedef struct verb_row {
    const command *shown;
    int (*run)(int argc, char **argv); /* returns the exit code */
} verb_row;

enum { VERB_COUNT = 5 };
extern const verb_row VERBS[VERB_COUNT];

/* NULL: there is none of this name. */
const verb_row *find_verb(const char *name);

/* Says that there is none of this name; returns EX_USAGE. */
int refuse_verb(const char *name);

#endif
