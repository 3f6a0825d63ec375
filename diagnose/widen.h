/* SPDX-License-Identifier: MIT
 * Elements of every floating-point type as floats. They need no alignment. */
#ifndef XENT_DIAGNOSE_WIDEN_H
#define XENT_DIAGNOSE_WIDEN_H

#include "names.h"

#include <stdint.h>

void widen(int32_t dtype, const char *from, int64_t count, float *to);
float widen_one(int32_t dtype, const char *from);

#endif
