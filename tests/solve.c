/* SPDX-License-Identifier: MIT
 * A problem laid out in memory in any way, put through xent_cross_entropy, and the answer read
 * back in C order. */
#include "solve.h"

#include <stdlib.h>
#include <string.h>

enum { UNTOUCHED = 0xA5 };

static const char *const output_names[] = {"loss",    "lse",  "prediction", "label_probability",
                                           "entropy", "grad", "probability"};

/* ---- memory ---------------------------------------------------------------------------------- */

/* A tensor and the block that holds it. Axes 0, 1, 2 of `walk` are outer, inner and class:
 * length and step in bytes. */
typedef struct placed {
    const memory *memory;
    char *block;
    size_t bytes, size;
    xent_tensor tensor;
    int64_t length[3], step[3];
} placed;

static char *take_from_heap(size_t bytes) {
    return zeroed(bytes);
}

static void give_to_heap(char *block, size_t bytes) {
    (void)bytes;
    free(block);
}

static const memory heap = {take_from_heap, give_to_heap};

/* Strides of a tensor whose shape is set; returns how many elements it spans. */
static int64_t set_strides(xent_tensor *tensor, const arrangement *how) {
    int64_t stride = 1 + how->gap;
    int64_t span = 1;
    for (int i = 0; i < tensor->ndim; i++) {
        int axis = (2 * tensor->ndim - 1 - how->axis_rotation - i) % tensor->ndim;
        tensor->stride[axis] = stride;
        span += (tensor->shape[axis] - 1) * stride;
        stride = stride * tensor->shape[axis] + (i ? 0 : how->padding);
    }
    return span;
}

static void reverse_axes(xent_tensor *tensor, size_t size, unsigned reversed) {
    char *data = tensor->data;
    for (int axis = 0; axis < tensor->ndim; axis++)
        if (reversed >> axis & 1) {
            data += (tensor->shape[axis] - 1) * tensor->stride[axis] * (int64_t)size;
            tensor->stride[axis] = -tensor->stride[axis];
        }
    tensor->data = data;
}

/* axes[a] is the tensor's axis of outer, inner, class; -1: it has none. */
static placed place(const arrangement *how, int32_t dtype, int ndim, const int64_t *shape,
                    const int *axes) {
    placed made = {.memory = how->memory ? how->memory : &heap, .size = element_size(dtype)};
    made.tensor = xent_ndarray(NULL, dtype, ndim, shape);
    int64_t span = set_strides(&made.tensor, how);
    made.bytes = how->misalignment + (size_t)span * made.size;
    made.block = made.memory->take(made.bytes);
    memset(made.block, UNTOUCHED, made.bytes);
    made.tensor.data = made.block + how->misalignment;
    reverse_axes(&made.tensor, made.size, how->reversed);
    for (int a = 0; a < 3; a++) {
        made.length[a] = axes[a] < 0 ? 1 : made.tensor.shape[axes[a]];
        made.step[a] = axes[a] < 0 ? 0 : made.tensor.stride[axes[a]] * (int64_t)made.size;
    }
    return made;
}

static placed place_logits(const problem *what, const arrangement *how) {
    static const int axes[3][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};
    const recipe *from = &what->made_from;
    int64_t shape[3] = {0};
    shape[axes[how->class_first][0]] = from->outer;
    shape[axes[how->class_first][1]] = from->inner;
    shape[axes[how->class_first][2]] = from->classes;
    return place(how, from->dtype, 3, shape, axes[how->class_first]);
}

static placed place_rows(const problem *what, const arrangement *how, int32_t dtype) {
    static const int axes[3] = {0, 1, -1};
    const int64_t shape[] = {what->made_from.outer, what->made_from.inner};
    return place(how, dtype, 2, shape, axes);
}

static placed place_classes(const problem *what, const arrangement *how, int32_t dtype) {
    static const int axes[3] = {-1, -1, 0};
    return place(how, dtype, 1, &what->made_from.classes, axes);
}

static void release(placed *held) {
    if (held->block)
        held->memory->give_back(held->block, held->bytes);
}

/* ---- elements -------------------------------------------------------------------------------- */

static char *element_address(const placed *held, int64_t outer, int64_t inner, int64_t class) {
    char *data = held->tensor.data;
    return data + outer * held->step[0] + inner * held->step[1] + class * held->step[2];
}

/* Classes that lie side by side are moved together. */
static int64_t classes_together(const placed *held) {
    return held->step[2] == (int64_t)held->size ? held->length[2] : 1;
}

/* Elements in C order into the tensor. */
static void scatter(const placed *held, const void *elements) {
    const char *from = elements;
    int64_t together = classes_together(held);
    size_t bytes = (size_t)together * held->size;
    for (int64_t o = 0; o < held->length[0]; o++)
        for (int64_t i = 0; i < held->length[1]; i++)
            for (int64_t c = 0; c < held->length[2]; c += together, from += bytes)
                memcpy(element_address(held, o, i, c), from, bytes);
}

/* The tensor's elements in C order; in their place come untouched bytes again. */
static char *gather(const placed *held) {
    int64_t together = classes_together(held);
    size_t bytes = (size_t)together * held->size;
    int64_t count = held->length[0] * held->length[1] * held->length[2];
    char *elements = zeroed((size_t)count * held->size), *to = elements;
    for (int64_t o = 0; o < held->length[0]; o++)
        for (int64_t i = 0; i < held->length[1]; i++)
            for (int64_t c = 0; c < held->length[2]; c += together, to += bytes) {
                char *at = element_address(held, o, i, c);
                memcpy(to, at, bytes);
                memset(at, UNTOUCHED, bytes);
            }
    return elements;
}

/* All bytes equal the one before them, and the first is right. */
static bool untouched(const void *block, size_t count) {
    const char *bytes = block;
    return bytes[0] == (char)UNTOUCHED && memcmp(bytes, bytes + 1, count - 1) == 0;
}

static int32_t label_dtype(const problem *what, const arrangement *how) {
    int64_t classes = what->made_from.classes;
    if (!how->small_dtypes)
        return XENT_I64;
    if (classes <= INT8_MAX)
        return XENT_I8;
    return classes <= INT16_MAX ? XENT_I16 : XENT_I32;
}

/* Labels fit their type, so their low bytes are the label (little endian, as .npy files and
 * every tested machine). */
static void scatter_labels(const placed *held, const int64_t *labels) {
    for (int64_t o = 0; o < held->length[0]; o++)
        for (int64_t i = 0; i < held->length[1]; i++)
            memcpy(element_address(held, o, i, 0), labels++, held->size);
}

/* ---- the call -------------------------------------------------------------------------------- */

typedef struct call {
    placed logits, labels, row_weight, class_weight, outputs[OUTPUTS];
    unsigned asked; /* bit o: output o */
} call;

static unsigned outputs_asked(const problem *what, const arrangement *how) {
    unsigned impossible = 0;
    if (what->made_from.variant->logits_are != XENT_LOGITS)
        impossible = 1U << LSE | 1U << ENTROPY | 1U << PROBABILITY;
    return ALL_OUTPUTS & ~impossible & ~how->left_out;
}

static placed place_output(const call *made, const problem *what, const arrangement *how,
                           int output) {
    if (output == GRAD && how->in_place)
        return made->logits;
    if (output == GRAD || output == PROBABILITY)
        return place_logits(what, how);
    if (output == PREDICTION)
        return place_rows(what, how, how->small_dtypes ? XENT_I32 : XENT_I64);
    return place_rows(what, how, how->small_dtypes ? XENT_F32 : XENT_F64);
}

static call lay_out(const problem *what, const arrangement *how) {
    call made = {.asked = outputs_asked(what, how)};
    made.logits = place_logits(what, how);
    made.labels = place_rows(what, how, label_dtype(what, how));
    scatter(&made.logits, what->logits);
    scatter_labels(&made.labels, what->labels);
    if (what->row_weight) {
        made.row_weight = place_rows(what, how, XENT_F32);
        scatter(&made.row_weight, what->row_weight);
    }
    if (what->class_weight) {
        made.class_weight = place_classes(what, how, XENT_F32);
        scatter(&made.class_weight, what->class_weight);
    }
    for (int output = 0; output < OUTPUTS; output++)
        if (made.asked >> output & 1)
            made.outputs[output] = place_output(&made, what, how, output);
    return made;
}

static void release_call(call *made, bool in_place) {
    release(&made->logits);
    release(&made->labels);
    release(&made->row_weight);
    release(&made->class_weight);
    for (int output = 0; output < OUTPUTS; output++)
        if (!(output == GRAD && in_place))
            release(&made->outputs[output]);
}

static const xent_tensor *asked_tensor(const call *made, int output) {
    return made->asked >> output & 1 ? &made->outputs[output].tensor : NULL;
}

static void run_hook(void (*hook)(void)) {
    if (hook)
        hook();
}

static void run(const call *made, const problem *what, const arrangement *how, answer *found) {
    xent_options options = what->options;
    options.class_axis = 2 - how->class_first;
    options.threads = how->threads;
    options.executor = how->executor;
    options.row_weight = what->row_weight ? &made->row_weight.tensor : NULL;
    options.class_weight = what->class_weight ? &made->class_weight.tensor : NULL;
    const xent_outputs outputs = {.struct_size = sizeof outputs,
                                  .loss = asked_tensor(made, LOSS),
                                  .lse = asked_tensor(made, LSE),
                                  .prediction = asked_tensor(made, PREDICTION),
                                  .label_probability = asked_tensor(made, LABEL_PROBABILITY),
                                  .entropy = asked_tensor(made, ENTROPY),
                                  .grad = asked_tensor(made, GRAD),
                                  .probability = asked_tensor(made, PROBABILITY)};
    xent_error error = {{0}};
    run_hook(how->before);
    found->status = xent_cross_entropy(
        &made->logits.tensor, &made->labels.tensor, &options, made->asked ? &outputs : NULL,
        how->no_total ? NULL : &found->total, how->no_error ? NULL : &error);
    run_hook(how->after);
    memcpy(found->message, error.message, sizeof found->message);
}

/* After a refusal nothing is gathered, so that whatever was written counts as stray. */
static void read_back(const call *made, const arrangement *how, answer *found) {
    if (found->status != XENT_OK)
        found->strayed |= !untouched(&found->total, sizeof found->total);
    for (int output = 0; output < OUTPUTS; output++) {
        const placed *held = &made->outputs[output];
        if (!held->block || (found->status != XENT_OK && output == GRAD && how->in_place))
            continue;
        found->row_bytes[output] = (size_t)held->length[2] * held->size;
        if (found->status == XENT_OK)
            found->data[output] = gather(held);
        found->strayed |= !untouched(held->block, held->bytes);
    }
}

/* Copies of what a call only reads: labels, weights, logits. */
typedef struct copies {
    char *labels, *row_weight, *class_weight, *logits;
} copies;

static char *copy_block(const placed *held) {
    return held->block ? memcpy(zeroed(held->bytes), held->block, held->bytes) : NULL;
}

static copies copy_inputs(const call *made) {
    return (copies){copy_block(&made->labels), copy_block(&made->row_weight),
                    copy_block(&made->class_weight), copy_block(&made->logits)};
}

/* Whether the block still holds what the copy holds; frees the copy. */
static bool still_equal(const placed *held, char *copy) {
    bool equal = !copy || memcmp(held->block, copy, held->bytes) == 0;
    free(copy);
    return equal;
}

static bool inputs_changed(const call *made, const copies *kept, bool logits_too) {
    bool labels = still_equal(&made->labels, kept->labels);
    bool row_weight = still_equal(&made->row_weight, kept->row_weight);
    bool class_weight = still_equal(&made->class_weight, kept->class_weight);
    bool logits = still_equal(&made->logits, kept->logits);
    return !(labels && row_weight && class_weight && (logits || !logits_too));
}

answer solve(const problem *what, const arrangement *how) {
    answer found = {.rows = what->rows, .has_total = !how->no_total};
    memset(&found.total, UNTOUCHED, sizeof found.total);
    call made = lay_out(what, how);
    copies kept = copy_inputs(&made);
    run(&made, what, how, &found);
    bool overwritten = how->in_place && found.status == XENT_OK;
    found.strayed = inputs_changed(&made, &kept, !overwritten);
    read_back(&made, how, &found);
    release_call(&made, how->in_place);
    return found;
}

void free_answer(answer *found) {
    for (int output = 0; output < OUTPUTS; output++)
        free(found->data[output]);
}

/* ---- comparison ------------------------------------------------------------------------------ */

/* `part` starts at row `first` of `whole`; both have the same element types, or part the smaller
 * ones. */
static bool same_rows(const answer *whole, int64_t first, const answer *part, int output) {
    if (whole->row_bytes[output] == part->row_bytes[output])
        return memcmp(whole->data[output] + (size_t)first * whole->row_bytes[output],
                      part->data[output], (size_t)part->rows * part->row_bytes[output]) == 0;
    for (int64_t row = 0; row < part->rows; row++) {
        double wide;
        int64_t wide_bits;
        memcpy(&wide, whole->data[output] + (first + row) * 8, sizeof wide);
        memcpy(&wide_bits, &wide, sizeof wide_bits);
        const float real = (float)wide;
        const int32_t integer = (int32_t)wide_bits;
        const void *expected = output == PREDICTION ? (const void *)&integer : &real;
        if (memcmp(part->data[output] + row * 4, expected, 4) != 0)
            return false;
    }
    return true;
}

const char *row_difference(const answer *whole, int64_t first, const answer *part) {
    if (whole->status != XENT_OK || part->status != XENT_OK)
        return whole->status == part->status ? NULL : "status";
    if (whole->strayed || part->strayed)
        return "a byte outside of the outputs";
    for (int output = 0; output < OUTPUTS; output++)
        if (whole->data[output] && part->data[output] && !same_rows(whole, first, part, output))
            return output_names[output];
    return NULL;
}

const char *difference(const answer *one, const answer *other) {
    if (one->has_total && other->has_total &&
        memcmp(&one->total, &other->total, sizeof one->total) != 0)
        return "total";
    return row_difference(one, 0, other);
}

int find_difference(const problem *made, const arrangement *as, const arrangement *arrangements,
                    int count, const char **what) {
    answer wanted = solve(made, as);
    int differs = -1;
    for (int i = 0; i < count && differs < 0; i++) {
        arrangement how = arrangements[i];
        how.left_out = as->left_out;
        answer found = solve(made, &how);
        *what = difference(&wanted, &found);
        if (!*what && found.strayed)
            *what = "bytes that no output owns";
        differs = *what ? i : -1;
        free_answer(&found);
    }
    free_answer(&wanted);
    return differs;
}
