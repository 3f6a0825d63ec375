/* SPDX-License-Identifier: MIT
 * A line on the terminal that shows how far work of more than a second has come. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"
#include "terminal.h"

#include <stdio.h>
#include <time.h>

double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

progress begin_progress(int64_t whole, bool quiet) {
    double now = seconds_now();
    return (progress){
        .shown = !quiet && is_screen() && whole > 0, .whole = whole, .begun = now, .last = now};
}

/* "1:05:09", "2:03" */
static void write_duration(char *text, size_t size, double seconds) {
    long left = (long)(seconds + 0.5);
    if (left >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld", left / 3600, left / 60 % 60, left % 60);
    else
        snprintf(text, size, "%ld:%02ld", left / 60, left % 60);
}

/* Words leave less room for the bar. */
static void print_line(const progress *how, double spent) {
    enum { CELLS = 24, CELLS_BESIDE_WORDS = 12 };
    static const char FULL[] = "########################", REST[] = "........................";
    double share = (double)how->done / (double)how->whole, rate = (double)how->done / spent;
    int cells = *how->words ? CELLS_BESIDE_WORDS : CELLS, full = (int)(share * cells);
    char left[32], line[208];
    write_duration(left, sizeof left, (double)(how->whole - how->done) / rate);
    snprintf(line, sizeof line, "%s%s[%.*s%.*s] %3.0f %%  %.2f GB/s  %s left", how->words,
             *how->words ? "  " : "", full, FULL, cells - full, REST, 100.0 * share, 1e-9 * rate,
             left);
    show_line(line);
}

void show_progress(progress *how, int64_t more) {
    how->done += more;
    if (!how->shown || how->done == 0)
        return;
    double now = seconds_now();
    if (now - how->begun < 1.0 || now - how->last < 0.1)
        return;
    how->last = now;
    print_line(how, now - how->begun);
}

void end_progress(void) {
    wipe_line();
}
