/* SPDX-License-Identifier: MIT
 * What rows of a kind look like, and running a rule in every setting of a batch. */
#include "edges.h"

#include <math.h>
#include <stdio.h>

double p_equal(const struct batch *batch) {
    return 1 / (double)batch->classes;
}

double log_classes(const struct batch *batch) {
    return log((double)batch->classes);
}

/* All outputs of a row but the gradient, and all of it, have one value. */
void check_row_is(struct batch *batch, int row, double value) {
    check_near(batch, "loss", batch->loss[row], value);
    check_near(batch, "lse", batch->lse[row], value);
    check_near(batch, "label probability", batch->label_probability[row], value);
    check_near(batch, "entropy", batch->entropy[row], value);
    check_that(batch, "prediction is -1", batch->prediction[row] == -1);
    for (int64_t c = 0; c < batch->classes; c++)
        check_near(batch, "probability", probability_of(batch, row)[c], value);
}

void check_grad_is(struct batch *batch, int row, double value) {
    for (int64_t c = 0; c < batch->classes; c++)
        check_near(batch, "gradient", grad_of(batch, row)[c], value);
}

/* A row of zeros, scored with weight 1 and this denominator. */
void check_row_is_unharmed(struct batch *batch, int row, double denominator) {
    const double p = p_equal(batch);
    check_near(batch, "loss of another row", batch->loss[row], log_classes(batch));
    check_near(batch, "lse of another row", batch->lse[row], log_classes(batch));
    check_near(batch, "entropy of another row", batch->entropy[row], log_classes(batch));
    check_near(batch, "probability of another label", batch->label_probability[row], p);
    check_that(batch, "prediction of another row", batch->prediction[row] == 0);
    for (int64_t c = 0; c < batch->classes; c++) {
        check_grad_near(batch, "probability in another row", probability_of(batch, row)[c], p);
        check_grad_near(batch, "gradient of another row", grad_of(batch, row)[c],
                        (p - (c == batch->labels[row])) / denominator);
    }
}

void check_nothing_written(struct batch *batch, xent_status status) {
    check_that(batch, "status", batch->status == status);
    check_that(batch, "there is a sentence", batch->error.message[0] != 0);
    for (int row = 0; row < BATCH_ROWS; row++) {
        check_that(batch, "loss not written", batch->loss[row] == NOT_WRITTEN);
        check_that(batch, "prediction not written", batch->prediction[row] == NOT_WRITTEN);
        check_near(batch, "gradient not written", grad_of(batch, row)[0], NOT_WRITTEN);
        check_near(batch, "probability not written", probability_of(batch, row)[0], NOT_WRITTEN);
    }
}

void check_counts(struct batch *batch, int64_t counted, int64_t ignored, int64_t bad,
                  int64_t nonfinite) {
    check_that(batch, "status is OK", batch->status == XENT_OK);
    check_that(batch, "rows", batch->total.rows == BATCH_ROWS);
    check_that(batch, "counted", batch->total.counted == counted);
    check_that(batch, "ignored", batch->total.ignored == ignored);
    check_that(batch, "bad", batch->total.bad == bad);
    check_that(batch, "nonfinite", batch->total.nonfinite == nonfinite);
}

void fill_logits(struct batch *batch, int row, double value) {
    for (int64_t c = 0; c < batch->classes; c++)
        logits_of(batch, row)[c] = value;
}

/* The rule in every setting; returns how many checks did not hold. */
static int run_edge(const struct edge *edge) {
    int wrong = 0;
    for (int i = 0; i < setting_count; i++) {
        struct batch batch = make_batch(settings[i]);
        edge->rule(&batch);
        if (batch.wrong)
            printf("%s: %d checks do not hold in setting %d\n", edge->name, batch.wrong, i);
        wrong += batch.wrong;
        free_batch(&batch);
    }
    return wrong;
}

int run_edges(const struct edge *edges, size_t count) {
    int broken = 0;
    for (size_t i = 0; i < count; i++)
        broken += run_edge(&edges[i]) > 0;
    printf("%s: %zu rules in %d settings each, %d broken\n", xent_isa(), count, setting_count,
           broken);
    return broken > 0;
}
