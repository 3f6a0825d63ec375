/* SPDX-License-Identifier: MIT
 * Row statistics -> loss and gradient coefficients, and what rows that need care get instead.
 * No product is an operand of + or -: fma says where one rounding is meant, so that no compiler
 * decides. */
#include "terms.h"

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

struct formula make_formula(const xent_options *options, int64_t classes, double denominator) {
    return (struct formula){
        .logits_are = options->logits_are,
        .by = {.scale = options->softcap > 0 ? 1 : options->logit_scale,
               .rate = options->label_smoothing / (double)classes,
               .hard = 1 - options->label_smoothing,
               .z_loss = options->z_loss,
               .denominator = denominator},
    };
}

/* coefficient*value, where a coefficient of 0 wins over any value */
static double times(double coefficient, double value) {
    return coefficient == 0 ? 0 : coefficient * value;
}

static void lose_row(struct row *row) {
    row->loss = row->lse = row->label_probability = row->entropy = NAN;
    row->prediction = -1;
    row->grad_is_nan = row->probability_is_nan = true;
}

static void finish_gradient(const struct formula *formula, struct row *row) {
    if (row->kind != ROW_COUNTED)
        return;
    if (row->weight == 0 || formula->by.denominator == 0) {
        row->grad_is_zero = true;
        row->grad_is_nan = false;
    }
}

/* Counted, with a largest logit and neither NaN nor +inf. */
static bool is_usable(const struct row *row) {
    return row->kind == ROW_COUNTED && row->stats.arg >= 0 && !row->stats.poisoned;
}

/* Rows that mean nothing are as of a single logit of 0. */
static void fill_columns(const struct row *rows, int count, xent_columns *columns) {
    static const xent_stats single = {.top = 1};
    for (int i = 0; i < count; i++) {
        bool usable = is_usable(&rows[i]);
        const xent_stats *stats = usable ? &rows[i].stats : &single;
        columns->max[i] = stats->max;
        columns->top[i] = stats->top;
        columns->rest[i] = stats->rest;
        columns->mass[i] = stats->mass;
        columns->gap[i] = stats->gap;
        columns->heat[i] = stats->heat;
        columns->weight[i] = rows[i].weight;
        columns->label_weight[i] = rows[i].label_weight;
        columns->label_logit[i] = usable ? rows[i].label_logit : 0;
        columns->label_slope[i] = rows[i].label_slope;
    }
}

static void take_columns(const xent_columns *columns, int i, struct row *row) {
    row->loss = columns->loss[i];
    row->lse = columns->lse[i];
    row->label_probability = columns->label_probability[i];
    row->entropy = columns->entropy[i];
    row->a = columns->a[i];
    row->b = columns->b[i];
    row->label_grad = columns->label_grad[i];
    row->share = columns->share[i];
}

static void finish_from_logits(const struct formula *formula, struct row *rows, int count,
                               const xent_math *math) {
    xent_columns columns;
    fill_columns(rows, count, &columns);
    math->finish(&formula->by, &columns, count);
    for (int i = 0; i < count; i++) {
        if (rows[i].kind != ROW_COUNTED)
            continue;
        if (is_usable(&rows[i]))
            take_columns(&columns, i, &rows[i]);
        else
            lose_row(&rows[i]);
        rows[i].grad_is_nan |= isnan(rows[i].weight / formula->by.denominator);
        if (rows[i].weight == 0)
            rows[i].loss = 0;
    }
}

/* Probabilities and log-probabilities are taken as they are; only the label's is judged. */
static void finish_from_probability(const struct formula *formula, struct row *row,
                                    const xent_math *math) {
    bool logs = formula->logits_are == XENT_LOG_PROBABILITIES;
    double given = row->label_logit, p = given + 0.0, nll = given + 0.0; /* + 0.0 turns -0 into 0 */
    bool believable = logs ? given <= 0x1p-6 : given >= 0 && given <= 1 + 0x1p-6;
    if (!believable) {
        int64_t prediction = row->prediction;
        lose_row(row);
        row->prediction = prediction;
    } else {
        if (logs)
            math->exp(&p, 1);
        else
            math->log(&nll, 1);
        double hard = row->weight == 0 ? 0 : times(row->label_weight, row->weight);
        double part = hard == 0 ? 0 : hard / formula->by.denominator;
        double slope = logs ? 1 : given + 0.0;
        row->label_probability = p;
        row->loss = times(row->weight, times(row->label_weight, 0 - nll));
        row->label_grad = part == 0 ? 0 : -part / slope;
        row->grad_is_nan = isnan(part);
    }
    if (row->weight == 0)
        row->loss = 0;
}

void finish_rows(const struct formula *formula, struct row *rows, int count,
                 const xent_math *math) {
    if (formula->logits_are == XENT_LOGITS)
        finish_from_logits(formula, rows, count, math);
    for (int i = 0; i < count; i++) {
        if (formula->logits_are != XENT_LOGITS && rows[i].kind == ROW_COUNTED)
            finish_from_probability(formula, &rows[i], math);
        if (rows[i].kind == ROW_LOST)
            lose_row(&rows[i]);
        if (rows[i].kind == ROW_SKIPPED)
            rows[i].grad_is_zero = true;
        finish_gradient(formula, &rows[i]);
    }
}
