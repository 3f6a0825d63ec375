/* SPDX-License-Identifier: MIT
 * Two ways to pair rows with labels, held against each other. */
#include "compare.h"
#include "tails.h"

/* Rows that the one or the other labels leave out, with codes below 0, say nothing of which is
 * right. Counters of 32 bits make vectors. */
static void compare_few(comparison *found, const int32_t *predictions, const int32_t *given,
                        const int32_t *other_predictions, int32_t bias, const int32_t *other,
                        int32_t n) {
    int32_t given_only = 0, other_only = 0, others = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t a = predictions[i] == given[i], b = other_predictions[i] + bias == other[i];
        int32_t both = (given[i] >= 0) & (other[i] >= 0);
        given_only += both & a & ~b;
        other_only += both & b & ~a;
        others += b;
    }
    found->given_only += given_only;
    found->other_only += other_only;
    found->other += others;
}

void compare_rows(comparison *found, const int32_t *predictions, const int32_t *given,
                  const int32_t *other_predictions, int32_t bias, const int32_t *other, int64_t n) {
    enum { FEW = 1 << 16 };
    for (int64_t first = 0; first < n; first += FEW)
        compare_few(found, predictions + first, given + first, other_predictions + first, bias,
                    other + first, (int32_t)(n - first < FEW ? n - first : FEW));
}

double chance_of(const comparison *found) {
    return binomial_above(found->other_only, found->other_only + found->given_only, 0.5);
}
