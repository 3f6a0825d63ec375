/* SPDX-License-Identifier: MIT
 * Takes a group of rows through the steps: labels, statistics, terms, outputs, gradient, total. */
#ifndef XENT_SRC_ROWS_H
#define XENT_SRC_ROWS_H

#include "plan.h"

/* Does rows [first, first + count) of the call and adds loss_sum, nonfinite, correct and
 * first_nonfinite_row (counted from row 0 of the call) to total. memory: plan->scratch_size bytes,
 * aligned for doubles. Cannot fail. */
void run_rows(const struct plan *plan, int64_t first, int64_t count, void *memory,
              xent_total *total);

#endif
