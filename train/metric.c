/* SPDX-License-Identifier: MIT
 * The metric that L-BFGS begins with. Of the Hessian, mean of (diag(p) - p*p^T) x u*u^T, it has the
 * blocks of one class, p*(1 - p)*u*u^T and l2: exact at first where all p are 1/C, but for the
 * class mean that no step needs, since gradients sum to 0 over classes. */
#include "metric.h"

#include "../src/tasks.h"
#include "basics.h"
#include "cholesky.h"
#include "gram.h"
#include "vectors.h"

#include <string.h>

/* ---- apply ---- */

/* The sum over classes, which leaves all probabilities alone and the gradient has none of, is none
 * of the direction's business either. */
static void remove_class_mean(const struct metric *metric, double *vector) {
    const int64_t features = metric->edge - 1, classes = metric->classes;
    double *bias = vector + classes * features, mean = 0;
    memset(metric->work, 0, (size_t)features * sizeof(double));
    for (int64_t c = 0; c < classes; c++) {
        add_scaled(metric->work, 1.0 / (double)classes, vector + c * features, features);
        mean += bias[c] / (double)classes;
    }
    for (int64_t c = 0; c < classes; c++) {
        add_scaled(vector + c * features, -1, metric->work, features);
        bias[c] -= mean;
    }
}

static void divide_all(const struct metric *metric, double *vector) {
    const int64_t features = metric->edge - 1, classes = metric->classes;
    for (int64_t c = 0; c < classes; c++) {
        for (int64_t j = 0; j < features; j++)
            vector[c * features + j] /= (double)metric->factors[j];
        vector[classes * features + c] /= (double)metric->factors[features];
    }
}

/* Classes [first, first + count) into columns of `width`, or back. */
static void move(const struct metric *metric, double *vector, int64_t first, int64_t count,
                 int64_t width, bool back) {
    const int64_t features = metric->edge - 1;
    double *bias = vector + metric->classes * features;
    for (int64_t k = 0; k < count; k++)
        for (int64_t j = 0; j <= features; j++) {
            double *place = j < features ? vector + (first + k) * features + j : bias + first + k;
            double *column = metric->work + j * width + k;
            *(back ? place : column) = *(back ? column : place);
        }
}

static void solve_each(const struct metric *metric, double *vector) {
    const int64_t size = metric->edge * metric->edge;
    for (int64_t c = 0; c < metric->classes; c++) {
        move(metric, vector, c, 1, 1, false);
        solve_one(metric->factors + c * size, metric->edge, metric->work);
        move(metric, vector, c, 1, 1, true);
    }
}

static void solve_all(const struct metric *metric, double *vector) {
    for (int64_t c = 0; c < metric->classes; c += CHOLESKY_COLUMNS) {
        int64_t left = metric->classes - c;
        int64_t count = left < CHOLESKY_COLUMNS ? left : CHOLESKY_COLUMNS;
        memset(metric->work, 0, (size_t)(metric->edge * CHOLESKY_COLUMNS) * sizeof(double));
        move(metric, vector, c, count, CHOLESKY_COLUMNS, false);
        solve_columns(metric->factors, metric->edge, metric->work);
        move(metric, vector, c, count, CHOLESKY_COLUMNS, true);
    }
}

void apply_metric(const void *context, double *vector) {
    const struct metric *metric = context;
    if (metric->blocks == 0)
        return;
    if (!metric->full) {
        divide_all(metric, vector);
    } else if (metric->blocks == 1) {
        solve_all(metric, vector);
    } else {
        remove_class_mean(metric, vector);
        solve_each(metric, vector);
        remove_class_mean(metric, vector);
    }
}

/* ---- set ---- */

static double variance_of_even_odds(const struct metric *metric) {
    double share = 1.0 / (double)metric->classes;
    return share * (1 - share);
}

void set_diagonal(struct metric *metric, const double *moments) {
    const double weight = variance_of_even_odds(metric);
    double most = 0;
    for (int64_t j = 0; j < metric->edge - 1; j++)
        most = moments[j] > most ? moments[j] : most;
    for (int64_t j = 0; j < metric->edge - 1; j++)
        metric->factors[j] = (float)(weight * (moments[j] + 1e-6 * most) + metric->l2);
    for (int64_t j = 0; j < metric->edge - 1; j++)
        metric->factors[j] = metric->factors[j] > 0 ? metric->factors[j] : 1;
    metric->factors[metric->edge - 1] = (float)weight;
    metric->blocks = 1;
}

void note_missing(struct metric *metric, const struct sample *sample, const double *moments) {
    const int64_t edge = metric->edge;
    double weight = 0;
    memset(metric->missing, 0, (size_t)edge * sizeof(double));
    for (int64_t i = 0; i < sample->count; i++) {
        const float *row = sample->rows + i * edge;
        weight += (double)sample->weights[i];
        for (int64_t j = 0; j < edge - 1; j++) {
            double square = (double)row[j] * (double)row[j];
            metric->missing[j] -= square * (double)sample->weights[i];
        }
    }
    for (int64_t j = 0; j < edge - 1; j++) {
        double less = moments[j] + metric->missing[j] / weight;
        metric->missing[j] = less > 0 ? less : 0;
    }
}

/* What one building of blocks works with; of the first four each task has its own. */
struct building {
    double *matrix; /* [edge][edge] */
    char *scratch;
    double *logits, *probabilities; /* [GRAM_ROWS][C] */
    int64_t *labels;                /* zeros: of no interest */
    double *parameters;             /* [C][edge] */
    float *variances;               /* [count][C], p*(1 - p)*weight */
    char *failed;                   /* of each task: it found no memory */
    const struct metric *metric;
    const struct sample *sample;
    bool at_zero;
    int32_t width; /* tasks */
};

static struct building of_task(const struct building *all, int64_t task) {
    struct building of = *all;
    const int64_t edge = all->metric->edge;
    const int64_t logits = all->at_zero ? 0 : task * GRAM_ROWS * all->metric->classes;
    of.matrix += task * edge * edge;
    of.scratch += task * (int64_t)gram_scratch(edge);
    of.logits += logits;
    of.probabilities += logits;
    return of;
}

/* Probabilities of some rows of the sample, by the library's own softmax; false: it found no
 * memory. */
static bool find_variances(const struct building *of, int64_t first, int64_t count) {
    const int64_t classes = of->metric->classes, edge = of->metric->edge;
    xent_tensor logits = xent_matrix(of->logits, XENT_F64, count, classes);
    xent_tensor probabilities = xent_matrix(of->probabilities, XENT_F64, count, classes);
    xent_tensor labels = xent_vector(of->labels, XENT_I64, count);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    outputs.probability = &probabilities;
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < classes; c++)
            of->logits[i * classes + c] =
                dot_floats(of->sample->rows + (first + i) * edge, of->parameters + c * edge, edge);
    if (xent_cross_entropy(&logits, &labels, NULL, &outputs, NULL, NULL) != XENT_OK)
        return false;
    for (int64_t i = 0; i < count * classes; i++) {
        double p = of->probabilities[i];
        of->variances[first * classes + i] = (float)(p == p ? p * (1 - p) : 0);
    }
    return true;
}

/* Rows that tell of the class, some at a time; those that say next to nothing are left out, which
 * for many classes are nearly all. */
static void gather_moments(const struct building *of, int64_t class) {
    const float least = 0.01f;
    const struct sample *sample = of->sample;
    const float even = (float)variance_of_even_odds(of->metric);
    const float *rows[GRAM_ROWS];
    float weights[GRAM_ROWS];
    int64_t count = 0;
    for (int64_t i = 0; i < sample->count; i++) {
        float variance = of->at_zero ? even : of->variances[i * of->metric->classes + class];
        if (of->at_zero || variance > least) {
            rows[count] = sample->rows + i * sample->edge;
            weights[count++] = variance * sample->weights[i];
        }
        if (count == GRAM_ROWS || i == sample->count - 1) {
            add_gram(of->matrix, sample->edge, rows, weights, count, of->scratch);
            count = 0;
        }
    }
}

/* As a mean over rows, with l2, what rows beyond the sample have more of a feature (rare ones may
 * not be in it at all), and a little more where that leaves nothing. */
static void finish_matrix(const struct building *of) {
    const int64_t edge = of->metric->edge;
    double weight = 0, trace = 0;
    for (int64_t i = 0; i < of->sample->count; i++)
        weight += (double)of->sample->weights[i];
    scale_by(of->matrix, 1 / (weight > 0 ? weight : 1), edge * edge);
    for (int64_t j = 0; j < edge; j++)
        trace += of->matrix[j * edge + j];
    const double variance = of->matrix[edge * edge - 1], little = 1e-6 * (trace / (double)edge);
    for (int64_t j = 0; j < edge; j++) {
        double beyond = variance * of->metric->missing[j];
        of->matrix[j * edge + j] += beyond + little + (j < edge - 1 ? of->metric->l2 : 0);
    }
}

static void set_block(const struct building *of, int64_t class) {
    const int64_t size = of->metric->edge * of->metric->edge;
    memset(of->matrix, 0, (size_t)size * sizeof(double));
    gather_moments(of, class);
    finish_matrix(of);
    factor(of->matrix, of->metric->edge);
    for (int64_t i = 0; i < size; i++)
        of->metric->factors[class * size + i] = (float)of->matrix[i];
}

static void set_parameters(const struct building *of, const double *parameters) {
    const int64_t edge = of->metric->edge, features = edge - 1, classes = of->metric->classes;
    for (int64_t c = 0; c < classes; c++) {
        memcpy(of->parameters + c * edge, parameters + c * features,
               (size_t)features * sizeof(double));
        of->parameters[c * edge + features] = parameters[classes * features + c];
    }
}

static void find_in_task(void *data, int64_t task) {
    const struct building of = of_task(data, task);
    const int64_t step = of.width * GRAM_ROWS;
    for (int64_t i = task * GRAM_ROWS; i < of.sample->count; i += step) {
        int64_t left = of.sample->count - i;
        if (!find_variances(&of, i, left < GRAM_ROWS ? left : GRAM_ROWS))
            of.failed[task] = 1;
    }
}

static void set_in_task(void *data, int64_t task) {
    const struct building of = of_task(data, task);
    for (int64_t c = task; c < of.metric->blocks; c += of.width)
        set_block(&of, c);
}

static bool build(struct metric *metric, struct building *of, const double *parameters,
                  const xent_options *options) {
    if (!of->at_zero) {
        set_parameters(of, parameters);
        run_tasks(options, find_in_task, of, of->width);
    }
    for (int32_t task = 0; task < of->width; task++)
        if (of->failed[task])
            return false;
    metric->blocks = of->at_zero ? 1 : metric->classes;
    run_tasks(options, set_in_task, of, of->width);
    return true;
}

/* A task for each class at most, if there is enough to do and some 64 MB hold their matrices. */
static int32_t choose_width(const struct metric *metric, const struct sample *sample,
                            const xent_options *options, bool at_zero) {
    const int64_t size = metric->edge * metric->edge, per_task = 1 << 24;
    const int64_t most = (64 << 20) / (size * (int64_t)sizeof(double));
    int64_t blocks = at_zero ? 1 : metric->classes;
    int64_t work = blocks * size * (sample->count + metric->edge), wanted = work / per_task + 1;
    wanted = wanted < most ? wanted : most;
    wanted = wanted < blocks ? wanted : blocks;
    return task_width(options, wanted > 0 ? wanted : 1);
}

bool set_blocks(struct metric *metric, const struct sample *sample, const double *parameters,
                bool at_zero, const xent_options *options) {
    const int64_t edge = metric->edge, classes = at_zero ? 0 : metric->classes;
    const int64_t width = choose_width(metric, sample, options, at_zero);
    struct building of = {.matrix = take_zeros(width * edge, edge, sizeof(double)),
                          .scratch = take_zeros(width, 1, gram_scratch(edge)),
                          .logits = take_zeros(width * GRAM_ROWS, classes, sizeof(double)),
                          .probabilities = take_zeros(width * GRAM_ROWS, classes, sizeof(double)),
                          .labels = take_zeros(GRAM_ROWS, 1, sizeof(int64_t)),
                          .parameters = take_zeros(classes, edge, sizeof(double)),
                          .variances = take_zeros(sample->count, classes, sizeof(float)),
                          .failed = take_zeros(width, 1, 1),
                          .metric = metric,
                          .sample = sample,
                          .at_zero = at_zero,
                          .width = (int32_t)width};
    void *const arrays[] = {of.matrix, of.scratch,    of.logits,    of.probabilities,
                            of.labels, of.parameters, of.variances, of.failed};
    bool there = true;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        there = there && arrays[i];
    there = there && build(metric, &of, parameters, options);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        give_back(arrays[i]);
    return there;
}
