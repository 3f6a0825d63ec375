/* SPDX-License-Identifier: MIT
 * Searches, by climbing hills from fixed seeds, for the row of 1024 classes whose loss is worst;
 * MPFR confirms what was found. Asserts the bound of docs/accuracy.md. */
#include "kernels.h"
#include "xent.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mpfr.h>

enum { CLASSES = BLOCK, STEPS = CLASSES / PARTS, CLIMBS = 12, TRIES = 6000 };

static uint64_t state = UINT64_C(0x2545f4914f6cdd1d);

/* Marsaglia's xorshift64, as a double in [0, 1). */
static double uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ldexp((double)(state >> 11), -53);
}

static int below(int count) {
    return (int)(uniform() * count);
}

/* A row whose class PARTS*step + part has the logit level[step] + tilt[part], and whose label,
 * class `label`, lies at 0; all of it lifted. The kernels add up each part on its own: levels stir
 * the rounding errors of their sums, tilts those of the folds, the lift that of the label's own
 * term. */
typedef struct staircase {
    double level[STEPS], tilt[PARTS], lift;
    int label;
} staircase;

typedef struct climber {
    int32_t dtype;
    double unit, limit; /* of the bound, and the bound in units */
    double half_ulp; /* log of half an ulp of 1: a term that far below its sum is lost or doubled */
    double logits[CLASSES]; /* as the dtype rounds them */
    double loss;            /* the library's */
} climber;

static void make_logits(climber *row, const staircase *shape) {
    for (int c = 0; c < CLASSES; c++) {
        double x = shape->lift;
        x += c == shape->label ? 0 : shape->level[c / PARTS] + shape->tilt[c % PARTS];
        row->logits[c] = row->dtype == XENT_F32 ? (double)(float)x : x;
    }
}

static bool score(climber *row, const staircase *shape) {
    float singles[CLASSES];
    for (int c = 0; c < CLASSES; c++)
        singles[c] = (float)row->logits[c];
    void *data = row->dtype == XENT_F32 ? (void *)singles : (void *)row->logits;
    int32_t label = shape->label;
    xent_tensor logits = xent_matrix(data, row->dtype, 1, CLASSES);
    xent_tensor labels = xent_vector(&label, XENT_I32, 1),
                loss = xent_vector(&row->loss, XENT_F64, 1);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    outputs.loss = &loss;
    return xent_cross_entropy(&logits, &labels, NULL, &outputs, NULL, NULL) == XENT_OK;
}

/* The error of the loss in units, by long doubles: quick, and right to some 2^-58. */
static double quick_error(climber *row, const staircase *shape) {
    long double rest = 0, top;
    make_logits(row, shape);
    if (!score(row, shape))
        return INFINITY;
    top = row->logits[shape->label];
    for (int c = 0; c < CLASSES; c++)
        rest += c == shape->label ? 0 : expl((long double)row->logits[c] - top);
    long double exact = log1pl(rest);
    return (double)(fabsl((long double)row->loss - exact) / exact) / row->unit;
}

static double sure_error(const climber *row, const staircase *shape) {
    mpfr_t rest, term;
    mpfr_inits2(200, rest, term, (mpfr_ptr)0);
    mpfr_set_zero(rest, 1);
    for (int c = 0; c < CLASSES; c++) {
        mpfr_set_d(term, row->logits[c], MPFR_RNDN);
        mpfr_sub_d(term, term, row->logits[shape->label], MPFR_RNDN);
        mpfr_exp(term, term, MPFR_RNDN);
        if (c != shape->label)
            mpfr_add(rest, rest, term, MPFR_RNDN);
    }
    mpfr_log1p(rest, rest, MPFR_RNDN);
    mpfr_d_sub(term, row->loss, rest, MPFR_RNDN);
    mpfr_div(term, term, rest, MPFR_RNDN);
    double error = fabs(mpfr_get_d(term, MPFR_RNDN)) / row->unit;
    mpfr_clears(rest, term, (mpfr_ptr)0);
    return error;
}

/* ---- climbing -------------------------------------------------------------------------------- */

/* Every logit stays below the label's. */
static staircase random_shape(const climber *row) {
    staircase shape = {.label = below(CLASSES), .lift = below(2) ? 60 * uniform() - 30 : 0};
    double bottom = -3 - 20 * uniform();
    for (int i = 0; i < STEPS; i++)
        shape.level[i] =
            bottom + (i > 0 && below(2) ? row->half_ulp - 0.3 * uniform() : -uniform());
    return shape;
}

/* Moves one number, or all levels from one on, by a little or by about half an ulp of the sum. */
static staircase neighbour(const climber *row, const staircase *from) {
    staircase shape = *from;
    double step = (uniform() - 0.5) * pow(10, -6 * uniform());
    int at = below(STEPS);
    switch (below(6)) {
    case 0:
        shape.tilt[below(PARTS)] = -fabs(step);
        break;
    case 1:
        shape.level[at] = shape.level[below(STEPS)] + row->half_ulp * below(2) + step;
        break;
    case 2:
        shape.level[at] = shape.level[below(STEPS)];
        break;
    case 3:
        for (int i = 0; i < STEPS; i++)
            shape.level[i] += step;
        break;
    case 4:
        shape.lift += step;
        break;
    default:
        shape.level[at] += step;
    }
    for (int i = 0; i < STEPS; i++)
        shape.level[i] = fmax(fmin(shape.level[i], -1), -70); /* no term is flushed */
    return shape;
}

/* The worst error after one climb. */
static double climb(climber *row) {
    staircase best = random_shape(row);
    double worst = quick_error(row, &best);
    for (int i = 0; i < TRIES; i++) {
        staircase next = neighbour(row, &best);
        double error = quick_error(row, &next);
        if (error >= worst) {
            worst = error;
            best = next;
        }
    }
    quick_error(row, &best);
    return sure_error(row, &best);
}

static bool search(climber *row, const char *name) {
    double worst = 0;
    for (int i = 0; i < CLIMBS; i++)
        worst = fmax(worst, climb(row));
    printf("%s: the worst of %d losses is %.4f * 2^%d off, of at most %g\n", name, CLIMBS * TRIES,
           worst, ilogb(row->unit), row->limit);
    return worst <= row->limit;
}

int main(void) {
    climber floats = {.dtype = XENT_F32, .unit = 0x1p-23, .limit = 4, .half_ulp = -16.6355};
    climber doubles = {.dtype = XENT_F64, .unit = 0x1p-53, .limit = 17, .half_ulp = -36.7368};
    bool fine = search(&floats, "f32");
    fine = search(&doubles, "f64") && fine;
    mpfr_free_cache();
    return fine ? 0 : 1;
}
