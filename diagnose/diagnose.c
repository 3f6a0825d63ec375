/* SPDX-License-Identifier: MIT
 * The entry points: begin with the labels, add the logits, finish with the findings. */
#include "diagnosis.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void *take_array(int64_t count, size_t size) {
    count = count > 0 ? count : 1;
    if ((uint64_t)count > SIZE_MAX / size)
        return NULL;
    return calloc((size_t)count, size);
}

/* ---- arguments ---- */

/* Options of any version, as bytes. */
typedef union any_options {
    size_t struct_size;
    xent_options options;
    unsigned char bytes[4096];
} any_options;

/* The library judges the options on an empty batch; weights play no part here. */
static xent_status read_options_of(const xent_options *given, xent_options *options,
                                   xent_error *error) {
    const xent_options defaults = XENT_OPTIONS_INIT;
    const xent_tensor nothing = xent_vector(NULL, XENT_I64, 0);
    any_options copy;
    size_t size;
    *options = defaults;
    if (!given)
        return XENT_OK;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > sizeof copy)
        return xent_count_labels(&nothing, 1, given, NULL, error);
    memset(&copy, 0, sizeof copy);
    memcpy(&copy, given, size);
    copy.options.class_weight = copy.options.row_weight = NULL;
    xent_status status = xent_count_labels(&nothing, 1, &copy.options, NULL, error);
    if (status != XENT_OK)
        return status;
    memcpy(options, &copy, size < sizeof *options ? size : sizeof *options);
    return XENT_OK;
}

static xent_status check_tensor_of(const char *name, const xent_tensor *tensor, xent_error *error) {
    int64_t count = 1;
    if (!tensor)
        return refuse(error, XENT_BAD_ARGUMENT, "%s is NULL", name);
    if (tensor->dtype < XENT_F32 || tensor->dtype > XENT_U64)
        return refuse(error, XENT_BAD_ARGUMENT,
                      "%s: dtype %" PRId32 " is none of XENT_F32 .. XENT_U64", name, tensor->dtype);
    if (tensor->ndim < 0 || tensor->ndim > XENT_MAX_NDIM)
        return refuse(error, XENT_BAD_ARGUMENT, "%s: ndim = %" PRId32 " must lie from 0 to %d",
                      name, tensor->ndim, XENT_MAX_NDIM);
    for (int axis = 0; axis < tensor->ndim; axis++) {
        int64_t length = tensor->shape[axis];
        if (length < 0)
            return refuse(error, XENT_BAD_ARGUMENT,
                          "%s: shape[%d] = %" PRId64 " must not be negative", name, axis, length);
        if (length > 0 && count > INT64_MAX / 16 / length)
            return refuse(error, XENT_BAD_ARGUMENT, "%s has more elements than memory can hold",
                          name);
        count *= length > 0 ? length : 1;
    }
    return XENT_OK;
}

/* A single number has no axes, which is a finding. */
static xent_status check_axis(const xent_tensor *logits, int32_t axis, xent_error *error) {
    if (logits->ndim > 0 && (axis < -logits->ndim || axis >= logits->ndim))
        return refuse(error, XENT_BAD_ARGUMENT,
                      "options.class_axis = %" PRId32 " must lie from %" PRId32 " to %" PRId32
                      ": logits have %" PRId32 " axes",
                      axis, -logits->ndim, logits->ndim - 1, logits->ndim);
    return XENT_OK;
}

/* ---- begin ---- */

/* How blocks are scored: the loss alone, whatever the reduction; log-probabilities are logits
 * too. */
static void set_run(xent_diagnosis *all, const xent_options *options) {
    static const int64_t CODE_IGNORED[] = {IGNORED};
    const xent_options defaults = XENT_OPTIONS_INIT;
    all->logits_are = options->logits_are;
    all->on_bad_label = options->on_bad_label;
    all->on_nothing_counted = options->on_nothing_counted;
    all->run = defaults;
    all->run.logits_are =
        options->logits_are == XENT_PROBABILITIES ? XENT_PROBABILITIES : XENT_LOGITS;
    all->run.class_axis = all->class_axis;
    all->run.reduction = XENT_SUM;
    all->run.on_bad_label = XENT_BAD_LABEL_IGNORE;
    all->run.threads = options->threads;
    all->run.executor = options->executor;
    all->run.softcap = options->softcap;
    all->run.logit_scale = options->logit_scale;
    all->run.ignore = CODE_IGNORED;
    all->run.ignore_count = 1;
}

static void set_shapes(xent_diagnosis *all, const xent_tensor *logits, const xent_tensor *labels,
                       int32_t class_axis) {
    all->dtype = logits->dtype;
    all->ndim = logits->ndim;
    memcpy(all->shape, logits->shape, (size_t)all->ndim * sizeof *all->shape);
    all->label_dtype = labels->dtype;
    all->label_ndim = labels->ndim;
    memcpy(all->label_shape, labels->shape, (size_t)all->label_ndim * sizeof *all->label_shape);
    all->class_axis = class_axis < 0 ? class_axis + all->ndim : class_axis;
    all->classes = all->ndim > 0 ? all->shape[all->class_axis] : 0;
    all->rows = 1;
    for (int axis = 0; axis < all->ndim; axis++)
        all->rows *= axis == all->class_axis ? 1 : all->shape[axis];
}

static xent_status take_memory(xent_diagnosis *all, xent_error *error) {
    all->labels = take_array(all->rows, sizeof *all->labels);
    all->predictions = take_array(all->rows, sizeof *all->predictions);
    all->confidence = take_array(all->rows, sizeof *all->confidence);
    all->keys = take_array(all->rows, sizeof *all->keys);
    if (!all->labels || !all->predictions || !all->confidence || !all->keys ||
        make_scan(all) != XENT_OK || make_sample(all) != XENT_OK)
        return refuse(error, XENT_NO_MEMORY,
                      "there is no memory to diagnose %" PRId64 " rows of %" PRId64 " classes",
                      all->rows, all->classes);
    return XENT_OK;
}

static xent_status take_labels(xent_diagnosis *all, const xent_tensor *labels,
                               const xent_options *options, xent_error *error) {
    xent_options counting = *options;
    counting.on_bad_label = XENT_BAD_LABEL_IGNORE;
    counting.class_weight = counting.row_weight = NULL;
    xent_status status = xent_count_labels(labels, all->classes, &counting, NULL, error);
    if (status == XENT_OK)
        status = take_memory(all, error);
    if (status != XENT_OK)
        return status;
    read_codes(all, labels, options);
    return XENT_OK;
}

static xent_status begin(xent_diagnosis *all, const xent_tensor *logits, const xent_tensor *labels,
                         const xent_options *options, xent_error *error) {
    const xent_total nothing = XENT_TOTAL_INIT;
    all->total = nothing;
    all->store = take_array(MOST_FINDINGS, sizeof *all->store);
    if (!all->store)
        return refuse(error, XENT_NO_MEMORY, "there is no memory for findings");
    set_shapes(all, logits, labels, options->class_axis);
    set_run(all, options);
    if (judge_fit(all))
        return take_labels(all, labels, options, error);
    all->finished = true;
    return XENT_OK;
}

static void empty(xent_error *error) {
    if (error)
        error->message[0] = '\0';
}

xent_status xent_diagnosis_begin(const xent_tensor *logits, const xent_tensor *labels,
                                 const xent_options *options, xent_diagnosis **diagnosis,
                                 xent_error *error) {
    xent_options given;
    empty(error);
    if (!diagnosis)
        return refuse(error, XENT_BAD_ARGUMENT, "diagnosis is NULL: it receives the result");
    *diagnosis = NULL;
    xent_status status = check_tensor_of("logits", logits, error);
    if (status == XENT_OK)
        status = check_tensor_of("labels", labels, error);
    if (status == XENT_OK)
        status = read_options_of(options, &given, error);
    if (status == XENT_OK)
        status = check_axis(logits, given.class_axis, error);
    if (status != XENT_OK)
        return status;
    xent_diagnosis *made = take_array(1, sizeof *made);
    if (!made)
        return refuse(error, XENT_NO_MEMORY, "there is no memory for a diagnosis");
    status = begin(made, logits, labels, &given, error);
    if (status == XENT_OK)
        *diagnosis = made;
    else
        xent_diagnosis_free(made);
    return status;
}

/* ---- add ---- */

static xent_status check_part(const xent_diagnosis *all, const xent_tensor *part,
                              xent_error *error) {
    int64_t rows = 1;
    if (part->dtype != all->dtype)
        return refuse(error, XENT_BAD_DTYPE,
                      "logits have another dtype than the whole that the diagnosis began with");
    if (part->ndim != all->ndim || part->shape[all->class_axis] != all->classes)
        return refuse(error, XENT_BAD_SHAPE,
                      "logits must have %" PRId32 " axes and %" PRId64
                      " classes along axis %" PRId32 ", as the whole that the diagnosis began with",
                      all->ndim, all->classes, all->class_axis);
    for (int axis = 0; axis < part->ndim; axis++)
        rows *= axis == all->class_axis ? 1 : part->shape[axis];
    if (rows > all->rows - all->added)
        return refuse(error, XENT_BAD_ARGUMENT,
                      "%" PRId64 " rows of logits are more than the %" PRId64
                      " labels that are left: add every row once, in C order",
                      rows, all->rows - all->added);
    return XENT_OK;
}

xent_status xent_diagnosis_add(xent_diagnosis *diagnosis, const xent_tensor *logits,
                               xent_error *error) {
    empty(error);
    if (!diagnosis)
        return refuse(error, XENT_BAD_ARGUMENT, "diagnosis is NULL");
    if (diagnosis->finished)
        return refuse(error, XENT_BAD_ARGUMENT, "the diagnosis is finished: begin another one");
    xent_status status = check_tensor_of("logits", logits, error);
    if (status == XENT_OK)
        status = check_part(diagnosis, logits, error);
    return status == XENT_OK ? scan_part(diagnosis, logits, error) : status;
}

/* ---- finish ---- */

static xent_status count_classes(xent_diagnosis *all) {
    all->label_counts = take_array(all->classes, sizeof *all->label_counts);
    all->prediction_counts = take_array(all->classes, sizeof *all->prediction_counts);
    all->agreeing_counts = take_array(all->classes, sizeof *all->agreeing_counts);
    if (!all->label_counts || !all->prediction_counts || !all->agreeing_counts)
        return XENT_NO_MEMORY;
    for (int64_t row = 0; row < all->rows; row++) {
        int32_t label = all->labels[row], prediction = all->predictions[row];
        if (prediction < 0 || label < 0 || label >= all->classes)
            continue;
        all->judged++;
        all->label_counts[label]++;
        all->prediction_counts[prediction]++;
        all->agreeing_counts[label] += label == prediction;
        all->agreeing += label == prediction;
    }
    return XENT_OK;
}

/* Causes come before their consequences, which ask what was found. */
static xent_status judge(xent_diagnosis *all) {
    xent_status status = count_classes(all);
    if (status == XENT_OK)
        status = find_duplicates(all);
    if (status != XENT_OK)
        return status;
    judge_labels(all);
    judge_values(all);
    status = judge_repeats(all);
    if (status == XENT_OK)
        status = judge_order(all);
    if (status != XENT_OK)
        return status;
    judge_training(all);
    status = judge_padding(all);
    if (status == XENT_OK)
        status = judge_agreement(all);
    if (status != XENT_OK)
        return status;
    judge_classes(all);
    judge_temperature(all);
    judge_duplicates(all);
    return XENT_OK;
}

xent_status xent_diagnosis_finish(xent_diagnosis *diagnosis, xent_error *error) {
    empty(error);
    if (!diagnosis)
        return refuse(error, XENT_BAD_ARGUMENT, "diagnosis is NULL");
    if (diagnosis->finished)
        return XENT_OK;
    if (diagnosis->added < diagnosis->rows)
        return refuse(error, XENT_BAD_ARGUMENT,
                      "%" PRId64 " of %" PRId64 " rows of logits are missing: add them first",
                      diagnosis->rows - diagnosis->added, diagnosis->rows);
    finish_sample(diagnosis);
    diagnosis->finished = true;
    if (judge(diagnosis) != XENT_OK)
        return refuse(error, XENT_NO_MEMORY, "there is no memory to judge %" PRId64 " rows",
                      diagnosis->rows);
    sort_findings(diagnosis);
    return XENT_OK;
}

xent_status xent_diagnose(const xent_tensor *logits, const xent_tensor *labels,
                          const xent_options *options, xent_diagnosis **diagnosis,
                          xent_error *error) {
    xent_status status = xent_diagnosis_begin(logits, labels, options, diagnosis, error);
    xent_diagnosis *begun = status == XENT_OK ? *diagnosis : NULL;
    if (!begun)
        return status;
    if (!begun->finished)
        status = xent_diagnosis_add(begun, logits, error);
    if (status == XENT_OK)
        status = xent_diagnosis_finish(begun, error);
    if (status != XENT_OK) {
        xent_diagnosis_free(begun);
        *diagnosis = NULL;
    }
    return status;
}

/* ---- results ---- */

int32_t xent_diagnosis_count(const xent_diagnosis *diagnosis) {
    return diagnosis && diagnosis->finished ? diagnosis->count : 0;
}

const xent_finding *xent_diagnosis_finding(const xent_diagnosis *diagnosis, int32_t index) {
    if (index < 0 || index >= xent_diagnosis_count(diagnosis))
        return NULL;
    return &diagnosis->records[index]->shown;
}

int32_t xent_diagnosis_scorable(const xent_diagnosis *diagnosis) {
    return diagnosis && !diagnosis->unscorable;
}

xent_total xent_diagnosis_total(const xent_diagnosis *diagnosis) {
    const xent_total nothing = XENT_TOTAL_INIT;
    return diagnosis ? diagnosis->total : nothing;
}

void xent_diagnosis_free(xent_diagnosis *diagnosis) {
    if (!diagnosis)
        return;
    void *const arrays[] = {
        diagnosis->labels,
        diagnosis->predictions,
        diagnosis->across,
        diagnosis->largest,
        diagnosis->confidence,
        diagnosis->keys,
        diagnosis->half,
        diagnosis->lse,
        diagnosis->looks,
        diagnosis->gathered,
        diagnosis->label_counts,
        diagnosis->prediction_counts,
        diagnosis->agreeing_counts,
        diagnosis->sample.logits,
        diagnosis->sample.labels,
        diagnosis->store,
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(diagnosis);
}
