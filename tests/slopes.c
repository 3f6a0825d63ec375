/* SPDX-License-Identifier: MIT
 * The gradient without its formula: central differences of the loss, and the sum of a row. */
#include "compare.h"
#include "draw.h"

#include <math.h>

static long double found_grad(const comparison *with, int64_t class) {
    const xent_tensor *grad = &with->call->tensor[GRAD];
    const int axis = with->expected.axis;
    return real_element(grad, row_offset(grad, axis, with->index) + class * grad->stride[axis]);
}

static long double z_at(const comparison *with, long double x) {
    const xent_options *options = &with->call->options;
    const long double z = options->logit_scale * x, cap = options->softcap;
    return cap > 0 && isfinite(x) ? cap * tanhl(z / cap) : z;
}

/* Of each class, the sum of exp(z - max) over the other classes: those before it and those after
 * it. */
static void add_others(comparison *with) {
    const reference_row *row = &with->row;
    const long double max = z_at(with, row->x[row->prediction]);
    const int64_t classes = with->call->classes;
    long double before = 0, after = 0;
    for (int64_t c = 0; c < classes; c++) {
        with->others[c] = before;
        before += expl(z_at(with, row->x[c]) - max);
    }
    for (int64_t c = classes - 1; c >= 0; c--) {
        with->others[c] += after;
        after += expl(z_at(with, row->x[c]) - max);
    }
}

/* How much the row's loss rises from x = low to x = high at one class. That of lse is
 * log((others + e^high)/(others + e^low)), written so that nothing cancels. */
static long double loss_rise(const comparison *with, int64_t class, long double low,
                             long double high) {
    const reference_row *row = &with->row;
    const xent_options *options = &with->call->options;
    const long double e = options->label_smoothing, q = options->z_loss;
    const long double sharp = (1 - e) * weight_of(options->class_weight, row->label);
    const long double even = e / (long double)with->call->classes;
    const long double max = z_at(with, row->x[row->prediction]);
    const long double z = z_at(with, low), rise = z_at(with, high) - z;
    const long double sum = with->others[class] + expl(z - max), lse = max + logl(sum);
    const long double lse_rise = log1pl(expl(z - max) * expm1l(rise) / sum);
    const long double nll_rise = lse_rise - (class == row->label ? rise : 0);
    const long double smooth =
        with->expected.mass * lse_rise - weight_of(options->class_weight, class) * rise;
    return row->weight * (sharp * nll_rise + even * smooth + q * lse_rise * (2 * lse + lse_rise));
}

/* The tolerance is a part of the row's largest gradient. Besides, the difference has a noise: a
 * step of 2^-20 in z (less where softcap bends within 1) leaves 2^-41 of the third derivative,
 * which is at most the row's reach at the ends of the step, and z, up to 30, is rounded to 2^-60,
 * which makes 2^-39 when divided by both steps. Nor can a gradient be right to a part of itself
 * where its terms, each right to `bound`, cancel, or below half of its dtype's smallest number. */
static void compare_slope(comparison *with, int64_t class, long double largest) {
    static const long double allowed[] = {0, 2e-6L, 1e-7L, 8e-3L, 1e-3L};
    const xent_options *options = &with->call->options;
    const int32_t dtype = with->call->tensor[GRAD].dtype;
    const long double cap = options->softcap > 0 ? fminl(options->softcap, 1) : 1;
    const long double step = 0x1p-20L * cap / options->logit_scale, x = with->row.x[class];
    const long double above = x + step, below = x - step;
    const long double denominator = fabsl(with->expected.denominator);
    const long double slope =
        loss_rise(with, class, below, above) / ((above - below) * with->expected.denominator);
    const long double reach =
        with->row.reach + 0x1p-19L * fabsl(with->row.weight) * options->z_loss;
    const long double noise = 0x1p-38L * reach * options->logit_scale / denominator;
    const long double cancelled = with->row.grad_parts[class] - fabsl(with->row.grad[class]);
    const long double tolerance =
        allowed[dtype] * largest + with->bound * cancelled + noise + spacing(dtype, 0) / 2;
    const long double found = found_grad(with, class);
    if (!(fabsl(found - slope) <= tolerance))
        add_difference(with, "gradient against central differences", class, found, slope,
                       tolerance);
}

/* z is at most 30, where finite. */
static bool is_moderate(const comparison *with) {
    const reference_row *row = &with->row;
    const long double denominator = with->expected.denominator;
    return with->call->options.logits_are == XENT_LOGITS && row->prediction >= 0 &&
           row->largest <= 30 && isfinite(row->loss) && isfinite(denominator) && denominator != 0;
}

/* Every class of up to 100, else the label's and as many others. */
static void compare_row_slopes(comparison *with) {
    enum { ENOUGH = 100 };
    const reference_row *row = &with->row;
    const int64_t classes = with->call->classes;
    long double largest = 0, largest_part = 0;
    for (int64_t c = 0; c < classes; c++) {
        largest = fmaxl(largest, fabsl(row->grad[c]));
        largest_part = fmaxl(largest_part, row->grad_parts[c]);
    }
    if (!(largest_part < largest_value(with->call->tensor[GRAD].dtype)))
        return;
    add_others(with);
    for (int64_t i = 0; i < (classes < ENOUGH ? classes : ENOUGH); i++) {
        const int64_t class = classes <= ENOUGH ? i : i ? draw(&with->dice, classes) : row->label;
        if (fabsl(with->call->options.logit_scale * row->x[class]) < 0x1p20L)
            compare_slope(with, class, largest);
    }
}

/* The formula's terms cancel over the classes of a row, whatever the probabilities, so that only
 * roundings are left: of each entry in its dtype, and of its terms in the kernel's lanes, where the
 * coefficient and the sums that it is made of are rounded too; so are the doubles that make up the
 * coefficients, if lanes are doubles or smoothing makes terms cancel. */
static void compare_row_sum(comparison *with) {
    const int32_t dtype = with->call->tensor[GRAD].dtype;
    const int32_t lane = dtype == XENT_F64 ? XENT_F64 : XENT_F32;
    const bool plain = lane == XENT_F32 && with->call->options.label_smoothing == 0;
    const long double roundings = plain ? 2 : 6;
    long double sum = 0, tolerance = 0;
    for (int64_t c = 0; c < with->call->classes; c++) {
        const long double found = found_grad(with, c), parts = with->row.grad_parts[c];
        sum += found;
        if (parts > 0)
            tolerance += (spacing(dtype, fabsl(found)) + roundings * spacing(lane, parts)) / 2;
    }
    if (isfinite(sum) && !(fabsl(sum) <= tolerance))
        add_difference(with, "sum of the gradient", -1, sum, 0, tolerance);
}

void compare_slopes(comparison *with) {
    const xent_options *options = &with->call->options;
    if (is_moderate(with))
        compare_row_slopes(with);
    if (options->logits_are == XENT_LOGITS && options->z_loss == 0 && options->softcap == 0)
        compare_row_sum(with);
}
