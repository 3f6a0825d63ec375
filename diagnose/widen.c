/* SPDX-License-Identifier: MIT
 * Elements of every floating-point type as floats, in pieces that compilers turn into vectors. */
#include "widen.h"
#include "xent.h"

#include <string.h>

enum { PIECE = 256 };

static size_t size_of(int32_t dtype) {
    return dtype == XENT_F64 ? 8 : dtype == XENT_F32 ? 4 : 2;
}

static void widen_f64(const char *from, int64_t count, float *to) {
    double piece[PIECE];
    memcpy(piece, from, (size_t)count * sizeof *piece);
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)piece[i];
}

/* The upper half of a float. */
static void widen_bf16(const char *from, int64_t count, float *to) {
    uint16_t piece[PIECE];
    uint32_t wide[PIECE];
    memcpy(piece, from, (size_t)count * sizeof *piece);
    for (int64_t i = 0; i < count; i++)
        wide[i] = (uint32_t)piece[i] << 16;
    memcpy(to, wide, (size_t)count * sizeof *to);
}

/* Exponent and fraction moved to a float's place make 2^-112 of the value, subnormals too; what has
 * the largest exponent gets a float's. */
static void widen_f16(const char *from, int64_t count, float *to) {
    uint16_t piece[PIECE];
    uint32_t wide[PIECE];
    memcpy(piece, from, (size_t)count * sizeof *piece);
    for (int64_t i = 0; i < count; i++)
        wide[i] = ((uint32_t)piece[i] & 0x7fff) << 13;
    memcpy(to, wide, (size_t)count * sizeof *to);
    for (int64_t i = 0; i < count; i++)
        to[i] *= 0x1p112f;
    memcpy(wide, to, (size_t)count * sizeof *to);
    for (int64_t i = 0; i < count; i++) {
        uint32_t largest = (piece[i] & 0x7c00) == 0x7c00 ? UINT32_C(0x7f800000) : 0;
        wide[i] |= largest | ((uint32_t)piece[i] & 0x8000) << 16;
    }
    memcpy(to, wide, (size_t)count * sizeof *to);
}

static void widen_piece(int32_t dtype, const char *from, int64_t count, float *to) {
    if (dtype == XENT_F32)
        memcpy(to, from, (size_t)count * sizeof *to);
    else if (dtype == XENT_F64)
        widen_f64(from, count, to);
    else if (dtype == XENT_BF16)
        widen_bf16(from, count, to);
    else
        widen_f16(from, count, to);
}

void widen(int32_t dtype, const char *from, int64_t count, float *to) {
    for (int64_t done = 0; done < count; done += PIECE) {
        int64_t piece = count - done < PIECE ? count - done : PIECE;
        widen_piece(dtype, from + (size_t)done * size_of(dtype), piece, to + done);
    }
}

float widen_one(int32_t dtype, const char *from) {
    float value;
    widen_piece(dtype, from, 1, &value);
    return value;
}
