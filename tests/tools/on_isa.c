/* SPDX-License-Identifier: MIT
 * on_isa ISA PROGRAM...: runs the program where XENT_ISA=ISA is in the environment and the
 * machine has it; else says so and exits with 77, so that no test silently runs on another
 * instruction set. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xent.h>

int main(int argc, char **argv) {
    if (argc < 3)
        return fprintf(stderr, "usage: XENT_ISA=ISA on_isa ISA PROGRAM...\n"), 64;
    if (strcmp(xent_isa(), argv[1]) != 0)
        return printf("skipped: this machine runs %s, not %s\n", xent_isa(), argv[1]), 77;
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 70;
}
