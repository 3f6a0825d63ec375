/* SPDX-License-Identifier: MIT
 * mutate MEGABYTES FILE..: each file cut off at every byte, and with each of its bytes set to 32
 * values (to all 256 if XENT_LARGE is set), must be refused in a sentence or read, at once and
 * within that much address space (0: no limit). */
#define _GNU_SOURCE
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

enum { LARGEST = 1 << 16, SECONDS = 20, VALUES = 256, SOME = 32, BITS = 8 };

typedef struct counts {
    long read, refused;
} counts;

/* A hang ends the program; a refusal must have said why. */
static void try_variant(const uint8_t *data, size_t size, counts *found) {
    char sentence[6] = "";
    alarm(SECONDS);
    if (ftruncate(STDERR_FILENO, 0) != 0 || lseek(STDERR_FILENO, 0, SEEK_SET) != 0)
        abort();
    int code = feed(data, size, NULL, false);
    ssize_t said = pread(STDERR_FILENO, sentence, sizeof sentence, 0);
    bool has_sentence = said == sizeof sentence && memcmp(sentence, "xent: ", sizeof sentence) == 0;
    if (has_sentence != (code != EX_OK)) {
        printf("mutate: exit code %d, but %s\n", code, has_sentence ? "a sentence" : "no sentence");
        exit(1);
    }
    found->read += code == EX_OK;
    found->refused += code != EX_OK;
}

/* Some values are each bit changed and a window that moves through all 256 from byte to byte. */
static uint8_t some_value(uint8_t kept, size_t at, unsigned i) {
    return (uint8_t)(i < BITS ? kept ^ 1u << i : at * (SOME - BITS) + i);
}

static void try_byte(uint8_t *data, size_t size, size_t at, counts *found) {
    const uint8_t kept = data[at];
    const bool all = getenv("XENT_LARGE");
    for (unsigned i = 0; i < (all ? VALUES : SOME); i++) {
        data[at] = all ? (uint8_t)i : some_value(kept, at, i);
        try_variant(data, size, found);
    }
    data[at] = kept;
}

static void try_file(uint8_t *data, size_t size, counts *found) {
    for (size_t cut = 0; cut < size; cut++)
        try_variant(data, cut, found);
    for (size_t at = 0; at < size; at++)
        try_byte(data, size, at, found);
}

static int try_path(const char *path) {
    static uint8_t data[LARGEST];
    counts found = {0, 0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return perror(path), 1;
    size_t size = fread(data, 1, LARGEST, file);
    fclose(file);
    try_file(data, size, &found);
    const char *name = strrchr(path, '/');
    printf("%s: %zu bytes, %ld variants read, %ld refused\n", name ? name + 1 : path, size,
           found.read, found.refused);
    return 0;
}

int main(int argc, char **argv) {
    rlim_t limit = argc > 1 ? (rlim_t)strtoul(argv[1], NULL, 10) << 20 : 0;
    const struct rlimit space = {limit, limit};
    int sentences = memfd_create("sentences", MFD_CLOEXEC);
    if (argc < 3 || sentences < 0 || dup2(sentences, STDERR_FILENO) < 0)
        return EX_USAGE;
    if (limit > 0 && setrlimit(RLIMIT_AS, &space) != 0)
        return EX_OSERR;
    int code = 0;
    for (int i = 2; i < argc && code == 0; i++)
        code = try_path(argv[i]);
    close(sentences);
    return code;
}
