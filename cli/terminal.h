/* SPDX-License-Identifier: MIT
 * The terminal that stderr may be: colour, and one line that comes and goes. */
#ifndef XENT_CLI_TERMINAL_H
#define XENT_CLI_TERMINAL_H

#include <stdbool.h>

/* Whether stderr is a terminal that can do more than print one line after the other. */
bool is_screen(void);

/* Prints a word to stderr, in colour on a screen unless NO_COLOR (https://no-color.org) is set. */
typedef enum colour { RED = 31, GREEN = 32 } colour;
void print_in_colour(colour which, const char *word);

/* Puts text, which is one line without its end, in the place of the line shown before. */
void show_line(const char *text);

/* Wipes that line, if there is one; may be called by a signal handler. */
void wipe_line(void);

#endif
