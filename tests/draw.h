/* SPDX-License-Identifier: MIT
 * Random numbers for tests (splitmix64: Steele, Lea, Flood 2014), and storing numbers as elements
 * of any dtype. */
#ifndef XENT_TESTS_DRAW_H
#define XENT_TESTS_DRAW_H

#include "xent.h"

#include <stdbool.h>

/* `dice` is the generator's state: any number to start with. */
uint64_t draw_bits(uint64_t *dice);
/* In [0, sides); sides >= 1. */
int64_t draw(uint64_t *dice, int64_t sides);
/* True this many times in a hundred. */
bool chance(uint64_t *dice, int percent);
/* In [low, high). */
double draw_real(uint64_t *dice, double low, double high);
/* About normal with this deviation. */
double draw_normal(uint64_t *dice, double deviation);

/* The largest finite value of a floating-point dtype; the range of an integer dtype as far as
 * int64_t holds it. */
double largest_value(int32_t dtype);
int64_t lowest_label(int32_t dtype);
int64_t highest_label(int32_t dtype);

/* Stores a value at an element offset, cut to the dtype's precision and range; a NaN gets a random
 * sign and payload. */
void store_real(const xent_tensor *tensor, int64_t offset, double value, uint64_t *dice);
/* Stores an integer that the dtype holds (U64: the 64 bits). */
void store_integer(const xent_tensor *tensor, int64_t offset, int64_t value);

/* How logits of a row are drawn. Styles: */
enum {
    PLAIN_ROW,
    EQUAL_ROW,
    TIED_ROW,
    SPIKE_ROW,
    OFFSET_ROW,
    WIDE_ROW,
    MASKED_ROW,
    EMPTY_ROW,
    TINY_ROW,
    LIMIT_ROW
};

typedef struct row_style {
    int style;
    int64_t special,
        poisoned; /* the spike or the end of the mask; the class with the NaN or +inf, or -1 */
    double base, deviation, limit, poison;
} row_style;

/* limit: the largest magnitude of a finite logit. */
row_style draw_row_style(uint64_t *dice, double limit, int64_t classes, int64_t label);
double draw_logit(uint64_t *dice, const row_style *style, int64_t class);

#endif
