/* SPDX-License-Identifier: MIT
 * What libFuzzer calls, and what replays the kept inputs without it. */
#ifndef XENT_FUZZ_TARGET_H
#define XENT_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
