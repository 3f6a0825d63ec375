/* SPDX-License-Identifier: MIT
 * Rows of classes that lie far apart in memory, copied together while they are worked on. */
#include "stage.h"

#include <string.h>

/* How many of the rows [row, end) lie side by side. */
static int64_t neighbours_from(const row_view *view, int64_t row, int64_t end) {
    int64_t step, run = row_run(view, row, &step);
    return run < end - row ? run : end - row;
}

row_view stage_logits(const struct plan *plan, struct scratch scratch, int64_t first,
                      int64_t count) {
    const row_view *logits = &plan->shape->logits;
    const int64_t size = dtype_size(logits->dtype), pitch = stage_pitch(plan);
    for (int64_t row = first, run; row < first + count; row += run) {
        char *to = (char *)scratch.stage + (row - first) * size, *from = row_address(logits, row);
        run = neighbours_from(logits, row, first + count);
        for (int64_t c = 0; c < plan->shape->classes; c++)
            memcpy(to + c * pitch * size, class_address(logits, from, c), (size_t)(run * size));
    }
    return (row_view){.data = scratch.stage,
                      .dtype = logits->dtype,
                      .ndim = 1,
                      .first = first,
                      .rows = first + count,
                      .shape = {count},
                      .step = {size},
                      .class_step = pitch * size,
                      .class_stride = pitch};
}

void unstage_gradient(const struct plan *plan, struct scratch scratch, int64_t first,
                      int64_t count) {
    const row_view *grad = &plan->shape->grad;
    const int64_t size = dtype_size(grad->dtype), pitch = stage_pitch(plan);
    for (int64_t row = first, run; row < first + count; row += run) {
        char *from = (char *)scratch.stage + (row - first) * size, *to = row_address(grad, row);
        run = neighbours_from(grad, row, first + count);
        for (int64_t c = 0; c < plan->shape->classes; c++)
            memcpy(class_address(grad, to, c), from + c * pitch * size, (size_t)(run * size));
    }
}
