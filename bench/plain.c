/* SPDX-License-Identifier: MIT
 * Loops as one writes them, compiled for this very processor at -O3. */
#include "plain.h"
#include "convert.h"

#include <math.h>
#include <string.h>

static inline float same_f32(float value) {
    return value;
}

static inline double same_f64(double value) {
    return value;
}

#define LOOP plain_f32
#define ELEMENT float
#define REAL float
#define EXP expf
#define LOG logf
#define WIDEN same_f32
#define NARROW same_f32
#include "plain_template.h"

#define LOOP plain_f64
#define ELEMENT double
#define REAL double
#define EXP exp
#define LOG log
#define WIDEN same_f64
#define NARROW same_f64
#include "plain_template.h"

#define LOOP plain_bf16
#define ELEMENT uint16_t
#define REAL float
#define EXP expf
#define LOG logf
#define WIDEN from_bf16
#define NARROW to_bf16
#include "plain_template.h"

uint64_t read_memory(const void *from, size_t bytes) {
    uint64_t sum = 0, word;
    for (size_t at = 0; at + sizeof word <= bytes; at += sizeof word) {
        memcpy(&word, (const char *)from + at, sizeof word);
        sum += word;
    }
    return sum;
}
