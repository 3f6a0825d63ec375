/* SPDX-License-Identifier: MIT
 * The files of a training: opened and judged. */
#include "train_inputs.h"
#include "complain.h"
#include "formats/output.h"
#include "inputs.h"
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- outputs --------------------------------------------------------------------------------- */

static int check_path(const train_call *call, const char *flag, const char *path) {
    const char *const read[] = {call->request.files[0], call->request.files[1],
                                call->request.class_weight};
    int code = check_output(path);
    for (size_t i = 0; i < sizeof read / sizeof *read && code == EX_OK; i++)
        code = refuse_same(flag, path, read[i], "is read");
    return code;
}

/* Whoever has waited for hours must not learn then that there is no such folder. */
static int try_folder(const char *path) {
    output attempt;
    int code = begin_output(path, 0, &attempt);
    drop_output(&attempt);
    return code;
}

int check_train_outputs(const train_call *call) {
    int code = check_path(call, "--model", call->request.model);
    if (code == EX_OK)
        code = check_path(call, "--model", call->checkpoint);
    return code == EX_OK ? try_folder(call->request.model) : code;
}

/* ---- shapes and types ------------------------------------------------------------------------ */

static int explain_swapped(const train_call *call) {
    const train_request *request = &call->request;
    const replacement swap[2] = {{request->files[0], request->files[1]},
                                 {request->files[1], request->files[0]}};
    char shape[SHAPE_TEXT], labels_shape[SHAPE_TEXT];
    const xent_tensor *from = &call->features.file.tensor, *labels = &call->labels.tensor;
    complain(EX_DATAERR, call->labels.path,
             "has shape %s and %s has shape %s: the two look swapped. Features come first, labels, "
             "one whole number for each row, second",
             write_shape(labels_shape, labels->ndim, labels->shape), call->features.file.path,
             write_shape(shape, from->ndim, from->shape));
    if (request->features_file.dtype.dtype == 0 && request->labels_file.dtype.dtype == 0)
        suggest_command(&call->typed, swap, "%s", "");
    return EX_DATAERR;
}

static void suggest_labels(const train_call *call, const char *expression) {
    const array *labels = &call->labels;
    const conversion how = {.path = labels->path,
                            .file = labels->file_name ? labels->file_name : labels->path,
                            .member = labels->member,
                            .load = labels->found.python};
    if (how.load)
        suggest_conversion(&call->typed, &how, expression);
}

/* As many rows as the features, and an axis more than one label for each. */
static bool look_one_hot(const train_call *call) {
    const xent_tensor *from = &call->features.file.tensor, *labels = &call->labels.tensor;
    const int last = labels->ndim - 1;
    return last > 0 && last < from->ndim && labels->shape[last] > 1 &&
           equal_shapes(last, from->shape, last, labels->shape);
}

static int explain_one_hot(const train_call *call) {
    char shape[SHAPE_TEXT], expression[ONE_HOT_TEXT];
    complain(EX_DATAERR, call->labels.path,
             "has shape %s: it looks one-hot, or like probabilities. A label is the class of its "
             "row, one whole number for each row. One-hot rows are converted by argmax",
             write_shape(shape, call->labels.tensor.ndim, call->labels.tensor.shape));
    write_one_hot(expression, call->labels.tensor.ndim - 1);
    suggest_labels(call, expression);
    return EX_DATAERR;
}

static int explain_float_labels(const train_call *call) {
    complain(EX_DATAERR, call->labels.path,
             "holds %s, but labels must be whole numbers of an integer type: a label is the class "
             "of its row",
             type_name(call->labels.tensor.dtype));
    suggest_labels(call, "a.astype(numpy.int64) if (a % 1 == 0).all() else sys.exit(\"not whole "
                         "numbers\")");
    return EX_DATAERR;
}

static int explain_label_shape(const train_call *call) {
    const xent_tensor *from = &call->features.file.tensor, *labels = &call->labels.tensor;
    char shape[SHAPE_TEXT], labels_shape[SHAPE_TEXT], rows[SHAPE_TEXT];
    complain(EX_DATAERR, call->labels.path,
             "has shape %s but %s has shape %s: each row of features needs exactly one label, so "
             "the labels must have the shape of the first axes of the features, %s if the last "
             "axis is the features of a row. Do not repeat or cut labels to fit: rows would be "
             "learnt under another row's label",
             write_shape(labels_shape, labels->ndim, labels->shape), call->features.file.path,
             write_shape(shape, from->ndim, from->shape),
             write_shape(rows, from->ndim > 0 ? from->ndim - 1 : 0, from->shape));
    if (labels->ndim == 2 && from->ndim == 2 && labels->shape[1] == 1 &&
        labels->shape[0] == from->shape[0])
        suggest_labels(call, "a.reshape(-1)");
    return EX_DATAERR;
}

/* The first axes of the features are those of the labels. */
static int check_fit(const train_call *call) {
    const xent_tensor *from = &call->features.file.tensor, *labels = &call->labels.tensor;
    bool fits = labels->ndim < from->ndim &&
                equal_shapes(labels->ndim, from->shape, labels->ndim, labels->shape);
    if (!fits && labels->ndim > from->ndim)
        return explain_swapped(call);
    if (!fits && look_one_hot(call))
        return explain_one_hot(call);
    if (is_float(labels->dtype))
        return explain_float_labels(call);
    return fits ? EX_OK : explain_label_shape(call);
}

static int check_width(const train_call *call) {
    char shape[SHAPE_TEXT];
    const xent_tensor *from = &call->features.file.tensor;
    if (call->features.width > 0)
        return EX_OK;
    return complain(EX_DATAERR, call->features.file.path,
                    "has shape %s: a row needs at least one feature",
                    write_shape(shape, from->ndim, from->shape));
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_files_of(train_call *call) {
    const train_request *request = &call->request;
    int code = open_described(&call->typed, request->files[1], &request->labels_file, false,
                              &call->labels);
    if (code == EX_OK)
        code = open_described(&call->typed, request->files[0], &request->features_file, true,
                              &call->features.file);
    if (code == EX_OK)
        code = open_described(&call->typed, request->class_weight, NULL, true, &call->class_weight);
    if (code == EX_OK)
        code = check_fit(call);
    return code == EX_OK ? check_features(&call->features) : code;
}

static int load_small(train_call *call) {
    int code = set_row_axes(&call->features, call->labels.tensor.ndim);
    if (code == EX_OK)
        code = check_width(call);
    if (code == EX_OK)
        code = load_array(&call->labels);
    if (code == EX_OK && call->class_weight.path)
        code = load_array(&call->class_weight);
    return code;
}

static int find_all_classes(train_call *call) {
    int code = find_classes(&call->typed, &call->labels, &call->request.ignore, &call->classes);
    if (code == EX_OK && call->class_weight.path)
        code = weigh_classes(&call->classes, &call->class_weight, &call->weights);
    return code;
}

/* Of the labels by row and by name, and of the weights. */
static uint64_t key_of_labels(const train_call *call) {
    const class_list *classes = &call->classes;
    uint64_t key = key_of(classes->codes, (size_t)call->features.rows * sizeof *classes->codes, 1);
    key = key_of(classes->values, (size_t)classes->count * sizeof *classes->values, key);
    if (call->weights.data)
        key = key_of(call->weights.data, (size_t)classes->count * sizeof(double), key);
    return key;
}

int open_train_inputs(train_call *call) {
    const train_request *request = &call->request;
    int code = open_files_of(call);
    if (code == EX_OK)
        code = load_small(call);
    if (code == EX_OK)
        code = find_all_classes(call);
    if (code == EX_OK)
        code =
            begin_feed(&call->features, &call->classes, request->validation,
                       (uint64_t)request->seed, request->options.method != XENT_LBFGS, &call->feed);
    if (code == EX_OK)
        call->about = describe_training(request, &call->features, key_of_labels(call), &code);
    return code;
}

void close_train_inputs(train_call *call) {
    json_decref(call->about);
    free_feed(&call->feed);
    free(call->weights.data);
    free_classes(&call->classes);
    close_array(&call->labels);
    close_array(&call->class_weight);
    close_features(&call->features);
    free(call->request.ignore.values);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* EX_OK and silence if all features are finite. */
static int find_wild_row(void *context, const feed_block *part) {
    const train_call *call = context;
    const xent_tensor *from = &part->features;
    const int64_t width = from->shape[1], count = element_count(from);
    char row[SHAPE_TEXT];
    if (!is_float(from->dtype))
        return EX_OK;
    for (int64_t i = 0; i < count; i++) {
        double value = real_at(from, i);
        if (!isfinite(value))
            return complain(EX_DATAERR, call->features.file.path,
                            "row %s has %s in feature %" PRId64
                            ": features must be finite. Leave such rows out of both files, or put "
                            "a number in the place of what is missing",
                            write_row(row, &call->features, part->rows[i / width]),
                            isnan(value) ? "NaN" : "infinity", i % width);
    }
    return EX_OK;
}

int explain_training(train_call *call) {
    int code = run_feed(&call->feed, ROW_TRAINS, -1, find_wild_row, call);
    if (code == EX_OK)
        code = run_feed(&call->feed, ROW_HELD_OUT, -1, find_wild_row, call);
    if (code != EX_OK)
        return code;
    return call->refusal == XENT_NO_MEMORY
               ? complain(EX_SOFTWARE, NULL, "%s", call->error.message)
               : complain(EX_DATAERR, call->features.file.path, "%s", call->error.message);
}
