/* SPDX-License-Identifier: MIT
 * The folder that --log names: a line of JSON for each pass, and a curve. */
#ifndef XENT_CLI_JOURNAL_H
#define XENT_CLI_JOURNAL_H

#include "history.h"

#include <stdio.h>

typedef struct journal {
    FILE *lines; /* NULL: not asked for */
    char *lines_path, *curve_path;
    const char *title;
} journal;

/* Makes the folder if it is not there, and log.jsonl with the passes of the history so far. folder
 * NULL: EX_OK. EX_OK, or says what is wrong and returns EX_CANTCREAT or EX_IOERR. */
int begin_journal(const char *folder, const history *held, const char *title, journal *begun);

/* Adds the last pass of the history. EX_OK or EX_IOERR. */
int add_to_journal(journal *to, const history *held);

/* Draws the curve as far as it has come. EX_OK or as draw_curve. */
int draw_journal(const journal *from, const history *held);

void end_journal(journal *begun);

#endif
