/* SPDX-License-Identifier: MIT
 * sweep PART STRIDE errors|bits [FILE]: every STRIDE-th input of a part (1: all), on the
 * instruction set in use and as many threads as there are processors. FILE keeps what is done,
 * chunk by chunk: a sweep that was stopped goes on from there, and two files tell which chunks
 * differ.
 * sweep quick errors|bits: some inputs of every part, whose hashes must be the known ones.
 * sweep list: the names of the parts. */
#define _POSIX_C_SOURCE 200809L
#include "sweep.h"
#include "hash.h"
#include "xent.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTS_OF_ALL = 11, CHUNKS = 256, MOST_THREADS = 64 };

static const sweep_part *const parts[PARTS_OF_ALL] = {
    &exp_part,           &log_part,  &log1p_part, &tanh_part,   &polynomial_part, &terms_part,
    &terms_below_0_part, &load_part, &store_part, &narrow_part, &pairs_part};

/* ---- what parts are made of ------------------------------------------------------------------ */

/* Four chains hide the latency of one. */
void hash_words(sweep_result *result, const uint64_t *words, size_t count) {
    uint64_t chains[4] = {result->hash, 1, 2, 3};
    for (size_t i = 0; i < count; i++) {
        uint64_t state = chains[i % 4] ^ words[i];
        chains[i % 4] = next_random(&state);
    }
    result->hash = hash_bytes(HASH_START, chains, sizeof chains);
}

double ulps_of(double got, long double exact) {
    if (isnan(exact) || isinf(exact) || exact == 0)
        return isnan(exact) ? (isnan(got) ? 0 : INFINITY) : got == exact ? 0 : INFINITY;
    if (!isfinite(got))
        return INFINITY;
    double size = fabs((double)exact), power;
    uint64_t bits = bits_of(size) - ((long double)size > fabsl(exact));
    bits &= UINT64_C(0x7ff) << 52;
    memcpy(&power, &bits, sizeof power);
    return (double)(fabsl(got - exact) / power * 0x1p52L);
}

void describe_float(uint64_t bits, char text[64]) {
    snprintf(text, 64, "%a (%08x)", (double)float_of((uint32_t)bits), (unsigned)bits);
}

/* ---- a sweep --------------------------------------------------------------------------------- */

typedef struct sweep {
    const sweep_part *part;
    uint64_t stride;
    bool errors;
    FILE *file; /* NULL: nothing is kept */
    sweep_result results[CHUNKS];
    bool done[CHUNKS];
    atomic_int next;
    int finished; /* how many are done */
    pthread_mutex_t writing;
} sweep;

/* A chunk's line in the file: its number, results, hash, and each measure's error and input; the
 * point at the end shows that it is whole. */
static void write_line(FILE *file, int chunk, const sweep_result *r) {
    fprintf(file, "%d %" PRIu64 " %016" PRIx64, chunk, r->inputs, r->hash);
    for (int i = 0; i < MEASURES; i++)
        fprintf(file, " %a %" PRIx64, r->worst[i].error, r->worst[i].input);
    fputs(" .\n", file);
    fflush(file);
}

static bool read_line(const char *line, long *chunk, sweep_result *r) {
    char *at;
    *chunk = strtol(line, &at, 10);
    r->inputs = strtoull(at, &at, 10);
    r->hash = strtoull(at, &at, 16);
    for (int i = 0; i < MEASURES; i++) {
        r->worst[i].error = strtod(at, &at);
        r->worst[i].input = strtoull(at, &at, 16);
    }
    return strcmp(at, " .\n") == 0 && *chunk >= 0 && *chunk < CHUNKS;
}

static void read_done(sweep *all) {
    char line[256] = "\n";
    rewind(all->file);
    while (fgets(line, sizeof line, all->file)) {
        sweep_result result;
        long chunk;
        if (!read_line(line, &chunk, &result) || all->done[chunk])
            continue;
        all->results[chunk] = result;
        all->done[chunk] = true;
        all->finished++;
    }
    if (!strchr(line, '\n')) /* cut off while it was written */
        fputc('\n', all->file);
}

static void keep_chunk(sweep *all, int chunk) {
    pthread_mutex_lock(&all->writing);
    all->finished++;
    if (all->file)
        write_line(all->file, chunk, &all->results[chunk]);
    if (isatty(2))
        fprintf(stderr, "\r%s, %s: %d of %d chunks ", all->part->name, xent_isa(), all->finished,
                CHUNKS);
    pthread_mutex_unlock(&all->writing);
}

static void *work(void *data) {
    sweep *all = data;
    for (int chunk; (chunk = atomic_fetch_add(&all->next, 1)) < CHUNKS;) {
        if (all->done[chunk])
            continue;
        uint64_t size = (all->part->count + CHUNKS - 1) / CHUNKS, first = (uint64_t)chunk * size;
        uint64_t end = first + size < all->part->count ? first + size : all->part->count;
        sweep_range range = {first, end, all->stride, all->errors};
        all->part->run(&range, &all->results[chunk]);
        keep_chunk(all, chunk);
    }
    return NULL;
}

static void run_chunks(sweep *all) {
    pthread_t threads[MOST_THREADS];
    int count = xent_thread_count(), started = 0;
    pthread_mutex_init(&all->writing, NULL);
    while (started < count - 1 && started < MOST_THREADS &&
           pthread_create(&threads[started], NULL, work, all) == 0)
        started++;
    work(all);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&all->writing);
    if (isatty(2))
        fprintf(stderr, "\r%60s\r", "");
}

static sweep_result merged(const sweep *all) {
    sweep_result total = {.hash = HASH_START};
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        const sweep_result *r = &all->results[chunk];
        total.inputs += r->inputs;
        total.hash = hash_bytes(total.hash, &r->hash, sizeof r->hash);
        for (int i = 0; i < MEASURES; i++)
            note_error(&total, i, r->worst[i].error, r->worst[i].input);
    }
    return total;
}

/* Prints a line; returns whether all errors are within their limits. */
static bool report(const sweep *all, const sweep_result *total) {
    const sweep_part *part = all->part;
    bool right = true;
    printf("%s, %s: ", part->name, xent_isa());
    if (all->stride > 1)
        printf("one in %" PRIu64 " of the %s", all->stride, part->inputs);
    else
        printf("all %s", part->inputs);
    printf(", %" PRIu64 " results", total->inputs);
    for (int i = 0; i < MEASURES && part->measures[i].what; i++) {
        double worst = total->worst[i].error;
        char input[64];
        part->describe(total->worst[i].input, input);
        right = right && worst <= part->measures[i].limit;
        if (worst > 0 || part->measures[i].limit > 0) {
            if (all->errors)
                printf(", %s off by at most %.4f %s at %s", part->measures[i].what, worst,
                       part->measures[i].unit, input);
        } else {
            printf(", each %s right", part->measures[i].what);
        }
    }
    printf(", hash %016" PRIx64 "%s\n", total->hash, right ? "" : " FAILED");
    fflush(stdout);
    return right;
}

static bool run(const sweep_part *part, uint64_t stride, bool errors, FILE *file, uint64_t *hash) {
    sweep *all = calloc(1, sizeof *all);
    if (!all)
        return false;
    all->part = part;
    all->stride = stride;
    all->errors = errors;
    all->file = file;
    if (file)
        read_done(all);
    run_chunks(all);
    sweep_result total = merged(all);
    bool right = report(all, &total);
    *hash = total.hash;
    free(all);
    return right;
}

/* ---- commands -------------------------------------------------------------------------------- */

static int run_quick(bool errors) {
    int failures = 0;
    for (int i = 0; i < PARTS_OF_ALL; i++) {
        uint64_t hash = 0;
        bool right = run(parts[i], parts[i]->quick, errors, NULL, &hash);
        if (hash != parts[i]->quick_hash)
            printf("FAILED: %s has another hash than %016" PRIx64 "\n", parts[i]->name,
                   parts[i]->quick_hash);
        failures += !right || hash != parts[i]->quick_hash;
    }
    printf("%s: %d parts, %d failed\n", xent_isa(), PARTS_OF_ALL, failures);
    return failures != 0;
}

static int run_part(const char *name, const char *stride, bool errors, const char *path) {
    for (int i = 0; i < PARTS_OF_ALL; i++) {
        if (strcmp(parts[i]->name, name) != 0)
            continue;
        FILE *file = path ? fopen(path, "a+") : NULL;
        if (path && !file)
            return perror(path), 1;
        uint64_t hash = 0, step = strtoull(stride, NULL, 10);
        bool right = run(parts[i], step ? step : 1, errors, file, &hash);
        if (file && fclose(file) != 0)
            return perror(path), 1;
        return !right;
    }
    return fprintf(stderr, "there is no part %s; `sweep list` prints them\n", name), 64;
}

int main(int argc, char **argv) {
    const char *asked = getenv("XENT_ISA");
    if (asked && strcmp(asked, xent_isa()) != 0)
        return printf("skipped: this machine has no %s (%s in use)\n", asked, xent_isa()), 77;
    if (argc == 3 && strcmp(argv[1], "quick") == 0)
        return run_quick(strcmp(argv[2], "errors") == 0);
    if (argc == 4 || argc == 5)
        return run_part(argv[1], argv[2], strcmp(argv[3], "errors") == 0, argv[4]);
    for (int i = 0; argc == 2 && strcmp(argv[1], "list") == 0 && i < PARTS_OF_ALL; i++)
        printf("%s\n", parts[i]->name);
    return argc == 2 ? 0 : 64;
}
