/* SPDX-License-Identifier: MIT
 * Flags as data: parsing by the table that --help shows. The program never calls setlocale, so
 * that numbers are read and printed in the C locale whatever the environment says. */
#include "flags.h"
#include "complain.h"
#include "nearest.h"
#include "tensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---------------------------------------------------------------------------------- */

static int take_switch(const flag_row *row, const char *text, void *field) {
    int32_t *number = field;
    (void)text;
    if (*number != 0 && *number != row->value)
        return complain(EX_USAGE, row->name,
                        "contradicts a flag given before it: leave one of them out");
    *number = row->value;
    return EX_OK;
}

static int take_choice(const flag_row *row, const char *text, void *field) {
    const char *words = row->argument;
    size_t length = strlen(text);
    for (int32_t number = 0; *words; number++) {
        size_t word = strcspn(words, "|");
        if (word == length && strncmp(words, text, word) == 0) {
            *(int32_t *)field = number;
            return EX_OK;
        }
        words += word + (words[word] == '|');
    }
    return complain(EX_USAGE, row->name, "'%s' is not one of %s", text, row->argument);
}

/* A whole decimal number and nothing else. */
static bool read_whole(const char *text, int64_t *number) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *number = value;
    return end != text && !*end && errno == 0 && *text != ' ';
}

static int take_whole(const flag_row *row, const char *text, void *field) {
    int64_t number;
    if (!read_whole(text, &number) || (double)number < row->lowest || (double)number > row->highest)
        return complain(EX_USAGE, row->name, "'%s' is not a whole number from %.0f to %.0f", text,
                        row->lowest, row->highest);
    *(int32_t *)field = (int32_t)number;
    return EX_OK;
}

/* A number, or a fraction of two, "1/255". */
static bool read_real(const char *text, double *number) {
    char *end, *last;
    *number = strtod(text, &end);
    if (end == text || *end != '/')
        return end != text && !*end;
    *number /= strtod(end + 1, &last);
    return last != end + 1 && !*last;
}

static int take_real(const flag_row *row, const char *text, void *field) {
    double number;
    if (!read_real(text, &number))
        return complain(EX_USAGE, row->name, "'%s' is not a number", text);
    if (!(number >= row->lowest && number <= row->highest))
        return complain(EX_USAGE, row->name, "%s is out of range: %s is the %s", text,
                        row->argument, row->help);
    *(double *)field = number;
    return EX_OK;
}

/* What a shell makes of "$name" if there is no such variable. */
static int refuse_empty(const char *subject) {
    return complain(EX_USAGE, subject, "the name of a file is empty: is a variable not set?");
}

static int take_input(const flag_row *row, const char *text, void *field) {
    if (!*text)
        return refuse_empty(row->name);
    *(const char **)field = text;
    return EX_OK;
}

static int take_output(const flag_row *row, const char *text, void *field) {
    if (strcmp(text, "-") == 0)
        return complain(EX_USAGE, row->name,
                        "writes a file, which gets its name when it is whole: it cannot be written "
                        "to standard output. Name a file (./- if it shall be called -)");
    return take_input(row, text, field);
}

static int take_list(const flag_row *row, const char *text, void *field) {
    whole_list *list = field;
    int64_t number;
    if (!read_whole(text, &number))
        return complain(EX_USAGE, row->name, "'%s' is not a whole number of 64 bits", text);
    int64_t *values = realloc(list->values, (list->count + 1) * sizeof *values);
    if (!values)
        return complain(EX_SOFTWARE, row->name, "not enough memory");
    values[list->count++] = number;
    list->values = values;
    return EX_OK;
}

static int take_dtype(const flag_row *row, const char *text, void *field) {
    dtype_value *value = field;
    bool ordered = *text == '<' || *text == '>';
    int32_t dtype = find_type_name(text + ordered);
    if (dtype == 0)
        return complain(
            EX_USAGE, row->name,
            "'%s' is no type: they are f32, f64, bf16, f16, i8 to i64 and u8 to u64, or "
            "float32, bfloat16, int64 .. in full; '<' or '>' before it: little or big "
            "endian",
            text);
    *value = (dtype_value){.dtype = dtype};
    if (ordered)
        value->order = *text;
    return EX_OK;
}

static int take_shape(const flag_row *row, const char *text, void *field) {
    shape_value value = {.given = true};
    const char *rest = text;
    bool more = true;
    for (; more && value.ndim < XENT_MAX_NDIM; value.ndim++) {
        size_t length = strspn(rest, "0123456789");
        errno = 0;
        value.lengths[value.ndim] = strtoll(rest, NULL, 10);
        if (length == 0 || errno != 0)
            break;
        rest += length;
        more = *rest == ',';
        rest += more;
    }
    if (more || *rest)
        return complain(EX_USAGE, row->name,
                        "'%s' is no shape: it is 1 to %d lengths with commas between, as in 4,3",
                        text, XENT_MAX_NDIM);
    *(shape_value *)field = value;
    return EX_OK;
}

static int take_offset(const flag_row *row, const char *text, void *field) {
    int64_t number;
    if (!read_whole(text, &number) || number < 0)
        return complain(EX_USAGE, row->name, "'%s' is not a whole number of bytes >= 0", text);
    *(int64_t *)field = number;
    return EX_OK;
}

static int (*const TAKERS[])(const flag_row *row, const char *text, void *field) = {
    [FLAG_SWITCH] = take_switch, [FLAG_CHOICE] = take_choice, [FLAG_WHOLE] = take_whole,
    [FLAG_REAL] = take_real,     [FLAG_INPUT] = take_input,   [FLAG_OUTPUT] = take_output,
    [FLAG_LIST] = take_list,     [FLAG_DTYPE] = take_dtype,   [FLAG_SHAPE] = take_shape,
    [FLAG_OFFSET] = take_offset,
};

/* ---- parsing --------------------------------------------------------------------------------- */

/* The row of a word such as "--grad", "--grad=g.npy" or "-q". */
static const flag_row *find_flag(const command *verb, const char *word) {
    size_t length = strcspn(word, "=");
    for (size_t i = 0; i < verb->flag_count; i++) {
        const flag_row *row = &verb->flags[i];
        if (row->kind == FLAG_HEADING)
            continue;
        if (strlen(row->name) == length && strncmp(row->name, word, length) == 0)
            return row;
        if (row->letter && word[1] == row->letter && !word[2])
            return row;
    }
    return NULL;
}

static int refuse_flag(const command *verb, const char *word) {
    nearest found = look_for(word);
    char meant[MEANT_TEXT];
    for (size_t i = 0; i < verb->flag_count; i++) {
        if (verb->flags[i].kind != FLAG_HEADING)
            consider(&found, verb->flags[i].name);
    }
    consider(&found, "--help");
    return complain(EX_USAGE, word, "there is no such flag%s; `xent %s --help` lists them",
                    write_meant(meant, &found), verb->name);
}

/* Takes the flag argv[*at] and its argument, and moves *at to the last word it used. A flag in the
 * argument's place means that it was forgotten; --flag=--argument is taken as written. */
static int parse_flag(const command *verb, int argc, char **argv, int *at, void *fields) {
    const char *word = argv[*at];
    const flag_row *row = find_flag(verb, word);
    if (!row)
        return refuse_flag(verb, word);
    const char *text = strchr(word, '=');
    text = text ? text + 1 : NULL;
    if (!row->argument && text)
        return complain(EX_USAGE, row->name, "takes no argument");
    if (row->argument && !text) {
        if (*at + 1 == argc || strncmp(argv[*at + 1], "--", 2) == 0)
            return complain(EX_USAGE, row->name, "needs an argument: %s %s", row->name,
                            row->argument);
        text = argv[++*at];
    }
    return TAKERS[row->kind](row, text, (char *)fields + row->offset);
}

/* "2 files", "at most 1 verb" */
static int refuse_operands(const command *verb, int given) {
    static const char *const NAMES[] = {
        [OPERAND_FILE] = "file", [OPERAND_VERB] = "verb", [OPERAND_WORD] = "word"};
    return complain(EX_USAGE, NULL, "%s takes %s%d %s%s, but %d %s given: xent %s%s%s%s",
                    verb->name, verb->least < verb->most ? "at most " : "", verb->most,
                    NAMES[verb->operand_kind], verb->most == 1 ? "" : "s", given,
                    given == 1 ? "is" : "are", verb->name, *verb->operands ? " " : "",
                    verb->operands, verb->flag_count ? " [flags]" : "");
}

int parse_flags(const command *verb, int argc, char **argv, void *fields, const char **operands) {
    int given = 0;
    bool flags_may_follow = true;
    for (int at = 2; at < argc; at++) {
        const char *word = argv[at];
        if (flags_may_follow && strcmp(word, "--") == 0) {
            flags_may_follow = false;
        } else if (flags_may_follow && word[0] == '-' && word[1]) {
            int code = parse_flag(verb, argc, argv, &at, fields);
            if (code != EX_OK)
                return code;
        } else if (!*word && verb->operand_kind == OPERAND_FILE) {
            return refuse_empty(verb->name);
        } else {
            if (given < verb->most)
                operands[given] = word;
            given++;
        }
    }
    return given >= verb->least && given <= verb->most ? EX_OK : refuse_operands(verb, given);
}
