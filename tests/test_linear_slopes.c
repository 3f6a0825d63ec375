/* SPDX-License-Identifier: MIT
 * The gradients of the linear form against central differences of its loss, in double, under random
 * options. XENT_CASES: a fifth of it is how many (2000). */
#include "draw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xent.h>

enum { ROWS = 5, FEATURES = 4, CLASSES = 6, INPUTS = 3 };

/* Features, weight and bias in a row, and their gradients. */
typedef struct model {
    double numbers[INPUTS][CLASSES * ROWS * FEATURES], grads[INPUTS][CLASSES * ROWS * FEATURES];
    double row_weight[ROWS], class_weight[CLASSES];
    int64_t labels[ROWS], ignored;
    xent_tensor rows, classes; /* of the weights */
    xent_options options;
} model;

static const int64_t counts[INPUTS] = {ROWS * FEATURES, CLASSES *FEATURES, CLASSES};

static xent_tensor tensor_of(double *data, int input) {
    return input == 2 ? xent_vector(data, XENT_F64, CLASSES)
                      : xent_matrix(data, XENT_F64, input == 0 ? ROWS : CLASSES, FEATURES);
}

static void draw_options(model *made, uint64_t *dice) {
    xent_options *options = &made->options;
    *options = (xent_options)XENT_OPTIONS_INIT;
    options->reduction = (int32_t)draw(dice, 3);
    options->label_smoothing = chance(dice, 50) ? draw_real(dice, 0, 1) : 0;
    options->z_loss = chance(dice, 40) ? draw_real(dice, 0, 0.3) : 0;
    options->softcap = chance(dice, 30) ? draw_real(dice, 1, 5) : 0;
    options->logit_scale = chance(dice, 30) ? draw_real(dice, 0.3, 2) : 1;
    options->denominator = chance(dice, 20) ? draw_real(dice, 1, 9) : 0;
    options->class_weight = chance(dice, 40) ? &made->classes : NULL;
    options->row_weight = chance(dice, 40) ? &made->rows : NULL;
    options->ignore = &made->ignored;
    options->ignore_count = chance(dice, 30);
}

static void make_model(model *made, uint64_t *dice) {
    for (int input = 0; input < INPUTS; input++)
        for (int64_t i = 0; i < counts[input]; i++)
            made->numbers[input][i] = draw_normal(dice, 1);
    for (int i = 0; i < ROWS; i++) {
        made->row_weight[i] = draw_real(dice, 0.2, 2);
        made->labels[i] = draw(dice, CLASSES);
    }
    for (int c = 0; c < CLASSES; c++)
        made->class_weight[c] = draw_real(dice, 0.2, 2);
    made->ignored = made->labels[0];
    made->rows = xent_vector(made->row_weight, XENT_F64, ROWS);
    made->classes = xent_vector(made->class_weight, XENT_F64, CLASSES);
    draw_options(made, dice);
    made->options.on_nothing_counted = XENT_NOTHING_ZERO;
}

/* The reduced loss, and the gradients if they are wanted. */
static double solve_model(model *made, bool wants_grads) {
    xent_tensor in[INPUTS], grads[INPUTS], labels = xent_vector(made->labels, XENT_I64, ROWS);
    xent_linear_outputs outputs = XENT_LINEAR_OUTPUTS_INIT;
    xent_total total;
    xent_error error;
    for (int input = 0; input < INPUTS; input++) {
        in[input] = tensor_of(made->numbers[input], input);
        grads[input] = tensor_of(made->grads[input], input);
    }
    if (wants_grads) {
        outputs.grad_features = &grads[0];
        outputs.grad_weight = &grads[1];
        outputs.grad_bias = &grads[2];
    }
    if (xent_linear_cross_entropy(&in[0], &in[1], &in[2], &labels, &made->options, &outputs, &total,
                                  &error) != XENT_OK) {
        printf("refused: %s\n", error.message);
        exit(1);
    }
    return xent_total_loss(&total, &made->options);
}

static double slope(model *made, double *number) {
    const double step = 1e-5, before = *number;
    *number = before + step;
    double above = solve_model(made, false);
    *number = before - step;
    double below = solve_model(made, false);
    *number = before;
    return (above - below) / (2 * step);
}

static int compare_model(model *made) {
    int wrong = 0;
    solve_model(made, true);
    for (int input = 0; input < INPUTS; input++)
        for (int64_t i = 0; i < counts[input]; i++) {
            double expected = slope(made, &made->numbers[input][i]), found = made->grads[input][i];
            if (!(fabs(found - expected) <= 1e-7 * (1 + fabs(expected))) && wrong++ < 3)
                printf("input %d, entry %" PRId64 ": %.12g, expected about %.12g\n", input, i,
                       found, expected);
        }
    return wrong;
}

int main(void) {
    const char *text = getenv("XENT_CASES");
    const uint64_t cases = (text ? strtoull(text, NULL, 10) : 10000) / 5;
    uint64_t wrong = 0;
    for (uint64_t seed = 1; seed <= cases; seed++) {
        static model made;
        uint64_t dice = seed;
        make_model(&made, &dice);
        if (compare_model(&made) > 0) {
            printf("with seed %" PRIu64 "\n", seed);
            wrong++;
        }
    }
    printf("%" PRIu64 " random models, %" PRIu64 " with differences\n", cases, wrong);
    return wrong > 0;
}
