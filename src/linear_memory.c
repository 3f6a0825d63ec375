/* SPDX-License-Identifier: MIT
 * The memory of a call of the linear form, in one piece. */
#include "linear_memory.h"

#include "memory.h"
#include "product.h"

#include <stdlib.h>

/* As many rows as 32 MB of logits hold, so that what each chunk adds to the gradient of the weight
 * is little against computing it; but at least 64, and no more than that is needed for. */
static int64_t choose_chunk_rows(int64_t rows, int64_t classes, int64_t lane) {
    const int64_t logits = (32 << 20) / lane, least = 64, most = 4096;
    int64_t wanted = logits / (classes < logits ? classes : logits);
    wanted = wanted < least ? least : wanted > most ? most : wanted;
    return wanted < rows ? wanted : rows;
}

/* An odd number of cache lines, since rows that a power of 2 lies between meet in the same few
 * places of the caches; few classes, which go side by side, are consecutive. */
static int64_t choose_pitch(int64_t classes, int64_t lane) {
    const int64_t line = 64 / lane;
    return classes <= TILE ? classes : (((classes - 1) / line + 1) | 1) * line;
}

/* a*b; SIZE_MAX where that is more. */
static size_t times(size_t a, size_t b) {
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

/* Moves *end behind `size` more bytes, up to a multiple of a cache line, and returns where they
 * begin. Once it is SIZE_MAX, the size of all is more than there can be, and it stays so. */
static size_t reserve(size_t *end, size_t size) {
    size_t begin = *end, line = 64;
    if (size > SIZE_MAX - line ||
        __builtin_add_overflow(begin, (size + line - 1) / line * line, end))
        *end = SIZE_MAX;
    return begin;
}

/* Where each part begins; base: the piece, or NULL to learn its size. */
static void divide(struct linear_memory *memory, int32_t width, char *base) {
    const size_t rows = (size_t)memory->chunk_rows, lane = (size_t)memory->lane;
    const size_t stored = memory->forward ? 0 : rows, known = memory->forward ? rows : 0;
    const size_t blocks = (size_t)((memory->classes - 1) / BLOCK + 1) * sizeof(xent_stats);
    const size_t task = memory->forward ? product_block_scratch(memory->lane, memory->features)
                                        : product_scratch(memory->lane);
    const size_t classes = times((size_t)memory->classes, lane);
    const size_t features = times((size_t)memory->features, lane);
    size_t end = 0, eights = times(rows, 8);
    size_t logits = reserve(&end, times(stored, times((size_t)memory->pitch, lane)));
    size_t gathered = reserve(&end, times(rows, features));
    size_t grads = reserve(&end, times(stored, features)), bias = reserve(&end, classes);
    size_t products = reserve(&end, times((size_t)width, task));
    size_t found = reserve(&end, times(known, blocks));
    size_t raw = reserve(&end, times(memory->bends ? known : 0, blocks));
    size_t columns[9];
    for (int i = 0; i < 9; i++)
        columns[i] = reserve(&end, eights);
    memory->size = end;
    if (!base)
        return;
    memory->logits = base + logits;
    memory->gathered = base + gathered;
    memory->grad_features = base + grads;
    memory->bias = base + bias;
    memory->products = base + products;
    memory->known.blocks = (xent_stats *)(void *)(base + found);
    memory->known.raw = (xent_stats *)(void *)(base + raw);
    memory->known.label_logit = (double *)(void *)(base + columns[8]);
    memory->rows = (int64_t *)(void *)(base + columns[0]);
    memory->labels = (int64_t *)(void *)(base + columns[1]);
    memory->prediction = (int64_t *)(void *)(base + columns[2]);
    memory->weights = (double *)(void *)(base + columns[3]);
    memory->loss = (double *)(void *)(base + columns[4]);
    memory->lse = (double *)(void *)(base + columns[5]);
    memory->label_probability = (double *)(void *)(base + columns[6]);
    memory->entropy = (double *)(void *)(base + columns[7]);
}

void plan_memory(struct linear_memory *memory, int64_t rows, int64_t classes, int64_t features,
                 int64_t lane) {
    memory->chunk_rows = choose_chunk_rows(rows, classes, lane);
    memory->pitch = choose_pitch(classes, lane);
    memory->classes = classes;
    memory->features = features;
    memory->lane = lane;
}

/* Panels of a block of classes are there whole: of more features, they would be too large. */
bool can_forward(int64_t features, int64_t lane) {
    return features <= (16 << 20) / BLOCK / lane;
}

/* As many rows as features that are gathered and what is known of the rows have some MB for. */
void plan_forward(struct linear_memory *memory, int64_t rows, bool bends) {
    const int64_t least = 64, most = 4096, all = (8 << 20) / (int64_t)sizeof(xent_stats);
    int64_t blocks = (memory->classes - 1) / BLOCK + 1;
    int64_t known = all / (blocks < all ? blocks : all);
    int64_t gathered = (16 << 20) / (memory->features * memory->lane + 1);
    int64_t wanted = known < gathered ? known : gathered;
    wanted = wanted < least ? least : wanted > most ? most : wanted;
    memory->chunk_rows = wanted < rows ? wanted : rows;
    memory->forward = true;
    memory->bends = bends;
}

/* At least so many rows that packing the weight is little against the products. Chains of the
 * gradient end with the chunk and after PRODUCT_DEPTH rows of it: a length that this divides may
 * give way to another one without another bit. */
void shorten_chunk(struct linear_memory *memory, int32_t width) {
    const int64_t cached = 4 << 20, least = 4 * PRODUCT_DEPTH;
    int64_t row = (memory->classes + memory->features) * memory->lane;
    int64_t rows = cached / row * width / PRODUCT_DEPTH * PRODUCT_DEPTH;
    rows = rows < least ? least : rows;
    if (memory->chunk_rows % PRODUCT_DEPTH == 0 && rows < memory->chunk_rows)
        memory->chunk_rows = rows;
}

bool take_memory(struct linear_memory *memory, int32_t width) {
    divide(memory, width, NULL);
    const size_t line = 64; /* vectors that lie across two lines take twice as long */
    memory->piece = memory->size < SIZE_MAX - line ? quiet_malloc(memory->size + line) : NULL;
    if (memory->piece)
        divide(memory, width, (char *)memory->piece + line - (uintptr_t)memory->piece % line);
    return memory->piece != NULL;
}

void give_back_memory(struct linear_memory *memory) {
    free(memory->piece);
}
