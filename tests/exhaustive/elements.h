/* SPDX-License-Identifier: MIT
 * The element types by integers alone, sharing no code with the kernels. */
#ifndef XENT_TESTS_ELEMENTS_H
#define XENT_TESTS_ELEMENTS_H

#include <stdint.h>

typedef struct element_format {
    int32_t dtype;
    int exponent, fraction; /* their bits */
} element_format;

extern const element_format bf16_format, f16_format, f32_format;

/* The element next to the double of these bits, ties to even; a NaN as the positive quiet one. */
uint32_t rounded_element(uint64_t bits, const element_format *format);

/* The double of an element, exactly; NaN for every NaN. */
double element_value(uint32_t element, const element_format *format);

#endif
