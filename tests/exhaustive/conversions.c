/* SPDX-License-Identifier: MIT
 * Conversions between element types: all 16-bit elements to lanes and doubles, all floats to 16-bit
 * elements, and doubles to elements at and beside every tie. */
#include "cpu/kernels.h"
#include "elements.h"
#include "hash.h"
#include "sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 4096, REPEATED = 64 };

static const element_format *const halves[2] = {&bf16_format, &f16_format};

/* ---- 16-bit elements to doubles and to lanes ------------------------------------------------- */

/* To doubles, in two ways. */
static bool reads_as(uint16_t element, double value, const xent_kernels *kernels,
                     uint64_t words[2]) {
    const void *place = &element;
    const int64_t first = 0;
    double got[2];
    kernels->widen(&element, 1, 1, &got[0]);
    kernels->pick(&place, &first, 0, 1, &got[1]);
    for (int i = 0; i < 2; i++)
        words[i] = bits_of(isnan(got[i]) ? (double)NAN : got[i]);
    return words[0] == bits_of(value) && words[1] == bits_of(value);
}

/* A block of one element gives the E of a block of the same floats, under a scale at which no two
 * elements have the same E. */
static bool fills_lanes_as(uint16_t element, double value, const xent_kernels *kernels) {
    uint16_t x[REPEATED];
    float same[REPEATED], e[2][REPEATED];
    xent_stats stats[2];
    int exponent = isfinite(value) && value != 0 ? -ilogb(value) : 0;
    double scale = ldexp(1, exponent < 127 ? exponent : 127);
    for (int i = 0; i < REPEATED; i++) {
        x[i] = element;
        same[i] = (float)value;
    }
    kernels->stats(x, REPEATED, scale, e[0], NULL, &stats[0]);
    xent_kernels_for(XENT_F32)->stats(same, REPEATED, scale, e[1], NULL, &stats[1]);
    if (isnan(value) || value == INFINITY)
        return stats[0].poisoned && stats[1].poisoned;
    return stats[0].max == value && stats[0].k == stats[1].k && !memcmp(e[0], e[1], sizeof e[0]);
}

static void run_load(const sweep_range *range, sweep_result *result) {
    for (uint64_t i = first_input(range); i < range->end; i += range->stride) {
        const element_format *format = halves[i >> 16];
        const xent_kernels *kernels = xent_kernels_for(format->dtype);
        uint16_t element = (uint16_t)i;
        uint64_t words[2];
        double value = element_value(element, format);
        bool right = reads_as(element, isnan(value) ? (double)NAN : value, kernels, words);
        hash_words(result, words, 2);
        result->inputs++;
        if (!right || !fills_lanes_as(element, value, kernels))
            note_error(result, 0, INFINITY, i);
    }
}

static void describe_half(uint64_t input, char text[64]) {
    snprintf(text, 64, "%s %04x", input >> 16 ? "f16" : "bf16", (unsigned)(input & 0xffff));
}

/* ---- floats to 16-bit elements --------------------------------------------------------------- */

static void store_batch(const float *lanes, const uint32_t *inputs, size_t count,
                        sweep_result *result) {
    uint16_t got[2][BATCH];
    uint64_t words[BATCH];
    for (int j = 0; j < 2; j++)
        xent_kernels_for(halves[j]->dtype)->grad(lanes, (int64_t)count, 1, got[j]);
    for (size_t i = 0; i < count; i++) {
        words[i] = got[0][i] | (uint64_t)got[1][i] << 16;
        for (int j = 0; j < 2; j++)
            if (got[j][i] != rounded_element(bits_of((double)lanes[i]), halves[j]))
                note_error(result, 0, INFINITY, inputs[i]);
    }
    hash_words(result, words, count);
    result->inputs += count;
}

/* The only NaN that kernels store is the positive quiet one. */
static void run_store(const sweep_range *range, sweep_result *result) {
    float lanes[BATCH];
    uint32_t inputs[BATCH];
    size_t count = 0;
    for (uint64_t i = first_input(range); i < range->end; i += range->stride) {
        float lane = float_of((uint32_t)i);
        if (isnan(lane) && i != 0x7fc00000)
            continue;
        lanes[count] = lane;
        inputs[count++] = (uint32_t)i;
        if (count < BATCH)
            continue;
        store_batch(lanes, inputs, count, result);
        count = 0;
    }
    store_batch(lanes, inputs, count, result);
}

/* ---- doubles to elements --------------------------------------------------------------------- */

enum { DOUBLES = 10 };

/* The double in the middle between a float and the next one away from 0. */
static uint64_t middle_above(uint32_t bits) {
    double value = (double)float_of(bits);
    if (bits & 0x7f800000)
        return bits_of(value) + (UINT64_C(1) << 28);
    return bits_of(value + (bits >> 31 ? -0x1p-150 : 0x1p-150));
}

/* Every tie of a 16-bit type is a float whose last four bits are 0. Such a float, the middles above
 * it and above the last of its sixteen, each with its neighbours; and any double. */
static void choose_doubles(uint64_t input, uint64_t doubles[DOUBLES]) {
    uint32_t bits = (uint32_t)(input << 4);
    const uint64_t centres[3] = {bits_of((double)float_of(bits)), middle_above(bits),
                                 middle_above(bits | 15)};
    for (int i = 0; i < 9; i++)
        doubles[i] = centres[i / 3] + (uint64_t)(i % 3) - 1;
    doubles[9] = next_random(&input);
}

static void run_narrow(const sweep_range *range, sweep_result *result) {
    const element_format *const formats[3] = {&f32_format, &bf16_format, &f16_format};
    for (uint64_t i = first_input(range); i < range->end; i += range->stride) {
        uint64_t doubles[DOUBLES], words[3 * DOUBLES];
        double values[DOUBLES];
        choose_doubles(i, doubles);
        memcpy(values, doubles, sizeof values);
        for (int j = 0; j < 3; j++) {
            uint16_t narrow[DOUBLES];
            uint32_t wide[DOUBLES];
            void *to = j == 0 ? (void *)wide : narrow;
            xent_kernels_for(formats[j]->dtype)->narrow(values, DOUBLES, to, 1);
            for (int n = 0; n < DOUBLES; n++) {
                words[j * DOUBLES + n] = j == 0 ? wide[n] : narrow[n];
                if (words[j * DOUBLES + n] != rounded_element(doubles[n], formats[j]))
                    note_error(result, 0, INFINITY, i);
            }
        }
        hash_words(result, words, 3 * DOUBLES);
        result->inputs += DOUBLES;
    }
}

static void describe_doubles(uint64_t input, char text[64]) {
    snprintf(text, 64, "doubles around bits %08x", (unsigned)(input << 4));
}

const sweep_part load_part = {.name = "load",
                              .inputs = "16-bit elements",
                              .count = 2 << 16,
                              .measures = {{"value", "", 0}},
                              .quick = 1,
                              .quick_hash = UINT64_C(0x78b0db1c7043779d),
                              .run = run_load,
                              .describe = describe_half};

const sweep_part store_part = {.name = "store",
                               .inputs = "floats",
                               .count = UINT64_C(1) << 32,
                               .measures = {{"element", "", 0}},
                               .quick = QUICK,
                               .quick_hash = UINT64_C(0xa30cd6b140aeb7ec),
                               .run = run_store,
                               .describe = describe_float};

const sweep_part narrow_part = {.name = "narrow",
                                .inputs = "floats with doubles around them",
                                .count = UINT64_C(1) << 28,
                                .measures = {{"element", "", 0}},
                                .quick = QUICK,
                                .quick_hash = UINT64_C(0xf95e18af3246fd81),
                                .run = run_narrow,
                                .describe = describe_doubles};
