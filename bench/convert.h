/* SPDX-License-Identifier: MIT
 * Element types of 16 bits to and from float, the plain way; NaN does not occur. */
#ifndef XENT_BENCH_CONVERT_H
#define XENT_BENCH_CONVERT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* bf16 is the upper half of a float. */
static inline float from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To nearest, ties to even. */
static inline uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Sign, 5 bits of exponent, 10 of fraction. */
static inline float from_f16(uint16_t half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float size =
        exponent ? ldexpf((float)(1024 + fraction), exponent - 25) : ldexpf((float)fraction, -24);
    return half >> 15 ? -size : size;
}

/* To nearest; for sizes in [2^-14, 2^15] or 0, as logits have them. */
static inline uint16_t to_f16(float value) {
    int exponent;
    float fraction = frexpf(fabsf(value), &exponent);
    if (exponent < -13)
        return 0;
    int bits = ((exponent + 13) << 10) + (int)lrintf(ldexpf(fraction, 11));
    return (uint16_t)(bits | (value < 0.0f) << 15);
}

#endif
