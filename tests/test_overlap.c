/* SPDX-License-Identifier: MIT
 * Every rule about memory: edits of a valid call that are refused, and edits that a hasty rule
 * would refuse. */
#include "edits.h"
#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define AT(field) offsetof(call, field)

static const rule overlap_rules[] = {
    {{{I64, AT(loss.stride[0]), 0}}, XENT_OVERLAP, "outputs.loss: with shape [4] the strides [0]"},
    {{{I64, AT(grad.stride[0]), 2}},
     XENT_OVERLAP,
     "outputs.grad: with shape [4, 3] the strides [2, 1]"},
    {{{I64, AT(grad.stride[0]), -2}, {ADDRESS, AT(grad.data), AT(memory.grad[6])}},
     XENT_OVERLAP,
     "[-2, 1]"},
    {{{I64, AT(grad.stride[0]), 1}, {I64, AT(grad.stride[1]), 3}},
     XENT_OVERLAP,
     "the strides [1, 3]"},
    {{{ADDRESS, AT(probability.data), AT(logits_memory)}},
     XENT_OVERLAP,
     "outputs.probability overlaps the logits"},
    {{{ADDRESS, AT(loss.data), AT(logits_memory)}},
     XENT_OVERLAP,
     "only outputs.grad may be the logits"},
    {{{ADDRESS, AT(grad.data), AT(logits_memory[1])}},
     XENT_OVERLAP,
     "overlaps the logits without being them"},
    {{{ADDRESS, AT(grad.data), AT(logits_memory)}, {I64, AT(grad.stride[0]), 4}},
     XENT_OVERLAP,
     "to work in place"},
    {{{ADDRESS, AT(grad.data), AT(logits_memory)},
      {I64, AT(grad.stride[0]), 1},
      {I64, AT(grad.stride[1]), 4}},
     XENT_OVERLAP,
     "the same data, dtype, shape and strides"},
    {{{ADDRESS, AT(grad.data), AT(logits_memory[9])}, {I64, AT(grad.stride[0]), -3}},
     XENT_OVERLAP,
     "outputs.grad overlaps the logits"},
    {{{ADDRESS, AT(grad.data), AT(logits_memory)},
      {I64, AT(grad.stride[0]), 0},
      {I64, AT(logits.stride[0]), 0}},
     XENT_OVERLAP,
     "strides of 0 are for inputs"},
    {{{ADDRESS, AT(loss.data), AT(label_memory)}},
     XENT_OVERLAP,
     "outputs.loss overlaps the labels"},
    {{{ADDRESS, AT(prediction.data), AT(label_memory)}},
     XENT_OVERLAP,
     "outputs.prediction overlaps the labels"},
    {{{ADDRESS, AT(lse.data), AT(class_weight_memory)}, {I32, AT(lse.dtype), XENT_F32}},
     XENT_OVERLAP,
     "outputs.lse overlaps options.class_weight"},
    {{{ADDRESS, AT(entropy.data), AT(row_weight_memory)}, {I32, AT(entropy.dtype), XENT_F32}},
     XENT_OVERLAP,
     "outputs.entropy overlaps options.row_weight"},
    {{{ADDRESS, AT(options.ignore), AT(memory.prediction[3])}},
     XENT_OVERLAP,
     "outputs.prediction overlaps the values of options.ignore"},
    {{{ADDRESS, AT(probability.data), AT(memory.grad[11])}},
     XENT_OVERLAP,
     "outputs.probability overlaps outputs.grad"},
    {{{ADDRESS, AT(lse.data), AT(memory.loss)}}, XENT_OVERLAP, "outputs.lse overlaps outputs.loss"},
    {{{ADDRESS, AT(lse.data), AT(memory.loss[6])}, {I64, AT(lse.stride[0]), -1}},
     XENT_OVERLAP,
     "outputs.lse overlaps outputs.loss"},
    {{{ADDRESS, AT(lse.data), AT(memory.loss[1])},
      {I64, AT(lse.stride[0]), 2},
      {I64, AT(loss.stride[0]), 2}},
     XENT_OVERLAP,
     "judged by address range"},
    {{{ADDRESS, AT(outputs.label_probability), AT(entropy)}},
     XENT_OVERLAP,
     "outputs.entropy overlaps outputs.label_probability"},
};

/* Edits that a hasty rule would refuse. */
static const rule accepted[] = {
    {{{NONE, 0, 0}}, XENT_OK, ""},
    {{{ADDRESS, AT(grad.data), AT(logits_memory)}}, XENT_OK, ""},
    {{{ADDRESS, AT(outputs.grad), AT(logits)}}, XENT_OK, ""},
    {{{I32, AT(options.class_axis), 1}}, XENT_OK, ""},
    {{{I32, AT(options.class_axis), -1}}, XENT_OK, ""},
    {{{I64, AT(loss.stride[0]), 2}}, XENT_OK, ""},
    {{{I64, AT(loss.stride[0]), -1}, {ADDRESS, AT(loss.data), AT(memory.loss[3])}}, XENT_OK, ""},
    {{{I64, AT(grad.stride[0]), 1}, {I64, AT(grad.stride[1]), 4}}, XENT_OK, ""},
    {{{I64, AT(logits.stride[0]), 0}}, XENT_OK, ""},
    {{{I64, AT(row_weight.stride[0]), 0}}, XENT_OK, ""},
    {{{ADDRESS, AT(lse.data), AT(memory.loss[4])}}, XENT_OK, ""},
    {{{F64, AT(options.label_smoothing), 1}}, XENT_OK, ""},
    {{{F64, AT(options.logit_scale), 0x1p-64}}, XENT_OK, ""},
    {{{F64, AT(options.logit_scale), 0x1p64}}, XENT_OK, ""},
    {{{F64, AT(options.denominator), 0.5}}, XENT_OK, ""},
    {{{CLEARED, AT(options.ignore), 0}, {SIZE, AT(options.ignore_count), 0}}, XENT_OK, ""},
    {{{I32, AT(prediction.dtype), XENT_I32}}, XENT_OK, ""},
    {{{CLEARED, AT(options.executor), 0}, {I32, AT(options.threads), -1}}, XENT_OK, ""},
};

static void test_overlap_rules(void **state) {
    (void)state;
    assert_int_equal(count_unrefused(overlap_rules, sizeof overlap_rules / sizeof *overlap_rules),
                     0);
}

static void test_accepted(void **state) {
    call c;
    xent_error error;
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        set_valid(&c);
        apply_edits(&c, accepted[i].edits);
        memset(&error, 0xA5, sizeof error);
        if (run_call(&c, &error) != XENT_OK)
            fail_msg("edit %zu is refused: %s", i, error.message);
        assert_string_equal(error.message, "");
        assert_int_equal(c.memory.total.rows, ROWS);
    }
}

/* Empty tensors need no memory, overlap nothing and may have any strides. */
static void test_empty(void **state) {
    call c;
    xent_error error;
    (void)state;
    set_valid(&c);
    xent_tensor *const all[10] = {
        &c.logits, &c.labels,     &c.row_weight,        &c.grad,   &c.probability, &c.loss,
        &c.lse,    &c.prediction, &c.label_probability, &c.entropy};
    for (int i = 0; i < 10; i++) {
        all[i]->shape[0] = 0;
        all[i]->stride[0] = INT64_MAX;
        all[i]->data = i % 2 ? NULL : &c.memory;
    }
    assert_int_equal(run_call(&c, &error), XENT_OK);
    assert_int_equal(c.memory.total.rows, 0);
}

/* A length of 0 makes a tensor empty, however large the product of the others. */
static void test_huge_and_empty(void **state) {
    const int64_t shape[4] = {INT64_C(1) << 40, INT64_C(1) << 40, 0, 3};
    xent_tensor logits = xent_ndarray(NULL, XENT_F32, 4, shape);
    xent_tensor labels = xent_ndarray(NULL, XENT_I64, 3, shape);
    xent_total total;
    (void)state;
    assert_int_equal(xent_cross_entropy(&logits, &labels, NULL, NULL, &total, NULL), XENT_OK);
    assert_int_equal(total.rows, 0);
}

/* A length-1 axis leads nowhere: its stride may hold anything, also in grad's and the logits' own
 * strides. */
static void test_axes_of_length_1(void **state) {
    const int64_t shape[3] = {ROWS, 1, CLASSES}, rows[2] = {ROWS, 1};
    call c;
    xent_error error;
    (void)state;
    set_valid(&c);
    xent_tensor logits = xent_ndarray(c.logits_memory, XENT_F32, 3, shape), grad = logits;
    xent_tensor labels = xent_ndarray(c.label_memory, XENT_I64, 2, rows);
    xent_tensor loss = xent_ndarray(c.memory.loss, XENT_F64, 2, rows);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    logits.stride[1] = INT64_MAX;
    grad.stride[1] = INT64_MIN;
    loss.stride[1] = 0;
    outputs.grad = &grad;
    outputs.loss = &loss;
    assert_int_equal(xent_cross_entropy(&logits, &labels, NULL, &outputs, NULL, &error), XENT_OK);
}

/* ---- every pair ------------------------------------------------------------------------------ */

enum { OUTPUTS = 7, PLACES = 12, GRAD_PLACE = 5, LOGITS_PLACE = 7, IGNORE_PLACE = 11 };

/* What a call reads and writes, the outputs first. */
static const struct place {
    const char *name;
    size_t tensor;
} places[PLACES] = {
    {"outputs.loss", AT(loss)},
    {"outputs.lse", AT(lse)},
    {"outputs.prediction", AT(prediction)},
    {"outputs.label_probability", AT(label_probability)},
    {"outputs.entropy", AT(entropy)},
    {"outputs.grad", AT(grad)},
    {"outputs.probability", AT(probability)},
    {"the logits", AT(logits)},
    {"the labels", AT(labels)},
    {"options.class_weight", AT(class_weight)},
    {"options.row_weight", AT(row_weight)},
    {"the values of options.ignore", 0},
};

/* Each lies in the middle of a piece of its own, so that a neighbour's place is free. */
enum { PIECE = 512 };
typedef struct arena {
    _Alignas(8) unsigned char pieces[PLACES][PIECE];
} arena;

static xent_tensor *tensor_at(call *c, int place) {
    return (xent_tensor *)(void *)((unsigned char *)c + places[place].tensor);
}

static size_t size_of(call *c, int place) {
    if (place == IGNORE_PLACE)
        return c->options.ignore_count * sizeof *c->options.ignore;
    const xent_tensor *tensor = tensor_at(c, place);
    size_t size = dtype_bytes(tensor->dtype);
    for (int axis = 0; axis < tensor->ndim; axis++)
        size *= (size_t)tensor->shape[axis];
    return size;
}

static void spread(call *c, arena *memory) {
    set_valid(c);
    for (int place = 0; place < IGNORE_PLACE; place++) {
        void *middle = memory->pieces[place] + PIECE / 2;
        memcpy(middle, tensor_at(c, place)->data, size_of(c, place));
        tensor_at(c, place)->data = middle;
    }
    void *middle = memory->pieces[IGNORE_PLACE] + PIECE / 2;
    c->options.ignore = memcpy(middle, c->options.ignore, size_of(c, IGNORE_PLACE));
}

/* The output begins so many bytes after the other begins. */
static void check_neighbours(int output, int other, int64_t distance, xent_status expected) {
    static arena memory, before;
    call c;
    xent_error error;
    spread(&c, &memory);
    tensor_at(&c, output)->data = memory.pieces[other] + PIECE / 2 + distance;
    before = memory;
    xent_status status = run_call(&c, &error);
    if (status != expected)
        fail_msg("%s %d bytes after %s: %s", places[output].name, (int)distance, places[other].name,
                 xent_status_name(status));
    if (status == XENT_OK)
        return;
    assert_true(sentence_says(&error, places[output].name));
    assert_true(sentence_says(&error, places[other].name));
    assert_memory_equal(&memory, &before, sizeof memory);
}

/* They may touch, but share no byte: not the first, not the last. Only grad may begin where the
 * logits do. */
static void test_every_pair(void **state) {
    (void)state;
    for (int output = 0; output < OUTPUTS; output++)
        for (int other = 0; other < PLACES; other++) {
            call c;
            if (other == output)
                continue;
            set_valid(&c);
            const int64_t size = (int64_t)size_of(&c, output), end = (int64_t)size_of(&c, other);
            const bool in_place = output == GRAD_PLACE && other == LOGITS_PLACE;
            check_neighbours(output, other, -size, XENT_OK);
            check_neighbours(output, other, 1 - size, XENT_OVERLAP);
            check_neighbours(output, other, 0, in_place ? XENT_OK : XENT_OVERLAP);
            check_neighbours(output, other, end - 1, XENT_OVERLAP);
            check_neighbours(output, other, end, XENT_OK);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlap_rules),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_huge_and_empty),
        cmocka_unit_test(test_axes_of_length_1),
        cmocka_unit_test(test_every_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
