/* SPDX-License-Identifier: MIT
 * What is measured: a shape with an element type, and the memory that holds such a batch. */
#include "batch.h"
#include "convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Small batches: as many copies as the first-level cache can hold with their gradients. */
enum { COPIES_BYTES = 16 << 10, SEED_BYTES = 32 << 20 };

typedef struct dtype_facts {
    const char *name;
    size_t size;
} dtype_facts;

static const dtype_facts DTYPES[] = {[XENT_F32] = {"f32", 4},
                                     [XENT_F64] = {"f64", 8},
                                     [XENT_BF16] = {"bf16", 2},
                                     [XENT_F16] = {"f16", 2}};

const char *dtype_name(int32_t dtype) {
    return DTYPES[dtype].name;
}

size_t dtype_size(int32_t dtype) {
    return DTYPES[dtype].size;
}

void *get_memory(size_t bytes) {
    enum { LINE = 64 };
    void *memory = aligned_alloc(LINE, (bytes + LINE - 1) / LINE * LINE);
    if (memory)
        return memory;
    fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
    exit(1);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static batch measure(const point *of) {
    batch sizes = {.point = of, .outer = 1, .classes = of->shape[of->class_axis], .inner = 1};
    for (int axis = 0; axis < of->class_axis; axis++)
        sizes.outer *= of->shape[axis];
    for (int axis = of->class_axis + 1; axis < of->ndim; axis++)
        sizes.inner *= of->shape[axis];
    sizes.rows = sizes.outer * sizes.inner;
    sizes.elements = sizes.rows * sizes.classes;
    sizes.bytes = (size_t)sizes.elements * dtype_size(of->dtype);
    sizes.copies = (int64_t)(COPIES_BYTES / sizes.bytes);
    sizes.copies += sizes.copies == 0;
    sizes.seed_bytes = sizes.bytes * (size_t)sizes.copies;
    if (sizes.seed_bytes > SEED_BYTES)
        sizes.seed_bytes = SEED_BYTES;
    return sizes;
}

double batch_memory(const point *of) {
    const batch sizes = measure(of);
    double arrays = 2.0 * (double)sizes.bytes + 8.0 * (double)sizes.rows;
    return arrays * (double)sizes.copies + (double)sizes.seed_bytes;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* xorshift64* (Vigna, arXiv:1402.6246). */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1D;
}

/* The sum of four uniform numbers is about normal; it has a deviation of sqrt(4/12). */
static double next_logit(uint64_t *state) {
    uint64_t bits = next_random(state);
    int sum = 0;
    for (int part = 0; part < 4; part++)
        sum += (int)(bits >> 16 * part & 0xffff);
    return 2.0 * sqrt(3.0) * (sum / 65536.0 - 2.0);
}

static void put_element(int32_t dtype, void *array, int64_t i, double value) {
    switch (dtype) {
    case XENT_F32:
        ((float *)array)[i] = (float)value;
        break;
    case XENT_F64:
        ((double *)array)[i] = value;
        break;
    case XENT_BF16:
        ((uint16_t *)array)[i] = to_bf16((float)value);
        break;
    default:
        ((uint16_t *)array)[i] = to_f16((float)value);
    }
}

double element_at(const batch *held, const void *array, int64_t i) {
    switch (held->point->dtype) {
    case XENT_F32:
        return (double)((const float *)array)[i];
    case XENT_F64:
        return ((const double *)array)[i];
    case XENT_BF16:
        return (double)from_bf16(((const uint16_t *)array)[i]);
    default:
        return (double)from_f16(((const uint16_t *)array)[i]);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

void restore_logits(batch *held) {
    size_t all = held->bytes * (size_t)held->copies;
    for (size_t at = 0; at < all; at += held->seed_bytes)
        memcpy((char *)held->logits + at, held->seed,
               all - at < held->seed_bytes ? all - at : held->seed_bytes);
}

batch fill_batch(const point *of) {
    batch held = measure(of);
    uint64_t state = 88172645463325252;
    size_t all = held.bytes * (size_t)held.copies;
    int64_t rows = held.rows * held.copies;
    held.seed = get_memory(held.seed_bytes);
    for (size_t i = 0; i < held.seed_bytes / dtype_size(of->dtype); i++)
        put_element(of->dtype, held.seed, (int64_t)i, next_logit(&state));
    held.logits = get_memory(all);
    held.gradient = get_memory(all);
    restore_logits(&held);
    memset(held.gradient, 0, all);
    held.labels = get_memory((size_t)rows * sizeof *held.labels);
    for (int64_t row = 0; row < rows; row++)
        held.labels[row] = (int64_t)(next_random(&state) >> 33) % held.classes;
    return held;
}

void free_batch(batch *held) {
    free(held->logits);
    free(held->gradient);
    free(held->seed);
    free(held->labels);
}
