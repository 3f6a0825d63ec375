/* SPDX-License-Identifier: MIT
 * The gradient without its formula: central differences of the reference's loss, and the sum of a
 * row. */
#include "compare.h"
#include "draw.h"

#include <math.h>
#include <string.h>

static long double found_grad(const comparison *with, int64_t class) {
    const xent_tensor *grad = &with->call->tensor[GRAD];
    const int axis = with->expected.axis;
    return real_element(grad, row_offset(grad, axis, with->index) + class * grad->stride[axis]);
}

static long double loss_at(comparison *with, int64_t class, long double x) {
    const reference_row *row = &with->row;
    reference_row *nudged = &with->nudged;
    memcpy(nudged->x, row->x, (size_t)with->call->classes * sizeof *row->x);
    nudged->label = row->label;
    nudged->weight = row->weight;
    nudged->x[class] = x;
    score_row(&with->expected, nudged);
    return nudged->loss;
}

/* A step of 2^-18 in z (less where softcap bends within 1) leaves an error of 2^-38 of the third
 * derivative, and a noise of a few spacings of the loss divided by the step. The third derivative
 * is of the gradient's size, unless smoothing or z-loss make the gradient 0 where its parts are
 * not. */
static void compare_slope(comparison *with, int64_t class, long double largest) {
    static const long double allowed[] = {0, 2e-6L, 1e-7L, 8e-3L, 1e-3L};
    const xent_options *options = &with->call->options;
    const long double cap = options->softcap > 0 ? fminl(options->softcap, 1) : 1;
    const long double step = 0x1p-18L * cap / options->logit_scale, x = with->row.x[class];
    const long double above = x + step, below = x - step;
    const long double denominator = with->expected.denominator;
    const long double slope = (loss_at(with, class, above) - loss_at(with, class, below)) /
                              ((above - below) * denominator);
    const bool cancels = options->label_smoothing > 0 || options->z_loss > 0;
    const long double curve = cancels ? with->row.reach * 0x1p-36L * options->logit_scale : 0;
    const long double noise = fabsl((with->row.loss_parts * 0x1p-60L / step + curve) / denominator);
    const int32_t dtype = with->call->tensor[GRAD].dtype;
    const long double found = found_grad(with, class);
    const long double rounding =
        grad_tolerance(with, class) + spacing(dtype, fabsl(with->row.grad[class]));
    const long double tolerance = fmaxl(allowed[dtype] * largest, rounding) + noise;
    if (!(fabsl(found - slope) <= tolerance))
        add_difference(with, "gradient against central differences", class, found, slope,
                       tolerance);
}

static bool is_moderate(const comparison *with) {
    const reference_row *row = &with->row;
    if (with->call->options.logits_are != XENT_LOGITS || row->label < 0 || !isfinite(row->loss) ||
        !isfinite(with->expected.denominator) || with->expected.denominator == 0)
        return false;
    for (int64_t c = 0; c < with->call->classes; c++)
        if (!(fabsl(with->call->options.logit_scale * row->x[c]) <= 30))
            return false;
    return true;
}

static void compare_some_slopes(comparison *with) {
    const reference_row *row = &with->row;
    const int64_t classes = with->call->classes;
    long double largest = 0;
    for (int64_t c = 0; c < classes; c++)
        largest = fmaxl(largest, fabsl(row->grad[c]));
    if (largest < largest_value(with->call->tensor[GRAD].dtype)) {
        compare_slope(with, row->label, largest);
        compare_slope(with, draw(&with->dice, classes), largest);
    }
}

/* The formula's terms cancel over the classes of a row. */
static void compare_row_sum(comparison *with) {
    const int32_t dtype = with->call->tensor[GRAD].dtype;
    long double sum = 0, tolerance = 0;
    for (int64_t c = 0; c < with->call->classes; c++) {
        const long double found = found_grad(with, c);
        sum += found;
        tolerance += grad_tolerance(with, c) +
                     (with->row.grad_parts[c] > 0 ? spacing(dtype, fabsl(found)) : 0);
    }
    if (isfinite(sum) && !(fabsl(sum) <= tolerance))
        add_difference(with, "sum of the gradient", -1, sum, 0, tolerance);
}

void compare_slopes(comparison *with) {
    const xent_options *options = &with->call->options;
    if (chance(&with->dice, 15) && is_moderate(with))
        compare_some_slopes(with);
    if (options->logits_are == XENT_LOGITS && options->z_loss == 0 && options->softcap == 0)
        compare_row_sum(with);
}
