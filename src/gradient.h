/* SPDX-License-Identifier: MIT
 * Writes gradient and probability of a phase of rows from E and the rows' coefficients. */
#ifndef XENT_SRC_GRADIENT_H
#define XENT_SRC_GRADIENT_H

#include "plan.h"

/* Of rows [from, from + count), which have been through sweep_rows (with this scratch) and
 * finish_rows. */
void write_gradients(const struct plan *plan, struct scratch scratch, struct rows *rows, int from,
                     int count);

#endif
