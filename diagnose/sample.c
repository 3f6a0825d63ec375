/* SPDX-License-Identifier: MIT
 * The temperature that minimises the loss: the loss of a sample of rows at several scales, and the
 * parabola through the lowest three. */
#include "diagnosis.h"

#include <math.h>
#include <string.h>

/* One logit of so many is in the sample, which has at least some and at most many of them, in whole
 * rows; and those in its buffer, unless a row has more. */
enum { ONE_OF = 64, SOME = 1 << 15, MANY = 1 << 24, BUFFERED = 1 << 15 };

/* One row of each step, so that a sample does not depend on how rows are parted. */
xent_status make_sample(xent_diagnosis *all) {
    sample *kept = &all->sample;
    int64_t classes = all->classes > 0 ? all->classes : 1;
    int64_t sampled = all->rows * classes / ONE_OF;
    sampled = sampled < SOME ? SOME : sampled < MANY ? sampled : MANY;
    int64_t wanted = sampled / classes > 0 ? sampled / classes : 1;
    kept->step = all->rows > wanted ? (all->rows + wanted - 1) / wanted : 1;
    kept->capacity = BUFFERED / classes > 0 ? BUFFERED / classes : 1;
    if (kept->capacity > all->rows)
        kept->capacity = all->rows;
    kept->logits = take_array(kept->capacity, (size_t)classes * sizeof *kept->logits);
    kept->labels = take_array(kept->capacity, sizeof *kept->labels);
    return kept->logits && kept->labels ? XENT_OK : XENT_NO_MEMORY;
}

/* Powers of the root of 2, from 1/8 to 8; the middle one is 1. */
enum { MIDDLE = SCALES / 2 };
static double scale_of(double index) {
    return exp2((index - MIDDLE) / 2.0);
}

/* A call that fails for want of memory leaves these rows out. */
static void score_held(xent_diagnosis *all) {
    sample *kept = &all->sample;
    const xent_tensor logits = xent_matrix(kept->logits, XENT_F32, kept->held, all->classes);
    const xent_tensor labels = xent_vector(kept->labels, XENT_I32, kept->held);
    double loss[SCALES];
    for (int i = 0; i < SCALES; i++) {
        xent_options options = all->run;
        xent_total total;
        options.class_axis = -1;
        options.logit_scale *= scale_of(i);
        if (xent_cross_entropy(&logits, &labels, &options, NULL, &total, NULL) != XENT_OK ||
            !isfinite(total.loss_sum))
            return;
        loss[i] = total.loss_sum;
    }
    for (int i = 0; i < SCALES; i++)
        kept->loss[i] += loss[i];
    kept->rows += kept->held;
}

void finish_sample(xent_diagnosis *all) {
    if (all->sample.held > 0)
        score_held(all);
    all->sample.held = 0;
}

/* Which row of a step, changes with the step: labels and models that come in turn keep none. */
bool is_sampled(const xent_diagnosis *all, int64_t row) {
    int64_t step = all->sample.step, nth = row / step;
    uint64_t spread = ((uint64_t)nth + 1) * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    bool is_class = all->labels[row] >= 0 && all->labels[row] < all->classes;
    return row - nth * step == (int64_t)(spread % (uint64_t)step) && is_class &&
           all->logits_are != XENT_PROBABILITIES;
}

void add_sample(xent_diagnosis *all, int64_t row, const float *logits) {
    sample *kept = &all->sample;
    if (logits[all->labels[row]] == -INFINITY) /* its loss is infinite at any temperature */
        return;
    memcpy(kept->logits + kept->held * all->classes, logits, (size_t)all->classes * sizeof *logits);
    kept->labels[kept->held++] = all->labels[row];
    if (kept->held == kept->capacity)
        finish_sample(all);
}

/* Index of the minimum between grid points: the vertex of the parabola through three of them. */
static double find_minimum(const double *loss) {
    int at = 0;
    for (int i = 1; i < SCALES; i++)
        at = loss[i] < loss[at] ? i : at;
    if (at == 0 || at == SCALES - 1)
        return at;
    double bend = loss[at - 1] - 2.0 * loss[at] + loss[at + 1];
    double slope = (loss[at + 1] - loss[at - 1]) / 2.0;
    return bend > 0.0 ? at - slope / bend : at;
}

/* Twice the loss that the temperature saves is chi-squared with 1 degree of freedom where 1 is the
 * best (Wilks 1938); this is its 0.999 quantile. */
static const double NOTABLE = 10.83;

void judge_temperature(xent_diagnosis *all) {
    const sample *kept = &all->sample;
    if (kept->rows == 0 || all->classes < 2 || hides_agreement(all) ||
        has_finding(all, "untrained"))
        return;
    double index = find_minimum(kept->loss), temperature = 1.0 / scale_of(index);
    double given = kept->loss[MIDDLE], best = kept->loss[(int)(index + 0.5)];
    bool over = temperature > 1.1;
    if (!(over || temperature < 1.0 / 1.1) || 2.0 * (given - best) < NOTABLE)
        return;
    double rows = (double)kept->rows;
    record *finding = add_finding(all, over ? "overconfident" : "underconfident", XENT_NOTE, 0.5);
    say(finding,
        "the logits are too %s: divided by the temperature %.3g, the loss of a sample of rows goes "
        "from %.4g to %.4g",
        over ? "large" : "small", temperature, given / rows, best / rows);
    set_fix(finding,
            "If probabilities matter, divide the logits by %.3g; predictions stay as they are.",
            temperature);
    add_evidence(finding, "temperature", temperature);
    add_evidence(finding, "loss", given / rows);
    add_evidence(finding, "loss_at_temperature", best / rows);
    add_evidence(finding, "rows_sampled", rows);
}
