/* SPDX-License-Identifier: MIT
 * The terminal that stderr may be: colour, and one line that comes and goes. */
#ifndef XENT_CLI_TERMINAL_H
#define XENT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* Whether stderr is a terminal that can do more than print one line after the other. */
bool is_screen(void);

/* How long lines on stderr may be: the width of the screen, or endless where there is none. */
int line_width(void);

/* Prints text and ends the line. The text begins at a column, and so does each further line: those
 * that it has, and those it is broken into, between words, so that each is shorter than width. */
void print_wrapped(FILE *stream, int column, int width, const char *text);

/* Prints a word to stderr, in colour on a screen unless NO_COLOR (https://no-color.org) is set. */
typedef enum colour { RED = 31, GREEN = 32 } colour;
void print_in_colour(colour which, const char *word);

/* Puts text, which is one line without its end, in the place of the line shown before. */
void show_line(const char *text);

/* Wipes that line, if there is one; may be called by a signal handler. */
void wipe_line(void);

#endif
