/* SPDX-License-Identifier: MIT
 * Rounding to an element type, and its values, by integers alone. */
#include "elements.h"
#include "xent.h"

#include <math.h>

const element_format bf16_format = {XENT_BF16, 8, 7};
const element_format f16_format = {XENT_F16, 5, 10};
const element_format f32_format = {XENT_F32, 8, 23};

static uint64_t infinity_of(const element_format *format) {
    return ((UINT64_C(1) << format->exponent) - 1) << format->fraction;
}

static int bias_of(const element_format *format) {
    return (1 << (format->exponent - 1)) - 1;
}

uint32_t rounded_element(uint64_t bits, const element_format *format) {
    const uint64_t size = bits & INT64_MAX, infinity = infinity_of(format);
    const uint64_t sign = bits >> 63 << (format->exponent + format->fraction);
    if (size > UINT64_C(0x7ff) << 52)
        return (uint32_t)(infinity | UINT64_C(1) << (format->fraction - 1));
    const int field = (int)(size >> 52);
    uint64_t significand = size & ((UINT64_C(1) << 52) - 1);
    if (field > 0)
        significand |= UINT64_C(1) << 52;
    int exponent = (field > 0 ? field : 1) - 1023 + bias_of(format), drop = 52 - format->fraction;
    if (exponent < 1) { /* subnormal: fewer bits stay */
        drop += 1 - exponent;
        exponent = 1;
    }
    if (drop > 54)
        drop = 54;
    uint64_t kept = significand >> drop, half = UINT64_C(1) << (drop - 1);
    const uint64_t rest = significand & (2 * half - 1);
    kept += rest > half || (rest == half && kept % 2);
    const uint64_t element = ((uint64_t)(exponent - 1) << format->fraction) + kept;
    return (uint32_t)(sign | (element < infinity ? element : infinity));
}

double element_value(uint32_t element, const element_format *format) {
    const uint32_t size = element & ((1u << (format->exponent + format->fraction)) - 1);
    const int field = (int)(size >> format->fraction);
    uint32_t significand = size & ((1u << format->fraction) - 1);
    double value;
    if (size > infinity_of(format))
        return NAN;
    if (field > 0)
        significand |= 1u << format->fraction;
    if (size == infinity_of(format))
        value = INFINITY;
    else
        value = ldexp(significand, (field > 0 ? field : 1) - bias_of(format) - format->fraction);
    return size == element ? value : -value;
}
