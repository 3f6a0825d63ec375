/* SPDX-License-Identifier: MIT
 * The rows of a training in the order in which a pass takes them, block by block out of a file. */
#include "feed.h"
#include "blocks.h"
#include "complain.h"
#include "tensors.h"

#include <stdlib.h>
#include <string.h>

/* Rows that stay neighbours in a shuffled pass until they are in memory: one place to read from. */
enum { CHUNK = 64 };

/* ---- random numbers -------------------------------------------------------------------------- */

/* splitmix64: https://prng.di.unimi.it/splitmix64.c */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A whole number in [0, bound). Some are likelier than others by bound/2^64. */
static int64_t random_below(uint64_t *state, int64_t bound) {
    return (int64_t)(next_random(state) % (uint64_t)bound);
}

static void shuffle(int64_t *values, int64_t count, uint64_t *state) {
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = random_below(state, i + 1), kept = values[i];
        values[i] = values[j];
        values[j] = kept;
    }
}

/* ---- rows held out --------------------------------------------------------------------------- */

/* Of the rows of a class still to come, some are still wanted: each has the same chance. */
typedef struct quota {
    int64_t wanted, left;
} quota;

static void hold_out_rows(feed *begun, quota *quotas, uint64_t state) {
    const class_list *classes = begun->classes;
    for (int64_t row = 0; row < begun->from->rows; row++) {
        int32_t class = classes->codes[row];
        begun->use[row] = ROW_IGNORED;
        if (class < 0)
            continue;
        quota *of = &quotas[class];
        bool held = random_below(&state, of->left--) < of->wanted;
        of->wanted -= held;
        begun->use[row] = held ? ROW_HELD_OUT : ROW_TRAINS;
        *(held ? &begun->held_out : &begun->training) += 1;
    }
}

static int hold_out(feed *begun, double share) {
    const class_list *classes = begun->classes;
    int code = EX_OK;
    quota *quotas = take_numbers(classes->count, sizeof *quotas, classes->labels, &code);
    begun->use = take_numbers(begun->from->rows, 1, classes->labels, &code);
    for (int64_t i = 0; i < classes->count && code == EX_OK; i++) {
        int64_t rows = classes->rows[i], wanted = (int64_t)(share * (double)rows + 0.5);
        quotas[i] = (quota){wanted < rows ? wanted : rows - 1, rows};
    }
    if (code == EX_OK)
        hold_out_rows(begun, quotas, begun->seed);
    free(quotas);
    if (code == EX_OK && share > 0.0 && begun->held_out == 0)
        return complain(EX_USAGE, "--validation",
                        "%g of the rows of each class is less than one row: hold out a larger "
                        "share, or none",
                        share);
    return code;
}

/* ---- memory ---------------------------------------------------------------------------------- */

int begin_feed(const features *from, const class_list *classes, double share, uint64_t seed,
               bool shuffles, feed *begun) {
    enum { BUDGET = 1 << 24 };
    const array *file = &from->file;
    *begun = (feed){.from = from, .classes = classes, .seed = seed};
    int code = hold_out(begun, share);
    if (code != EX_OK)
        return code;
    begun->most = rows_that_fit(from, BUDGET);
    if (begun->most > from->rows)
        begun->most = from->rows;
    begun->memory = take_numbers(begun->most, (size_t)from->row_size, file, &code);
    begun->labels = take_numbers(begun->most, sizeof *begun->labels, file, &code);
    begun->rows = take_numbers(begun->most, sizeof *begun->rows, file, &code);
    if (shuffles) {
        begun->shuffled = take_numbers(begun->most, (size_t)from->row_size, file, &code);
        begun->chunks = take_numbers(from->rows / CHUNK + 1, sizeof *begun->chunks, file, &code);
    }
    return code;
}

void free_feed(feed *begun) {
    free(begun->use);
    free(begun->memory);
    free(begun->shuffled);
    free(begun->labels);
    free(begun->rows);
    free(begun->chunks);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* A pass under way. */
typedef struct passing {
    feed *from;
    int use;
    bool shuffles;
    uint64_t state; /* of random numbers */
    int64_t filled; /* rows of the block so far */
    feed_action *each;
    void *context;
} passing;

/* Neighbours in a random order: their rows move from `memory` to `shuffled`. */
static char *shuffle_block(passing *pass) {
    feed *from = pass->from;
    const size_t size = (size_t)from->from->row_size;
    for (int64_t i = pass->filled - 1; i >= 0; i--) {
        int64_t j = random_below(&pass->state, i + 1), kept = from->rows[i];
        memcpy(from->shuffled + (size_t)i * size, from->memory + (size_t)j * size, size);
        memmove(from->memory + (size_t)j * size, from->memory + (size_t)i * size, size);
        from->rows[i] = from->rows[j];
        from->rows[j] = kept;
    }
    return from->shuffled;
}

static int hand_over(passing *pass) {
    feed *from = pass->from;
    const int64_t rows = pass->filled;
    if (rows == 0)
        return EX_OK;
    char *memory = pass->shuffles ? shuffle_block(pass) : from->memory;
    for (int64_t i = 0; i < rows; i++)
        from->labels[i] = from->classes->codes[from->rows[i]];
    pass->filled = 0;
    const feed_block full = {
        .features = xent_matrix(memory, from->from->file.tensor.dtype, rows, from->from->width),
        .labels = xent_vector(from->labels, XENT_I32, rows),
        .rows = from->rows};
    return pass->each(pass->context, &full);
}

/* Rows [first, first + count), all of which are wanted, a block being handed over when it is full.
 */
static int add_run(passing *pass, int64_t first, int64_t count) {
    feed *from = pass->from;
    int code = EX_OK;
    while (count > 0 && code == EX_OK) {
        xent_tensor view;
        int64_t room = from->most - pass->filled, part = count < room ? count : room;
        code = read_rows(from->from, first, part,
                         from->memory + pass->filled * from->from->row_size, &view);
        for (int64_t i = 0; i < part; i++)
            from->rows[pass->filled + i] = first + i;
        pass->filled += part;
        first += part;
        count -= part;
        if (code == EX_OK && pass->filled == from->most)
            code = hand_over(pass);
    }
    return code;
}

/* The wanted rows among [first, end). */
static int add_span(passing *pass, int64_t first, int64_t end) {
    const unsigned char *use = pass->from->use;
    int code = EX_OK;
    while (first < end && code == EX_OK) {
        int64_t last = first;
        while (last < end && use[last] == use[first])
            last++;
        if (use[first] == pass->use)
            code = add_run(pass, first, last - first);
        first = last;
    }
    return code;
}

static int add_in_order(passing *pass) {
    const features *file = pass->from->from;
    const int64_t ahead = pass->from->most;
    int code = EX_OK;
    for (int64_t at = 0; at < file->rows && code == EX_OK; at += ahead) {
        int64_t end = ahead < file->rows - at ? at + ahead : file->rows;
        expect_rows(file, end, ahead);
        code = add_span(pass, at, end);
    }
    return code;
}

static int add_shuffled(passing *pass) {
    feed *from = pass->from;
    const int64_t rows = from->from->rows, count = rows / CHUNK + (rows % CHUNK > 0);
    int code = EX_OK;
    for (int64_t i = 0; i < count; i++)
        from->chunks[i] = i * CHUNK;
    shuffle(from->chunks, count, &pass->state);
    for (int64_t i = 0; i < count && code == EX_OK; i++) {
        int64_t at = from->chunks[i];
        code = add_span(pass, at, CHUNK < rows - at ? at + CHUNK : rows);
    }
    return code;
}

int run_feed(feed *from, int use, int64_t epoch, feed_action *each, void *context) {
    passing pass = {.from = from, .use = use, .each = each, .context = context};
    pass.shuffles = epoch >= 0;
    pass.state = from->seed;
    pass.state = next_random(&pass.state) + (uint64_t)epoch;
    int code = pass.shuffles ? add_shuffled(&pass) : add_in_order(&pass);
    return code == EX_OK ? hand_over(&pass) : code;
}
