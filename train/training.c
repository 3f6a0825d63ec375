/* SPDX-License-Identifier: MIT
 * The entry points but for the step and the state: begin, rows of a pass, the model, the end. */
#include "training.h"

#include "vectors.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- memory ---- */

static bool take_copies(struct xent_training *training, const xent_training_options *options) {
    const xent_tensor *weights = options->class_weight;
    training->ignore = take_zeros((int64_t)options->ignore_count, 1, sizeof(int64_t));
    if (!training->ignore)
        return false;
    if (options->ignore_count > 0)
        memcpy(training->ignore, options->ignore, options->ignore_count * sizeof(int64_t));
    training->options.ignore = training->run.ignore = training->ignore;
    if (!weights)
        return true;
    training->class_weight = take_zeros(training->classes, 1, sizeof(double));
    const struct preparation how = {.from = weights->dtype,
                                    .to = XENT_F64,
                                    .stride = weights->stride[0],
                                    .count = training->classes};
    if (!training->class_weight)
        return false;
    prepare_row(&how, weights->data, training->class_weight);
    training->class_weights = xent_vector(training->class_weight, XENT_F64, training->classes);
    training->options.class_weight = training->run.class_weight = &training->class_weights;
    return true;
}

static bool take_vectors(struct xent_training *training) {
    double **const doubles[] = {&training->point, &training->gradient,
                                training->batches ? &training->velocity : &training->point,
                                training->options.method == XENT_ADAM ? &training->squares
                                                                      : &training->point};
    void **const lanes[] = {&training->lanes, &training->best, &training->unit_gradient};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        if (!*doubles[i] && !(*doubles[i] = take_zeros(training->parameters, 1, sizeof(double))))
            return false;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)
        if (!(*lanes[i] = take_zeros(training->parameters, 1, training->lane)))
            return false;
    training->mean = take_zeros(training->features, 1, sizeof(double));
    training->scale = take_zeros(training->features, 1, sizeof(double));
    training->float_mean = take_zeros(training->features, 1, sizeof(float));
    training->float_scale = take_zeros(training->features, 1, sizeof(float));
    return training->mean && training->scale && training->float_mean && training->float_scale;
}

/* One factor for each class where they are few enough to pay for it. */
static bool take_metric(struct xent_training *training) {
    struct metric *metric = &training->metric;
    const int64_t most = INT64_C(16) << 20, edge = training->features + 1;
    metric->classes = training->classes;
    metric->edge = edge;
    metric->l2 = training->options.l2;
    metric->full = training->options.precondition == XENT_PRECONDITION_FULL;
    if (training->options.precondition == XENT_PRECONDITION_NONE)
        return true;
    metric->by_class = metric->full && edge <= most / edge / training->classes;
    metric->work = take_zeros(edge, 8, sizeof(double));
    metric->missing = take_zeros(edge, 1, sizeof(double));
    metric->factors =
        metric->full
            ? take_zeros(edge, edge * (metric->by_class ? training->classes : 1), sizeof(float))
            : take_zeros(edge, 1, sizeof(float));
    return metric->work && metric->missing && metric->factors;
}

static bool take_method(struct xent_training *training) {
    struct lbfgs *lbfgs = &training->lbfgs;
    if (training->batches)
        return true;
    lbfgs->singles = training->options.dtype == XENT_F32;
    lbfgs->noise = lbfgs->singles ? 0x1p-27 : 0x1p-48;
    lbfgs->metric = apply_metric;
    lbfgs->context = &training->metric;
    return take_lbfgs(lbfgs, training->parameters, training->options.history) &&
           take_metric(training);
}

/* ---- begin and end ---- */

void note_transform(struct xent_training *training) {
    narrow_all(training->mean, training->features, training->float_mean);
    narrow_all(training->scale, training->features, training->float_scale);
}

void begin_pass(struct xent_training *training) {
    const xent_total nothing = XENT_TOTAL_INIT;
    training->pass = (struct pass){.counts = nothing,
                                   .found = nothing,
                                   .held_counts = nothing,
                                   .held_found = nothing,
                                   .batch = nothing};
    training->unit.rows = 0;
    training->unit.weighs = false;
    memset(training->gradient, 0, (size_t)training->parameters * sizeof(double));
}

static void set_run(struct xent_training *training, const xent_training_options *options) {
    const xent_options defaults = XENT_OPTIONS_INIT;
    training->run = defaults;
    training->run.reduction = XENT_SUM;
    training->run.on_bad_label = options->on_bad_label;
    training->run.on_nothing_counted = XENT_NOTHING_ZERO;
    training->run.threads = options->threads;
    training->run.executor = options->executor;
    training->run.label_smoothing = options->label_smoothing;
    training->run.ignore_count = options->ignore_count;
}

static bool begin(struct xent_training *training, const xent_training_options *options) {
    training->options = *options;
    training->options.class_weight = NULL;
    training->parameters = training->classes * (training->features + 1);
    training->lane = options->dtype == XENT_F64 ? sizeof(double) : sizeof(float);
    training->batches = options->method != XENT_LBFGS;
    training->looks = !training->batches || options->standardize;
    training->number = (struct numbers){.held_out = (double)INFINITY,
                                        .rate = options->learning_rate,
                                        .beta1_power = 1,
                                        .beta2_power = 1};
    set_run(training, options);
    if (!take_copies(training, options) || !take_vectors(training) || !take_unit(training) ||
        !take_look(training) || !take_method(training))
        return false;
    for (int64_t d = 0; d < training->features; d++)
        training->scale[d] =
            options->dtype == XENT_F32 ? (double)(float)options->scale : options->scale;
    note_transform(training);
    training->count.transforms = options->scale != 1;
    note_options(training);
    note_numbers(training);
    begin_pass(training);
    return true;
}

static void empty(xent_error *error) {
    if (error)
        error->message[0] = '\0';
}

xent_status xent_training_begin(int64_t classes, int64_t features,
                                const xent_training_options *options, xent_training **training,
                                xent_error *error) {
    xent_training_options given;
    empty(error);
    if (!training)
        return reject(error, XENT_BAD_ARGUMENT, "training is NULL: it receives the result");
    *training = NULL;
    xent_status status = read_training_options(classes, features, options, &given, error);
    if (status != XENT_OK)
        return status;
    xent_training *made = take_zeros(1, 1, sizeof *made);
    if (made) {
        made->classes = classes;
        made->features = features;
    }
    if (!made || !begin(made, &given)) {
        xent_training_free(made);
        return reject(error, XENT_NO_MEMORY,
                      "out of memory: training %" PRId64 " classes of %" PRId64
                      " features needs several times their parameters; fewer options.history, "
                      "XENT_PRECONDITION_DIAGONAL or XENT_SGD need less",
                      classes, features);
    }
    *training = made;
    return XENT_OK;
}

void xent_training_free(xent_training *training) {
    if (!training)
        return;
    void *const arrays[] = {
        training->float_mean,   training->float_scale,    training->ignore,
        training->class_weight, training->mean,           training->scale,
        training->point,        training->lanes,          training->best,
        training->gradient,     training->unit_gradient,  training->velocity,
        training->squares,      training->unit.features,  training->unit.labels,
        training->unit.places,  training->unit.weights,   training->look.class_rows,
        training->look.mean,    training->look.spread,    training->look.some,
        training->look.origin,  training->sample.rows,    training->sample.weights,
        training->metric.work,  training->metric.factors, training->metric.missing,
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        give_back(arrays[i]);
    free_lbfgs(&training->lbfgs);
    give_back(training);
}

/* ---- parameters to begin with ---- */

static xent_status check_start(const xent_training *training, const char *name,
                               const xent_tensor *given, int ndim, xent_error *error) {
    const int64_t shape[] = {training->classes, training->features};
    bool fits = given && given->data && given->ndim == ndim &&
                (given->dtype == XENT_F32 || given->dtype == XENT_F64);
    for (int axis = 0; fits && axis < ndim; axis++)
        fits = given->shape[axis] == shape[axis];
    if (fits)
        return XENT_OK;
    if (ndim == 2)
        return reject(error, XENT_BAD_SHAPE, "%s must be F32 or F64 [%" PRId64 ", %" PRId64 "]",
                      name, shape[0], shape[1]);
    return reject(error, XENT_BAD_SHAPE, "%s must be F32 or F64 [%" PRId64 "]", name, shape[0]);
}

static void read_start(const xent_training *training, const xent_tensor *weight,
                       const xent_tensor *bias, double *to) {
    const int64_t classes = training->classes, features = training->features;
    const struct block rows = {.features = weight};
    const struct preparation along = {
        .from = weight->dtype, .to = XENT_F64, .stride = weight->stride[1], .count = features};
    memset(to, 0, (size_t)training->parameters * sizeof *to);
    for (int64_t c = 0; c < classes; c++)
        prepare_row(&along, features_of(&rows, c), to + c * features);
    if (bias) {
        const struct preparation down = {
            .from = bias->dtype, .to = XENT_F64, .stride = bias->stride[0], .count = classes};
        prepare_row(&down, bias->data, to + classes * features);
    }
}

/* A sum over classes that is not 0 is only ever lessened by l2, and slowly. */
static void remove_mean(const xent_training *training, double *parameters) {
    const int64_t classes = training->classes, features = training->features;
    for (int64_t d = 0; d <= features; d++) {
        double *first = parameters + (d < features ? d : classes * features), sum = 0;
        const int64_t apart = d < features ? features : 1;
        for (int64_t c = 0; c < classes; c++)
            sum += first[c * apart];
        for (int64_t c = 0; c < classes; c++)
            first[c * apart] -= sum / (double)classes;
    }
}

xent_status xent_training_set(xent_training *training, const xent_tensor *weight,
                              const xent_tensor *bias, xent_error *error) {
    empty(error);
    if (!training)
        return reject(error, XENT_BAD_ARGUMENT, "training is NULL");
    if (training->count.passes > 0 || training->pass.counts.rows > 0)
        return reject(error, XENT_BAD_ARGUMENT,
                      "parameters to begin with are set before the first pass");
    xent_status status = check_start(training, "weight", weight, 2, error);
    if (status == XENT_OK && bias)
        status = check_start(training, "bias", bias, 1, error);
    if (status != XENT_OK)
        return status;
    double *start = training->gradient; /* begin_pass sets it to 0 again */
    read_start(training, weight, bias, start);
    if (!(largest(start, training->parameters) <= 1e30)) {
        begin_pass(training);
        return reject(error, XENT_BAD_ARGUMENT,
                      "parameters to begin with must be finite, and within 1e30");
    }
    if (!training->batches)
        remove_mean(training, start);
    memcpy(training->point, start, (size_t)training->parameters * sizeof *start);
    begin_pass(training);
    set_lanes(training);
    for (int64_t i = 0; training->options.dtype == XENT_F32 && i < training->parameters; i++)
        training->point[i] = (double)((float *)training->lanes)[i];
    memcpy(training->best, training->lanes, (size_t)training->parameters * training->lane);
    return XENT_OK;
}

/* ---- rows of a pass ---- */

xent_status check_open(const xent_training *training, xent_error *error) {
    if (!training)
        return reject(error, XENT_BAD_ARGUMENT, "training is NULL");
    if (training->broken)
        return reject(error, XENT_BAD_ARGUMENT,
                      "an earlier call refused this training's data, and it takes no other pass: "
                      "begin another one");
    if (training->count.rests)
        return reject(error, XENT_BAD_ARGUMENT,
                      "the training is at rest: no other step lessens the objective");
    return XENT_OK;
}

static xent_status add(xent_training *training, struct block *block, xent_total *into,
                       xent_error *error) {
    xent_total counts;
    xent_status status = check_block(training, block, &counts, error);
    if (status != XENT_OK)
        return status;
    status = take_rows(training, block, error);
    xent_total_merge(into, &counts);
    training->broken = status != XENT_OK;
    return status;
}

xent_status xent_training_add(xent_training *training, const xent_tensor *features,
                              const xent_tensor *labels, const xent_tensor *row_weight,
                              xent_error *error) {
    struct block block = {.features = features, .labels = labels, .weights = row_weight};
    empty(error);
    xent_status status = check_open(training, error);
    if (status != XENT_OK)
        return status;
    if (training->pass.scores)
        return reject(error, XENT_BAD_ARGUMENT,
                      "rows to learn from come before the held-out rows of the pass");
    return add(training, &block, &training->pass.counts, error);
}

xent_status xent_training_score(xent_training *training, const xent_tensor *features,
                                const xent_tensor *labels, const xent_tensor *row_weight,
                                xent_error *error) {
    struct block block = {.features = features, .labels = labels, .weights = row_weight};
    empty(error);
    xent_status status = check_open(training, error);
    if (status != XENT_OK || (training->looks && !training->count.looked))
        return status;
    if (!training->pass.scores) {
        status = finish_unit(training, error);
        training->broken = status != XENT_OK;
        training->pass.scores = true;
    }
    return status == XENT_OK ? add(training, &block, &training->pass.held_counts, error) : status;
}

/* ---- the model ---- */

xent_status xent_training_model(const xent_training *training, xent_training_parameters *model,
                                xent_error *error) {
    empty(error);
    if (!training || !model)
        return reject(error, XENT_BAD_ARGUMENT, "%s is NULL", training ? "model" : "training");
    const int64_t classes = training->classes, features = training->features;
    const int32_t dtype = training->options.dtype;
    char *bias = (char *)training->best + (size_t)(classes * features) * training->lane;
    bool scales = training->count.transforms, moves = scales && training->options.standardize;
    model->weight = xent_matrix(training->best, dtype, classes, features);
    model->bias = xent_vector(bias, dtype, classes);
    model->mean = xent_vector(moves ? training->mean : NULL, XENT_F64, features);
    model->scale = xent_vector(scales ? training->scale : NULL, XENT_F64, features);
    return XENT_OK;
}
