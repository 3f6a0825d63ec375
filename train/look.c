/* SPDX-License-Identifier: MIT
 * The first pass: which classes there are, mean and spread of each feature, a sample of rows, and
 * whether all features are numbers. */
#include "training.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Rows of the sample hold as many bytes at most. */
static int64_t choose_sample(int64_t edge, int64_t classes) {
    const int64_t most = (INT64_C(64) << 20) / (int64_t)sizeof(float) / edge;
    const int64_t least = 1024, wanted = classes < most / edge + 1 ? edge * classes : most;
    int64_t rows = wanted > 8 * edge ? wanted : 8 * edge;
    rows = rows > least ? rows : least;
    return rows < most ? rows : most > 0 ? most : 1;
}

static bool take_sample(struct xent_training *training) {
    struct sample *sample = &training->sample;
    sample->edge = training->features + 1;
    sample->capacity = choose_sample(sample->edge, training->classes);
    sample->rows = take_zeros(sample->capacity, sample->edge, sizeof(float));
    sample->weights = take_zeros(sample->capacity, 1, sizeof(float));
    return sample->rows && sample->weights;
}

void drop_sample(struct xent_training *training) {
    give_back(training->sample.rows);
    give_back(training->sample.weights);
    training->sample.rows = training->sample.weights = NULL;
    training->sample.count = 0;
}

static bool samples(const struct xent_training *training) {
    return training->options.method == XENT_LBFGS &&
           training->options.precondition == XENT_PRECONDITION_FULL;
}

bool take_look(struct xent_training *training) {
    struct look *look = &training->look;
    const int64_t features = training->features;
    if (!training->looks)
        return true;
    look->class_rows = take_zeros(training->classes, 1, sizeof(int64_t));
    look->mean = take_zeros(features, 1, sizeof(double));
    look->spread = take_zeros(features, 1, sizeof(double));
    look->some = take_zeros(features, 2, sizeof(double));
    look->origin = take_zeros(features, 1, sizeof(double));
    return look->class_rows && look->mean && look->spread && look->some && look->origin &&
           (!samples(training) || take_sample(training));
}

/* ---- rows ---- */

static xent_status check_row(const struct xent_training *training, const double *row, int64_t place,
                             xent_error *error) {
    const double most = training->options.dtype == XENT_F32 ? (double)FLT_MAX : DBL_MAX;
    for (int64_t d = 0; d < training->features; d++)
        if (!(fabs(row[d]) <= most))
            return reject(error, XENT_BAD_ARGUMENT,
                          "features[%" PRId64 ", %" PRId64 "] is %g: features of rows that count "
                          "must be %s. Leave the row out (an ignored label does) or replace the "
                          "value",
                          place, d, row[d],
                          isfinite(row[d]) ? "in the range of F32 (or options.dtype XENT_F64)"
                                           : "finite");
    return XENT_OK;
}

/* Only where the magnitudes add up to more than a float holds need they be looked at one by one. */
static bool is_moderate(const double *row, int64_t count) {
    enum { LANES = 8 };
    double sums[LANES] = {0};
    int64_t d = 0;
    for (; d + LANES <= count; d += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += fabs(row[d + k]);
    for (; d < count; d++)
        sums[0] += fabs(row[d]);
    for (int k = 1; k < LANES; k++)
        sums[0] += sums[k];
    return sums[0] <= (double)FLT_MAX;
}

static uint64_t draw(uint64_t seed, int64_t number) {
    uint64_t x = seed + (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Row number `seen` stays with a probability of capacity/seen, in the place of any. */
static void offer_row(struct xent_training *training, const double *row, double weight) {
    struct sample *sample = &training->sample;
    int64_t place = sample->seen++;
    if (place >= sample->capacity)
        place = (int64_t)(draw(training->options.seed, sample->seen) % (uint64_t)sample->seen);
    if (place >= sample->capacity)
        return;
    float *kept = sample->rows + place * sample->edge;
    for (int64_t d = 0; d < training->features; d++)
        kept[d] = (float)(row[d] - training->look.origin[d]);
    kept[training->features] = 1;
    sample->weights[place] = (float)weight;
    sample->count += sample->count < sample->capacity;
}

/* ---- mean and spread ---- */

static void add_row(double *restrict sums, const double *restrict row,
                    const double *restrict origin, int64_t count) {
    for (int64_t d = 0; d < count; d++)
        sums[d] += row[d] - origin[d];
}

static void add_squares(double *restrict squares, const double *restrict row,
                        const double *restrict origin, const double *restrict mean, int64_t count) {
    for (int64_t d = 0; d < count; d++) {
        double far = row[d] - origin[d] - mean[d];
        squares[d] += far * far;
    }
}

/* Mean and spread of the unit join those before (Chan, Golub, LeVeque 1979). All are relative to
 * the first row, so that what is constant is exactly that. */
static void add_moments(struct xent_training *training) {
    struct look *look = &training->look;
    const int64_t features = training->features, rows = training->unit.rows;
    const double *unit = training->unit.features;
    double *mean = look->some, *squares = look->some + features;
    const double share = (double)rows / (look->rows + (double)rows);
    memset(look->some, 0, (size_t)(2 * features) * sizeof(double));
    for (int64_t i = 0; i < rows; i++)
        add_row(mean, unit + i * features, look->origin, features);
    for (int64_t d = 0; d < features; d++)
        mean[d] /= (double)rows;
    for (int64_t i = 0; i < rows; i++)
        add_squares(squares, unit + i * features, look->origin, mean, features);
    for (int64_t d = 0; d < features; d++) {
        double apart = mean[d] - look->mean[d], between = apart * apart * look->rows;
        double moved = apart * share, widened = between * share;
        look->mean[d] += moved;
        look->spread[d] += squares[d] + widened;
    }
    look->rows += (double)rows;
}

xent_status look_at_unit(struct xent_training *training, xent_error *error) {
    const struct unit *unit = &training->unit;
    const double *class_weight = training->class_weight;
    for (int64_t i = 0; i < unit->rows; i++) {
        const double *row = (const double *)unit->features + i * training->features;
        xent_status status = is_moderate(row, training->features)
                                 ? XENT_OK
                                 : check_row(training, row, unit->places[i], error);
        if (status != XENT_OK)
            return status;
        if (training->look.rows == 0 && i == 0)
            memcpy(training->look.origin, row, (size_t)training->features * sizeof *row);
        training->look.class_rows[unit->labels[i]]++;
        double weight = unit->weights[i] * (class_weight ? class_weight[unit->labels[i]] : 1);
        if (samples(training) && weight > 0)
            offer_row(training, row, weight);
    }
    add_moments(training);
    return XENT_OK;
}

/* ---- what it has shown ---- */

static xent_status check_classes(const struct xent_training *training, xent_error *error) {
    int64_t present = 0, missing = -1, last = 0;
    for (int64_t c = training->classes - 1; c >= 0; c--) {
        bool there = training->look.class_rows[c] > 0;
        present += there;
        missing = there ? missing : c;
        last = there ? c : last;
    }
    if (present == 0)
        return reject(
            error, XENT_NOTHING_COUNTED,
            "none of %" PRId64 " rows counts: %" PRId64 " are ignored, %" PRId64 " have bad labels",
            training->pass.counts.rows, training->pass.counts.ignored, training->pass.counts.bad);
    if (present == 1)
        return reject(error, XENT_BAD_LABEL,
                      "all %" PRId64 " labels are %" PRId64
                      ": there is nothing to tell apart. A classifier needs rows of at least 2 "
                      "classes",
                      training->pass.counts.counted, last);
    if (missing >= 0 && training->options.label_smoothing == 0)
        return reject(error, XENT_BAD_LABEL,
                      "%" PRId64 " of %" PRId64 " classes have no row, the first is %" PRId64
                      ": their bias would go to minus infinity. Number the classes that occur from "
                      "0 to %" PRId64 " without gaps, or set options.label_smoothing",
                      training->classes - present, training->classes, missing, present - 1);
    if (!(training->pass.counts.weight_sum > 0))
        return reject(error, XENT_NOTHING_COUNTED,
                      "the weights of all %" PRId64 " rows that count are 0",
                      training->pass.counts.counted);
    return XENT_OK;
}

static double rounded(const struct xent_training *training, double value) {
    return training->options.dtype == XENT_F32 ? (double)(float)value : value;
}

static void set_transform(struct xent_training *training) {
    const struct look *look = &training->look;
    for (int64_t d = 0; d < training->features; d++) {
        double spread = look->spread[d], variance = spread / look->rows;
        training->mean[d] = rounded(training, look->origin[d] + look->mean[d]);
        training->scale[d] = rounded(training, spread > 0 ? 1 / sqrt(variance) : 1);
    }
    training->count.transforms = 1;
    note_transform(training);
}

/* Of u, for each feature. */
static void set_moments(struct xent_training *training) {
    struct look *look = &training->look;
    for (int64_t d = 0; d < training->features; d++) {
        double mean = (look->origin[d] - training->mean[d]) + look->mean[d];
        double square = mean * mean, variance = look->spread[d] / look->rows;
        double scaled = (variance + square) * training->scale[d];
        look->some[d] = scaled * training->scale[d];
    }
}

static void prepare_sample(struct xent_training *training) {
    const int64_t edge = training->sample.edge;
    for (int64_t i = 0; i < training->sample.count; i++)
        for (int64_t d = 0; d < training->features; d++) {
            float *kept = training->sample.rows + i * edge + d;
            double moved = (double)*kept + (training->look.origin[d] - training->mean[d]);
            *kept = (float)(moved * training->scale[d]);
        }
}

static xent_status set_metric(struct xent_training *training, xent_error *error) {
    if (training->options.method != XENT_LBFGS)
        return XENT_OK;
    set_moments(training);
    if (training->options.precondition == XENT_PRECONDITION_DIAGONAL)
        set_diagonal(&training->metric, training->look.some);
    if (!samples(training))
        return XENT_OK;
    prepare_sample(training);
    note_missing(&training->metric, &training->sample, training->look.some);
    if (!set_blocks(&training->metric, &training->sample, training->point, true, &training->run))
        return reject(error, XENT_NO_MEMORY,
                      "out of memory for the second moments of %" PRId64
                      " features: XENT_PRECONDITION_DIAGONAL needs less",
                      training->features);
    if (!training->metric.by_class)
        drop_sample(training);
    return XENT_OK;
}

xent_status finish_look(struct xent_training *training, xent_error *error) {
    xent_status status = check_classes(training, error);
    if (status != XENT_OK)
        return status;
    if (training->options.standardize)
        set_transform(training);
    status = set_metric(training, error);
    training->count.looked = 1;
    training->count.rows = training->pass.counts.rows;
    training->count.counted = training->pass.counts.counted;
    return status;
}
