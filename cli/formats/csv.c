/* SPDX-License-Identifier: MIT
 * Numbers as text: .csv, .tsv, what numpy.savetxt writes. The values go into a spool. */
#include "../complain.h"
#include "format.h"
#include "lines.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING = 1024, SHOWN = 40 };

typedef struct table {
    text_file in;
    source spool;
    bool reals;                   /* values are doubles, else 64 bits of whole numbers */
    bool begin_again;             /* the first that is not whole makes all of them doubles */
    bool has_negative, has_large; /* whole numbers below 0, and above INT64_MAX */
    int64_t rows, columns;
    int64_t column; /* being read, from 1 */
    size_t waiting; /* values not written yet */
    uint64_t values[WAITING];
} table;

static const char BOM[] = "\xef\xbb\xbf";
enum { BOM_SIZE = sizeof BOM - 1 };

/* Text holds no control characters but blanks and line ends, and begins with a character, of which
 * in UTF-8 no first byte is 0x80 to 0xc1. */
static bool recognise(const unsigned char *head, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if ((head[i] < ' ' && !strchr("\t\r\n", head[i])) || head[i] == 0 || head[i] == 0x7f)
            return false;
    }
    return head[0] < 0x80 || head[0] > 0xc1;
}

/* ---- numbers --------------------------------------------------------------------------------- */

typedef enum number_kind { NO_NUMBER, WHOLE_NUMBER, REAL_NUMBER } number_kind;

static bool same_word(const char *text, const char *word) {
    while (*word && tolower((unsigned char)*text) == *word) {
        text++;
        word++;
    }
    return !*text && !*word;
}

static size_t count_digits(const char *text) {
    return strspn(text, "0123456789");
}

/* "-1", "+1.5e-3", ".5", "nan", "-Infinity"; what C takes besides, such as hexadecimal, is none. */
static number_kind judge_number(const char *text) {
    text += *text == '-' || *text == '+';
    if (same_word(text, "nan") || same_word(text, "inf") || same_word(text, "infinity"))
        return REAL_NUMBER;
    size_t before = count_digits(text), behind = 0;
    const char *rest = text + before;
    if (!*rest)
        return before > 0 ? WHOLE_NUMBER : NO_NUMBER;
    if (*rest == '.') {
        behind = count_digits(rest + 1);
        rest += 1 + behind;
    }
    if (before + behind == 0)
        return NO_NUMBER;
    if (*rest == 'e' || *rest == 'E') {
        rest += 1 + (rest[1] == '-' || rest[1] == '+');
        size_t exponent = count_digits(rest);
        return exponent > 0 && !rest[exponent] ? REAL_NUMBER : NO_NUMBER;
    }
    return *rest ? NO_NUMBER : REAL_NUMBER;
}

/* The field for a sentence: only what is harmless on a terminal. */
static const char *show_field(const table *csv, char text[SHOWN + 1]) {
    size_t length = csv->in.length < SHOWN ? csv->in.length : SHOWN;
    for (size_t i = 0; i < length; i++)
        text[i] = isprint((unsigned char)csv->in.field[i]) ? csv->in.field[i] : '?';
    text[length] = '\0';
    return text;
}

static int refuse_field(const table *csv, const char *reason) {
    char shown[SHOWN + 1];
    show_field(csv, shown);
    return complain(EX_DATAERR, csv->in.file->path, "line %" PRId64 ", column %" PRId64 ": '%s' %s",
                    csv->in.line, csv->column, shown, reason);
}

static int refuse_number(const table *csv) {
    if (csv->in.length == 0)
        return refuse_field(csv, "is empty, not a number");
    return refuse_field(csv, strchr(csv->in.field, ',')
                                 ? "is not a number: numbers have a decimal point, not a comma"
                                 : "is not a number");
}

/* ---- values ---------------------------------------------------------------------------------- */

static int write_waiting(table *csv) {
    int code = write_spool(&csv->spool, csv->values, csv->waiting * sizeof *csv->values);
    csv->waiting = 0;
    return code;
}

static int keep_value(table *csv, const void *bits) {
    memcpy(&csv->values[csv->waiting++], bits, sizeof *csv->values);
    return csv->waiting == WAITING ? write_waiting(csv) : EX_OK;
}

static int keep_real(table *csv) {
    errno = 0;
    double value = strtod(csv->in.field, NULL);
    if (errno == ERANGE && isinf(value))
        return refuse_field(csv, "is beyond the numbers of float64");
    return keep_value(csv, &value);
}

static int keep_whole(table *csv) {
    const char *field = csv->in.field;
    bool negative = *field == '-';
    errno = 0;
    uint64_t bits = negative ? (uint64_t)strtoll(field, NULL, 10) : strtoull(field, NULL, 10);
    if (errno == ERANGE)
        return refuse_field(csv, "is beyond the whole numbers of 64 bits");
    csv->has_negative = csv->has_negative || (negative && bits != 0);
    csv->has_large = csv->has_large || (!negative && bits > INT64_MAX);
    if (csv->has_negative && csv->has_large)
        return refuse_field(csv, "does not go with the others: no type of 64 bits holds whole "
                                 "numbers below 0 and above 2^63 - 1");
    return keep_value(csv, &bits);
}

/* A field may hold the character that ends a string. */
static bool is_string(const table *csv) {
    return csv->in.length < FIELD_SIZE && strlen(csv->in.field) == csv->in.length;
}

static int keep_field(table *csv) {
    number_kind kind = is_string(csv) ? judge_number(csv->in.field) : NO_NUMBER;
    if (csv->in.code != EX_OK)
        return csv->in.code;
    if (kind == NO_NUMBER)
        return refuse_number(csv);
    csv->begin_again = kind == REAL_NUMBER && !csv->reals;
    if (csv->begin_again)
        return EX_OK;
    return csv->reals ? keep_real(csv) : keep_whole(csv);
}

/* ---- the first lines ------------------------------------------------------------------------- */

/* By the line that begins here: semicolon, comma, tab, else blanks. */
static char find_separator(text_file *in) {
    const int64_t line = in->line, begin = tell(in);
    bool semicolon = false, comma = false, tab = false;
    for (int c = peek_char(in); c != '\n' && c != TEXT_END; c = peek_char(in)) {
        semicolon = semicolon || c == ';';
        comma = comma || c == ',';
        tab = tab || c == '\t';
        take_char(in);
    }
    go_to_line(in, begin, line);
    if (semicolon)
        return ';';
    if (comma)
        return ',';
    if (tab)
        return '\t';
    return ' ';
}

/* Whether a field is a word, as columns are called. */
static bool is_name(const char *field) {
    return (isalpha((unsigned char)*field) || *field == '_' || (unsigned char)*field >= 0x80) &&
           judge_number(field) == NO_NUMBER;
}

/* Takes the line if it names columns; an empty name is how pandas calls a column of row numbers,
 * which are no data. */
static int skip_header(table *csv) {
    text_file *in = &csv->in;
    const int64_t line = in->line, begin = tell(in);
    bool has_name = false, more = true;
    int64_t empty = 0;
    in->separator = find_separator(in);
    for (csv->column = 1; more; csv->column++) {
        more = take_field(in);
        has_name = has_name || is_name(in->field);
        empty = in->length == 0 && empty == 0 ? csv->column : empty;
    }
    if (has_name && empty > 0)
        return complain(EX_DATAERR, in->file->path,
                        "line %" PRId64 " names columns, but not column %" PRId64
                        ": is that one row numbers, as pandas writes them? Leave it out: "
                        "to_csv(.., index=False)",
                        line, empty);
    if (!has_name || !take_line_end(in))
        go_to_line(in, begin, line);
    return in->code;
}

/* To the first line of numbers: behind a byte order mark, lines of "# .." and one header. */
static int find_data(table *csv) {
    text_file *in = &csv->in;
    in->line = 1;
    for (int i = 0; i < BOM_SIZE && peek_char(in) == (unsigned char)BOM[i]; i++)
        take_char(in);
    while (peek_char(in) == '#')
        skip_line(in);
    int code = skip_header(csv);
    in->separator = find_separator(in);
    return code;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int read_row(table *csv) {
    const int64_t line = csv->in.line;
    bool more = true;
    int code = EX_OK;
    for (csv->column = 0; more && code == EX_OK && !csv->begin_again;) {
        csv->column++;
        more = take_field(&csv->in);
        code = keep_field(csv);
    }
    if (code != EX_OK || csv->begin_again)
        return code;
    if (csv->rows++ == 0)
        csv->columns = csv->column;
    if (csv->column != csv->columns)
        return complain(EX_DATAERR, csv->in.file->path,
                        "line %" PRId64 " has %" PRId64
                        " column%s, but the first line of numbers has %" PRId64
                        ": each must have as many",
                        line, csv->column, csv->column == 1 ? "" : "s", csv->columns);
    take_line_end(&csv->in);
    return csv->in.code;
}

/* Empty lines may only be the last ones. */
static int read_rows(table *csv) {
    text_file *in = &csv->in;
    int64_t empty = 0;
    int code = EX_OK;
    while (code == EX_OK && !csv->begin_again && peek_char(in) != TEXT_END) {
        int64_t line = in->line;
        skip_blanks(in);
        if (take_line_end(in))
            empty = empty ? empty : line;
        else if (empty)
            code = complain(EX_DATAERR, in->file->path,
                            "line %" PRId64 " is empty, and more lines follow it", empty);
        else
            code = read_row(csv);
    }
    return code == EX_OK ? in->code : code;
}

static int read_table(table *csv) {
    int code = find_data(csv);
    const int64_t begin = tell(&csv->in), line = csv->in.line;
    if (code == EX_OK)
        code = read_rows(csv);
    if (code == EX_OK && csv->begin_again) {
        csv->reals = true;
        csv->begin_again = false;
        csv->rows = csv->spool.size = 0;
        csv->waiting = 0;
        go_to_line(&csv->in, begin, line);
        code = read_rows(csv);
    }
    if (code == EX_OK && csv->rows == 0)
        code = complain(EX_DATAERR, csv->in.file->path,
                        "is text, but none of its lines holds numbers alone");
    return code == EX_OK ? write_waiting(csv) : code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int read_csv(source *file, const sought *what, contents *found) {
    table *csv = calloc(1, sizeof *csv);
    if (!csv)
        return complain(EX_SOFTWARE, file->path, "not enough memory");
    csv->in.file = file;
    csv->reals = what->reals;
    int code = open_spool(file->path, &csv->spool);
    if (code == EX_OK)
        code = read_table(csv);
    *found = (contents){.dtype = csv->reals       ? XENT_F64
                                 : csv->has_large ? XENT_U64
                                                  : XENT_I64,
                        .ndim = csv->columns > 1 ? 2 : 1,
                        .shape = {csv->rows, csv->columns > 1 ? csv->columns : 0}};
    if (code == EX_OK)
        replace_source(file, &csv->spool);
    else
        close_source(&csv->spool);
    free(csv);
    return code;
}

const format CSV_FORMAT = {.name = "text", .recognise = recognise, .read = read_csv};
