/* SPDX-License-Identifier: MIT
 * The calls that most programs make, recognised at once: nothing that is recognised here would be
 * refused by the rules about tensors, outputs and overlap, which take longer than the loss of a
 * small batch. */
#include "check_parts.h"
#include "layout.h"

/* The bytes of [rows, columns] elements, or of [rows] where ndim is 1 and columns 1, if that is
 * what the tensor has, in one piece and not empty; else 0. */
static uintptr_t piece_size(const xent_tensor *tensor, int ndim, int64_t rows, int64_t columns) {
    uintptr_t size = (uintptr_t)dtype_size(tensor->dtype);
    if (!tensor->data || tensor->ndim != ndim || tensor->shape[0] != rows ||
        tensor->stride[0] != columns ||
        (ndim == 2 && (tensor->shape[1] != columns || tensor->stride[1] != 1)) ||
        __builtin_mul_overflow(size, (uintptr_t)rows, &size) ||
        __builtin_mul_overflow(size, (uintptr_t)columns, &size) || size > INTPTR_MAX ||
        (uintptr_t)tensor->data > UINTPTR_MAX - size)
        return 0;
    return size;
}

static bool are_apart(const void *a, uintptr_t size_a, const void *b, uintptr_t size_b) {
    uintptr_t begin_a = (uintptr_t)a, begin_b = (uintptr_t)b;
    return begin_a + size_a <= begin_b || begin_b + size_b <= begin_a;
}

static bool has_only_grad(const xent_outputs *outputs) {
    return !outputs->loss && !outputs->lse && !outputs->prediction && !outputs->label_probability &&
           !outputs->entropy && !outputs->probability;
}

bool is_plain_call(const xent_tensor *logits, const xent_tensor *labels,
                   const xent_options *options, const xent_outputs *outputs) {
    const xent_tensor *grad = outputs->grad;
    if (!logits || !labels || is_integer(logits) || !is_integer(labels) || options->class_weight ||
        options->row_weight || !has_only_grad(outputs))
        return false;
    const int64_t rows = logits->shape[0], classes = logits->shape[1];
    const uintptr_t size = piece_size(logits, 2, rows, classes);
    const uintptr_t label_size = piece_size(labels, 1, rows, 1);
    if (size == 0 || label_size == 0)
        return false;
    return !grad ||
           (grad->dtype == logits->dtype && piece_size(grad, 2, rows, classes) == size &&
            (grad->data == logits->data || are_apart(grad->data, size, logits->data, size)) &&
            are_apart(grad->data, size, labels->data, label_size) &&
            are_apart(grad->data, size, options->ignore,
                      options->ignore_count * sizeof *options->ignore));
}
