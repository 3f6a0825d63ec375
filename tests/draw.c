/* SPDX-License-Identifier: MIT
 * Random numbers, and the rows of logits that are hard to get right. */
#include "draw.h"

#include <math.h>
#include <string.h>

uint64_t draw_bits(uint64_t *dice) {
    uint64_t mixed = *dice += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

int64_t draw(uint64_t *dice, int64_t sides) {
    return (int64_t)((draw_bits(dice) >> 1) % (uint64_t)sides);
}

bool chance(uint64_t *dice, int percent) {
    return draw(dice, 100) < percent;
}

double draw_real(uint64_t *dice, double low, double high) {
    return low + (high - low) * (double)(draw_bits(dice) >> 11) * 0x1p-53;
}

/* The sum of four uniform numbers: bell-shaped, within 3.5 deviations. */
double draw_normal(uint64_t *dice, double deviation) {
    const uint64_t bits = draw_bits(dice);
    double sum = -2;
    for (int i = 0; i < 4; i++)
        sum += (double)(bits >> 16 * i & 0xffff) * 0x1p-16;
    return sum * 1.7320508075688772 * deviation;
}

double largest_value(int32_t dtype) {
    switch (dtype) {
    case XENT_F64:
        return 0x1.fffffffffffffp1023;
    case XENT_F32:
        return 0x1.fffffep127;
    case XENT_BF16:
        return 0x1.fep127;
    default:
        return 65504;
    }
}

int64_t highest_label(int32_t dtype) {
    switch (dtype) {
    case XENT_I8:
        return INT8_MAX;
    case XENT_U8:
        return UINT8_MAX;
    case XENT_I16:
        return INT16_MAX;
    case XENT_U16:
        return UINT16_MAX;
    case XENT_I32:
        return INT32_MAX;
    case XENT_U32:
        return UINT32_MAX;
    default:
        return INT64_MAX;
    }
}

int64_t lowest_label(int32_t dtype) {
    const bool is_signed =
        dtype == XENT_I8 || dtype == XENT_I16 || dtype == XENT_I32 || dtype == XENT_I64;
    return is_signed ? -highest_label(dtype) - 1 : 0;
}

static uint16_t f16_bits(double value) {
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value);
    int exponent;
    if (isinf(value))
        return sign | 0x7c00;
    frexp(size, &exponent);
    exponent = exponent < -13 || size == 0 ? -13 : exponent;
    return (uint16_t)(sign | (((exponent + 13) << 10) + (int)ldexp(size, 11 - exponent)));
}

/* The bits of a finite or infinite value within the dtype's range, cut. */
static uint64_t real_bits(int32_t dtype, double value) {
    uint64_t wide;
    uint32_t narrow;
    const float single = (float)value;
    memcpy(&wide, &value, sizeof wide);
    memcpy(&narrow, &single, sizeof narrow);
    switch (dtype) {
    case XENT_F64:
        return wide;
    case XENT_F32:
        return narrow;
    case XENT_BF16:
        return narrow >> 16;
    default:
        return f16_bits(value);
    }
}

/* Sign and payload are random; the low bit of the payload is 1, so that a signalling NaN does not
 * become an infinity. */
static uint64_t nan_bits(int32_t dtype, uint64_t *dice) {
    const int fraction = dtype == XENT_F64    ? 52
                         : dtype == XENT_F32  ? 23
                         : dtype == XENT_BF16 ? 7
                                              : 10;
    const uint64_t infinity = real_bits(dtype, INFINITY), sign = infinity + (1ull << fraction);
    return infinity | (draw_bits(dice) & ((1ull << fraction) - 1)) | 1 |
           (chance(dice, 50) ? sign ^ infinity : 0);
}

static void store_bits(const xent_tensor *tensor, int64_t offset, uint64_t bits) {
    static const int sizes[] = {0, 4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8};
    const int size = sizes[tensor->dtype];
    const uint8_t one = (uint8_t)bits;
    const uint16_t two = (uint16_t)bits;
    const uint32_t four = (uint32_t)bits;
    const void *from = size == 1   ? &one
                       : size == 2 ? (const void *)&two
                       : size == 4 ? (const void *)&four
                                   : &bits;
    memcpy((char *)tensor->data + offset * size, from, (size_t)size);
}

void store_real(const xent_tensor *tensor, int64_t offset, double value, uint64_t *dice) {
    const double limit = largest_value(tensor->dtype);
    if (isfinite(value))
        value = fmin(fmax(value, -limit), limit);
    store_bits(tensor, offset,
               isnan(value) ? nan_bits(tensor->dtype, dice) : real_bits(tensor->dtype, value));
}

void store_integer(const xent_tensor *tensor, int64_t offset, int64_t value) {
    store_bits(tensor, offset, (uint64_t)value);
}

static int draw_style(uint64_t *dice) {
    static const int others[] = {EQUAL_ROW,  TIED_ROW,   SPIKE_ROW, SPIKE_ROW,
                                 OFFSET_ROW, OFFSET_ROW, WIDE_ROW,  MASKED_ROW,
                                 EMPTY_ROW,  TINY_ROW,   LIMIT_ROW};
    return chance(dice, 60) ? PLAIN_ROW
                            : others[draw(dice, (int64_t)(sizeof others / sizeof *others))];
}

row_style draw_row_style(uint64_t *dice, double limit, int64_t classes, int64_t label) {
    static const double deviations[] = {0.01, 1, 1, 3, 8};
    row_style style = {.style = draw_style(dice), .poisoned = -1, .limit = limit};
    style.deviation = deviations[draw(dice, 5)];
    style.special = label >= 0 && label < classes && chance(dice, 50) ? label : draw(dice, classes);
    style.poison = chance(dice, 50) ? NAN : INFINITY;
    if (chance(dice, 2))
        style.poisoned = draw(dice, classes);
    style.base = draw_normal(dice, 2);
    if (style.style == OFFSET_ROW)
        style.base = (chance(dice, 50) ? 1 : -1) * pow(10, draw_real(dice, 2, log10(style.limit)));
    if (style.style == SPIKE_ROW)
        style.base = draw_real(dice, 10, 130);
    return style;
}

double draw_logit(uint64_t *dice, const row_style *style, int64_t class) {
    const double bell = draw_normal(dice, style->deviation);
    if (class == style->poisoned)
        return style->poison;
    switch (style->style) {
    case EQUAL_ROW:
        return style->base;
    case TIED_ROW:
        return (double)draw(dice, 3);
    case SPIKE_ROW:
        return bell + (class == style->special ? style->base : 0);
    case OFFSET_ROW:
        return style->base + bell;
    case WIDE_ROW:
        return draw_real(dice, -800, 800);
    case MASKED_ROW:
        return class > style->special ? -INFINITY : bell;
    case EMPTY_ROW:
        return -INFINITY;
    case TINY_ROW:
        return bell * (style->limit < 1e5 ? 1e-7 : style->limit < 1e39 ? 1e-40 : 1e-310);
    case LIMIT_ROW:
        return chance(dice, 50) ? bell : chance(dice, 50) ? style->limit : -style->limit;
    default:
        return bell;
    }
}
