/* SPDX-License-Identifier: MIT
 * Steps 3 and 4 of a call: memory for it, then group after group of rows. */
#ifndef XENT_SRC_CALL_H
#define XENT_SRC_CALL_H

#include "plan.h"

#include <stdatomic.h>

/* What is taken from the stack for class weights, and for the totals of groups. */
enum { SMALL_WEIGHTS = 1024, SMALL_TOTALS = 64 };

/* What the tasks of one call share. Group g is rows [g*group_rows, ..). */
struct call {
    struct plan plan;
    int64_t groups;
    int32_t width;            /* tasks under way at once */
    atomic_int_fast64_t next; /* the next group that nobody does yet */
    size_t slot_size;         /* of each task's part of `slots` */
    unsigned char *slots;     /* NULL: tasks use their stack */
    xent_total *totals;       /* [groups], where width > 1 */
    double *weights;          /* [C], of class weights as doubles */
    void *memory;             /* from the heap, or NULL */
    double small_weights[SMALL_WEIGHTS];
    xent_total small_totals[SMALL_TOTALS];
};

/* Decides how at least one row is worked through, and takes the memory for it; false: there is
 * none. All that is pointed at must live until end_call. */
bool begin_call(struct call *call, const layout *shape, const xent_options *options,
                const xent_outputs *outputs, bool wants_total);

/* Computes; cannot fail. May be called again, with other data and fewer rows in the same layout.
 * denominator: D of the gradient. found: overwritten with the sum of losses, the rows that are
 * correct and those that are not finite. */
void run_call(struct call *call, bool all_counted, double denominator, xent_total *found);

void end_call(struct call *call);

#endif
