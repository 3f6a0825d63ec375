/* SPDX-License-Identifier: MIT
 * Rules about memory: outputs share none with themselves, each other or an input, save that grad
 * may be the logits. */
#include "check_parts.h"
#include "fail.h"

#include <inttypes.h>

/* An axis along which a tensor moves: how far, without the direction. */
typedef struct moving_axis {
    uint64_t length, stride;
} moving_axis;

/* The axes longer than 1, by growing stride; returns how many. */
static int sorted_axes(const xent_tensor *tensor, moving_axis axes[XENT_MAX_NDIM]) {
    int count = 0;
    for (int axis = 0; axis < tensor->ndim; axis++) {
        int64_t stride = tensor->stride[axis];
        moving_axis next = {(uint64_t)tensor->shape[axis], (uint64_t)stride};
        if (next.length == 1)
            continue;
        if (stride < 0)
            next.stride = 0 - next.stride;
        int place = count++;
        for (; place > 0 && axes[place - 1].stride > next.stride; place--)
            axes[place] = axes[place - 1];
        axes[place] = next;
    }
    return count;
}

/* Elements are distinct if each axis steps over everything that the axes inside it reach. */
static bool overlaps_itself(const xent_tensor *tensor) {
    moving_axis axes[XENT_MAX_NDIM];
    int count = sorted_axes(tensor, axes);
    uint64_t reach = 1;
    for (int i = 0; i < count; i++) {
        if (axes[i].stride < reach)
            return true;
        reach += (axes[i].length - 1) * axes[i].stride;
    }
    return false;
}

static bool has_elements(memory_range range) {
    return range.begin < range.end;
}

static bool ranges_meet(memory_range a, memory_range b) {
    return has_elements(a) && has_elements(b) && a.begin < b.end && b.begin < a.end;
}

/* A tensor that was given, and where it lies. */
typedef struct placed_tensor {
    const char *name;
    const xent_tensor *tensor;
    memory_range range;
} placed_tensor;

/* Adds a tensor (NULL: not given), which has passed check_tensor, so that its range exists. */
static void place(placed_tensor *list, int *count, named_tensor given) {
    if (!given.tensor)
        return;
    list[*count] = (placed_tensor){.name = given.name, .tensor = given.tensor};
    find_range(given.tensor, &list[*count].range);
    (*count)++;
}

/* Whether both are the same elements in the same order; strides of length-1 axes lead nowhere. */
static bool same_elements(const xent_tensor *a, const xent_tensor *b) {
    if (a->data != b->data || a->dtype != b->dtype || !same_shape(a, b))
        return false;
    for (int axis = 0; axis < a->ndim; axis++)
        if (a->shape[axis] != 1 && a->stride[axis] != b->stride[axis])
            return false;
    return true;
}

static xent_status check_itself(const placed_tensor *output, xent_error *error) {
    char shape[SHAPE_TEXT], stride[SHAPE_TEXT];
    const xent_tensor *tensor = output->tensor;
    if (has_elements(output->range) && overlaps_itself(tensor))
        return fail(
            error, XENT_OVERLAP,
            "%s: with shape %s the strides %s (in elements) give several elements the same memory, "
            "or "
            "interleave axes. Each element of an output needs a place of its own, and each stride "
            "must span the axes of smaller ones; strides of 0 are for inputs.",
            output->name, shape_text(shape, tensor->ndim, tensor->shape),
            shape_text(stride, tensor->ndim, tensor->stride));
    return XENT_OK;
}

static xent_status check_against_logits(const placed_tensor *output, const placed_tensor *logits,
                                        bool is_grad, xent_error *error) {
    if (!ranges_meet(output->range, logits->range))
        return XENT_OK;
    if (!is_grad)
        return fail(error, XENT_OVERLAP,
                    "%s overlaps the logits: it needs memory of its own (only outputs.grad may be "
                    "the logits).",
                    output->name);
    if (!same_elements(output->tensor, logits->tensor))
        return fail(error, XENT_OVERLAP,
                    "outputs.grad overlaps the logits without being them: to work in place give it "
                    "the same data, dtype, shape and strides; else give it memory of its own.");
    return XENT_OK;
}

static xent_status check_against(const placed_tensor *output, const placed_tensor *others,
                                 int count, xent_error *error) {
    for (int j = 0; j < count; j++)
        if (ranges_meet(output->range, others[j].range))
            return fail(error, XENT_OVERLAP,
                        "%s overlaps %s (judged by address range): give each a memory of its own.",
                        output->name, others[j].name);
    return XENT_OK;
}

static xent_status check_against_ignore(const placed_tensor *output, const xent_options *options,
                                        xent_error *error) {
    memory_range ignore = {(uintptr_t)options->ignore, (uintptr_t)options->ignore};
    ignore.end += options->ignore_count * sizeof *options->ignore;
    if (ranges_meet(output->range, ignore))
        return fail(error, XENT_OVERLAP,
                    "%s overlaps the values of options.ignore: give each a memory of its own.",
                    output->name);
    return XENT_OK;
}

/* in_place: the first of the inputs, which are the logits, if the output may be they. */
static xent_status check_output(const placed_tensor *outputs, int i, const placed_tensor *inputs,
                                int input_count, bool in_place, const xent_options *options,
                                bool is_grad, xent_error *error) {
    const placed_tensor *output = &outputs[i];
    xent_status status = check_itself(output, error);
    if (status == XENT_OK && in_place)
        status = check_against_logits(output, &inputs[0], is_grad, error);
    if (status == XENT_OK)
        status = check_against(output, inputs + in_place, input_count - in_place, error);
    if (status == XENT_OK)
        status = check_against(output, outputs, i, error);
    if (status == XENT_OK)
        status = check_against_ignore(output, options, error);
    return status;
}

xent_status check_overlap(const named_tensor *inputs, int inputs_given, const named_tensor *outputs,
                          int outputs_given, bool in_place, const xent_options *options,
                          xent_error *error) {
    placed_tensor in[MOST_INPUTS] = {{.name = NULL}}, out[MOST_OUTPUTS];
    int in_count = 0, out_count = 0;
    for (int i = 0; i < outputs_given; i++)
        place(out, &out_count, outputs[i]);
    for (int i = 0; out_count > 0 && i < inputs_given; i++)
        place(in, &in_count, inputs[i]);
    for (int i = 0; i < out_count; i++) {
        bool is_grad = i == 0 && outputs[0].tensor;
        xent_status status = check_output(out, i, in, in_count, in_place, options, is_grad, error);
        if (status != XENT_OK)
            return status;
    }
    return XENT_OK;
}
