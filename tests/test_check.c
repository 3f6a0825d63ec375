/* SPDX-License-Identifier: MIT
 * Every rule about tensors, options and outputs: an edit of a valid call, the status and a part of
 * the sentence. */
#include "edits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#define AT(field) offsetof(call, field)

static const rule tensor_rules[] = {
    {{{I32, AT(logits.ndim), 9}},
     XENT_BAD_SHAPE,
     "logits: ndim is 9, but tensors have 0 to 8 axes"},
    {{{I32, AT(logits.ndim), -1}}, XENT_BAD_SHAPE, "logits: ndim is -1"},
    {{{I32, AT(labels.ndim), 9}}, XENT_BAD_SHAPE, "labels: ndim is 9"},
    {{{I32, AT(class_weight.ndim), 9}}, XENT_BAD_SHAPE, "options.class_weight: ndim is 9"},
    {{{I32, AT(row_weight.ndim), 9}}, XENT_BAD_SHAPE, "options.row_weight: ndim is 9"},
    {{{I32, AT(grad.ndim), 9}}, XENT_BAD_SHAPE, "outputs.grad: ndim is 9"},
    {{{I32, AT(entropy.ndim), -2}}, XENT_BAD_SHAPE, "outputs.entropy: ndim is -2"},
    {{{I64, AT(logits.shape[1]), -3}},
     XENT_BAD_SHAPE,
     "shape [4, -3] has a negative length on axis 1"},
    {{{I64, AT(labels.shape[0]), -1}}, XENT_BAD_SHAPE, "labels: shape [-1] has a negative length"},
    {{{I64, AT(logits.shape[0]), 0x1p40}, {I64, AT(logits.shape[1]), 0x1p40}},
     XENT_BAD_SHAPE,
     "shape [1099511627776, 1099511627776] has more than 2^63 - 1 elements"},
    {{{I64, AT(logits.stride[0]), 0x1p62}},
     XENT_BAD_SHAPE,
     "strides lead out of the address space"},
    {{{I64, AT(logits.stride[0]), -0x1p60}},
     XENT_BAD_SHAPE,
     "strides lead out of the address space"},
    {{{I64, AT(logits.stride[0]), 0x1p59}, {I64, AT(logits.stride[1]), 0x1p59}},
     XENT_BAD_SHAPE,
     "Strides count elements, not bytes"},
    {{{I64, AT(labels.stride[0]), -0x1p50}},
     XENT_BAD_SHAPE,
     "labels: with shape [4] the strides lead out"},
    {{{CLEARED, AT(logits.data), 0}},
     XENT_BAD_ARGUMENT,
     "logits: data is NULL although shape [4, 3] has 12"},
    {{{CLEARED, AT(labels.data), 0}}, XENT_BAD_ARGUMENT, "labels: data is NULL"},
    {{{CLEARED, AT(loss.data), 0}}, XENT_BAD_ARGUMENT, "outputs.loss: data is NULL"},
    {{{I32, AT(logits.ndim), 0}}, XENT_BAD_SHAPE, "logits have ndim 0"},
    {{{I32, AT(logits.dtype), 0}},
     XENT_BAD_DTYPE,
     "logits: dtype 0 is none of XENT_F32 (1) to XENT_U64 (12)"},
    {{{I32, AT(labels.dtype), 13}}, XENT_BAD_DTYPE, "labels: dtype 13 is none of"},
    {{{I32, AT(logits.dtype), XENT_I32}},
     XENT_BAD_DTYPE,
     "logits have dtype i32 but must be f32, f64, bf16 or f16"},
    {{{I32, AT(labels.dtype), XENT_F64}},
     XENT_BAD_DTYPE,
     "labels have dtype f64 but must be integers"},
    {{{I32, AT(labels.dtype), XENT_F64}},
     XENT_BAD_DTYPE,
     "One-hot rows and probabilities are not labels"},
    {{{I32, AT(logits.dtype), XENT_I32}, {I32, AT(labels.dtype), XENT_F32}},
     XENT_BAD_DTYPE,
     "logits have dtype i32 and labels have dtype f32: logits and labels look swapped"},
    {{{I32, AT(labels.dtype), XENT_F32},
      {I32, AT(labels.ndim), 2},
      {I64, AT(labels.shape[1]), CLASSES},
      {I64, AT(labels.stride[1]), 1}},
     XENT_BAD_DTYPE,
     "the shape of the logits: they look one-hot or like probabilities"},
    {{{I64, AT(logits.shape[1]), 0}, {CLEARED, AT(options.class_weight), 0}},
     XENT_BAD_SHAPE,
     "logits of shape [4, 0] have rows but no class (axis 1 has length 0)"},
};

static const rule option_rules[] = {
    {{{SIZE, AT(options.struct_size), 0}}, XENT_BAD_ARGUMENT, "options.struct_size is 0"},
    {{{SIZE, AT(options.struct_size), 7}},
     XENT_BAD_ARGUMENT,
     "xent_options options = XENT_OPTIONS_INIT;"},
    {{{SIZE, AT(options.struct_size), 0x1p40}},
     XENT_BAD_ARGUMENT,
     "options.struct_size is 1099511627776"},
    {{{SIZE, AT(outputs.struct_size), 0}}, XENT_BAD_ARGUMENT, "outputs.struct_size is 0"},
    {{{SIZE, AT(outputs.struct_size), 4}},
     XENT_BAD_ARGUMENT,
     "xent_outputs outputs = XENT_OUTPUTS_INIT;"},
    {{{I32, AT(options.logits_are), 3}},
     XENT_BAD_ARGUMENT,
     "options.logits_are = 3 is none of XENT_LOGITS (0)"},
    {{{I32, AT(options.logits_are), -1}}, XENT_BAD_ARGUMENT, "options.logits_are = -1"},
    {{{I32, AT(options.class_axis), 2}},
     XENT_BAD_ARGUMENT,
     "options.class_axis = 2 is not an axis of logits of shape [4, 3]"},
    {{{I32, AT(options.class_axis), -3}}, XENT_BAD_ARGUMENT, "axes are 0 to 1, or -1 for the last"},
    {{{I32, AT(options.class_axis), INT32_MIN}},
     XENT_BAD_ARGUMENT,
     "options.class_axis = -2147483648"},
    {{{I32, AT(options.reduction), 3}},
     XENT_BAD_ARGUMENT,
     "options.reduction = 3 is none of XENT_MEAN (0)"},
    {{{I32, AT(options.reduction), -1}},
     XENT_BAD_ARGUMENT,
     "read each row's loss from outputs.loss"},
    {{{I32, AT(options.on_bad_label), 3}}, XENT_BAD_ARGUMENT, "options.on_bad_label = 3"},
    {{{I32, AT(options.on_bad_label), -1}}, XENT_BAD_ARGUMENT, "options.on_bad_label = -1"},
    {{{I32, AT(options.on_nothing_counted), 3}},
     XENT_BAD_ARGUMENT,
     "options.on_nothing_counted = 3"},
    {{{I32, AT(options.on_nothing_counted), -1}},
     XENT_BAD_ARGUMENT,
     "options.on_nothing_counted = -1"},
    {{{I32, AT(options.threads), -2}}, XENT_BAD_ARGUMENT, "options.threads = -2"},
    {{{F64, AT(options.denominator), -1}},
     XENT_BAD_ARGUMENT,
     "options.denominator = -1 must be finite and > 0"},
    {{{F64, AT(options.denominator), (double)INFINITY}},
     XENT_BAD_ARGUMENT,
     "options.denominator = inf"},
    {{{F64, AT(options.denominator), (double)NAN}}, XENT_BAD_ARGUMENT, "options.denominator = "},
    {{{F64, AT(options.label_smoothing), -0.1}},
     XENT_BAD_ARGUMENT,
     "options.label_smoothing = -0.1 must lie in [0, 1]"},
    {{{F64, AT(options.label_smoothing), 10}}, XENT_BAD_ARGUMENT, "options.label_smoothing = 10"},
    {{{F64, AT(options.label_smoothing), (double)NAN}},
     XENT_BAD_ARGUMENT,
     "options.label_smoothing = "},
    {{{F64, AT(options.z_loss), -1e-4}},
     XENT_BAD_ARGUMENT,
     "options.z_loss = -0.0001 must be finite and >= 0"},
    {{{F64, AT(options.z_loss), (double)NAN}}, XENT_BAD_ARGUMENT, "options.z_loss = "},
    {{{F64, AT(options.softcap), -30}},
     XENT_BAD_ARGUMENT,
     "options.softcap = -30 must be finite and >= 0"},
    {{{F64, AT(options.softcap), (double)INFINITY}}, XENT_BAD_ARGUMENT, "options.softcap = inf"},
    {{{F64, AT(options.logit_scale), 0}},
     XENT_BAD_ARGUMENT,
     "options.logit_scale = 0 must lie in [2^-64, 2^64]"},
    {{{F64, AT(options.logit_scale), -1}}, XENT_BAD_ARGUMENT, "XENT_OPTIONS_INIT have it set"},
    {{{F64, AT(options.logit_scale), 0x1p65}},
     XENT_BAD_ARGUMENT,
     "options.logit_scale = 3.6893488147419"},
    {{{F64, AT(options.logit_scale), (double)NAN}}, XENT_BAD_ARGUMENT, "options.logit_scale = "},
    {{{CLEARED, AT(options.ignore), 0}},
     XENT_BAD_ARGUMENT,
     "options.ignore is NULL but options.ignore_count is 1"},
    {{{SIZE, AT(options.ignore_count), 0x1p62}},
     XENT_BAD_ARGUMENT,
     "options.ignore_count = 4611686018427387904"},
    {{{CLEARED, AT(executor.run), 0}}, XENT_BAD_ARGUMENT, "options.executor->run is NULL"},
    {{{I32, AT(executor.width), 0}},
     XENT_BAD_ARGUMENT,
     "options.executor->width = 0 must be at least 1"},
    {{{I32, AT(options.logits_are), 1}, {F64, AT(options.label_smoothing), 0.1}},
     XENT_BAD_ARGUMENT,
     "options.label_smoothing needs logits, but options.logits_are = XENT_PROBABILITIES"},
    {{{I32, AT(options.logits_are), 2}, {F64, AT(options.z_loss), 0.1}},
     XENT_BAD_ARGUMENT,
     "options.z_loss needs logits, but options.logits_are = XENT_LOG_PROBABILITIES"},
    {{{I32, AT(options.logits_are), 1}, {F64, AT(options.softcap), 30}},
     XENT_BAD_ARGUMENT,
     "options.softcap needs logits"},
    {{{I32, AT(options.logits_are), 2}, {F64, AT(options.logit_scale), 2}},
     XENT_BAD_ARGUMENT,
     "options.logit_scale needs logits"},
    {{{I32, AT(options.logits_are), 1}}, XENT_BAD_ARGUMENT, "outputs.lse needs logits"},
    {{{I32, AT(options.logits_are), 2}, {CLEARED, AT(outputs.lse), 0}},
     XENT_BAD_ARGUMENT,
     "outputs.entropy needs logits"},
    {{{I32, AT(options.logits_are), 1},
      {CLEARED, AT(outputs.lse), 0},
      {CLEARED, AT(outputs.entropy), 0}},
     XENT_BAD_ARGUMENT,
     "outputs.probability needs logits"},
};

static const rule shape_rules[] = {
    {{{I32, AT(class_weight.dtype), XENT_I32}},
     XENT_BAD_DTYPE,
     "options.class_weight has dtype i32 but must be f32 or f64"},
    {{{I64, AT(class_weight.shape[0]), 2}},
     XENT_BAD_SHAPE,
     "options.class_weight has shape [2] but the logits have 3 classes"},
    {{{I64, AT(class_weight.shape[0]), ROWS}},
     XENT_BAD_SHAPE,
     "Weights of rows belong in options.row_weight"},
    {{{I32, AT(class_weight.ndim), 0}}, XENT_BAD_SHAPE, "options.class_weight has shape []"},
    {{{I32, AT(row_weight.dtype), XENT_BF16}},
     XENT_BAD_DTYPE,
     "options.row_weight has dtype bf16 but must be f32 or f64"},
    {{{I64, AT(row_weight.shape[0]), 2}},
     XENT_BAD_SHAPE,
     "options.row_weight has shape [2] but must have the shape of the labels, [4]"},
    {{{I64, AT(row_weight.shape[0]), CLASSES}},
     XENT_BAD_SHAPE,
     "Weights of classes belong in options.class_weight"},
    {{{I32, AT(loss.dtype), XENT_BF16}},
     XENT_BAD_DTYPE,
     "outputs.loss has dtype bf16 but must be f32 or f64"},
    {{{I32, AT(lse.dtype), XENT_I64}}, XENT_BAD_DTYPE, "outputs.lse has dtype i64"},
    {{{I32, AT(label_probability.dtype), XENT_F16}},
     XENT_BAD_DTYPE,
     "outputs.label_probability has dtype f16"},
    {{{I32, AT(entropy.dtype), XENT_U8}}, XENT_BAD_DTYPE, "outputs.entropy has dtype u8"},
    {{{I32, AT(prediction.dtype), XENT_F64}},
     XENT_BAD_DTYPE,
     "outputs.prediction has dtype f64 but must be i32 or i64"},
    {{{I32, AT(prediction.dtype), XENT_U32}}, XENT_BAD_DTYPE, "outputs.prediction has dtype u32"},
    {{{I64, AT(logits.shape[1]), 0x1p32},
      {I64, AT(logits.stride[1]), 0},
      {CLEARED, AT(options.class_weight), 0},
      {CLEARED, AT(outputs.grad), 0},
      {CLEARED, AT(outputs.probability), 0},
      {I32, AT(prediction.dtype), XENT_I32}},
     XENT_BAD_DTYPE,
     "outputs.prediction has dtype i32, which cannot hold the indices of 4294967296 classes"},
    {{{I32, AT(grad.dtype), XENT_F64}},
     XENT_BAD_DTYPE,
     "outputs.grad has dtype f64 but must have the dtype of the logits, f32"},
    {{{I32, AT(probability.dtype), XENT_F16}}, XENT_BAD_DTYPE, "outputs.probability has dtype f16"},
    {{{I32, AT(loss.ndim), 0}},
     XENT_BAD_SHAPE,
     "The reduced loss comes from the total: xent_total_loss(&total, &options)"},
    {{{I64, AT(loss.shape[0]), 3}},
     XENT_BAD_SHAPE,
     "outputs.loss has shape [3] but must have the shape of the labels, [4]"},
    {{{I64, AT(lse.shape[0]), 5}}, XENT_BAD_SHAPE, "outputs.lse has shape [5]"},
    {{{I64, AT(label_probability.shape[0]), 1}},
     XENT_BAD_SHAPE,
     "outputs.label_probability has shape [1]"},
    {{{I64, AT(entropy.shape[0]), 0}}, XENT_BAD_SHAPE, "outputs.entropy has shape [0]"},
    {{{I64, AT(prediction.shape[0]), 3}}, XENT_BAD_SHAPE, "outputs.prediction has shape [3]"},
    {{{I64, AT(grad.shape[0]), 3}},
     XENT_BAD_SHAPE,
     "outputs.grad has shape [3, 3] but must have the shape of the logits, [4, 3]"},
    {{{I32, AT(probability.ndim), 1}},
     XENT_BAD_SHAPE,
     "outputs.probability has shape [4] but must have"},
};

static void test_tensor_rules(void **state) {
    (void)state;
    assert_int_equal(count_unrefused(tensor_rules, sizeof tensor_rules / sizeof *tensor_rules), 0);
}

static void test_option_rules(void **state) {
    (void)state;
    assert_int_equal(count_unrefused(option_rules, sizeof option_rules / sizeof *option_rules), 0);
}

static void test_shape_rules(void **state) {
    (void)state;
    assert_int_equal(count_unrefused(shape_rules, sizeof shape_rules / sizeof *shape_rules), 0);
}

static void test_null_arguments(void **state) {
    call c;
    xent_error error;
    (void)state;
    set_valid(&c);
    assert_int_equal(xent_cross_entropy(NULL, &c.labels, NULL, &c.outputs, NULL, &error),
                     XENT_BAD_ARGUMENT);
    assert_true(sentence_says(&error, "logits are NULL"));
    assert_int_equal(xent_cross_entropy(&c.logits, NULL, NULL, &c.outputs, NULL, &error),
                     XENT_BAD_ARGUMENT);
    assert_true(sentence_says(&error, "labels are NULL"));
    assert_true(is_untouched(&c));
    assert_int_equal(xent_cross_entropy(&c.logits, &c.labels, NULL, NULL, NULL, NULL), XENT_OK);
}

/* An older caller's struct ends early: what lies behind it is not read. */
static void test_older_structs(void **state) {
    call c;
    xent_error error;
    (void)state;
    set_valid(&c);
    memset((char *)&c.options + offsetof(xent_options, denominator), 0xA5,
           sizeof c.options - offsetof(xent_options, denominator));
    memset((char *)&c.outputs + offsetof(xent_outputs, lse), 0xA5,
           sizeof c.outputs - offsetof(xent_outputs, lse));
    c.options.struct_size = offsetof(xent_options, denominator);
    c.outputs.struct_size = offsetof(xent_outputs, lse);
    assert_int_equal(run_call(&c, &error), XENT_OK);
    assert_true(xent_total_loss(&c.memory.total, NULL) > 0.0);
    assert_int_equal(c.memory.prediction[0], c.memory.prediction[ROWS]);
}

/* A newer caller's struct is longer: fields that the library does not know must be 0. */
static void test_newer_structs(void **state) {
    struct {
        xent_options known;
        unsigned char unknown[16];
    } options = {XENT_OPTIONS_INIT, {0}};
    struct {
        xent_outputs known;
        unsigned char unknown[16];
    } outputs = {XENT_OUTPUTS_INIT, {0}};
    call c;
    xent_error error;
    (void)state;
    set_valid(&c);
    options.known.struct_size = sizeof options;
    outputs.known.struct_size = sizeof outputs;
    assert_int_equal(
        xent_cross_entropy(&c.logits, &c.labels, &options.known, &outputs.known, NULL, &error),
        XENT_OK);
    options.unknown[15] = 1;
    assert_int_equal(
        xent_cross_entropy(&c.logits, &c.labels, &options.known, &outputs.known, NULL, &error),
        XENT_BAD_ARGUMENT);
    assert_true(
        sentence_says(&error, "a field past byte 112 is set, which version 0.1.0 of the library"));
    options.unknown[15] = 0;
    outputs.unknown[0] = 1;
    assert_int_equal(
        xent_cross_entropy(&c.logits, &c.labels, &options.known, &outputs.known, NULL, &error),
        XENT_BAD_ARGUMENT);
    assert_true(sentence_says(&error, "outputs.struct_size is 80 and a field past byte 64 is set"));
}

static void test_names(void **state) {
    char version[32];
    (void)state;
    snprintf(version, sizeof version, "%d.%d.%d", XENT_VERSION_MAJOR, XENT_VERSION_MINOR,
             XENT_VERSION_PATCH);
    assert_string_equal(xent_version(), version);
    assert_string_equal(xent_status_name(XENT_OK), "XENT_OK");
    assert_string_equal(xent_status_name(XENT_BAD_SHAPE), "XENT_BAD_SHAPE");
    assert_string_equal(xent_status_name(XENT_NO_MEMORY), "XENT_NO_MEMORY");
    assert_string_equal(xent_status_name((xent_status)8), "unknown status");
    assert_string_equal(xent_status_name((xent_status)-1), "unknown status");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensor_rules),  cmocka_unit_test(test_option_rules),
        cmocka_unit_test(test_shape_rules),   cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_older_structs), cmocka_unit_test(test_newer_structs),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
