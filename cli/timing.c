/* SPDX-License-Identifier: MIT
 * Times of the library on a batch of random logits, beside memcpy of the same bytes. A round copies
 * the logits, takes their loss, and then loss and gradient, which replaces the copy: so all three
 * take turns, and each round begins alike. */
#include "timing.h"
#include "complain.h"
#include "progress.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A small batch is there many times, so that a sample is long enough for the clock. */
enum { LEAST_BYTES = 16 << 10, LEAST_ROUNDS = 3, MOST_ROUNDS = 999 };

typedef struct batch {
    size_t bytes;    /* of one copy */
    int64_t copies;  /* each gets a call in a round */
    char *originals; /* [copies][bytes] */
    char *logits;    /* the same; overwritten by gradients */
    int64_t *labels; /* [rows], of all copies */
} batch;

/* ---- numbers --------------------------------------------------------------------------------- */

/* xorshift64* (Vigna, arXiv:1402.6246). */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1D;
}

/* The bits of a float of size 2^-10 to 4, in the upper half of a bfloat16 or as a float16. */
static uint16_t half_of(int32_t dtype, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (dtype == XENT_BF16)
        return (uint16_t)(bits >> 16);
    return (uint16_t)(bits >> 16 & 0x8000) | (uint16_t)((bits >> 13 & 0x3ffff) - (112 << 10));
}

static void put_logit(int32_t dtype, char *element, double value) {
    const float narrow = (float)value;
    const uint16_t half = half_of(dtype, narrow);
    if (dtype == XENT_F64)
        memcpy(element, &value, sizeof value);
    else if (dtype == XENT_F32)
        memcpy(element, &narrow, sizeof narrow);
    else
        memcpy(element, &half, sizeof half);
}

/* Uniform in +-[2^-10, 4). */
static void fill_logits(int32_t dtype, char *logits, size_t bytes) {
    uint64_t state = 88172645463325252;
    for (size_t at = 0; at < bytes; at += type_size(dtype)) {
        uint64_t bits = next_random(&state);
        double size = 0x1p-10 + (double)(bits >> 12) * (0x1p-50 - 0x1p-62);
        put_logit(dtype, logits + at, bits & 1 ? -size : size);
    }
}

static void fill_labels(int64_t *labels, int64_t rows, int64_t classes) {
    uint64_t state = 1181783497276652981;
    for (int64_t row = 0; row < rows; row++)
        labels[row] = (int64_t)(next_random(&state) >> 1) % classes;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void free_batch(batch *held) {
    free(held->originals);
    free(held->logits);
    free(held->labels);
}

/* False: there is no memory for it. */
static bool make_batch(const timing_request *asked, batch *held) {
    size_t elements;
    if (__builtin_mul_overflow((size_t)asked->rows, (size_t)asked->classes, &elements) ||
        __builtin_mul_overflow(elements, type_size(asked->dtype), &held->bytes))
        return false;
    held->copies = held->bytes < LEAST_BYTES ? (int64_t)(LEAST_BYTES / held->bytes) : 1;
    size_t all = held->bytes * (size_t)held->copies;
    held->originals = malloc(all);
    held->logits = malloc(all);
    held->labels = malloc((size_t)asked->rows * sizeof *held->labels);
    if (!held->originals || !held->logits || !held->labels)
        return false;
    fill_logits(asked->dtype, held->originals, all);
    fill_labels(held->labels, asked->rows, asked->classes);
    return true;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

typedef struct rounds {
    int count;
    double seconds[TIMED_COUNT][MOST_ROUNDS];
} rounds;

/* Loss, or loss and gradient in place, of each copy. */
static int call_library(const timing_request *asked, const batch *held, timed what) {
    xent_tensor logits = xent_matrix(NULL, asked->dtype, asked->rows, asked->classes);
    xent_tensor labels = xent_vector(held->labels, XENT_I64, asked->rows);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total;
    xent_error error;
    options.threads = asked->threads;
    outputs.grad = what == TIMED_GRADIENT ? &logits : NULL;
    for (int64_t copy = 0; copy < held->copies; copy++) {
        logits.data = held->logits + (size_t)copy * held->bytes;
        if (xent_cross_entropy(&logits, &labels, &options, &outputs, &total, &error) != XENT_OK)
            return complain(EX_SOFTWARE, NULL, "%s", error.message);
    }
    return EX_OK;
}

static void copy_logits(const batch *held) {
    for (int64_t copy = 0; copy < held->copies; copy++) {
        size_t at = (size_t)copy * held->bytes;
        memcpy(held->logits + at, held->originals + at, held->bytes);
    }
}

static int take_round(const timing_request *asked, const batch *held, rounds *taken) {
    for (timed what = 0; what < TIMED_COUNT; what++) {
        int code = EX_OK;
        double begun = seconds_now();
        if (what == TIMED_MEMCPY)
            copy_logits(held);
        else
            code = call_library(asked, held, what);
        taken->seconds[what][taken->count] = (seconds_now() - begun) / (double)held->copies;
        if (code != EX_OK)
            return code;
    }
    taken->count++;
    return EX_OK;
}

static int compare_doubles(const void *left, const void *right) {
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* The first round, which finds all memory cold, is not counted. */
static int take_rounds(const timing_request *asked, const batch *held, rounds *taken) {
    int code = take_round(asked, held, taken);
    double begun = seconds_now();
    taken->count = 0;
    while (code == EX_OK && taken->count < MOST_ROUNDS &&
           (taken->count < LEAST_ROUNDS || seconds_now() - begun < asked->limit))
        code = take_round(asked, held, taken);
    return code;
}

static void summarise(rounds *taken, timings *found) {
    found->repetitions = taken->count;
    for (timed what = 0; what < TIMED_COUNT; what++) {
        qsort(taken->seconds[what], (size_t)taken->count, sizeof(double), compare_doubles);
        found->seconds[what] = taken->seconds[what][taken->count / 2];
    }
}

int time_batch(const timing_request *asked, timings *found) {
    batch held = {0};
    int code = EX_OK;
    rounds *taken = calloc(1, sizeof *taken);
    if (taken && make_batch(asked, &held)) {
        code = take_rounds(asked, &held, taken);
        if (code == EX_OK)
            summarise(taken, found);
    } else {
        code = complain(EX_SOFTWARE, NULL,
                        "there is no memory for two batches of %" PRId64 " x %" PRId64 " %s",
                        asked->rows, asked->classes, type_name(asked->dtype));
    }
    free_batch(&held);
    free(taken);
    return code;
}
