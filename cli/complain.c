/* SPDX-License-Identifier: MIT
 * What goes to stderr: errors, which decide the exit code, and notes, which -q silences. */
#include "complain.h"
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>

/* What follows "xent:". There is room for the longest paths; what is longer yet is cut. */
static void print_sentence(const char *subject, const char *format, va_list arguments) {
    enum { ROOM = 1 << 14 };
    char text[ROOM];
    int before = subject ? snprintf(text, ROOM / 2, "%s: ", subject) : 0;
    if (before >= ROOM / 2)
        before = ROOM / 2 - 1;
    vsnprintf(text + before, (size_t)(ROOM - before), format, arguments);
    fputc(' ', stderr);
    print_wrapped(stderr, (int)sizeof "xent:", line_width(), text);
}

int complain(int exit_code, const char *subject, const char *format, ...) {
    va_list arguments;
    wipe_line();
    print_in_colour(RED, "xent:");
    va_start(arguments, format);
    print_sentence(subject, format, arguments);
    va_end(arguments);
    return exit_code;
}

int complain_internally(xent_status status, const xent_error *error) {
    return status == XENT_OK
               ? EX_OK
               : complain(EX_SOFTWARE, NULL, "%s: %s", xent_status_name(status), error->message);
}

void note(bool quiet, const char *format, ...) {
    va_list arguments;
    if (quiet)
        return;
    wipe_line();
    fputs("xent:", stderr);
    va_start(arguments, format);
    print_sentence(NULL, format, arguments);
    va_end(arguments);
}
