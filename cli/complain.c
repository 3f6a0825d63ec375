/* SPDX-License-Identifier: MIT
 * What goes to stderr: errors, which decide the exit code, and notes, which -q silences. */
#include "complain.h"
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>

int complain(int exit_code, const char *subject, const char *format, ...) {
    va_list arguments;
    wipe_line();
    print_in_colour(RED, "xent:");
    fputc(' ', stderr);
    if (subject)
        fprintf(stderr, "%s: ", subject);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return exit_code;
}

void note(bool quiet, const char *format, ...) {
    va_list arguments;
    if (quiet)
        return;
    wipe_line();
    fputs("xent: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}
