/* SPDX-License-Identifier: MIT
 * What goes to stderr: errors, which decide the exit code, and notes, which -q silences. */
#include "complain.h"

#include <stdarg.h>
#include <stdio.h>

static void print_sentence(const char *subject, const char *format, va_list arguments) {
    fputs("xent: ", stderr);
    if (subject)
        fprintf(stderr, "%s: ", subject);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int complain(int exit_code, const char *subject, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_sentence(subject, format, arguments);
    va_end(arguments);
    return exit_code;
}

void note(bool quiet, const char *format, ...) {
    if (quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_sentence(NULL, format, arguments);
    va_end(arguments);
}
