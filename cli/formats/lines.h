/* SPDX-License-Identifier: MIT
 * A text file of any size, character by character, and its fields. */
#ifndef XENT_CLI_FORMATS_LINES_H
#define XENT_CLI_FORMATS_LINES_H

#include "source.h"

#include <stdbool.h>

enum { TEXT_PIECE = 1 << 16, TEXT_END = -1, FIELD_SIZE = 512 };

typedef struct text_file {
    const source *file;
    int code;      /* what read_source returned last: after a failure the text has ended */
    int64_t after; /* the offset of what follows the piece */
    size_t at, filled;
    unsigned char piece[TEXT_PIECE];

    char separator; /* of fields; ' ' stands for any blanks */
    int64_t line;   /* from 1 */

    char field[FIELD_SIZE]; /* as much of it as fits, without blanks and quotes around it */
    size_t length;          /* all of it */
} text_file;

/* The next character, or TEXT_END; take_char moves on. */
int peek_char(text_file *in);
int take_char(text_file *in);

/* Where the next character lies, and going there again: to the begin of a line of that number. */
int64_t tell(const text_file *in);
void go_to_line(text_file *in, int64_t offset, int64_t line);

/* Takes a line's end, LF or CRLF or that of the text; false: there is something before it. */
bool take_line_end(text_file *in);

/* Takes all up to the line's end, and that. */
void skip_line(text_file *in);

void skip_blanks(text_file *in);

/* Takes a field and the separator behind it; false: it was the line's last, whose end is next. */
bool take_field(text_file *in);

#endif
