/* SPDX-License-Identifier: MIT
 * The line under an error that one can type: "try: ...". */
#ifndef XENT_CLI_SUGGEST_H
#define XENT_CLI_SUGGEST_H

#include "xent.h"

/* The command as typed. */
typedef struct command_line {
    int argc;
    char **argv;
} command_line;

/* What is printed in the place of a word of the command, which is meant by its very pointer, or of
 * a flag, by its name, "--grad"; NULL replaces nothing. */
typedef struct replacement {
    const char *instead_of, *with;
} replacement;

/* Prints "try: xent loss a.npy b.npy FLAGS": the command with changes (NULL: none), then the flags
 * that the format gives (begin with a blank). */
void suggest_command(const command_line *typed, const replacement changes[2], const char *format,
                     ...) __attribute__((format(printf, 3, 4)));

/* An array that Python can load. */
typedef struct conversion {
    const char *path;   /* the word of the command that names it */
    const char *file;   /* sys.argv[1] */
    const char *member; /* sys.argv[3]; NULL: none */
    const char *load;   /* the expression that loads it */
    const char *flags;  /* that the command needs besides, after a blank; NULL or "": none */
} conversion;

/* Prints "try: python3 ..": converts the array into a new file, labels.fixed.npy for labels.npy,
 * which must not be there yet. `expression` is the new array in terms of the old one, `a`, and of
 * the modules numpy and sys; it holds no apostrophe. If typed is given the command follows, with
 * the new file in the place of the old one. */
void suggest_conversion(const command_line *typed, const conversion *from, const char *expression);

/* The expression that makes one-hot labels into classes. */
enum { ONE_HOT_TEXT = 160 };
void write_one_hot(char text[ONE_HOT_TEXT], int axis);

#endif
