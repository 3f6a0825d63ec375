/* SPDX-License-Identifier: MIT
 * Signals at every moment of a program, linked into it: files that are compiled with
 * -fsanitize-coverage=trace-pc call the function below at the begin of each basic block.
 *
 * XENT_SIGNALS="2@100 15@120" raises SIGINT at the 100th of these moments and SIGTERM at the
 * 120th; XENT_MOMENTS=FILE appends to that file how many there were. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 4 };
static struct {
    long at;
    int number;
} raised[MOST];
static long moments;

__attribute__((constructor)) static void read_signals(void) {
    const char *text = getenv("XENT_SIGNALS");
    for (int i = 0; text && *text && i < MOST; i++) {
        char *rest;
        raised[i].number = (int)strtol(text, &rest, 10);
        raised[i].at = *rest == '@' ? strtol(rest + 1, &rest, 10) : 0;
        text = rest;
    }
}

__attribute__((destructor)) static void say_moments(void) {
    const char *path = getenv("XENT_MOMENTS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%ld\n", moments);
        fclose(file);
    }
}

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    moments++;
    for (int i = 0; i < MOST; i++)
        if (moments == raised[i].at)
            raise(raised[i].number);
}
