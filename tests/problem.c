/* SPDX-License-Identifier: MIT
 * Batches of rows that are the same bits on every machine: integer random numbers, no libm. */
#include "problem.h"

#include "hash.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IGNORED_LABEL = -100 };

static const int64_t ignore_list[] = {IGNORED_LABEL, 0};

/* clang-format off */
const variant variants[] = {
    {.name = "plain"},
    {.name = "row-mean", .reduction = XENT_ROW_MEAN},
    {.name = "denominator", .denominator = 3},
    {.name = "smoothing", .label_smoothing = 0.1},
    {.name = "only-smoothing", .label_smoothing = 1, .reduction = XENT_SUM},
    {.name = "class-weight", .class_weight = true},
    {.name = "smoothing-class-weight", .label_smoothing = 0.25, .class_weight = true},
    {.name = "row-weight", .row_weight = POSITIVE},
    {.name = "wide-row-weight", .reduction = XENT_SUM, .row_weight = WIDE},
    {.name = "backward", .denominator = 1, .row_weight = WILD},
    {.name = "z-loss", .z_loss = 1e-4},
    {.name = "scale", .logit_scale = 0.3},
    {.name = "softcap", .softcap = 5},
    {.name = "softcap-smoothing", .softcap = 30, .label_smoothing = 0.1, .class_weight = true},
    {.name = "everything", .reduction = XENT_SUM, .label_smoothing = 0.05, .z_loss = 0.01,
     .softcap = 20, .logit_scale = 1.7, .class_weight = true, .row_weight = POSITIVE,
     .ignored_class = true},
    {.name = "bad-ignored", .on_bad_label = XENT_BAD_LABEL_IGNORE, .bad_labels = true},
    {.name = "bad-nan", .on_bad_label = XENT_BAD_LABEL_NAN, .bad_labels = true,
     .label_smoothing = 0.1},
    {.name = "probabilities", .logits_are = XENT_PROBABILITIES, .class_weight = true},
    {.name = "log-probabilities", .logits_are = XENT_LOG_PROBABILITIES, .row_weight = POSITIVE},
};
/* clang-format on */
const int variant_count = (int)(sizeof variants / sizeof *variants);

const variant *variant_named(const char *name) {
    for (int v = 0; v < variant_count; v++)
        if (strcmp(variants[v].name, name) == 0)
            return &variants[v];
    abort();
}

void *zeroed(size_t bytes) {
    void *block = calloc(bytes, 1);
    if (!block)
        abort();
    return block;
}

size_t element_size(int32_t dtype) {
    static const size_t sizes[] = {0, 4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8};
    return sizes[dtype];
}

const char *logit_dtype_name(int32_t dtype) {
    static const char *const names[] = {"", "f32", "f64", "bf16", "f16"};
    return names[dtype];
}

/* ---- elements -------------------------------------------------------------------------------- */

/* The binary16 with value's leading bits; what is too large becomes the largest finite number. */
static uint16_t half_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    uint64_t significand = 1024 | (bits >> 42 & 1023);
    if (exponent == 1024)
        return (uint16_t)(sign | 0x7c00 | (bits << 12 ? 0x201 : 0));
    if (exponent > 15)
        return sign | 0x7bff;
    if (exponent < -14)
        return (uint16_t)(sign | (exponent < -24 ? 0 : significand >> (-14 - exponent)));
    return (uint16_t)(sign | (((uint64_t)(exponent + 14) << 10) + significand));
}

static void put_element(int32_t dtype, double value, char *at) {
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    uint16_t half = dtype == XENT_F16 ? half_bits(value) : (uint16_t)(bits >> 16);
    const void *element = dtype == XENT_F32 ? (void *)&single : &half;
    memcpy(at, dtype == XENT_F64 ? &value : element, element_size(dtype));
}

/* What differs between the logit dtypes, by dtype. */
static const double largest[] = {0, FLT_MAX, DBL_MAX, 0x1.fep127, 65504};
static const double smallest[] = {0, 0x1p-149, 0x1p-1074, 0x1p-133, 0x1p-24};
static const int largest_offset[] = {0, 28, 60, 28, 15};

/* ---- values ---------------------------------------------------------------------------------- */

/* In [-1, 1), exact. */
static double symmetric(uint64_t random) {
    return (double)((int64_t)(random >> 11) - (INT64_C(1) << 52)) * 0x1p-52;
}

static double masked_value(uint64_t random, int32_t dtype, int64_t row) {
    if (random % 3 == 0 || row % 7 == 6)
        return -INFINITY;
    return random % 5 == 0 ? -largest[dtype] : 8 * symmetric(random);
}

static double extreme_value(uint64_t random, int32_t dtype) {
    const double values[] = {largest[dtype], -largest[dtype], 0, -0.0, smallest[dtype], 1, -1, 8};
    return values[random >> 61];
}

static double offset_value(uint64_t random, int32_t dtype, int64_t row) {
    double offset = (double)(INT64_C(1) << (10 + row * 5) % largest_offset[dtype]);
    return (row % 2 ? -offset : offset) + 8 * symmetric(random);
}

/* Class `special` is the row's own: the spike, or the one that is not finite. */
static double value_of(const recipe *from, int32_t kind, uint64_t random, int64_t row,
                       bool special) {
    static const double spikes[] = {0, 10, 25, 40, 80, 110, 300, 1000};
    static const double poison[] = {INFINITY, NAN, -NAN};
    double plain = 8 * symmetric(random);
    switch (kind) {
    case OFFSET:
        return offset_value(random, from->dtype, row);
    case SPIKE:
        return plain + (special ? spikes[row % 8] : -8);
    case MASKED:
        return masked_value(random, from->dtype, row);
    case EQUAL:
        return (double)(random >> 63) * -0.25 + (double)row;
    case TINY:
        return smallest[from->dtype] * (double)(int64_t)(random % 65 - 32);
    case EXTREME:
        return extreme_value(random, from->dtype);
    case POISONED:
        return special && row % 3 == 1 ? poison[row / 3 % 3] : plain;
    default:
        return plain;
    }
}

/* In [0, 1] and their logarithms' range, with entries now and then that are out of it. */
static double probability_value(const recipe *from, uint64_t random, double value) {
    bool logs = from->variant->logits_are == XENT_LOG_PROBABILITIES;
    double inside = (symmetric(random * 3) + 1) / 2;
    if (from->kind == PLAIN || random % 8)
        return logs ? -40 * inside : inside;
    return value;
}

static void fill_logits(problem *made, uint64_t seed) {
    const recipe *from = &made->made_from;
    size_t size = element_size(from->dtype);
    char *at = made->logits;
    for (int64_t row = 0; row < made->rows; row++) {
        int64_t special = (int64_t)(next_random(&seed) >> 1) % from->classes;
        int32_t kind = from->kind == MIXED ? (int32_t)(row % MIXED) : from->kind;
        for (int64_t c = 0; c < from->classes; c++, at += size) {
            uint64_t random = next_random(&seed);
            double value = value_of(from, kind, random, row, c == special);
            if (from->variant->logits_are != XENT_LOGITS)
                value = probability_value(from, random, value);
            put_element(from->dtype, value, at);
        }
    }
}

/* The last row is never ignored, so that a mean has something to count. */
static void fill_labels(problem *made, uint64_t seed) {
    for (int64_t row = 0; row < made->rows; row++) {
        int64_t chosen = (int64_t)(next_random(&seed) >> 1);
        made->labels[row] = chosen % made->made_from.classes;
        if (made->made_from.variant->bad_labels && chosen / 64 % 5 == 1)
            made->labels[row] = chosen % 2 ? -7 : made->made_from.classes;
        if (chosen / 1024 % 8 == 3)
            made->labels[row] = IGNORED_LABEL;
    }
    made->labels[made->rows - 1] = made->made_from.classes - 1;
}

static float row_weight(int sort, uint64_t random, int64_t row) {
    static const float units[] = {1, 0x1p-70F, 0x1p40F, 0x1p80F};
    float weight = random % 5 ? (float)(random / 8 % 16 + 1) / 8 : 0;
    if (sort == POSITIVE)
        return weight;
    if (sort == WILD && row % 11 == 5)
        return row % 2 ? NAN : -INFINITY;
    return (random / 256 % 2 ? -weight : weight) * units[random / 512 % 4];
}

static void fill_row_weight(problem *made, uint64_t seed) {
    for (int64_t row = 0; row < made->rows; row++)
        made->row_weight[row] =
            row_weight(made->made_from.variant->row_weight, next_random(&seed), row);
    made->row_weight[made->rows - 1] = 0.75F;
}

static void fill_class_weight(problem *made, uint64_t seed) {
    int64_t classes = made->made_from.classes;
    for (int64_t c = 0; c < classes; c++) {
        uint64_t chosen = next_random(&seed);
        made->class_weight[c] = chosen % 6 ? (float)(chosen >> 56) / 64 : 0;
    }
    made->class_weight[classes - 1] = 0.5F;
}

/* ---- problems -------------------------------------------------------------------------------- */

static xent_options numbers_of(const variant *chosen) {
    xent_options options = XENT_OPTIONS_INIT;
    options.logits_are = chosen->logits_are;
    options.reduction = chosen->reduction;
    options.on_bad_label = chosen->on_bad_label;
    options.on_nothing_counted = XENT_NOTHING_ZERO;
    options.denominator = chosen->denominator;
    options.label_smoothing = chosen->label_smoothing;
    options.z_loss = chosen->z_loss;
    options.softcap = chosen->softcap;
    options.logit_scale = chosen->logit_scale > 0 ? chosen->logit_scale : 1;
    options.ignore = ignore_list;
    options.ignore_count = chosen->ignored_class ? 2 : 1;
    return options;
}

static problem empty_problem(const recipe *from) {
    problem made = {.made_from = *from, .rows = from->outer * from->inner};
    size_t rows = (size_t)made.rows, classes = (size_t)from->classes;
    made.options = numbers_of(from->variant);
    made.logits = zeroed(rows * classes * element_size(from->dtype));
    made.labels = zeroed(rows * sizeof *made.labels);
    if (from->variant->row_weight)
        made.row_weight = zeroed(rows * sizeof *made.row_weight);
    if (from->variant->class_weight)
        made.class_weight = zeroed(classes * sizeof *made.class_weight);
    return made;
}

problem make_problem(const recipe *from) {
    problem made = empty_problem(from);
    uint64_t seed = (uint64_t)(from->classes * 100 + made.rows * 10 + from->kind);
    fill_logits(&made, seed);
    fill_labels(&made, ~seed);
    if (made.row_weight)
        fill_row_weight(&made, seed << 32);
    if (made.class_weight)
        fill_class_weight(&made, seed << 40);
    return made;
}

problem cut_problem(const problem *whole, int64_t first, int64_t count) {
    recipe part = whole->made_from;
    part.outer = 1;
    part.inner = count;
    problem made = empty_problem(&part);
    size_t row_bytes = (size_t)part.classes * element_size(part.dtype), n = (size_t)count;
    memcpy(made.logits, whole->logits + (size_t)first * row_bytes, n * row_bytes);
    memcpy(made.labels, whole->labels + first, n * sizeof *made.labels);
    if (made.row_weight)
        memcpy(made.row_weight, whole->row_weight + first, n * sizeof *made.row_weight);
    if (made.class_weight)
        memcpy(made.class_weight, whole->class_weight,
               (size_t)part.classes * sizeof *made.class_weight);
    return made;
}

void free_problem(problem *made) {
    free(made->logits);
    free(made->labels);
    free(made->row_weight);
    free(made->class_weight);
}
