/* SPDX-License-Identifier: MIT
 * Rows of logits that try accuracy: ties, spikes, sums that round badly. */
#ifndef XENT_TESTS_ROW_KINDS_H
#define XENT_TESTS_ROW_KINDS_H

#include <stdint.h>

typedef enum row_kind {
    EQUAL,
    TIES,
    SPIKE_10,
    SPIKE_40,
    SPIKE_69,
    NORMAL,
    RAMP,
    STAIRS,
    LOW_STAIRS,
    HALVES,
    MASKED,
    KINDS
} row_kind;

extern const char *const kind_names[KINDS];

/* Fills x with a row whose largest logits are about 0, the same for the same arguments, and returns
 * the spike's class. parts: partial sums that a kernel has. */
int64_t draw_row_of(row_kind kind, int64_t classes, int64_t parts, double *x);

#endif
