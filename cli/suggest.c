/* SPDX-License-Identifier: MIT
 * The line under an error that one can type: "try: ...". */
#include "suggest.h"
#include "formats/source.h"
#include "terminal.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Prints a word so that a POSIX shell reads it back as one word. */
static void print_word(const char *word) {
    static const char PLAIN[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=,:+-";
    if (*word && strspn(word, PLAIN) == strlen(word)) {
        fputs(word, stderr);
        return;
    }
    fputc('\'', stderr);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\''", stderr);
        else
            fputc(*word, stderr);
    }
    fputc('\'', stderr);
}

/* Whether a word of the command is what a change replaces. */
static bool is_meant(const char *word, const char *instead_of) {
    return word == instead_of || (instead_of == STANDARD_INPUT && strcmp(word, "-") == 0);
}

/* Whether a word is the flag of that name: "--flag" or "--flag=argument". */
static bool is_flag(const char *word, const char *name) {
    size_t length = name ? strlen(name) : 0;
    return length > 2 && strncmp(name, "--", 2) == 0 && strncmp(word, name, length) == 0 &&
           (word[length] == '\0' || word[length] == '=');
}

/* Prints a word of the command; if it is what a change replaces, or "--flag=" and that, changed. */
static void print_changed(const char *word, const replacement changes[2]) {
    const char *equals = strchr(word, '=');
    for (int i = 0; changes && i < 2; i++) {
        if (is_meant(word, changes[i].instead_of)) {
            print_word(changes[i].with == STANDARD_INPUT ? "-" : changes[i].with);
            return;
        }
        if (is_flag(word, changes[i].instead_of)) {
            fputs(changes[i].with, stderr);
            if (equals)
                print_word(equals);
            return;
        }
        if (equals && equals + 1 == changes[i].instead_of) {
            fprintf(stderr, "%.*s=", (int)(equals - word), word);
            print_word(changes[i].with);
            return;
        }
    }
    print_word(word);
}

/* The command with more flags at its end, which is before "--". */
static void print_command(const command_line *typed, const replacement changes[2],
                          const char *flags) {
    int end = 1;
    while (end < typed->argc && strcmp(typed->argv[end], "--") != 0)
        end++;
    fputs("xent", stderr);
    for (int i = 1; i < typed->argc; i++) {
        fputs(i == end ? flags : "", stderr);
        fputc(' ', stderr);
        print_changed(typed->argv[i], changes);
    }
    fputs(end == typed->argc ? flags : "", stderr);
    fputc('\n', stderr);
}

void suggest_command(const command_line *typed, const replacement changes[2], const char *format,
                     ...) {
    char flags[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(flags, sizeof flags, format, arguments);
    va_end(arguments);
    print_in_colour(GREEN, "try:");
    fputc(' ', stderr);
    print_command(typed, changes, flags);
}

/* The file in this folder that a conversion makes: "labels.npy" -> "labels.fixed.npy", "b.npz:x" ->
 * "b.npz_x.fixed.npy"; what is not plain in a name becomes "_". */
enum { FIXED_NAME = 128 };
static const char *name_fixed(char *name, const char *path) {
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t length = strlen(base);
    if (length > 4 && strcmp(base + length - 4, ".npy") == 0)
        length -= 4;
    snprintf(name, FIXED_NAME, "%.*s.fixed.npy",
             length < FIXED_NAME / 2 ? (int)length : FIXED_NAME / 2, base);
    for (char *at = name + strspn(name, PLAIN); *at; at += strspn(at, PLAIN))
        *at = '_';
    return name;
}

/* The new file is opened last, and never replaces one. */
void suggest_conversion(const command_line *typed, const conversion *from, const char *expression) {
    char fixed[FIXED_NAME];
    const replacement changes[2] = {{from->path, name_fixed(fixed, from->path)}, {NULL, NULL}};
    print_in_colour(GREEN, "try:");
    fprintf(stderr,
            " python3 -c 'import numpy, sys; a = %s; b = %s; numpy.save(open(sys.argv[2], \"xb\"), "
            "b)' ",
            from->load, expression);
    print_word(from->file);
    fprintf(stderr, " %s", fixed);
    if (from->member) {
        fputc(' ', stderr);
        print_word(from->member);
    }
    fputs(typed ? " && " : "\n", stderr);
    if (typed)
        print_command(typed, changes, from->flags ? from->flags : "");
}

void write_one_hot(char text[ONE_HOT_TEXT], int axis) {
    snprintf(text, ONE_HOT_TEXT,
             "a.argmax(%d) if ((a.max(%d) == 1) & (abs(a).sum(%d) == 1)).all() else sys.exit(\"not "
             "one-hot\")",
             axis, axis, axis);
}
