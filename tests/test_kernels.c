/* SPDX-License-Identifier: MIT
 * Every kernel of the instruction set in use gives the bits of the scalar one: lengths up to a
 * few hundred and around the block's ends, any alignment, ordinary and extreme values. With
 * XENT_SHORT set, as under sanitizers and emulators, one length in five and one number of rows in
 * three. */
#include "cpu/kernels.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const xent_kernels xent_f32_scalar, xent_f64_scalar, xent_bf16_scalar, xent_f16_scalar;
extern const xent_math xent_math_scalar;

enum { MOST = 2 * BLOCK * ACROSS, SLACK = 16 };

static int64_t failures, comparisons;
static uint64_t state = 88172645463325252u;

static uint64_t draw(void) { /* xorshift64 (Marsaglia 2003) */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double draw_between(double low, double high) {
    return low + (high - low) * ((double)(draw() >> 11) * 0x1p-53);
}

struct type {
    const char *name;
    int32_t dtype;
    size_t element, lane;
    const xent_kernels *reference;
    double largest; /* finite */
};

static const struct type types[] = {{"f32", XENT_F32, 4, 4, &xent_f32_scalar, FLT_MAX},
                                    {"f64", XENT_F64, 8, 8, &xent_f64_scalar, DBL_MAX},
                                    {"bf16", XENT_BF16, 2, 4, &xent_bf16_scalar, 0x1.fep127},
                                    {"f16", XENT_F16, 2, 4, &xent_f16_scalar, 65504}};

static void expect_same(const char *what, const struct type *type, int64_t n, int style,
                        const void *got, const void *wanted, size_t size) {
    comparisons++;
    if (memcmp(got, wanted, size) == 0)
        return;
    failures++;
    if (failures <= 20)
        printf("%s %s, n = %lld, values of style %d: differs from the scalar kernel\n", what,
               type->name, (long long)n, style);
}

/* Bytes of padding would differ for no reason. */
static void expect_same_stats(const char *what, const struct type *type, int64_t n, int style,
                              const xent_stats *got, const xent_stats *wanted) {
    double a[7] = {got->max, got->top, got->rest, got->mass, got->gap, got->heat, (double)got->k};
    double b[7] = {wanted->max, wanted->top,  wanted->rest,     wanted->mass,
                   wanted->gap, wanted->heat, (double)wanted->k};
    int64_t flags = got->arg * 4 + got->shifted * 2 + got->poisoned;
    int64_t wanted_flags = wanted->arg * 4 + wanted->shifted * 2 + wanted->poisoned;
    if (got->poisoned && wanted->poisoned)
        return;
    expect_same(what, type, n, style, a, b, sizeof a);
    expect_same(what, type, n, style, &flags, &wanted_flags, sizeof flags);
}

enum { ORDINARY, EQUAL, WIDE, HUGE_OFFSET, MASKED, ALL_MASKED, POISONED, TIED, STYLES };

static double draw_value(int style, int64_t i) {
    switch (style) {
    case EQUAL:
        return 1.5;
    case WIDE:
        return draw_between(-1, 1) * pow(2, draw_between(-20, 15));
    case HUGE_OFFSET:
        return 40000 + (double)(draw() % 4) * 32;
    case MASKED:
        return draw() % 3 ? -INFINITY : draw_between(-5, 5);
    case ALL_MASKED:
        return -INFINITY;
    case POISONED:
        return i % 7 ? draw_between(-5, 5) : draw() % 2 ? NAN : INFINITY;
    case TIED:
        return (double)(draw() % 3);
    default:
        return draw_between(-20, 20);
    }
}

struct buffers {
    unsigned char x[MOST * 8 + SLACK], e[2][MOST * 8 + SLACK], g[2][MOST * 8 + SLACK];
    double values[MOST], weight[BLOCK], out[2][MOST], slope[2][MOST];
    xent_stats stats[2][ACROSS];
    xent_stats_columns columns[2];
};

static struct buffers b;

static void draw_block(const struct type *type, int style, int64_t n, unsigned char *x) {
    for (int64_t i = 0; i < n; i++)
        b.values[i] = draw_value(style, i);
    type->reference->narrow(b.values, n, x, 1);
    for (int64_t i = 0; i < BLOCK; i++)
        b.weight[i] = draw() % 4 ? draw_between(0, 3) : 0;
}

static void test_along(const struct type *type, int style, int64_t n) {
    const xent_kernels *tested[2] = {xent_kernels_for(type->dtype), type->reference};
    const double scale = draw() % 2 ? 1 : draw_between(0.1, 4), a = draw_between(-1, 1);
    const double *weight = draw() % 2 ? b.weight : NULL;
    unsigned char *x = b.x + draw() % SLACK;
    size_t off = draw() % SLACK;
    draw_block(type, style, n, x);
    for (int k = 0; k < 2; k++) {
        tested[k]->stats(x, n, scale, NULL, NULL, &b.stats[k][0]);
        tested[k]->stats(x, n, scale, b.e[k] + off, NULL, &b.stats[k][1]);
        tested[k]->grad(b.e[k] + off, n, a, b.g[k] + off);
        tested[k]->stats_more(x, n, scale, weight, b.e[k] + off, NULL, &b.stats[k][2]);
        tested[k]->widen(x, n, 1, b.out[k]);
    }
    for (int j = 0; j < 3; j++)
        expect_same_stats("stats", type, n, style, &b.stats[0][j], &b.stats[1][j]);
    if (b.stats[0][0].poisoned)
        return;
    expect_same("terms", type, n, style, b.e[0] + off, b.e[1] + off, (size_t)n * type->lane);
    expect_same("grad", type, n, style, b.g[0] + off, b.g[1] + off, (size_t)n * type->element);
    expect_same("widen", type, n, style, b.out[0], b.out[1], (size_t)n * sizeof(double));
    for (int k = 0; k < 2; k++)
        tested[k]->grad_more(b.e[k] + off, n, a, 0.01, weight, b.g[k] + off);
    expect_same("grad_more", type, n, style, b.g[0] + off, b.g[1] + off, (size_t)n * type->element);
}

/* What poisons a row, wherever it lies; not the largest finite numbers, whose sums are infinite. */
static void test_poison(const struct type *type, int64_t n) {
    const xent_kernels *tested = xent_kernels_for(type->dtype);
    const bool yes = true, no = false;
    xent_stats *found = &b.stats[0][0];
    for (int64_t c = 0; c < n; c++)
        b.values[c] = c % 3 == 2 ? -(double)INFINITY : type->largest;
    for (int64_t c = 0; c < n; c++) {
        const double kept = b.values[c];
        b.values[c] = draw() % 2 ? (double)NAN : (double)INFINITY;
        type->reference->narrow(b.values, n, b.x, 1);
        tested->stats(b.x, n, 1, NULL, NULL, found);
        expect_same("poison", type, n, POISONED, &found->poisoned, &yes, sizeof yes);
        b.values[c] = kept;
    }
    type->reference->narrow(b.values, n, b.x, 1);
    tested->stats(b.x, n, 1, NULL, NULL, found);
    expect_same("no poison", type, n, ORDINARY, &found->poisoned, &no, sizeof no);
    expect_same("the largest", type, n, ORDINARY, &found->max, &type->largest, sizeof found->max);
}

/* Blocks that follow each other. What is fetched meanwhile shows in no result. */
static void test_chain(const struct type *type, int style, int64_t last, bool keeps, bool more) {
    enum { BLOCKS = 3 };
    const xent_kernels *tested = xent_kernels_for(type->dtype), *reference = type->reference;
    const int64_t lengths[BLOCKS] = {BLOCK, BLOCK, last};
    void *e = keeps ? b.e[0] : NULL;
    xent_stats *found = &b.stats[0][0], *wanted = &b.stats[1][0];
    draw_block(type, style, BLOCKS * BLOCK, b.x);
    for (int i = 0; i < BLOCKS; i++) {
        const unsigned char *x = b.x + (size_t)(i * BLOCK) * type->element;
        const int64_t n = lengths[i];
        const void *target = draw() % 2 ? b.g[0] : NULL;
        if (more) {
            tested->stats_more(x, n, 0.7, b.weight, e, target, found);
            reference->stats_more(x, n, 0.7, b.weight, b.e[1], NULL, wanted);
        } else {
            tested->stats(x, n, 0.7, e, target, found);
            reference->stats(x, n, 0.7, b.e[1], NULL, wanted);
        }
        expect_same_stats("stats in a row", type, n, style, found, wanted);
        if (keeps && !found->poisoned)
            expect_same("terms in a row", type, n, style, b.e[0], b.e[1], (size_t)n * type->lane);
    }
}

static void test_ahead(const struct type *type, int style) {
    for (int64_t last = 1; last <= BLOCK; last += BLOCK - 1)
        for (int way = 0; way < 4; way++)
            test_chain(type, style, last, way % 2, way / 2);
}

/* Both ways past the caches against the plain one, at every alignment of the gradient. */
static void test_again(const struct type *type, int style, int64_t n) {
    const xent_kernels *tested = xent_kernels_for(type->dtype);
    if (style == POISONED)
        return;
    draw_block(type, style, n, b.x);
    for (size_t off = 0; off < 80; off += off < 8 ? 1 : type->lane) {
        memset(b.g, 0, sizeof b.g);
        tested->stats(b.x, n, 0.7, b.e[0], NULL, &b.stats[0][0]);
        if (b.stats[0][0].arg < 0)
            return;
        tested->grad(b.e[0], n, -0.3, b.g[0] + off);
        tested->grad_again(b.x, n, 0.7, &b.stats[0][0], -0.3, b.g[1] + off);
        tested->fence();
        expect_same("grad_again", type, n, style, b.g[0], b.g[1], sizeof b.g[0]);
        memset(b.g[1], 0, sizeof b.g[1]);
        tested->grad_past_caches(b.e[0], n, -0.3, b.g[1] + off);
        tested->fence();
        expect_same("grad_past_caches", type, n, style, b.g[0], b.g[1], sizeof b.g[0]);
    }
}

/* A row's statistics as far as columns hold them: k and flags only where blocks are merged. */
static xent_stats column(const xent_stats_columns *columns, int row, int64_t n, bool more) {
    bool merged = n > LONG_TILE;
    return (xent_stats){.arg = columns->arg[row],
                        .max = columns->max[row],
                        .k = merged ? (int64_t)columns->k[row] : 0,
                        .top = columns->top[row],
                        .rest = columns->rest[row],
                        .mass = more ? columns->mass[row] : 0,
                        .gap = more ? columns->gap[row] : 0,
                        .heat = more ? columns->heat[row] : 0,
                        .shifted = merged && columns->shifted[row] != 0,
                        .poisoned =
                            columns->arg[row] < 0 && (!merged || columns->poisoned[row] != 0)};
}

/* The same of those of a row along, where no largest logit is as a poisoned row. */
static xent_stats as_in_column(xent_stats stats, int64_t n) {
    bool merged = n > LONG_TILE;
    stats.k = merged ? stats.k : 0;
    stats.shifted = merged && stats.shifted;
    stats.poisoned |= !merged && stats.arg < 0;
    return stats;
}

/* Rows side by side against each other, and each against the same row along. */
static void test_across(const struct type *type, int style, int64_t n, int rows) {
    const xent_kernels *tested[2] = {xent_kernels_for(type->dtype), type->reference};
    bool rows_first = draw() % 2, more = draw() % 2;
    /* classes first: rows are neighbours, or there is one unused between any two */
    int64_t apart = 1 + (int64_t)(draw() % 2), row_stride = rows_first ? n : apart;
    int64_t class_stride = rows_first ? 1 : rows * apart;
    bool neighbours = row_stride == 1;
    const void *next = draw() % 2 ? b.x : NULL; /* fetched, which no result shows */
    double a[ACROSS], zero[ACROSS] = {0};
    const void *x[ACROSS];
    void *g[2][ACROSS];
    draw_block(type, style, n * rows * (rows_first ? 1 : apart), b.x);
    memset(b.g, 0, sizeof b.g);
    for (int row = 0; row < rows; row++) {
        size_t begin = (size_t)(row * row_stride) * type->element;
        a[row] = draw_between(-1, 1);
        x[row] = b.x + begin;
        g[0][row] = b.g[0] + begin;
        g[1][row] = b.g[1] + begin;
    }
    size_t tile = (size_t)n * ACROSS * type->lane;
    for (int k = 0; k < 2; k++) {
        memset(b.e[k], 0, tile);
        tested[k]->stats_across(x, neighbours, rows, n, class_stride, 0.7, more, b.weight,
                                n <= LONG_TILE ? b.e[k] : NULL, next, class_stride, &b.columns[k]);
        if (n <= LONG_TILE && style != POISONED)
            tested[k]->grad_across(b.e[k], rows, n, a, zero, NULL, g[k], neighbours, class_stride,
                                   draw() % 2 ? b.g[k] : NULL);
        for (int row = 0; row < rows; row++)
            b.stats[k][row] = column(&b.columns[k], row, n, more);
    }
    for (int row = 0; row < rows; row++) {
        xent_stats along;
        if (rows_first) {
            if (more)
                type->reference->stats_more(x[row], n, 0.7, b.weight, NULL, NULL, &along);
            else
                type->reference->stats(x[row], n, 0.7, NULL, NULL, &along);
            along = as_in_column(along, n);
            expect_same_stats("along and across", type, n, style, &b.stats[0][row], &along);
        }
        expect_same_stats("stats_across", type, n, style, &b.stats[0][row], &b.stats[1][row]);
    }
    if (n <= LONG_TILE && style != POISONED)
        expect_same("grad_across", type, n, style, b.g[0], b.g[1], sizeof b.g[0]);
    if (n > LONG_TILE && style != POISONED) {
        for (int k = 0; k < 2; k++) {
            memset(b.e[k], 0, tile);
            tested[k]->terms_across(x, neighbours, rows, TILE, class_stride, 0.7, &b.columns[k],
                                    b.e[k]);
        }
        for (int64_t c = 0; c < TILE; c++)
            expect_same("terms_across", type, n, style, b.e[0] + (size_t)(c * ACROSS) * type->lane,
                        b.e[1] + (size_t)(c * ACROSS) * type->lane, (size_t)rows * type->lane);
    }
}

/* Doubles to elements, all kinds of sizes, and all 16-bit elements to doubles. */
static void test_conversions(const struct type *type) {
    const xent_kernels *kernels = xent_kernels_for(type->dtype);
    for (int64_t i = 0; i < BLOCK; i++) {
        b.values[i] = draw_between(-2, 2) * pow(2, draw_between(-160, 130));
        if (i % 5 == 0) /* near ties of every type */
            b.values[i] = (double)(float)b.values[i] * (1 + draw_between(-1, 1) * 0x1p-9);
    }
    b.values[0] = NAN;
    b.values[1] = -INFINITY;
    kernels->narrow(b.values, BLOCK, b.g[0], 1);
    type->reference->narrow(b.values, BLOCK, b.g[1], 1);
    expect_same("narrow", type, BLOCK, 0, b.g[0], b.g[1], BLOCK * type->element);
    for (uint32_t first = 0; type->element == 2 && first < 65536; first += BLOCK) {
        uint16_t halves[BLOCK];
        for (uint32_t i = 0; i < BLOCK; i++)
            halves[i] = (uint16_t)(first + i);
        kernels->widen(halves, BLOCK, 1, b.out[0]);
        type->reference->widen(halves, BLOCK, 1, b.out[1]);
        for (int i = 0; i < BLOCK; i++)
            if (!isnan(b.out[0][i]) || !isnan(b.out[1][i]))
                expect_same("widen", type, (int64_t)first + i, 0, &b.out[0][i], &b.out[1][i], 8);
    }
}

static void test_math(int64_t n) {
    const xent_math *math[2] = {xent_math_functions(), &xent_math_scalar};
    const struct type *type = &types[1];
    for (int64_t i = 0; i < n; i++)
        b.values[i] = draw_between(0, 1) * pow(2, draw_between(-80, 20));
    for (int j = 0; j < 4; j++) {
        for (int k = 0; k < 2; k++)
            for (int64_t i = 0; i < n; i++)
                b.out[k][i] = j == 0 ? -b.values[i] : b.values[i];
        for (int k = 0; k < 2; k++) {
            if (j == 0)
                math[k]->exp(b.out[k], n);
            else if (j == 1)
                math[k]->log(b.out[k], n);
            else if (j == 2)
                math[k]->log1p(b.out[k], n);
            else
                math[k]->bend(b.out[k], n, 0.9, 30, b.slope[k]);
        }
        expect_same("math", type, n, j, b.out[0], b.out[1], (size_t)n * 8);
    }
    expect_same("slope", type, n, 3, b.slope[0], b.slope[1], (size_t)n * 8);
}

int main(void) {
    const char *asked = getenv("XENT_ISA");
    if (asked && strcmp(asked, xent_isa()) != 0) {
        printf("skipped: this machine has no %s (%s in use)\n", asked, xent_isa());
        return 77;
    }
    const int64_t step = getenv("XENT_SHORT") ? 5 : 1;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        for (int style = 0; style < STYLES; style++) {
            for (int64_t n = 1; n <= 200; n += step)
                test_along(&types[t], style, n);
            for (int64_t n = BLOCK; n >= 1000; n -= step)
                test_along(&types[t], style, n);
            for (int64_t n = 1; n <= BLOCK; n += n < 40 ? 1 : 164)
                test_again(&types[t], style, n);
            test_ahead(&types[t], style);
            for (int rows = 1; rows <= ACROSS; rows += step > 1 ? 3 : 1)
                for (int64_t n = 1 + rows % step; n <= BLOCK; n += n < 66    ? step
                                                                   : n < 260 ? 31
                                                                             : 193)
                    test_across(&types[t], style, n, rows);
        }
        for (int64_t n = 1; n <= BLOCK; n += n < 130 ? 1 : 149)
            test_poison(&types[t], n);
        test_conversions(&types[t]);
    }
    for (int64_t n = 1; n <= 100; n++)
        test_math(n);
    printf("%s: %lld comparisons with the scalar kernels, %lld differ\n", xent_isa(),
           (long long)comparisons, (long long)failures);
    return failures ? 1 : 0;
}
