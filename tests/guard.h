/* SPDX-License-Identifier: MIT
 * Memory between pages that nobody may touch: one byte too far is a crash. */
#ifndef XENT_TESTS_GUARD_H
#define XENT_TESTS_GUARD_H

#include "solve.h"

/* The block ends where the forbidden page begins. */
extern const memory guard_after;
/* The block begins where the forbidden page ends. */
extern const memory guard_before;

#endif
