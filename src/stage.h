/* SPDX-License-Identifier: MIT
 * Rows of classes that lie far apart in memory, copied together while they are worked on. */
#ifndef XENT_SRC_STAGE_H
#define XENT_SRC_STAGE_H

#include "plan.h"

/* Copies the logits of rows [first, first + count), at most stage_rows, into the stage, and returns
 * the view of them there. */
row_view stage_logits(const struct plan *plan, struct scratch scratch, int64_t first,
                      int64_t count);

/* Copies what has become of them to the gradient of the same rows. */
void unstage_gradient(const struct plan *plan, struct scratch scratch, int64_t first,
                      int64_t count);

#endif
