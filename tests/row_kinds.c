/* SPDX-License-Identifier: MIT
 * Rows of logits that try accuracy: ties, spikes, sums that round badly. */
#include "row_kinds.h"

#include <math.h>

const char *const kind_names[KINDS] = {"equal",       "ties",   "spike of 10", "spike of 40",
                                       "spike of 69", "normal", "ramp",        "stairs",
                                       "low stairs",  "halves", "masked"};

static uint64_t state;

/* Marsaglia's xorshift64, as a double in [0, 1). */
static double uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ldexp((double)(state >> 11), -53);
}

/* Class c of a row whose largest logits are about 0. `at` is the spike's class. */
static double logit(row_kind kind, int64_t c, int64_t classes, int64_t parts, int64_t at) {
    static const double spikes[] = {[SPIKE_10] = 10, [SPIKE_40] = 40, [SPIKE_69] = 69};
    switch (kind) {
    case TIES:
        return c % 3 ? 0 : -5 * uniform();
    case SPIKE_10:
    case SPIKE_40:
    case SPIKE_69:
        return c == at ? 0 : -spikes[kind] - uniform();
    case NORMAL: /* near enough */
        return 3 * (uniform() + uniform() + uniform() + uniform() - 2);
    case RAMP:
        return -90.0 * (double)c / (double)classes;
    case STAIRS: /* partial sums that grow by about half an ulp of a float each time */
        return c < parts ? 0 : -16.6 - 0.2 * uniform();
    case LOW_STAIRS: /* the same below a spike: the loss is the sum of the small terms */
        return c == at ? 0 : c < parts ? -20.05 : -20.05 - 16.6 - 0.2 * uniform();
    case HALVES: /* terms about a half, whose sums are never short numbers */
        return c == at ? 0 : -0.6931 + 1e-3 * uniform();
    case MASKED:
        return c % 2 == at % 2 ? -uniform() : -INFINITY;
    default:
        return 0;
    }
}

int64_t draw_row_of(row_kind kind, int64_t classes, int64_t parts, double *x) {
    state = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(classes * KINDS + kind + 1);
    int64_t at = (int64_t)(uniform() * (double)classes);
    for (int64_t c = 0; c < classes; c++)
        x[c] = logit(kind, c, classes, parts, at);
    return at;
}
