/* SPDX-License-Identifier: MIT
 * Whose rows are predicted as a class: those of its own label, or those of another. */
#include "assign.h"
#include "compare.h"

#include <stdlib.h>

typedef struct columns {
    const units *units;
    int64_t classes;
    const int32_t *to;
    enum half which;
    int64_t *rows, *seen; /* of each label */
    int32_t *from;        /* the label that is assigned to a class; -1: none, or its own */
} columns;

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* As many rows of the one label as of the other, the first of each. Of all that are predicted as
 * the class, each is of the other label with a chance of 1/2 at most; given their number, the
 * binomial is wider than what holds, the hypergeometric. */
static comparison compare_columns(const columns *of) {
    const units *rows = of->units;
    comparison found = {0, 0, 0};
    for (int64_t row = 0; row < rows->count; row++) {
        if (!lies_in(rows, row, of->which))
            continue;
        int32_t label = rows->labels[row], prediction = rows->predictions[row];
        int32_t to = of->to[label], from = of->from[label];
        int64_t place = of->seen[label]++;
        if (to >= 0 && to != label && prediction == to)
            found.other_only += place < smaller(of->rows[label], of->rows[to]);
        if (from >= 0 && prediction == label)
            found.given_only += place < smaller(of->rows[label], of->rows[from]);
    }
    return found;
}

static void count_rows(const columns *of) {
    const units *rows = of->units;
    for (int64_t c = 0; c < of->classes; c++)
        of->from[c] = -1;
    for (int64_t c = 0; c < of->classes; c++) {
        if (of->to[c] >= 0 && of->to[c] != c)
            of->from[of->to[c]] = (int32_t)c;
    }
    for (int64_t row = 0; row < rows->count; row++) {
        if (lies_in(rows, row, of->which))
            of->rows[rows->labels[row]]++;
    }
}

double chance_of_columns(const units *rows, int64_t classes, const int32_t *to, enum half which) {
    columns of = {.units = rows, .classes = classes, .to = to, .which = which};
    double chance = -1.0;
    of.rows = take_array(classes, sizeof *of.rows);
    of.seen = take_array(classes, sizeof *of.seen);
    of.from = take_array(classes, sizeof *of.from);
    if (of.rows && of.seen && of.from) {
        count_rows(&of);
        comparison found = compare_columns(&of);
        chance = chance_of(&found);
    }
    free(of.rows);
    free(of.seen);
    free(of.from);
    return chance;
}
