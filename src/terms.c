/* SPDX-License-Identifier: MIT
 * The scalar maths of every option: row statistics -> loss and gradient coefficients.
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
        .scale = options->softcap > 0 ? 1 : options->logit_scale,
        .rate = options->label_smoothing / (double)classes,
        .hard = 1 - options->label_smoothing,
        .z_loss = options->z_loss,
        .denominator = denominator,
    };
}

/* coefficient*value, where a coefficient of 0 wins over any value */
static double times(double coefficient, double value) {
    return coefficient == 0 ? 0 : coefficient * value;
}

/* a*b as an operand of a sum: an fma, which no compiler contracts with that sum */
static double product_of(double a, double b) {
    return fma(a, b, 0.0);
}

/* coefficient*value + rest, where a coefficient of 0 wins as well */
static double plus_times(double coefficient, double value, double rest) {
    return coefficient == 0 ? rest : fma(coefficient, value, rest);
}

static void lose_row(struct row *row) {
    row->loss = row->lse = row->label_probability = row->entropy = NAN;
    row->prediction = -1;
    row->grad_is_nan = row->probability_is_nan = true;
}

static void finish_gradient(const struct formula *formula, struct row *row) {
    if (row->kind != ROW_COUNTED)
        return;
    if (row->weight == 0 || formula->denominator == 0) {
        row->grad_is_zero = true;
        row->grad_is_nan = false;
    }
}

/* Loss and gradient coefficients of a counted row whose logits can be used, given log1p(rest/top)
 * and p[y]/p[arg]. */
static void apply_formula(const struct formula *formula, struct row *row, double spread,
                          double ratio) {
    const xent_stats *stats = &row->stats;
    double sum = stats->top + stats->rest;
    bool label_is_top = row->label_logit == stats->max;
    double nll = fma(formula->scale, stats->max - row->label_logit, spread);
    double p = (label_is_top ? stats->top : ratio * stats->top) / sum;
    double others = label_is_top ? stats->rest / sum : 1 - p;

    row->label_probability = p;
    row->lse = fma(formula->scale, stats->max, spread);
    row->entropy = spread + stats->heat / sum;
    row->share = 1 / sum;

    double hard = product_of(formula->hard, row->label_weight);
    double soft_nll = plus_times(stats->mass, spread, stats->gap);
    double z_term = times(formula->z_loss, row->lse * row->lse);
    double unweighted = plus_times(hard, nll, plus_times(formula->rate, soft_nll, z_term));
    row->loss = times(row->weight, unweighted);

    double part = row->weight / formula->denominator;
    double soft = plus_times(formula->z_loss, 2 * row->lse, product_of(formula->rate, stats->mass));
    double pull = product_of(formula->rate, row->label_weight);
    row->a = times(hard + soft, formula->scale * part) / sum;
    row->b = times(formula->rate, formula->scale * part);
    double label_part = times(row->label_slope, fma(soft, p, -fma(hard, others, pull)));
    row->label_grad = times(label_part, part);
    row->grad_is_nan = isnan(part);
}

/* Counted, with a largest logit and neither NaN nor +inf. */
static bool is_usable(const struct row *row) {
    return row->kind == ROW_COUNTED && row->stats.arg >= 0 && !row->stats.poisoned;
}

static void finish_from_logits(const struct formula *formula, struct row *rows, int count,
                               const xent_math *math) {
    double spread[MOST_ROWS], ratio[MOST_ROWS];
    struct fall falls[MOST_ROWS];
    for (int i = 0; i < count; i++)
        spread[i] = is_usable(&rows[i]) ? rows[i].stats.rest / rows[i].stats.top : 0;
    math->log1p(spread, count);
    for (int i = 0; i < count; i++) {
        falls[i] = fall_from(rows[i].stats.max, rows[i].label_logit, formula->scale);
        ratio[i] = is_usable(&rows[i]) ? -falls[i].high : 0;
    }
    math->exp(ratio, count);
    for (int i = 0; i < count; i++) {
        if (rows[i].kind != ROW_COUNTED)
            continue;
        if (!is_usable(&rows[i]))
            lose_row(&rows[i]);
        else
            apply_formula(formula, &rows[i], spread[i], exp_of_fall(falls[i], ratio[i]));
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
        double part = hard == 0 ? 0 : hard / formula->denominator;
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
