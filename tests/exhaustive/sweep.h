/* SPDX-License-Identifier: MIT
 * Sweeps over all inputs. A part numbers its inputs from 0; any range of them, or every n-th, can
 * be run alone, and the hash of the results tells whether two instruction sets gave the same
 * bits. */
#ifndef XENT_TESTS_SWEEP_H
#define XENT_TESTS_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MEASURES = 2 };

typedef struct sweep_range {
    uint64_t first, end; /* inputs first <= i < end whose number is a multiple of stride */
    uint64_t stride;
    bool errors; /* whether to measure errors, besides hashing the results */
} sweep_range;

typedef struct sweep_result {
    uint64_t inputs, hash;
    struct {
        double error; /* the largest; INFINITY: what must be exact was not */
        uint64_t input;
    } worst[MEASURES];
} sweep_result;

typedef struct sweep_part {
    const char *name, *inputs; /* inputs: what they are */
    uint64_t count;
    struct {
        const char *what, *unit; /* NULL: not used */
        double limit;
    } measures[MEASURES];
    uint64_t quick, quick_hash; /* the stride of the quick sweep, and its hash */
    void (*run)(const sweep_range *range, sweep_result *result);
    void (*describe)(uint64_t input, char text[64]);
} sweep_part;

enum { QUICK = 8191 }; /* for parts of some 2^32 results */
extern const sweep_part exp_part, log_part, log1p_part, tanh_part;
extern const sweep_part polynomial_part, terms_part, terms_below_0_part;
extern const sweep_part load_part, store_part, narrow_part;
extern const sweep_part pairs_part;

/* ---- what parts are made of ---- */

static inline uint64_t first_input(const sweep_range *range) {
    return (range->first + range->stride - 1) / range->stride * range->stride;
}

static inline void note_error(sweep_result *result, int measure, double error, uint64_t input) {
    if (error > result->worst[measure].error) {
        result->worst[measure].error = error;
        result->worst[measure].input = input;
    }
}

/* Continues the hash with count words. */
void hash_words(sweep_result *result, const uint64_t *words, size_t count);

static inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* |got - exact| in units in the last place of a double near the exact value, which is not
 * subnormal. 0 where both are NaN or the same infinity. */
double ulps_of(double got, long double exact);

/* The float of these bits as "0x1p+0 (3f800000)". */
void describe_float(uint64_t bits, char text[64]);

#endif
