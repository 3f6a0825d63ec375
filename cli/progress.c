/* SPDX-License-Identifier: MIT
 * A line on the terminal that shows how far work of more than a second has come. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

progress begin_progress(int64_t whole, bool quiet) {
    double now = seconds_now();
    return (progress){.shown = !quiet && isatty(STDERR_FILENO) && whole > 0,
                      .whole = whole,
                      .begun = now,
                      .last = now};
}

static void print_bar(double share) {
    enum { CELLS = 24 };
    int full = (int)(share * CELLS);
    fputc('[', stderr);
    for (int i = 0; i < CELLS; i++)
        fputc(i < full ? '#' : '.', stderr);
    fputc(']', stderr);
}

/* "1:05:09", "2:03" */
static void print_duration(double seconds) {
    long left = (long)(seconds + 0.5);
    if (left >= 3600)
        fprintf(stderr, "%ld:%02ld:%02ld", left / 3600, left / 60 % 60, left % 60);
    else
        fprintf(stderr, "%ld:%02ld", left / 60, left % 60);
}

static void print_line(const progress *how, double spent) {
    double share = (double)how->done / (double)how->whole, rate = (double)how->done / spent;
    fputs("\r", stderr);
    print_bar(share);
    fprintf(stderr, " %3.0f %%  %.2f GB/s  ", 100.0 * share, 1e-9 * rate);
    print_duration((double)(how->whole - how->done) / rate);
    fputs(" left \033[K", stderr);
    fflush(stderr);
}

void show_progress(progress *how, int64_t more) {
    how->done += more;
    if (!how->shown || how->done == 0)
        return;
    double now = seconds_now();
    if (now - how->begun < 1.0 || now - how->last < 0.1)
        return;
    how->last = now;
    how->printed = true;
    print_line(how, now - how->begun);
}

void end_progress(progress *how) {
    if (how->printed)
        fputs("\r\033[K", stderr);
    how->printed = false;
}
