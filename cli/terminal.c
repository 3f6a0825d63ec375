/* SPDX-License-Identifier: MIT
 * The terminal that stderr may be: colour, and one line that comes and goes. */
#define _POSIX_C_SOURCE 200809L
#include "terminal.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Whatever is said while the line is there, and whoever ends the process, must wipe it first. */
static volatile sig_atomic_t line_is_shown;

static const char WIPE[] = "\r\033[K";
enum { WIPE_LENGTH = sizeof WIPE - 1 };

bool is_screen(void) {
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

/* 80 columns if the screen does not say. */
int line_width(void) {
    struct winsize size;
    if (!is_screen())
        return INT_MAX;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void print_wrapped(FILE *stream, int column, int width, const char *text) {
    int at = column;
    bool begins = true;
    for (bool more = true; more; text++) {
        int word = (int)strcspn(text, " \n");
        if (!begins && word >= width - at - 1) {
            fprintf(stream, "\n%*s", column, "");
            at = column;
            begins = true;
        }
        fprintf(stream, "%s%.*s", begins ? "" : " ", word, text);
        at += word + !begins;
        text += word;
        more = *text != '\0';
        begins = *text == '\n';
        if (begins) {
            fprintf(stream, "\n%*s", column, "");
            at = column;
        }
    }
    fputc('\n', stream);
}

void print_in_colour(colour which, const char *word) {
    const char *refused = getenv("NO_COLOR");
    if (is_screen() && !(refused && *refused))
        fprintf(stderr, "\033[1;%dm%s\033[0m", (int)which, word);
    else
        fputs(word, stderr);
}

/* One write, so that a signal finds the whole line or nothing of it. What would not fit on the
 * screen's line, with the ^C that may be typed behind it, is cut: it could not be wiped. */
void show_line(const char *text) {
    char line[WIPE_LENGTH + 256];
    int room = line_width() - 1 - (int)strlen("^C");
    snprintf(line, sizeof line, "%s%.*s", WIPE, room > 0 ? room : 0, text);
    line_is_shown = 1;
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        line_is_shown = 0;
}

void wipe_line(void) {
    if (!line_is_shown)
        return;
    line_is_shown = 0;
    if (write(STDERR_FILENO, WIPE, WIPE_LENGTH) < 0)
        return;
}
