/* SPDX-License-Identifier: MIT
 * Why shapes that do not match are refused: repeating labels to fit gives a number that means
 * nothing.
 *
 * Four rows of logits need four labels. With only two, [0, 1], one can repeat them to [0, 1, 0, 1]:
 * everything runs, the loss even looks better, but rows 2 and 3 are scored against classes that are
 * not theirs.
 *
 * (A published article about this very case prints 0.6193569 and 0.64483726 for the first and
 * the last mean below. The definition in float64, and every framework, give 0.9058165 and
 * 0.6308165.) */
#include <math.h>
#include <stdio.h>
#include <xent.h>

static double logits[4][3] = {{1.2, .8, -.5}, {-.2, 1.5, .1}, {.9, -.7, 1.1}, {-1, .3, -.1}};

/* The mean loss of the four rows, or NaN and the reason. */
static double mean_loss(int64_t *labels, int64_t count, xent_error *error) {
    xent_tensor rows = xent_matrix(logits, XENT_F64, 4, 3);
    xent_tensor classes = xent_vector(labels, XENT_I64, count);
    xent_total total = XENT_TOTAL_INIT;

    if (xent_cross_entropy(&rows, &classes, NULL, NULL, &total, error) != XENT_OK)
        return NAN;
    return xent_total_loss(&total, NULL);
}

static int agrees(double loss, double expected) {
    return fabs(loss - expected) <= 1e-12 * expected;
}

int main(void) {
    int64_t aligned[] = {0, 1, 2, 0}, too_few[] = {0, 1}, repeated[] = {0, 1, 0, 1};
    xent_error error;

    double right = mean_loss(aligned, 4, &error);
    printf("labels [0, 1, 2, 0]  mean loss %.16g\n", right);

    double refused = mean_loss(too_few, 2, &error);
    printf("labels [0, 1]        refused: %s\n", error.message);

    double meaningless = mean_loss(repeated, 4, &error);
    printf("labels [0, 1, 0, 1]  mean loss %.16g, which means nothing\n", meaningless);

    return !(agrees(right, 0.9058164747667916) && isnan(refused) &&
             agrees(meaningless, 0.630816474766791));
}
