/* SPDX-License-Identifier: MIT
 * Which class of the labels is which class of the predictions. */
#ifndef XENT_DIAGNOSE_ASSIGN_H
#define XENT_DIAGNOSE_ASSIGN_H

#include "compare.h"
#include "diagnosis.h"

/* Up to so many classes the assignment is the best there is; above, the largest counts win. */
enum { EXACT_CLASSES = 1000 };

typedef struct assignment {
    bool found;
    comparison test; /* each half of the rows under the assignment of the other half */
    double chance;   /* of both halves together, at most */
    int32_t *to;     /* the predicted class of each label, from all rows */
    int64_t moved;   /* classes with labels that go to another one */
} assignment;

/* XENT_OK or XENT_NO_MEMORY. */
xent_status find_assignment(const xent_diagnosis *all, assignment *held);
void free_assignment(assignment *held);

/* The assignment of n labels to n predictions with the largest sum of counts[label*n + prediction];
 * of several the one that moves the fewest labels. XENT_OK or XENT_NO_MEMORY. */
xent_status assign_exactly(const int32_t *counts, int32_t n, int32_t *to);
/* An assignment of the labels in n rows, the largest counts first. */
xent_status assign_greedily(const xent_diagnosis *all, int64_t first, int64_t step, int32_t *to);

#endif
