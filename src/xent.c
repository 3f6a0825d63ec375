/* SPDX-License-Identifier: MIT
 * The public entry points: the four steps of a call, in order. */
#include "check.h"
#include "fail.h"
#include "labels.h"
#include "layout.h"
#include "plan.h"
#include "rows.h"
#include "structs.h"
#include "tasks.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Scratch that is taken from the stack: of one task, for class weights, and for the totals of
 * groups. */
enum { SMALL_SCRATCH = 57344, SMALL_WEIGHTS = 1024, SMALL_TOTALS = 64 };

/* What the tasks of one call share. Group g is rows [g*group_rows, ..). */
struct call {
    const struct plan *plan;
    int64_t groups;
    int32_t width;            /* tasks under way at once */
    atomic_int_fast64_t next; /* the next group that nobody does yet */
    size_t slot_size;         /* of each task's part of `slots` */
    unsigned char *slots;     /* NULL: tasks use their stack */
    xent_total *totals;       /* [groups], where width > 1 */
    double *weights;          /* [C], of class weights as doubles */
};

static int64_t group_length(const struct plan *plan, int64_t g) {
    int64_t left = plan->shape->rows - g * plan->group_rows;
    return left < plan->group_rows ? left : plan->group_rows;
}

/* Step 2: what the labels say, group by group as later the losses. */
static xent_total count_all(const layout *shape, const xent_options *options) {
    xent_total all = XENT_TOTAL_INIT;
    int64_t length = shape->rows > 0 ? choose_group_rows(shape->rows, shape->classes) : 1;
    if (shape->rows <= length)
        return count_labels(shape, options, 0, shape->rows);
    for (int64_t first = 0; first < shape->rows; first += length) {
        int64_t left = shape->rows - first;
        xent_total group = count_labels(shape, options, first, left < length ? left : length);
        if (group.first_bad_row >= 0)
            group.first_bad_row -= first; /* the merge adds it again */
        xent_total_merge(&all, &group);
    }
    return all;
}

/* malloc that keeps errno when it fails. Compilers that take malloc not to touch errno drop a plain
 * store. */
static void *quiet_malloc(size_t size) {
    volatile int *place = &errno;
    int kept = *place;
    void *piece = malloc(size);
    *place = kept;
    return piece;
}

/* Step 3: all memory of the call in one piece, and none where the stack will do. Returns false if
 * it cannot be had. */
static bool take_scratch(struct call *call, void **memory) {
    const struct plan *plan = call->plan;
    const xent_tensor *weight = plan->options->class_weight;
    size_t classes = (size_t)plan->shape->classes, line = 64;
    size_t slot =
        plan->scratch_size > SMALL_SCRATCH ? (plan->scratch_size + line - 1) / line * line : 0;
    bool many = call->width > 1 && call->groups > SMALL_TOTALS;
    size_t totals = many ? (size_t)call->groups * sizeof(xent_total) : 0;
    size_t weights = weight && classes > SMALL_WEIGHTS ? classes * sizeof(double) : 0;
    size_t size = slot * (size_t)call->width + totals + weights;
    unsigned char *piece = size > 0 ? quiet_malloc(size) : NULL;
    *memory = piece;
    if (size > 0 && !piece)
        return false;
    call->slot_size = slot;
    call->slots = slot > 0 ? piece : NULL;
    call->totals = many ? (xent_total *)(void *)(piece + slot * (size_t)call->width) : call->totals;
    call->weights = weights > 0 ? (double *)(void *)(piece + size - weights) : call->weights;
    return true;
}

static const double *gather_weights(const struct call *call) {
    const xent_tensor *weight = call->plan->options->class_weight;
    if (!weight)
        return NULL;
    for (int64_t c = 0; c < call->plan->shape->classes; c++)
        call->weights[c] = weight_at(weight, c);
    return call->weights;
}

static void run_group(const struct call *call, int64_t g, void *memory, xent_total *total) {
    const struct plan *plan = call->plan;
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

/* Step 4, on one thread without an array of totals. The merges come in the same order. */
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
    run_tasks(call->plan->options, run_groups, call, call->width);
    for (int64_t g = 0; g < call->groups; g++)
        xent_total_merge(all, &call->totals[g]);
}

/* How many tasks share one row: more than one where there are more threads than groups of rows, and
 * rows long enough. */
static int32_t split_of_rows(const struct plan *plan, int32_t width, int64_t logits_per_task) {
    int64_t parts = plan->shape->classes / logits_per_task;
    if (plan->way != WAY_ALONG || parts < 2)
        return 1;
    int32_t split = task_width(plan->options, parts);
    return split > width ? split : 1;
}

/* Steps 3 and 4, of at least one row. counts: what step 2 found; losses and predictions are
 * added to it. */
static xent_status compute(const layout *shape, const xent_options *options,
                           const xent_outputs *outputs, bool wants_total, xent_total *counts,
                           xent_error *error) {
    const int64_t logits_per_task = 131072; /* of fewer, waking a thread costs more than it saves */
    struct plan plan;
    make_plan(&plan, shape, options, outputs, wants_total);
    int64_t groups = (shape->rows - 1) / plan.group_rows + 1;
    int64_t wanted = shape->rows / (logits_per_task / shape->classes + 1) + 1;
    double small_weights[SMALL_WEIGHTS];
    xent_total small_totals[SMALL_TOTALS];
    struct call call = {
        .plan = &plan, .groups = groups, .weights = small_weights, .totals = small_totals};
    void *memory;
    call.width = task_width(options, wanted < groups ? wanted : groups);
    plan.split = split_of_rows(&plan, call.width, logits_per_task);
    if (plan.split > 1)
        call.width = 1;
    if (!take_scratch(&call, &memory))
        return fail(error, XENT_NO_MEMORY, "out of memory: %d tasks need %zu bytes of scratch each",
                    (int)call.width, plan.scratch_size);
    plan.class_weight = gather_weights(&call);
    plan.all_counted = counts->counted == counts->rows;
    plan.formula = make_formula(options, plan.plain, shape->classes, lane_size(&plan),
                                gradient_denominator(options, counts));
    xent_total found = XENT_TOTAL_INIT;
    if (call.width > 1)
        run_on_tasks(&call, &found);
    else
        run_in_order(&call, &found);
    free(memory);
    counts->loss_sum = found.loss_sum;
    counts->loss_sum_low = found.loss_sum_low;
    counts->nonfinite = found.nonfinite;
    counts->correct = found.correct;
    counts->first_nonfinite_row = found.first_nonfinite_row;
    return XENT_OK;
}

xent_status xent_cross_entropy(const xent_tensor *logits, const xent_tensor *labels,
                               const xent_options *given_options, const xent_outputs *given_outputs,
                               xent_total *total, xent_error *error) {
    xent_options options;
    xent_outputs outputs;
    xent_status status;
    layout shape;
    if (error)
        error->message[0] = '\0';
    if ((status = read_options(given_options, &options, error)) != XENT_OK ||
        (status = read_outputs(given_outputs, &outputs, error)) != XENT_OK ||
        (status = check_arguments(logits, labels, &options, &outputs, error)) != XENT_OK)
        return status;
    set_layout(&shape, logits, labels, &options, &outputs);
    xent_total counts = count_all(&shape, &options);
    if ((status = accept_labels(&shape, &options, &counts, error)) != XENT_OK ||
        (status = accept_denominator(&options, &counts, error)) != XENT_OK)
        return status;
    if (shape.rows > 0)
        status = compute(&shape, &options, &outputs, total != NULL, &counts, error);
    if (status == XENT_OK && total)
        *total = counts;
    return status;
}

xent_status xent_count_labels(const xent_tensor *labels, int64_t classes,
                              const xent_options *given_options, xent_total *total,
                              xent_error *error) {
    xent_options options;
    xent_status status;
    if (error)
        error->message[0] = '\0';
    if ((status = read_options(given_options, &options, error)) != XENT_OK ||
        (status = check_count_arguments(labels, classes, &options, error)) != XENT_OK)
        return status;
    layout shape = make_label_layout(labels, classes, &options);
    xent_total counts = count_all(&shape, &options);
    status = accept_labels(&shape, &options, &counts, error);
    if (status == XENT_OK && total)
        *total = counts;
    return status;
}

xent_status xent_mean_loss_f32(const float *logits, const int64_t *labels, int64_t rows,
                               int64_t classes, float *grad, double *loss, xent_error *error) {
    xent_tensor x = xent_matrix((void *)(uintptr_t)logits, XENT_F32, rows, classes);
    xent_tensor y = xent_vector((void *)(uintptr_t)labels, XENT_I64, rows);
    xent_tensor g = xent_matrix(grad, XENT_F32, rows, classes);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total;
    if (!loss)
        return fail(error, XENT_BAD_ARGUMENT,
                    "loss is NULL: give the address of the double that gets the mean loss.");
    if (grad)
        outputs.grad = &g;
    xent_status status = xent_cross_entropy(&x, &y, NULL, &outputs, &total, error);
    if (status == XENT_OK)
        *loss = xent_total_loss(&total, NULL);
    return status;
}
