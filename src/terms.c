/* SPDX-License-Identifier: MIT
 * Row statistics -> loss and gradient coefficients, and what rows that need care get instead.
 * No product is an operand of + or -: fma says where one rounding is meant, so that no compiler
 * decides. */
#include "terms.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* 2^n for n <= 0; 0 below the normal numbers */
static double power_of_two(int64_t n) {
    if (n < -1022)
        return 0;
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* high + low = scale*(max - x), to twice the precision of a double (TwoSum and an exact product) */
struct fall {
    double high, low;
};

static struct fall fall_from(double max, double x, double scale) {
    double difference = max - x, back = difference - max;
    double lost = (max - (difference - back)) - (x + back);
    double high = scale * difference;
    return (struct fall){high, fma(scale, lost, fma(scale, difference, -high))};
}

/* exp(-(high + low)), given exp(-high) */
static double exp_of_fall(struct fall fall, double exp_high) {
    return exp_high == 0 ? 0 : fma(-fall.low, exp_high, exp_high);
}

double block_factor(const xent_stats *block, const xent_stats *row, double scale,
                    const xent_math *math) {
    if (block->arg < 0)
        return 0;
    if (!block->shifted && !row->shifted)
        return power_of_two(block->k - row->k);
    struct fall fall = fall_from(row->max, block->max, scale);
    double t = -fall.high;
    math->exp(&t, 1);
    return row->top * exp_of_fall(fall, t) / block->top;
}

/* What the range with the lower maximum adds to the other. */
static void add_lower(xent_stats *into, const xent_stats *lower, double scale,
                      const xent_math *math) {
    into->mass += lower->mass;
    if (lower->arg < 0) {
        into->gap += lower->gap;
        return;
    }
    double d = scale * (into->max - lower->max), terms = lower->top + lower->rest;
    double t = block_factor(lower, into, scale, math);
    into->gap += lower->mass == 0 ? lower->gap : fma(d, lower->mass, lower->gap);
    if (t == 0)
        return;
    into->rest = fma(terms, t, into->rest);
    into->heat = fma(fma(d, terms, lower->heat), t, into->heat);
}

void merge_stats(xent_stats *into, const xent_stats *from, double scale, const xent_math *math) {
    bool poisoned = into->poisoned || from->poisoned;
    xent_stats lower = *from;
    if (from->arg >= 0 && (into->arg < 0 || from->max > into->max)) {
        lower = *into;
        *into = *from;
    }
    add_lower(into, &lower, scale, math);
    into->poisoned = poisoned;
}

struct formula make_formula(const xent_options *options, bool plain, int64_t classes,
                            int64_t lane_bytes, double denominator) {
    return (struct formula){
        .logits_are = options->logits_are,
        .by = {.scale = options->softcap > 0 ? 1 : options->logit_scale,
               .rate = options->label_smoothing / (double)classes,
               .hard = 1 - options->label_smoothing,
               .z_loss = options->z_loss,
               .denominator = denominator,
               .least = lane_bytes == 8 ? DBL_MIN : FLT_MIN,
               .most = lane_bytes == 8 ? DBL_MAX : FLT_MAX / 2,
               .plain = plain},
    };
}

/* coefficient*value, where a coefficient of 0 wins over any value */
static double times(double coefficient, double value) {
    return coefficient == 0 ? 0 : coefficient * value;
}

void set_columns(struct rows *rows, int i, const xent_stats *stats) {
    xent_stats_columns *columns = &rows->columns.stats;
    columns->max[i] = stats->max;
    columns->top[i] = stats->top;
    columns->rest[i] = stats->rest;
    columns->mass[i] = stats->mass;
    columns->gap[i] = stats->gap;
    columns->heat[i] = stats->heat;
    rows->prediction[i] = stats->poisoned ? -1 : stats->arg;
    rows->poisoned[i] = stats->poisoned || stats->arg < 0;
    rows->any_poisoned |= rows->poisoned[i];
}

static void lose_row(struct rows *rows, int i) {
    xent_columns *columns = &rows->columns;
    columns->loss[i] = columns->lse[i] = NAN;
    columns->label_probability[i] = columns->entropy[i] = NAN;
    rows->prediction[i] = -1;
    rows->grad_is_nan[i] = rows->probability_is_nan[i] = true;
}

static void skip_row(struct rows *rows, int i) {
    xent_columns *columns = &rows->columns;
    columns->loss[i] = columns->lse[i] = 0;
    columns->label_probability[i] = columns->entropy[i] = 0;
    rows->prediction[i] = -1;
    rows->grad_is_zero[i] = true;
}

/* Rows that mean nothing are as of a single logit of 0. */
static void clear_columns(struct rows *rows, int i) {
    static const xent_stats single = {.top = 1};
    int64_t prediction = rows->prediction[i];
    bool poisoned = rows->poisoned[i];
    set_columns(rows, i, &single);
    rows->columns.label_logit[i] = 0;
    rows->prediction[i] = prediction;
    rows->poisoned[i] = poisoned;
}

/* Probabilities and log-probabilities are taken as they are; only the label's is judged. */
static void finish_from_probability(const struct formula *formula, struct rows *rows, int i,
                                    const xent_math *math) {
    bool logs = formula->logits_are == XENT_LOG_PROBABILITIES;
    xent_columns *columns = &rows->columns;
    double given = columns->label_logit[i], weight = columns->weight[i];
    double p = given + 0.0, nll = given + 0.0; /* + 0.0 turns -0 into 0 */
    bool believable = logs ? given <= 0x1p-6 : given >= 0 && given <= 1 + 0x1p-6;
    columns->lse[i] = columns->entropy[i] = 0;
    if (!believable) {
        int64_t prediction = rows->prediction[i];
        lose_row(rows, i);
        rows->prediction[i] = prediction;
    } else {
        if (logs)
            math->exp(&p, 1);
        else
            math->log(&nll, 1);
        double hard = weight == 0 ? 0 : times(columns->label_weight[i], weight);
        double part = hard == 0 ? 0 : hard / formula->by.denominator;
        double slope = logs ? 1 : given + 0.0;
        columns->label_probability[i] = p;
        columns->loss[i] = times(weight, times(columns->label_weight[i], 0 - nll));
        columns->label_grad[i] = part == 0 ? 0 : -part / slope;
        rows->grad_is_nan[i] = isnan(part);
    }
    if (weight == 0)
        columns->loss[i] = 0;
}

/* What the formula says of a row that has no loss, and of one that has no weight. */
static void correct_row(const struct formula *formula, struct rows *rows, int i) {
    double weight = formula->by.plain ? 1 : rows->columns.weight[i];
    double denominator = formula->by.denominator;
    if (rows->kind[i] == ROW_SKIPPED) {
        skip_row(rows, i);
        return;
    }
    if (rows->kind[i] == ROW_LOST) {
        lose_row(rows, i);
        return;
    }
    if (formula->logits_are == XENT_LOGITS) {
        if (rows->poisoned[i])
            lose_row(rows, i);
        rows->grad_is_nan[i] |= isnan(weight / denominator);
        if (weight == 0)
            rows->columns.loss[i] = 0;
    }
    if (weight == 0 || denominator == 0) {
        rows->grad_is_zero[i] = true;
        rows->grad_is_nan[i] = false;
    }
}

void finish_rows(const struct formula *formula, struct rows *rows, int from, int count,
                 const xent_math *math) {
    bool is_logits = formula->logits_are == XENT_LOGITS;
    rows->ordinary = formula->by.plain && formula->by.denominator > 0 && rows->all_counted &&
                     !rows->any_poisoned;
    for (int i = from; is_logits && !rows->ordinary && i < from + count; i++)
        if (rows->kind[i] != ROW_COUNTED || rows->poisoned[i])
            clear_columns(rows, i);
    rows->all_fit = is_logits && math->finish(&formula->by, &rows->columns, from, count);
    for (int i = from; !rows->ordinary && i < from + count; i++)
        rows->grad_is_zero[i] = rows->grad_is_nan[i] = rows->probability_is_nan[i] = false;
    for (int i = from; !is_logits && i < from + count; i++)
        if (rows->kind[i] == ROW_COUNTED)
            finish_from_probability(formula, rows, i, math);
    for (int i = from; !rows->ordinary && i < from + count; i++)
        correct_row(formula, rows, i);
}
