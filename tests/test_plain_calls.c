/* SPDX-License-Identifier: MIT
 * Plain calls, which the library recognises at once, are refused in the words of all others: every
 * small change of one gets the same answer as beside a row output, which makes a call not plain. */
#include "xent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 6, CLASSES = 4, TENSORS = 3 };

/* Everything that tensors may point into, so that they can be moved onto each other. */
typedef struct arena {
    double before[64], logits[64], labels[64], grad[64], after[64];
} arena;

typedef struct plain_call {
    xent_tensor tensors[TENSORS]; /* logits, labels, gradient */
    xent_options options;
    bool has_grad;
} plain_call;

typedef struct verdict {
    xent_status status;
    xent_error error;
} verdict;

static plain_call make_call(arena *memory) {
    memset(memory, 0, sizeof *memory);
    return (plain_call){.tensors = {xent_matrix(memory->logits, XENT_F32, ROWS, CLASSES),
                                    xent_vector(memory->labels, XENT_I64, ROWS),
                                    xent_matrix(memory->grad, XENT_F32, ROWS, CLASSES)},
                        .options = XENT_OPTIONS_INIT,
                        .has_grad = true};
}

/* with_loss: whether there is an output that makes the call another than plain. */
static verdict judge(const plain_call *call, bool with_loss) {
    verdict found;
    double losses[64];
    xent_tensor loss = call->tensors[1];
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    loss.data = losses;
    loss.dtype = XENT_F64;
    if (loss.ndim >= 0 && loss.ndim <= XENT_MAX_NDIM)
        loss = xent_ndarray(losses, XENT_F64, loss.ndim, call->tensors[1].shape);
    if (call->has_grad)
        outputs.grad = &call->tensors[2];
    if (with_loss)
        outputs.loss = &loss;
    found.status = xent_cross_entropy(&call->tensors[0], &call->tensors[1], &call->options,
                                      &outputs, NULL, &found.error);
    return found;
}

static int refused, accepted;

static void check_same_verdict(const plain_call *call) {
    verdict plain = judge(call, false), other = judge(call, true);
    assert_string_equal(plain.error.message, other.error.message);
    assert_int_equal(plain.status, other.status);
    *(plain.status == XENT_OK ? &accepted : &refused) += 1;
}

/* ---- one tensor changed ---------------------------------------------------------------------- */

static void dtypes(void **state) {
    (void)state;
    arena memory;
    for (int t = 0; t < TENSORS; t++)
        for (int32_t dtype = -1; dtype <= XENT_U64 + 1; dtype++) {
            plain_call call = make_call(&memory);
            call.tensors[t].dtype = dtype;
            check_same_verdict(&call);
            call.has_grad = false;
            check_same_verdict(&call);
        }
}

/* All axes of one tensor, or of all, that have the same length. */
static void change_length(plain_call *call, int first, int last, int64_t from, int64_t to) {
    for (int t = first; t <= last; t++)
        for (int axis = 0; axis < call->tensors[t].ndim; axis++)
            if (call->tensors[t].shape[axis] == from)
                call->tensors[t].shape[axis] = to;
}

static void lengths(void **state) {
    (void)state;
    const int64_t lengths[] = {INT64_MIN, -1, 0, 1, 3, 5, 7, (int64_t)1 << 62, INT64_MAX};
    const int64_t froms[] = {ROWS, CLASSES};
    arena memory;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int f = 0; f < 2; f++)
            for (int t = 0; t < TENSORS; t++) {
                plain_call call = make_call(&memory);
                change_length(&call, t, t, froms[f], lengths[i]);
                check_same_verdict(&call);
            }
}

/* Where the lengths fit each other but memory does not hold them. */
static void lengths_together(void **state) {
    (void)state;
    const int64_t lengths[] = {-1,
                               0,
                               1,
                               (int64_t)1 << 59,
                               ((int64_t)1 << 60) + 1,
                               ((int64_t)1 << 62) + 1,
                               INT64_MAX / 4,
                               INT64_MAX};
    arena memory;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int64_t from = CLASSES; from <= ROWS; from += ROWS - CLASSES) {
            plain_call call = make_call(&memory);
            change_length(&call, 0, 2, from, lengths[i]);
            if (from == CLASSES)
                call.tensors[0].stride[0] = call.tensors[2].stride[0] = lengths[i];
            if (lengths[i] > 1 && from == CLASSES)
                continue;
            check_same_verdict(&call);
            call.has_grad = false;
            call.tensors[1].dtype = XENT_I8; /* which fit */
            check_same_verdict(&call);
        }
}

static void axes(void **state) {
    (void)state;
    arena memory;
    for (int t = 0; t < TENSORS; t++)
        for (int32_t ndim = -1; ndim <= XENT_MAX_NDIM + 1; ndim++) {
            plain_call call = make_call(&memory);
            for (int axis = call.tensors[t].ndim; axis < XENT_MAX_NDIM; axis++)
                call.tensors[t].shape[axis] = call.tensors[t].stride[axis] = 1;
            call.tensors[t].ndim = ndim;
            check_same_verdict(&call);
        }
    plain_call call = make_call(&memory);
    call.options.class_axis = 0;
    check_same_verdict(&call);
}

static void strides(void **state) {
    (void)state;
    const int64_t strides[] = {INT64_MIN, -4, -1, 0, 1, 2, 3, 5, 6, INT64_MAX};
    arena memory;
    for (size_t i = 0; i < sizeof strides / sizeof *strides; i++)
        for (int t = 0; t < TENSORS; t++)
            for (int axis = 0; axis < (t == 1 ? 1 : 2); axis++) {
                plain_call call = make_call(&memory);
                if (strides[i] < 0) /* from the end, so that all of it is there */
                    call.tensors[t].data = (double *)call.tensors[t].data + 16;
                call.tensors[t].stride[axis] = strides[i];
                check_same_verdict(&call);
            }
}

/* ---- where tensors lie ----------------------------------------------------------------------- */

static void places(void **state) {
    (void)state;
    arena memory;
    for (int t = 0; t < TENSORS; t++)
        for (int onto = 0; onto < TENSORS; onto++)
            for (int bytes = -200; bytes <= 200; bytes += 4) {
                plain_call call = make_call(&memory);
                call.tensors[t].data = (char *)call.tensors[onto].data + bytes;
                check_same_verdict(&call);
            }
    for (int t = 0; t < TENSORS; t++) {
        plain_call call = make_call(&memory);
        call.tensors[t].data = NULL;
        check_same_verdict(&call);
        call.tensors[t].data = (void *)(UINTPTR_MAX - 7); /* would wrap round */
        check_same_verdict(&call);
    }
}

static void ignored_values(void **state) {
    (void)state;
    arena memory;
    plain_call call = make_call(&memory);
    call.options.ignore_count = 1;
    check_same_verdict(&call);
    for (int i = 0; i < 64; i++) {
        call.options.ignore = (int64_t *)(void *)&memory.grad[0] - 32 + i;
        check_same_verdict(&call);
    }
}

static void weights(void **state) {
    (void)state;
    arena memory;
    for (int32_t dtype = 0; dtype <= XENT_U64; dtype++)
        for (int64_t length = 0; length < 8; length++) {
            plain_call call = make_call(&memory);
            xent_tensor weight = xent_vector(memory.after, dtype, length);
            for (int i = 0; i < 32; i++)
                memory.after[i] = 1;
            call.options.class_weight = &weight;
            check_same_verdict(&call);
            call.options.class_weight = NULL;
            call.options.row_weight = &weight;
            check_same_verdict(&call);
        }
}

static void without_gradient(void **state) {
    (void)state;
    arena memory;
    for (int t = 0; t < 2; t++)
        for (int bytes = -64; bytes <= 64; bytes += 4) {
            plain_call call = make_call(&memory);
            call.has_grad = false;
            call.tensors[t].data = (char *)call.tensors[!t].data + bytes;
            check_same_verdict(&call);
        }
}

static void both_answers_were_seen(void **state) {
    (void)state;
    assert_true(refused > 300);
    assert_true(accepted > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes),           cmocka_unit_test(lengths),
        cmocka_unit_test(lengths_together), cmocka_unit_test(axes),
        cmocka_unit_test(strides),          cmocka_unit_test(places),
        cmocka_unit_test(weights),          cmocka_unit_test(ignored_values),
        cmocka_unit_test(without_gradient), cmocka_unit_test(both_answers_were_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
