/* SPDX-License-Identifier: MIT
 * Which class of the labels is which class of the predictions. */
#ifndef XENT_DIAGNOSE_ASSIGN_H
#define XENT_DIAGNOSE_ASSIGN_H

#include "compare.h"
#include "diagnosis.h"
#include "objects.h"

/* Up to so many classes the assignment is the best there is; above, the largest counts win. */
enum { EXACT_CLASSES = 1000 };

typedef struct assignment {
    bool found;
    comparison test; /* each half of the rows under the assignment of the other half */
    double chance;   /* of both halves together, at most */
    int32_t *to;     /* the predicted class of each label, from all rows */
    int64_t moved;   /* classes with labels that go to another one */
    /* The same, where objects take the place of rows: those of one object may all be right or wrong
     * together, as frames of a clip are, and pixels. */
    double chance_of_runs;
} assignment;

/* XENT_OK or XENT_NO_MEMORY. */
xent_status find_assignment(const xent_diagnosis *all, assignment *held);
void free_assignment(assignment *held);

/* What assignments are fitted on and tried with: rows, or objects that stand for several. */
typedef struct units {
    int64_t count;
    const int32_t *labels, *predictions;
    const uint8_t *half;
} units;
units row_units(const xent_diagnosis *all);
bool lies_in(const units *of, int64_t i, enum half which);

/* The chance, at most, of what labels that are assigned to other classes (`to`, -1: none) show: if
 * labels are right, their own rows are predicted as a class at least as often as the rows of any
 * other label, however weak, biased or unbalanced. Negative: there is no memory. */
double chance_of_columns(const units *rows, int64_t classes, const int32_t *to, enum half which);

/* The assignment of n labels to n predictions with the largest sum of counts[label*n + prediction];
 * of several the one that moves the fewest labels. XENT_OK or XENT_NO_MEMORY. */
xent_status assign_exactly(const int32_t *counts, int32_t n, int32_t *to);
/* An assignment of the labels of half of the units, the largest counts first. */
xent_status assign_greedily(const units *of, int64_t classes, enum half which, int32_t *to);

#endif
