/* SPDX-License-Identifier: MIT
 * The state between two passes as named tensors, and back. All memory is there from the beginning,
 * so that a state is either taken over whole or not at all. */
#include "training.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_TENSORS = 20 };

struct named {
    const char *name;
    xent_tensor tensor;
};

struct list {
    int32_t count;
    struct named entries[MOST_TENSORS];
};

/* ---- counters and numbers ---- */

void note_numbers(struct xent_training *training) {
    const struct lbfgs *lbfgs = &training->lbfgs;
    const struct search *search = &lbfgs->search;
    struct counters *count = &training->count;
    struct numbers *number = &training->number;
    count->blocks = training->metric.blocks;
    count->sampled = training->sample.count;
    count->seen = training->sample.seen;
    count->pairs = lbfgs->pairs;
    count->next = lbfgs->next;
    count->zooms = search->zooms;
    count->trials = search->trials;
    number->start = search->start;
    number->low = search->low;
    number->high = search->high;
    number->noise = search->noise;
    number->step = search->step;
}

static void use_numbers(struct xent_training *training) {
    struct lbfgs *lbfgs = &training->lbfgs;
    const struct counters *count = &training->count;
    const struct numbers *number = &training->number;
    training->metric.blocks = count->blocks;
    training->sample.count = count->sampled;
    training->sample.seen = count->seen;
    lbfgs->pairs = count->pairs;
    lbfgs->next = count->next;
    lbfgs->search = (struct search){.zooms = count->zooms,
                                    .trials = count->trials,
                                    .noise = number->noise,
                                    .start = number->start,
                                    .low = number->low,
                                    .high = number->high,
                                    .step = number->step};
}

/* ---- options, as far as results depend on them ---- */

static const char *const OPTION_NAMES[OPTION_NUMBERS] = {
    "classes",  "features",        "method", "dtype",        "on_bad_label",  "standardize",
    "history",  "batch_rows",      "l2",     "scale",        "learning_rate", "rate_decay",
    "momentum", "label_smoothing", "seed",   "precondition", "seed"};

static void list_options(const struct xent_training *training, double *to) {
    const xent_training_options *o = &training->options;
    const double numbers[OPTION_NUMBERS] = {(double)training->classes,
                                            (double)training->features,
                                            o->method,
                                            o->dtype,
                                            o->on_bad_label,
                                            o->standardize,
                                            o->history,
                                            o->batch_rows,
                                            o->l2,
                                            o->scale,
                                            o->learning_rate,
                                            o->rate_decay,
                                            o->momentum,
                                            o->label_smoothing,
                                            (double)(o->seed >> 32),
                                            o->precondition,
                                            (double)(o->seed & UINT32_MAX)};
    memcpy(to, numbers, sizeof numbers);
}

/* ---- the list ---- */

static void list_tensor(struct list *list, const char *name, void *data, int32_t dtype,
                        int64_t rows, int64_t columns) {
    struct named *entry = &list->entries[list->count++];
    entry->name = name;
    entry->tensor =
        rows < 0 ? xent_vector(data, dtype, columns) : xent_matrix(data, dtype, rows, columns);
}

static void list_lbfgs(const struct xent_training *training, const struct counters *count,
                       struct list *list) {
    const struct lbfgs *lbfgs = &training->lbfgs;
    const int64_t n = training->parameters, edge = training->features + 1;
    if (count->begun) {
        list_tensor(list, "base", lbfgs->base, XENT_F64, -1, n);
        list_tensor(list, "gradient", lbfgs->gradient, XENT_F64, -1, n);
        list_tensor(list, "direction", lbfgs->direction, XENT_F64, -1, n);
        list_tensor(list, "steps", lbfgs->steps, XENT_F32, count->pairs, n);
        list_tensor(list, "changes", lbfgs->changes, XENT_F32, count->pairs, n);
        list_tensor(list, "products", lbfgs->products, XENT_F64, -1, count->pairs);
    }
    if (count->blocks > 0)
        list_tensor(list, "metric", training->metric.factors, XENT_F32, count->blocks,
                    training->metric.full ? edge * edge : edge);
    if (count->sampled > 0) {
        list_tensor(list, "sample", training->sample.rows, XENT_F32, count->sampled, edge);
        list_tensor(list, "missing", training->metric.missing, XENT_F64, -1, edge);
        list_tensor(list, "sample_weight", training->sample.weights, XENT_F32, -1, count->sampled);
    }
}

/* With the lengths that `count` says, and all data in the training itself but for counters and
 * numbers, which may lie elsewhere. */
static void list_state(const struct xent_training *training, const struct counters *count,
                       const struct numbers *number, struct list *list) {
    const int64_t n = training->parameters, d = training->features;
    list->count = 0;
    list_tensor(list, "counters", (void *)(uintptr_t)count, XENT_I64, -1, COUNTERS);
    list_tensor(list, "numbers", (void *)(uintptr_t)number, XENT_F64, -1, NUMBERS);
    list_tensor(list, "options", (void *)(uintptr_t)training->option_numbers, XENT_F64, -1,
                OPTION_NUMBERS);
    list_tensor(list, "ignore", training->ignore, XENT_I64, -1,
                (int64_t)training->options.ignore_count);
    list_tensor(list, "class_weight", training->class_weight, XENT_F64, -1,
                training->class_weight ? training->classes : 0);
    list_tensor(list, "mean", training->mean, XENT_F64, -1, d);
    list_tensor(list, "scale", training->scale, XENT_F64, -1, d);
    list_tensor(list, "point", training->point, XENT_F64, -1, n);
    list_tensor(list, "best", training->best, training->options.dtype, -1, n);
    if (training->velocity)
        list_tensor(list, "velocity", training->velocity, XENT_F64, -1, n);
    if (training->squares)
        list_tensor(list, "squares", training->squares, XENT_F64, -1, n);
    if (!training->batches)
        list_lbfgs(training, count, list);
}

static void list_own_state(const struct xent_training *training, struct list *list) {
    list_state(training, &training->count, &training->number, list);
}

static bool is_between_passes(const struct xent_training *training) {
    return training && !training->broken && training->pass.counts.rows == 0 &&
           !training->pass.scores;
}

int32_t xent_training_state_count(const xent_training *training) {
    struct list list;
    if (!is_between_passes(training))
        return 0;
    list_own_state(training, &list);
    return list.count;
}

xent_status xent_training_state(const xent_training *training, int32_t index, const char **name,
                                xent_tensor *tensor, xent_error *error) {
    struct list list;
    if (error)
        error->message[0] = '\0';
    const int32_t count = xent_training_state_count(training);
    if (!name || !tensor)
        return reject(error, XENT_BAD_ARGUMENT, "%s is NULL", name ? "tensor" : "name");
    if (index < 0 || index >= count)
        return reject(error, XENT_BAD_ARGUMENT,
                      "index = %" PRId32 " of %" PRId32 " tensors of the state; there are none in "
                      "the middle of a pass",
                      index, count);
    list_own_state(training, &list);
    *name = list.entries[index].name;
    *tensor = list.entries[index].tensor;
    return XENT_OK;
}

/* ---- back ---- */

/* What is given: names and tensors. */
struct given {
    const char *const *names;
    const xent_tensor *tensors;
    int32_t count;
};

static bool is_same_kind(const xent_tensor *a, const xent_tensor *b) {
    int64_t stride = 1;
    bool same = a->dtype == b->dtype && a->ndim == b->ndim;
    for (int axis = same ? a->ndim - 1 : -1; same && axis >= 0; axis--) {
        same =
            a->shape[axis] == b->shape[axis] && (b->stride[axis] == stride || b->shape[axis] < 2);
        stride *= a->shape[axis];
    }
    return same;
}

static int64_t entries_of(const xent_tensor *tensor) {
    int64_t count = 1;
    for (int axis = 0; axis < tensor->ndim; axis++)
        count *= tensor->shape[axis];
    return count;
}

/* The given tensor of that name, if it is of the same kind. */
static xent_status find_given(const struct given *given, const struct named *wanted,
                              const void **data, xent_error *error) {
    for (int32_t i = 0; i < given->count; i++) {
        if (!given->names[i] || strcmp(given->names[i], wanted->name) != 0)
            continue;
        *data = given->tensors[i].data;
        if (is_same_kind(&wanted->tensor, &given->tensors[i]) &&
            (*data || entries_of(&wanted->tensor) == 0))
            return XENT_OK;
        reject(error, XENT_BAD_SHAPE,
               "the state's tensor %s has not the type and shape that the rest of the state asks "
               "for: it belongs to another training, or was changed",
               wanted->name);
        return XENT_BAD_SHAPE;
    }
    reject(error, XENT_BAD_ARGUMENT,
           "the state has no tensor %s: give all that xent_training_state lists", wanted->name);
    return XENT_BAD_ARGUMENT;
}

static xent_status copy_given(const struct given *given, const struct named *wanted, void *to,
                              xent_error *error) {
    const void *data = NULL;
    xent_status status = find_given(given, wanted, &data, error);
    size_t size = (size_t)entries_of(&wanted->tensor) * size_of_dtype(wanted->tensor.dtype);
    if (status == XENT_OK && size > 0)
        memcpy(to, data, size);
    return status;
}

static bool lies_in(int64_t value, int64_t least, int64_t most) {
    return value >= least && value <= most;
}

/* Numbers from a file, that lengths and places will be taken from. */
static bool are_sound(const struct xent_training *training, const struct counters *count) {
    const struct metric *metric = &training->metric;
    const int64_t history = training->lbfgs.history;
    bool full_ring = count->pairs == history && lies_in(count->next, 0, history - 1);
    bool blocks = count->blocks == 0 || (metric->factors && count->blocks == 1) ||
                  (metric->by_class && count->blocks == training->classes);
    return lies_in(count->looked, 0, 1) && lies_in(count->begun, 0, 1) &&
           lies_in(count->rests, 0, 1) && lies_in(count->transforms, 0, 1) &&
           lies_in(count->passes, 0, INT64_MAX / 2) &&
           lies_in(count->iterations, 0, count->passes) &&
           lies_in(count->since_best, 0, count->passes) &&
           lies_in(count->best_pass, 0, count->passes) && lies_in(count->rows, 0, INT64_MAX / 2) &&
           lies_in(count->counted, 0, count->rows) &&
           lies_in(count->sampled, 0, training->sample.capacity) &&
           lies_in(count->seen, count->sampled, INT64_MAX / 2) && lies_in(count->zooms, 0, 1) &&
           lies_in(count->trials, 0, INT32_MAX) && blocks &&
           (training->batches || full_ring ||
            (count->next == count->pairs && lies_in(count->pairs, 0, history - 1)));
}

static xent_status compare_options(const struct xent_training *training, const double *given,
                                   xent_error *error) {
    for (int i = 0; i < OPTION_NUMBERS; i++)
        if (given[i] != training->option_numbers[i])
            return reject(error, XENT_BAD_ARGUMENT,
                          "the state was taken with %s = %.17g, and this training began with "
                          "%.17g: go on with the same",
                          OPTION_NAMES[i], given[i], training->option_numbers[i]);
    return XENT_OK;
}

/* Those that are compared and not taken over. */
static xent_status compare_given(const struct given *given, const struct named *own,
                                 xent_error *error) {
    const void *data = NULL;
    xent_status status = find_given(given, own, &data, error);
    size_t size = (size_t)entries_of(&own->tensor) * size_of_dtype(own->tensor.dtype);
    if (status != XENT_OK || size == 0 || memcmp(data, own->tensor.data, size) == 0)
        return status;
    return reject(error, XENT_BAD_ARGUMENT,
                  "the state was taken with another options.%s than this training began with: go "
                  "on with the same",
                  own->name);
}

/* The first tensors of a list, in its order. */
enum { AT_COUNTERS, AT_NUMBERS, AT_OPTIONS, AT_IGNORE, AT_CLASS_WEIGHT, AT_OTHERS };

static xent_status read_given(const struct xent_training *training, const struct given *given,
                              struct counters *count, struct numbers *number, struct list *list,
                              xent_error *error) {
    double options[OPTION_NUMBERS] = {0};
    list_state(training, count, number, list);
    xent_status status = copy_given(given, &list->entries[AT_OPTIONS], options, error);
    if (status == XENT_OK)
        status = compare_options(training, options, error);
    for (int i = AT_IGNORE; status == XENT_OK && i <= AT_CLASS_WEIGHT; i++)
        status = compare_given(given, &list->entries[i], error);
    if (status == XENT_OK)
        status = copy_given(given, &list->entries[AT_COUNTERS], count, error);
    if (status == XENT_OK)
        status = copy_given(given, &list->entries[AT_NUMBERS], number, error);
    if (status == XENT_OK && !are_sound(training, count))
        return reject(error, XENT_BAD_ARGUMENT,
                      "the state's counters contradict each other: it was changed or damaged");
    list_state(training, count, number, list);
    for (int32_t i = AT_OTHERS; status == XENT_OK && i < list->count; i++) {
        const void *data;
        status = find_given(given, &list->entries[i], &data, error);
    }
    return status;
}

xent_status xent_training_restore(xent_training *training, const char *const *names,
                                  const xent_tensor *tensors, int32_t count, xent_error *error) {
    const struct given given = {names, tensors, count};
    struct counters counters = {0};
    struct numbers numbers = {0};
    struct list list;
    if (error)
        error->message[0] = '\0';
    if (!training || !names || !tensors)
        return reject(error, XENT_BAD_ARGUMENT, "training, names or tensors is NULL");
    if (training->count.passes > 0 || !is_between_passes(training))
        return reject(error, XENT_BAD_ARGUMENT,
                      "a state is restored before the first pass: begin another training");
    xent_status status = read_given(training, &given, &counters, &numbers, &list, error);
    if (status != XENT_OK)
        return status;
    for (int32_t i = AT_OTHERS; i < list.count; i++)
        copy_given(&given, &list.entries[i], list.entries[i].tensor.data, NULL);
    training->count = counters;
    training->number = numbers;
    use_numbers(training);
    note_transform(training);
    set_lanes(training);
    return XENT_OK;
}

void note_options(struct xent_training *training) {
    list_options(training, training->option_numbers);
}
