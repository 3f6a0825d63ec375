/* SPDX-License-Identifier: MIT
 * What must be right before it is timed: some rows against the formula in double. */
#include "gate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS_TRIED = 16 };

/* How far a result may be off, as a share of what is added: a step of the type, and for the plain
 * loop what its long chains of additions come to. */
static double tolerance(const batch *held, const contender *who) {
    static const double STEPS[] = {
        [XENT_F32] = 1e-6, [XENT_F64] = 1e-12, [XENT_BF16] = 0x1p-8, [XENT_F16] = 0x1p-10};
    double chains = held->point->dtype == XENT_F64 ? 1e-10 : 1e-2;
    return STEPS[held->point->dtype] + (who->is_plain ? chains : 0.0);
}

static void check(const batch *held, const contender *who, const char *what, int64_t row,
                  double got, double wanted, double allowed) {
    if (fabs(got - wanted) <= allowed)
        return;
    fprintf(stderr, "bench: %s, %s, row %" PRId64 ": the %s is %.9g, not %.9g\n", who->name,
            dtype_name(held->point->dtype), row, what, got, wanted);
    exit(1);
}

/* ---- the truth ------------------------------------------------------------------------------- */

/* Where class c of a row is in the first copy, and what it was before anything ran. */
static int64_t place_of(const batch *held, int64_t row, int64_t c) {
    return (row / held->inner * held->classes + c) * held->inner + row % held->inner;
}

static double logit_of(const batch *held, int64_t row, int64_t c) {
    int64_t repeats = (int64_t)(held->seed_bytes / dtype_size(held->point->dtype));
    return element_at(held, held->seed, place_of(held, row, c) % repeats);
}

typedef struct truth {
    double max, sum, loss;
} truth;

static truth find_truth(const batch *held, int64_t row) {
    truth found = {.max = -INFINITY};
    for (int64_t c = 0; c < held->classes; c++)
        found.max = fmax(found.max, logit_of(held, row, c));
    for (int64_t c = 0; c < held->classes; c++)
        found.sum += exp(logit_of(held, row, c) - found.max);
    found.loss = log(found.sum) + found.max - logit_of(held, row, held->labels[row]);
    return found;
}

static void check_gradient(const batch *held, const contender *who, int64_t row) {
    const void *gradient = who->writes == WRITES_LOGITS ? held->logits : held->gradient;
    const truth found = find_truth(held, row);
    double share = 1.0 / (double)held->rows;
    double least = held->point->dtype == XENT_F16 ? 0x1p-24 : 0.0; /* its subnormal step */
    for (int64_t c = 0; c < held->classes; c++) {
        double p = exp(logit_of(held, row, c) - found.max) / found.sum;
        double wanted = (p - (c == held->labels[row])) * share;
        check(held, who, "gradient", row, element_at(held, gradient, place_of(held, row, c)),
              wanted, tolerance(held, who) * (p * share + fabs(wanted)) + least);
    }
}

/* ---- who is tried ---------------------------------------------------------------------------- */

/* One contender on the first copy. */
static void try_one(batch *held, const contender *who, int threads) {
    job work = make_job(held, threads);
    bool is_library = who->writes != WRITES_NOTHING && !who->is_plain;
    if (is_library)
        work.row_loss = get_memory((size_t)held->rows * sizeof *work.row_loss);
    who->run(&work, 0);
    for (int64_t i = 0; i < ROWS_TRIED && who->writes != WRITES_NOTHING; i++) {
        int64_t row = i * (held->rows - 1) / (ROWS_TRIED - 1);
        check_gradient(held, who, row);
        if (is_library)
            check(held, who, "loss", row, work.row_loss[row], find_truth(held, row).loss, 1e-5);
    }
    free_job(&work);
}

void pass_gate(batch *held, int threads) {
    for (int i = 0; i < CONTENDERS; i++) {
        if (!takes_part(&ALL_CONTENDERS[i], held->point))
            continue;
        try_one(held, &ALL_CONTENDERS[i], threads);
        restore_logits(held);
    }
}
