/* SPDX-License-Identifier: MIT
 * Gradient accumulation: a batch in parts gives the same gradient, bit for bit, as the batch at
 * once.
 *
 * The mean's denominator belongs to the whole batch. So count the labels first, give every part
 * that denominator, and merge the parts' totals. The mean of the parts' means is another number:
 * it gives rows of a part with few labels too much weight. */
#include <stdio.h>
#include <string.h>
#include <xent.h>

enum { ROWS = 8, CLASSES = 3, UNLABELLED = -100 };

static float logits[ROWS][CLASSES] = {{1.2f, .8f, -.5f}, {-.2f, 1.5f, .1f}, {.9f, -.7f, 1.1f},
                                      {-1, .3f, -.1f},   {2, .4f, .3f},     {.1f, .2f, .3f},
                                      {-.6f, 0, 1.9f},   {.5f, .5f, -.5f}};
static int64_t labels[ROWS] = {0, 1, 2, 0, UNLABELLED, 2, UNLABELLED, UNLABELLED};
static const int64_t unlabelled[] = {UNLABELLED};

/* Scores rows [first, first + count) over the given denominator (0: their own number of labels). */
static xent_total score(int64_t first, int64_t count, double denominator, float grad[][CLASSES]) {
    xent_tensor rows = xent_matrix(logits[first], XENT_F32, count, CLASSES);
    xent_tensor classes = xent_vector(&labels[first], XENT_I64, count);
    xent_tensor gradient = xent_matrix(grad[first], XENT_F32, count, CLASSES);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total = XENT_TOTAL_INIT;
    xent_error error;

    options.ignore = unlabelled;
    options.ignore_count = 1;
    options.denominator = denominator;
    outputs.grad = &gradient;
    if (xent_cross_entropy(&rows, &classes, &options, &outputs, &total, &error) != XENT_OK)
        fprintf(stderr, "%s\n", error.message);
    return total;
}

/* D of the mean over the whole batch, before any logit is there. */
static double count_labels(void) {
    xent_tensor classes = xent_vector(labels, XENT_I64, ROWS);
    xent_options options = XENT_OPTIONS_INIT;
    xent_total counts = XENT_TOTAL_INIT;
    xent_error error;

    options.ignore = unlabelled;
    options.ignore_count = 1;
    if (xent_count_labels(&classes, CLASSES, &options, &counts, &error) != XENT_OK)
        fprintf(stderr, "%s\n", error.message);
    return counts.weight_sum;
}

int main(void) {
    static float at_once[ROWS][CLASSES], in_parts[ROWS][CLASSES];
    const int64_t part[] = {4, 2, 2};
    double denominator = count_labels();

    xent_total whole = score(0, ROWS, 0, at_once);
    xent_total merged = XENT_TOTAL_INIT;
    for (int64_t i = 0, first = 0; i < 3; first += part[i++]) {
        xent_total total = score(first, part[i], denominator, in_parts);
        xent_total_merge(&merged, &total);
    }

    double expected = xent_total_loss(&whole, NULL), loss = xent_total_loss(&merged, NULL);
    int same_bits = memcmp(at_once, in_parts, sizeof at_once) == 0;
    printf("at once   mean loss %.17g over %g labels\n", expected, whole.weight_sum);
    printf("in parts  mean loss %.17g over %g labels\n", loss, merged.weight_sum);
    printf("gradients %s\n", same_bits ? "have the same bits" : "DIFFER");
    return !(same_bits && loss == expected && whole.counted == merged.counted);
}
