/* SPDX-License-Identifier: MIT
 * Steps 3 and 4 of a call: memory for it, then group after group of rows. */
#include "call.h"

#include "labels.h"
#include "memory.h"
#include "rows.h"
#include "tasks.h"
#include "total.h"

#include <stdlib.h>

/* Scratch of one task that is taken from the stack. */
enum { SMALL_SCRATCH = 59392 };

/* Of fewer logits, waking a thread costs more than it saves. */
enum { LOGITS_PER_TASK = 131072 };

static int64_t group_length(const struct plan *plan, int64_t g) {
    int64_t left = plan->shape->rows - g * plan->group_rows;
    return left < plan->group_rows ? left : plan->group_rows;
}

static int64_t group_count(const struct plan *plan) {
    return (plan->shape->rows - 1) / plan->group_rows + 1;
}

/* All memory of the call in one piece, and none where the stack will do. Returns false if it cannot
 * be had. */
static bool take_scratch(struct call *call) {
    const struct plan *plan = &call->plan;
    const xent_tensor *weight = plan->options->class_weight;
    size_t classes = (size_t)plan->shape->classes, line = 64, groups = (size_t)group_count(plan);
    size_t slot =
        plan->scratch_size > SMALL_SCRATCH ? (plan->scratch_size + line - 1) / line * line : 0;
    bool many = call->width > 1 && groups > SMALL_TOTALS;
    size_t totals = many ? groups * sizeof(xent_total) : 0;
    size_t weights = weight && classes > SMALL_WEIGHTS ? classes * sizeof(double) : 0;
    size_t size = slot * (size_t)call->width + totals + weights;
    unsigned char *piece = size > 0 ? quiet_malloc(size) : NULL;
    call->memory = piece;
    if (size > 0 && !piece)
        return false;
    call->slot_size = slot;
    call->slots = slot > 0 ? piece : NULL;
    call->totals =
        many ? (xent_total *)(void *)(piece + slot * (size_t)call->width) : call->small_totals;
    call->weights = weights > 0 ? (double *)(void *)(piece + size - weights) : call->small_weights;
    return true;
}

static const double *gather_weights(const struct call *call) {
    const xent_tensor *weight = call->plan.options->class_weight;
    if (!weight)
        return NULL;
    for (int64_t c = 0; c < call->plan.shape->classes; c++)
        call->weights[c] = weight_at(weight, c);
    return call->weights;
}

/* How many tasks share one row: more than one where there are more threads than groups of rows, and
 * rows long enough. */
static int32_t split_of_rows(const struct plan *plan, int32_t width) {
    int64_t parts = plan->shape->classes / LOGITS_PER_TASK;
    if (plan->way != WAY_ALONG || parts < 2)
        return 1;
    int32_t split = task_width(plan->options, parts);
    return split > width ? split : 1;
}

bool begin_call(struct call *call, const layout *shape, const xent_options *options,
                const xent_outputs *outputs, bool wants_total) {
    struct plan *plan = &call->plan;
    make_plan(plan, shape, options, outputs, wants_total);
    int64_t groups = group_count(plan);
    int64_t wanted = shape->rows / (LOGITS_PER_TASK / shape->classes + 1) + 1;
    call->width = task_width(options, wanted < groups ? wanted : groups);
    plan->split = split_of_rows(plan, call->width);
    if (plan->split > 1)
        call->width = 1;
    plan->in_order = call->width == 1;
    if (!take_scratch(call))
        return false;
    plan->class_weight = gather_weights(call);
    return true;
}

void end_call(struct call *call) {
    free(call->memory);
}

static void run_group(const struct call *call, int64_t g, void *memory, xent_total *total) {
    const struct plan *plan = &call->plan;
    int64_t first = g * plan->group_rows;
    *total = (xent_total)XENT_TOTAL_INIT;
    run_rows(plan, first, group_length(plan, g), memory, total);
    total->rows = group_length(plan, g);
    if (total->first_nonfinite_row >= 0)
        total->first_nonfinite_row -= first; /* the merge adds it again */
}

/* One task: group after group until none is left. */
static void run_groups(void *data, int64_t slot) {
    struct call *call = data;
    _Alignas(64) unsigned char small[SMALL_SCRATCH];
    void *memory = call->slots ? call->slots + (size_t)slot * call->slot_size : small;
    int64_t g;
    while ((g = atomic_fetch_add(&call->next, 1)) < call->groups)
        run_group(call, g, memory, &call->totals[g]);
}

/* On one thread without an array of totals. The merges come in the same order. */
static void run_in_order(const struct call *call, xent_total *all) {
    _Alignas(64) unsigned char small[SMALL_SCRATCH];
    void *memory = call->slots ? call->slots : small;
    run_group(call, 0, memory, all);
    for (int64_t g = 1; g < call->groups; g++) {
        xent_total group;
        run_group(call, g, memory, &group);
        xent_total_merge(all, &group);
    }
}

static void run_on_tasks(struct call *call, xent_total *all) {
    atomic_store(&call->next, 0);
    run_tasks(call->plan.options, run_groups, call, call->width);
    *all = call->totals[0];
    for (int64_t g = 1; g < call->groups; g++)
        xent_total_merge(all, &call->totals[g]);
}

void run_call(struct call *call, bool all_counted, double denominator, xent_total *found) {
    struct plan *plan = &call->plan;
    call->groups = group_count(plan);
    plan->all_counted = all_counted;
    plan->formula = make_formula(plan->options, plan->plain, plan->shape->classes, lane_size(plan),
                                 denominator);
    if (call->width > 1)
        run_on_tasks(call, found);
    else
        run_in_order(call, found);
}
