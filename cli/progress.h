/* SPDX-License-Identifier: MIT
 * A line on the terminal that shows how far work of more than a second has come. */
#ifndef XENT_CLI_PROGRESS_H
#define XENT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    bool shown;          /* stderr is a screen, and nobody asked for quiet */
    int64_t whole, done; /* bytes */
    double begun, last;  /* seconds */
    char words[48];      /* shown before the bar; "": none */
} progress;

progress begin_progress(int64_t whole, bool quiet);
/* So many bytes more are done. */
void show_progress(progress *how, int64_t more);
/* Wipes the line. */
void end_progress(void);

/* Seconds on a clock that only goes on. */
double seconds_now(void);

#endif
