/* SPDX-License-Identifier: MIT
 * Bytes as a file that the command would open, in this process. */
#ifndef XENT_FUZZ_FEED_H
#define XENT_FUZZ_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens the bytes as an array (its member; NULL: none given; `reals` as in open_array) and reads it
 * whole. Aborts unless they are refused, or become no more than their number justifies. Returns the
 * exit code. */
int feed(const uint8_t *data, size_t size, const char *member, bool reals);

#endif
