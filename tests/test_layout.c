/* SPDX-License-Identifier: MIT
 * Rows of tensors: the address of every row against plain index arithmetic, for random shapes,
 * strides and class axes. */
#include "draw.h"
#include "layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static row_view view_of(const xent_tensor *tensor, int class_axis) {
    row_view view = {0};
    int64_t rows = 1;
    for (int axis = 0; tensor && axis < tensor->ndim; axis++)
        rows *= axis == class_axis ? 1 : tensor->shape[axis];
    view_rows(&view, tensor, class_axis, rows);
    return view;
}

static int draw_between(uint64_t *dice, int least, int most) {
    return least + (int)draw(dice, most - least + 1);
}

enum { MEMORY = 1 << 20 };
static unsigned char memory[MEMORY];

/* A tensor that begins in the middle of the memory. Axes are laid out in random order, with gaps,
 * backwards, or repeated (stride 0); strides of length-1 axes are nonsense. */
static xent_tensor draw_tensor(uint64_t *dice) {
    xent_tensor tensor = {.data = memory + MEMORY / 2,
                          .dtype = draw_between(dice, XENT_F32, XENT_U64)};
    int64_t reach = 1;
    unsigned done = 0;
    tensor.ndim = draw_between(dice, 0, XENT_MAX_NDIM);
    for (int i = 0; i < tensor.ndim; i++) {
        int axis =
            draw_between(dice, 0, 2) ? tensor.ndim - 1 : draw_between(dice, 0, tensor.ndim - 1);
        while (done >> axis & 1)
            axis = axis > 0 ? axis - 1 : tensor.ndim - 1;
        done |= 1u << axis;
        tensor.shape[axis] = draw_between(dice, 1, tensor.ndim > 4 ? 3 : 6);
        tensor.stride[axis] = reach;
        reach *= tensor.shape[axis] + (draw_between(dice, 0, 3) == 0);
        if (draw_between(dice, 0, 4) == 0)
            tensor.stride[axis] *= draw_between(dice, -1, 0);
        if (tensor.shape[axis] == 1)
            tensor.stride[axis] = (int64_t)draw_bits(dice);
    }
    return tensor;
}

/* Moves to the next place in C order of the axes other than class_axis. */
static void advance(const xent_tensor *tensor, int class_axis, int64_t place[XENT_MAX_NDIM]) {
    for (int axis = tensor->ndim - 1; axis >= 0; axis--) {
        if (axis == class_axis)
            continue;
        if (++place[axis] < tensor->shape[axis])
            return;
        place[axis] = 0;
    }
}

static char *plain_address(const xent_tensor *tensor, const int64_t place[XENT_MAX_NDIM]) {
    char *address = tensor->data;
    for (int axis = 0; axis < tensor->ndim; axis++)
        if (place[axis] > 0)
            address += place[axis] * tensor->stride[axis] * dtype_size(tensor->dtype);
    return address;
}

static void expect_rows(const xent_tensor *tensor, int class_axis) {
    row_view view = view_of(tensor, class_axis);
    int64_t place[XENT_MAX_NDIM] = {0}, rows = 1, run_end = 0, step = 0;
    char *before = NULL;
    for (int axis = 0; axis < tensor->ndim; axis++)
        rows *= axis == class_axis ? 1 : tensor->shape[axis];
    assert_int_equal(view.rows, rows);
    for (int64_t row = 0; row < rows; row++) {
        char *address = plain_address(tensor, place);
        assert_ptr_equal(row_address(&view, row), address);
        if (row < run_end) {
            assert_ptr_equal(address, before + step);
        } else {
            run_end = row + row_run(&view, row, &step);
            assert_true(run_end > row && run_end <= rows);
        }
        before = address;
        advance(tensor, class_axis, place);
    }
    assert_true(run_end == rows);
}

static void test_random_views(void **state) {
    uint64_t dice = 1;
    (void)state;
    for (int i = 0; i < 3000; i++) {
        xent_tensor tensor = draw_tensor(&dice);
        expect_rows(&tensor, -1);
        for (int axis = 0; axis < tensor.ndim; axis++) {
            row_view view = view_of(&tensor, axis);
            int64_t size = dtype_size(tensor.dtype);
            expect_rows(&tensor, axis);
            assert_int_equal(view.class_step,
                             tensor.shape[axis] == 1 ? size : tensor.stride[axis] * size);
        }
    }
}

/* How many axes are left of a shape whose memory is contiguous; leaving out the class axis splits
 * it at most once. */
static void test_contiguous_axes_merge(void **state) {
    const int64_t shape[8] = {2, 1, 3, 2, 1, 4, 2, 5};
    xent_tensor tensor = xent_ndarray(memory, XENT_F32, 8, shape);
    row_view view = view_of(&tensor, 7);
    (void)state;
    assert_int_equal(view.ndim, 1);
    assert_int_equal(view.shape[0], 96);
    assert_int_equal(view.step[0], 20);
    assert_int_equal(view_of(&tensor, 0).ndim, 1);
    assert_int_equal(view_of(&tensor, 3).ndim, 2);
    assert_int_equal(view_of(&tensor, 4).ndim, 1);
    assert_int_equal(view_of(&tensor, -1).ndim, 1);
    tensor.stride[0] = tensor.stride[1] = tensor.stride[2] = 0;
    assert_int_equal(view_of(&tensor, 7).ndim, 2);
}

static void test_backwards_and_repeated(void **state) {
    xent_tensor tensor = xent_matrix(memory + 1000, XENT_I16, 4, 6);
    int64_t step;
    (void)state;
    tensor.stride[0] = -6;
    tensor.stride[1] = -1;
    row_view view = view_of(&tensor, -1);
    assert_int_equal(view.ndim, 1);
    assert_int_equal(row_run(&view, 5, &step), 19);
    assert_int_equal(step, -2);
    assert_ptr_equal(row_address(&view, 23), memory + 1000 - 46);
    tensor.stride[0] = tensor.stride[1] = 0;
    view = view_of(&tensor, -1);
    assert_int_equal(row_run(&view, 0, &step), 24);
    assert_int_equal(step, 0);
    assert_ptr_equal(row_address(&view, 23), memory + 1000);
}

static void test_extreme_views(void **state) {
    const int64_t huge[3] = {INT64_C(1) << 40, INT64_C(1) << 40, 0};
    xent_tensor scalar = xent_ndarray(memory, XENT_F64, 0, NULL);
    xent_tensor empty = xent_ndarray(memory, XENT_I64, 3, huge);
    xent_tensor wide = xent_vector(memory, XENT_U8, 2);
    const xent_options options = XENT_OPTIONS_INIT;
    row_view none = view_of(NULL, -1), view = view_of(&scalar, -1);
    int64_t step;
    (void)state;
    assert_null(none.data);
    assert_int_equal(row_run(&none, 17, &step), INT64_MAX);
    assert_int_equal(view.rows, 1);
    assert_ptr_equal(row_address(&view, 0), memory);
    assert_int_equal(row_run(&view, 0, &step), 1);
    assert_int_equal(make_label_layout(&empty, 10, &options).rows, 0);
    wide.stride[0] = INT64_C(1) << 62;
    assert_int_equal(view_of(&wide, -1).step[0], INT64_C(1) << 62);
}

static void test_contiguous_constructors(void **state) {
    const int64_t shape[3] = {2, 3, 4};
    xent_tensor tensor = xent_ndarray(memory, XENT_BF16, 3, shape);
    xent_tensor matrix = xent_matrix(memory, XENT_F32, 5, 7),
                vector = xent_vector(memory, XENT_U8, 9);
    (void)state;
    assert_int_equal(tensor.ndim, 3);
    assert_int_equal(tensor.stride[0], 12);
    assert_int_equal(tensor.stride[1], 4);
    assert_int_equal(tensor.stride[2], 1);
    assert_int_equal(matrix.ndim, 2);
    assert_int_equal(matrix.shape[1], 7);
    assert_int_equal(matrix.stride[0], 7);
    assert_int_equal(vector.shape[0], 9);
    assert_int_equal(vector.stride[0], 1);
    assert_int_equal(xent_ndarray(memory, XENT_U8, 9, shape).ndim, 9);
    assert_int_equal(xent_ndarray(memory, XENT_U8, -1, shape).ndim, -1);
}

static void test_dtypes(void **state) {
    static const int64_t sizes[] = {0, 4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8, 0};
    (void)state;
    for (int dtype = 0; dtype < 14; dtype++)
        assert_int_equal(dtype_size(dtype), sizes[dtype]);
    assert_int_equal(dtype_size(-1), 0);
    assert_string_equal(dtype_name(XENT_BF16), "bf16");
    assert_string_equal(dtype_name(XENT_U64), "u64");
    assert_string_equal(dtype_name(13), "unknown");
}

/* Logits [2, C = 5, 3] and labels [2, 3]: rows in C order of the labels' shape. */
static void test_layout_of_a_call(void **state) {
    const int64_t shape[3] = {2, 5, 3}, rows[2] = {2, 3};
    xent_tensor logits = xent_ndarray(memory, XENT_F32, 3, shape);
    xent_tensor labels = xent_ndarray(memory + 4096, XENT_I32, 2, rows);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    outputs.loss = &labels;
    outputs.grad = &logits;
    (void)state;
    for (int axis = -2; axis <= 1; axis += 3) {
        options.class_axis = axis;
        layout call;
        set_layout(&call, &logits, &labels, &options, &outputs);
        assert_int_equal(call.rows, 6);
        assert_int_equal(call.classes, 5);
        assert_int_equal(call.label_ndim, 2);
        assert_int_equal(call.label_shape[1], 3);
        assert_int_equal(call.logits.class_step, 12);
        assert_ptr_equal(row_address(&call.logits, 4), memory + (15 + 1) * 4);
        assert_ptr_equal(row_address(&call.grad, 4), memory + (15 + 1) * 4);
        assert_ptr_equal(row_address(&call.labels, 4), memory + 4096 + 16);
        assert_ptr_equal(row_address(&call.loss, 4), memory + 4096 + 16);
        assert_null(call.lse.data);
        assert_null(call.row_weight.data);
        assert_null(call.probability.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_views),
        cmocka_unit_test(test_contiguous_axes_merge),
        cmocka_unit_test(test_backwards_and_repeated),
        cmocka_unit_test(test_extreme_views),
        cmocka_unit_test(test_contiguous_constructors),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_layout_of_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
