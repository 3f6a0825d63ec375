/* SPDX-License-Identifier: MIT
 * The rules about arguments of the linear form: an edit of a valid call, the status and a part of
 * the sentence. What it shares with the plain form test_check judges. */
#include "edits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FEATURES = 5, UNTOUCHED = 0xA5 };

/* What a call writes, with room to move in. */
typedef struct linear_written {
    float grad_features[2 * ROWS * FEATURES], grad_weight[2 * CLASSES * FEATURES];
    double grad_bias[2 * CLASSES], loss[ROWS];
    float logits[2 * ROWS * CLASSES];
    xent_total total;
} linear_written;

typedef struct linear_call {
    linear_written memory;
    float features_memory[2 * ROWS * FEATURES], weight_memory[2 * CLASSES * FEATURES],
        bias_memory[ROWS];
    int64_t label_memory[ROWS];
    xent_tensor features, weight, bias, labels, class_weight, grad_features, grad_weight, grad_bias,
        loss, logits;
    xent_options options;
    xent_linear_outputs outputs;
} linear_call;

static void make_valid(linear_call *c) {
    memset(c, 0, sizeof *c);
    memset(&c->memory, UNTOUCHED, sizeof c->memory);
    for (int i = 0; i < ROWS; i++)
        c->label_memory[i] = i % CLASSES;
    c->features = xent_matrix(c->features_memory, XENT_F32, ROWS, FEATURES);
    c->weight = xent_matrix(c->weight_memory, XENT_F32, CLASSES, FEATURES);
    c->bias = c->class_weight = xent_vector(c->bias_memory, XENT_F32, CLASSES);
    c->labels = xent_vector(c->label_memory, XENT_I64, ROWS);
    c->grad_features = xent_matrix(c->memory.grad_features, XENT_F32, ROWS, FEATURES);
    c->grad_weight = xent_matrix(c->memory.grad_weight, XENT_F32, CLASSES, FEATURES);
    c->grad_bias = xent_vector(c->memory.grad_bias, XENT_F64, CLASSES);
    c->loss = xent_vector(c->memory.loss, XENT_F64, ROWS);
    c->logits = xent_matrix(c->memory.logits, XENT_F32, ROWS, CLASSES);
    c->options = (xent_options)XENT_OPTIONS_INIT;
    c->outputs = (xent_linear_outputs)XENT_LINEAR_OUTPUTS_INIT;
    c->outputs.loss = &c->loss;
    c->outputs.grad_features = &c->grad_features;
    c->outputs.grad_weight = &c->grad_weight;
    c->outputs.grad_bias = &c->grad_bias;
    c->outputs.logits = &c->logits;
}

static xent_status run(linear_call *c, xent_error *error) {
    return xent_linear_cross_entropy(&c->features, &c->weight, &c->bias, &c->labels, &c->options,
                                     &c->outputs, &c->memory.total, error);
}

static bool nothing_written(const linear_call *c) {
    const unsigned char *bytes = (const unsigned char *)&c->memory;
    for (size_t i = 0; i < sizeof c->memory; i++)
        if (bytes[i] != UNTOUCHED)
            return false;
    return true;
}

#define AT(field) offsetof(linear_call, field)

static const rule rules[] = {
    {{{I32, AT(features.ndim), 9}}, XENT_BAD_SHAPE, "features: ndim is 9"},
    {{{I32, AT(weight.dtype), 0}}, XENT_BAD_DTYPE, "weight: dtype 0 is none of"},
    {{{CLEARED, AT(bias.data), 0}}, XENT_BAD_ARGUMENT, "bias: data is NULL"},
    {{{CLEARED, AT(grad_weight.data), 0}}, XENT_BAD_ARGUMENT, "outputs.grad_weight: data is NULL"},
    {{{I32, AT(labels.ndim), -1}}, XENT_BAD_SHAPE, "labels: ndim is -1"},
    {{{I32, AT(features.dtype), XENT_I32}},
     XENT_BAD_DTYPE,
     "features have dtype i32 but must be f32, f64, bf16 or f16"},
    {{{I32, AT(weight.dtype), XENT_F16}},
     XENT_BAD_DTYPE,
     "weight has dtype f16 but features have dtype f32: they must have the same"},
    {{{I32, AT(bias.dtype), XENT_BF16}},
     XENT_BAD_DTYPE,
     "bias has dtype bf16 but weight has dtype f32: it must have the same."},
    {{{I32, AT(labels.dtype), XENT_F64}},
     XENT_BAD_DTYPE,
     "labels have dtype f64 but must be integers"},
    {{{I32, AT(features.ndim), 0}}, XENT_BAD_SHAPE, "features have ndim 0"},
    {{{I64, AT(weight.shape[0]), FEATURES}, {I64, AT(weight.shape[1]), CLASSES}},
     XENT_BAD_SHAPE,
     "It looks transposed: give it shape [3, 5] with its two strides swapped."},
    {{{I64, AT(weight.shape[1]), 4}},
     XENT_BAD_SHAPE,
     "weight has shape [3, 4] but features have shape [4, 5]: weight must have shape [C, 5]"},
    {{{I32, AT(weight.ndim), 1}}, XENT_BAD_SHAPE, "weight has shape [3] but features"},
    {{{I64, AT(bias.shape[0]), 4}},
     XENT_BAD_SHAPE,
     "bias has shape [4] but weight has 3 rows: it must have one number per class, shape [3]"},
    {{{I64, AT(weight.shape[0]), 0x1p62},
      {I64, AT(weight.stride[0]), 0},
      {I64, AT(bias.shape[0]), 0x1p62},
      {I64, AT(bias.stride[0]), 0},
      {I64, AT(weight.shape[1]), 1},
      {I64, AT(features.shape[1]), 1}},
     XENT_BAD_SHAPE,
     "features and weight give logits of shape [4, 4611686018427387904], which are more"},
    {{{I32, AT(options.logits_are), XENT_PROBABILITIES}},
     XENT_BAD_ARGUMENT,
     "options.logits_are must be XENT_LOGITS here"},
    {{{I32, AT(options.class_axis), 1}},
     XENT_BAD_ARGUMENT,
     "options.class_axis = 1 must be -1 here"},
    {{{F64, AT(options.label_smoothing), 2}}, XENT_BAD_ARGUMENT, "options.label_smoothing = 2"},
    {{{I64, AT(labels.shape[0]), 2}},
     XENT_BAD_SHAPE,
     "labels have shape [2] but logits have shape [4, 3]: each of the 4 rows of logits needs"},
    {{{I64, AT(loss.shape[0]), 3}}, XENT_BAD_SHAPE, "outputs.loss has shape [3] but must have"},
    {{{ADDRESS, AT(options.class_weight), AT(class_weight)},
      {I64, AT(class_weight.shape[0]), ROWS}},
     XENT_BAD_SHAPE,
     "options.class_weight has the shape of the labels"},
    {{{I32, AT(grad_features.dtype), XENT_F64}},
     XENT_BAD_DTYPE,
     "outputs.grad_features has dtype f64 but must have that of the features, f32."},
    {{{I32, AT(grad_weight.dtype), XENT_BF16}},
     XENT_BAD_DTYPE,
     "must have that of the weight, f32, or a wider one of f32 and f64."},
    {{{I32, AT(grad_bias.dtype), XENT_I64}},
     XENT_BAD_DTYPE,
     "outputs.grad_bias has dtype i64 but must have that of the weight"},
    {{{I64, AT(grad_weight.shape[1]), 4}},
     XENT_BAD_SHAPE,
     "outputs.grad_weight has shape [3, 4] but must have that of the weight, [3, 5]."},
    {{{I64, AT(grad_bias.shape[0]), 4}},
     XENT_BAD_SHAPE,
     "outputs.grad_bias has shape [4] but weight has 3 rows"},
    {{{ADDRESS, AT(grad_features.data), AT(features_memory)}},
     XENT_OVERLAP,
     "outputs.grad_features overlaps the features"},
    {{{ADDRESS, AT(grad_weight.data), AT(weight_memory)}},
     XENT_OVERLAP,
     "outputs.grad_weight overlaps the weight"},
    {{{ADDRESS, AT(grad_weight.data), AT(memory.grad_features)}},
     XENT_OVERLAP,
     "outputs.grad_weight overlaps outputs.grad_features"},
    {{{I64, AT(grad_weight.stride[0]), 0}}, XENT_OVERLAP, "outputs.grad_weight: with shape [3, 5]"},
    {{{CLEARED, AT(logits.data), 0}}, XENT_BAD_ARGUMENT, "outputs.logits: data is NULL"},
    {{{I32, AT(logits.dtype), XENT_F64}},
     XENT_BAD_DTYPE,
     "outputs.logits has dtype f64 but must be f32, in which logits of f32 features are computed."},
    {{{I64, AT(logits.shape[1]), FEATURES}, {I64, AT(logits.stride[0]), FEATURES}},
     XENT_BAD_SHAPE,
     "outputs.logits has shape [4, 5] but must have the shape of the labels with the 3 classes as "
     "last axis, [4, 3]."},
    {{{ADDRESS, AT(logits.data), AT(features_memory)}},
     XENT_OVERLAP,
     "outputs.logits overlaps the features"},
    {{{ADDRESS, AT(logits.data), AT(memory.grad_weight)}},
     XENT_OVERLAP,
     "outputs.logits overlaps outputs.grad_weight"},
    {{{I64, AT(logits.stride[0]), 2}}, XENT_OVERLAP, "outputs.logits: with shape [4, 3]"},
    {{{SIZE, AT(outputs.struct_size), 0}},
     XENT_BAD_ARGUMENT,
     "xent_linear_outputs linear_outputs = XENT_LINEAR_OUTPUTS_INIT;"},
    {{{I64, AT(label_memory[2]), 7}},
     XENT_BAD_LABEL,
     "the label of row [2] is 7, but the logits have 3 classes"},
};

static void test_rules(void **state) {
    linear_call c;
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        xent_error error = {"(no sentence)"};
        make_valid(&c);
        apply_edits(&c, rules[i].edits);
        if (run(&c, NULL) != rules[i].status || run(&c, &error) != rules[i].status ||
            !sentence_says(&error, rules[i].part) || !nothing_written(&c))
            fail_msg("not refused as it should be with \"%s\": %s", rules[i].part, error.message);
    }
}

static void test_null_arguments(void **state) {
    linear_call c;
    xent_error error;
    (void)state;
    make_valid(&c);
    assert_int_equal(
        xent_linear_cross_entropy(NULL, &c.weight, NULL, &c.labels, NULL, NULL, NULL, &error),
        XENT_BAD_ARGUMENT);
    assert_true(sentence_says(&error, "features are NULL"));
    assert_int_equal(
        xent_linear_cross_entropy(&c.features, NULL, NULL, &c.labels, NULL, NULL, NULL, &error),
        XENT_BAD_ARGUMENT);
    assert_true(sentence_says(&error, "weight is NULL"));
    assert_int_equal(
        xent_linear_cross_entropy(&c.features, &c.weight, NULL, NULL, NULL, NULL, NULL, &error),
        XENT_BAD_ARGUMENT);
    assert_true(sentence_says(&error, "labels are NULL"));
    assert_int_equal(
        xent_linear_cross_entropy(&c.features, &c.weight, NULL, &c.labels, NULL, NULL, NULL, NULL),
        XENT_OK);
}

/* Weights of 0 give each class the same probability. */
static void test_valid_call(void **state) {
    linear_call c;
    xent_error error;
    (void)state;
    make_valid(&c);
    assert_int_equal(run(&c, &error), XENT_OK);
    assert_true(fabs(xent_total_loss(&c.memory.total, NULL) - log(CLASSES)) < 1e-15);
    assert_true(fabs(c.memory.grad_bias[0] - (4.0 / 3 - 2) / 4) < 1e-7);
    assert_true(c.memory.grad_weight[0] == 0);
}

/* Asked for alone, logits need no scores: with a label of its own each row has them, an ignored one
 * 0 and a bad one NaN. */
static void test_logits_alone(void **state) {
    linear_call c;
    const int64_t ignored = 1;
    xent_error error;
    (void)state;
    make_valid(&c);
    for (int d = 0; d < FEATURES; d++)
        c.features_memory[2 * FEATURES + d] = c.weight_memory[FEATURES + d] = (float)(d + 1);
    c.bias_memory[1] = 3;
    c.label_memory[3] = 9;
    c.options.ignore = &ignored;
    c.options.ignore_count = 1;
    c.options.on_bad_label = XENT_BAD_LABEL_NAN;
    c.outputs = (xent_linear_outputs)XENT_LINEAR_OUTPUTS_INIT;
    c.outputs.logits = &c.logits;
    assert_int_equal(xent_linear_cross_entropy(&c.features, &c.weight, &c.bias, &c.labels,
                                               &c.options, &c.outputs, NULL, &error),
                     XENT_OK);
    const float expected[] = {0, 3, 0, 0, 0, 0, 0, 58, 0};
    assert_memory_equal(c.memory.logits, expected, sizeof expected);
    for (int k = 0; k < CLASSES; k++)
        assert_true(isnan(c.memory.logits[3 * CLASSES + k]));
    assert_true(((const unsigned char *)c.memory.loss)[0] == UNTOUCHED);
    c.options.on_bad_label = XENT_BAD_LABEL_IGNORE;
    assert_int_equal(run(&c, &error), XENT_OK);
    assert_int_equal(c.memory.total.correct, 0);
    assert_true(c.memory.total.loss_sum > 58);
}

/* Rows that do not count, or count nothing, have no part in a gradient, whatever their features. */
static void test_rows_without_part(void **state) {
    linear_call c;
    const int64_t ignored = 1;
    xent_error error;
    (void)state;
    make_valid(&c);
    for (int d = 0; d < FEATURES; d++)
        c.features_memory[FEATURES + d] = NAN;
    c.options.ignore = &ignored;
    c.options.ignore_count = 1;
    assert_int_equal(run(&c, &error), XENT_OK);
    for (int i = 0; i < CLASSES * FEATURES; i++)
        assert_true(c.memory.grad_weight[i] == 0);
    for (int d = 0; d < FEATURES; d++)
        assert_true(c.memory.grad_features[FEATURES + d] == 0);
    assert_true(isfinite(c.memory.total.loss_sum) && c.memory.loss[1] == 0);
    c.options.ignore_count = 0;
    assert_int_equal(run(&c, &error), XENT_OK);
    assert_true(isnan(c.memory.grad_weight[0]) && isnan(c.memory.total.loss_sum));
}

/* Nothing counted: the gradients are 0, not what the memory held. */
static void test_nothing_counted(void **state) {
    linear_call c;
    xent_error error;
    (void)state;
    make_valid(&c);
    c.options.ignore = c.label_memory;
    c.options.ignore_count = CLASSES;
    assert_int_equal(run(&c, &error), XENT_NOTHING_COUNTED);
    assert_true(nothing_written(&c));
    c.options.on_nothing_counted = XENT_NOTHING_ZERO;
    assert_int_equal(run(&c, &error), XENT_OK);
    for (int i = 0; i < CLASSES * FEATURES; i++)
        assert_true(c.memory.grad_weight[i] == 0);
    for (int i = 0; i < CLASSES; i++)
        assert_true(c.memory.grad_bias[i] == 0);
    make_valid(&c);
    c.features.shape[0] = c.labels.shape[0] = c.loss.shape[0] = c.grad_features.shape[0] = 0;
    c.logits.shape[0] = 0;
    assert_int_equal(run(&c, &error), XENT_OK);
    assert_true(c.memory.grad_weight[0] == 0 && c.memory.grad_bias[2] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_valid_call),
        cmocka_unit_test(test_logits_alone),
        cmocka_unit_test(test_rows_without_part),
        cmocka_unit_test(test_nothing_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
