/* SPDX-License-Identifier: MIT
 * A text file of any size, character by character, and its fields. */
#include "lines.h"
#include "../complain.h"

/* ---- characters ------------------------------------------------------------------------------ */

static void read_piece(text_file *in) {
    int64_t left = in->file->size - in->after;
    int64_t size = left < TEXT_PIECE ? left : TEXT_PIECE;
    in->at = in->filled = 0;
    if (in->code == EX_OK && size > 0)
        in->code = read_source(in->file, in->after, size, in->piece);
    if (in->code == EX_OK) {
        in->filled = (size_t)size;
        in->after += size;
    }
}

int peek_char(text_file *in) {
    if (in->at == in->filled)
        read_piece(in);
    return in->at < in->filled ? in->piece[in->at] : TEXT_END;
}

int take_char(text_file *in) {
    int c = peek_char(in);
    in->at += c != TEXT_END;
    return c;
}

int64_t tell(const text_file *in) {
    return in->after - (int64_t)(in->filled - in->at);
}

void go_to_line(text_file *in, int64_t offset, int64_t line) {
    in->after = offset;
    in->at = in->filled = 0;
    in->line = line;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* A CR that no LF follows is a character like others, unless it is the last. */
static bool at_line_end(text_file *in) {
    int c = peek_char(in);
    if (c != '\r')
        return c == '\n' || c == TEXT_END;
    if (in->at + 1 == in->filled) { /* what follows it lies in the next piece */
        in->after -= 1;
        in->at = in->filled = 0;
        c = peek_char(in);
    }
    return c == '\r' && (in->at + 1 == in->filled || in->piece[in->at + 1] == '\n');
}

bool take_line_end(text_file *in) {
    if (!at_line_end(in))
        return false;
    if (peek_char(in) == '\r')
        take_char(in);
    take_char(in);
    in->line++;
    return true;
}

void skip_line(text_file *in) {
    while (!take_line_end(in))
        take_char(in);
}

/* ---- fields ---------------------------------------------------------------------------------- */

void skip_blanks(text_file *in) {
    while (peek_char(in) == ' ' || (peek_char(in) == '\t' && in->separator != '\t'))
        take_char(in);
}

static bool at_separator(text_file *in) {
    int c = peek_char(in);
    return c == in->separator || (c == '\t' && in->separator == ' ');
}

static void keep_char(text_file *in) {
    int c = take_char(in);
    if (in->length < FIELD_SIZE - 1)
        in->field[in->length] = (char)c;
    in->length++;
}

/* Separators between quotes are part of the field. */
static void take_quoted(text_file *in) {
    take_char(in);
    while (peek_char(in) != '"' && !at_line_end(in))
        keep_char(in);
    if (peek_char(in) == '"')
        take_char(in);
    else
        in->length = FIELD_SIZE; /* longer than any number: an open quote makes it none */
}

static void drop_last_blanks(text_file *in) {
    while (in->length > 0 && in->length < FIELD_SIZE &&
           (in->field[in->length - 1] == ' ' || in->field[in->length - 1] == '\t'))
        in->length--;
    in->field[in->length < FIELD_SIZE ? in->length : FIELD_SIZE - 1] = '\0';
}

bool take_field(text_file *in) {
    in->length = 0;
    skip_blanks(in);
    if (peek_char(in) == '"')
        take_quoted(in);
    while (!at_separator(in) && !at_line_end(in))
        keep_char(in);
    drop_last_blanks(in);
    if (in->separator == ' ')
        skip_blanks(in);
    if (at_line_end(in))
        return false;
    if (in->separator != ' ')
        take_char(in);
    return true;
}
