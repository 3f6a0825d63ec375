/* SPDX-License-Identifier: MIT
 * `xent predict`: what a linear classifier says of features in a file. */
#include "predict.h"
#include "blocks.h"
#include "complain.h"
#include "feature_rows.h"
#include "inputs.h"
#include "model.h"
#include "progress.h"
#include "suggest.h"
#include "table.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what can be asked for ------------------------------------------------------------------- */

enum { GIVE_CLASSES = 0, GIVE_PROBABILITIES = 1, GIVE_LOGITS = 2 };

typedef struct predict_request {
    const char *files[2]; /* model, features */
    file_flags features_file;
    const char *output; /* NULL: stdout */
    int32_t what, quiet, threads;
} predict_request;

static const flag_row FLAGS[] = {
    {FLAG_HEADING, .help = "What is written"},
    {FLAG_OUTPUT, "--output", "OUT.npy", offsetof(predict_request, output),
     .help = "the file to write, .npy or text (.csv, .tsv, .txt); without it: lines on stdout",
     .letter = 'o'},
    {FLAG_SWITCH, "--probabilities", NULL, offsetof(predict_request, what),
     .help = "the probability of each class, not the likeliest class", .value = GIVE_PROBABILITIES},
    {FLAG_SWITCH, "--logits", NULL, offsetof(predict_request, what),
     .help = "the logit of each class, not the likeliest class", .value = GIVE_LOGITS},

    {FLAG_HEADING, .help = "Files without a head"},
    {FLAG_DTYPE, "--dtype", "T", offsetof(predict_request, features_file.dtype),
     .help = "type of the features: u8, f32, >f64 ..; bf16 also of a .npy of uint16"},
    {FLAG_SHAPE, "--shape", "A,B,..", offsetof(predict_request, features_file.shape),
     .help = "the features are raw elements of that shape, in C order"},
    {FLAG_OFFSET, "--offset", "N", offsetof(predict_request, features_file.offset),
     .help = "raw features begin after N bytes (default: 0)"},

    {FLAG_HEADING, .help = "Running"},
    {FLAG_SWITCH, "--quiet", NULL, offsetof(predict_request, quiet),
     .help = "no notes on stderr, errors only", .value = 1, .letter = 'q'},
    {FLAG_WHOLE, "--threads", "N", offsetof(predict_request, threads),
     .help = "at most N threads (default: -1, all); the result is the same", .lowest = -1.0,
     .highest = INT32_MAX},
};

static const example EXAMPLES[] = {
    {"xent predict model.safetensors features.npy", "The class of each row, one a line."},
    {"xent predict model.safetensors features.npy --logits -o scores.npy",
     "Logits into a file, for `xent loss` and `xent check`."},
    {"xent predict model.safetensors features.npy --probabilities -o p.csv",
     "The probability of each class, as text."},
};

const command PREDICT_COMMAND = {
    .name = "predict",
    .operands = "MODEL.safetensors FEATURES.npy",
    .brief = "classes, probabilities or logits of a trained classifier",
    .summary = "Applies a linear classifier, which `xent train` or another program wrote, to rows "
               "of features: the class of each, the probability of each class, or the logits.",
    .description =
        "A model has tensors weight [C, D] and, if it needs them, bias [C], mean [D] and scale "
        "[D]: logits are ((features - mean)*scale)*weight^T + bias. Its metadata may name the "
        "classes, a JSON array of whole numbers or of strings; else they are 0 to C-1. The last "
        "axes of the features must hold D numbers, the others count rows.\n\n"
        "Classes are int64, or lines of text if they have words for names; probabilities and "
        "logits have the type of the model, and an axis more than the rows. A row with NaN "
        "has NaN, and the class -1.",
    .files = "Features are read in blocks and may be larger than memory; all formats of `xent "
             "loss` can be read, and uint8 as well. The output is written under a temporary name "
             "in the same folder and renamed when it is whole.",
    .least = 2,
    .most = 2,
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof *FLAGS,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

/* ---- before ---------------------------------------------------------------------------------- */

typedef struct predicting {
    command_line typed;
    predict_request request;
    model model;
    features features;
    int64_t most; /* rows of a block */
    /* of one block: the file's rows, the same prepared, logits, probabilities, classes, labels */
    void *raw, *prepared, *logits, *probability;
    int64_t *classes;
    uint8_t *zeros;
    table out;
    int64_t unknown; /* rows without a class */
    progress shown;
} predicting;

static int read_predict_request(predicting *work) {
    predict_request *request = &work->request;
    request->threads = -1;
    int code =
        parse_flags(&PREDICT_COMMAND, work->typed.argc, work->typed.argv, request, request->files);
    if (code == EX_OK)
        code = check_file_flags(&request->features_file, &FIRST_FILE_FLAGS);
    return code == EX_OK ? check_standard_input(request->files, 2) : code;
}

static int check_output_file(const predict_request *request) {
    if (!request->output)
        return EX_OK;
    int code = check_output(request->output);
    for (int i = 0; i < 2 && code == EX_OK; i++)
        code = refuse_same("--output", request->output, request->files[i], "is read");
    return code;
}

/* Words do not fit a file of numbers. */
static int check_names(const predicting *work) {
    const predict_request *request = &work->request;
    if (request->what != GIVE_CLASSES || !request->output || is_text_name(request->output) ||
        !has_words(&work->model))
        return EX_OK;
    return complain(EX_USAGE, "--output",
                    "the classes of %s have words for names, which are text: let the name of the "
                    "output end in .csv, or leave it out",
                    work->model.path);
}

/* The fewest axes at the end that hold as many numbers as the model takes. */
static int find_row_axes(predicting *work) {
    const xent_tensor *tensor = &work->features.file.tensor;
    char shape[SHAPE_TEXT];
    int64_t width = 1;
    int axis = tensor->ndim;
    while (axis > 0 && width < work->model.features)
        width *= tensor->shape[--axis];
    if (axis == tensor->ndim && axis > 0 && tensor->shape[axis - 1] == 1)
        axis--;
    if (width == work->model.features && axis < XENT_MAX_NDIM)
        return set_row_axes(&work->features, axis);
    return complain(EX_DATAERR, work->features.file.path,
                    "has shape %s, but %s takes %" PRId64
                    " features: the last axes must hold as many numbers. Give the features that "
                    "it was trained on, in the same order",
                    write_shape(shape, tensor->ndim, tensor->shape), work->model.path,
                    work->model.features);
}

/* Where the first file is no model, the second may be. */
static int open_model(const predicting *work, model *opened) {
    static const char ENDING[] = ".safetensors";
    const char *const *files = work->request.files;
    const replacement swap[2] = {{files[0], files[1]}, {files[1], files[0]}};
    const size_t length = strlen(files[1]), ending = sizeof ENDING - 1;
    int code = read_model(files[0], opened);
    if (code == EX_DATAERR && !strstr(files[0], ENDING) && length > ending &&
        strcmp(files[1] + length - ending, ENDING) == 0)
        suggest_command(&work->typed, swap, "%s", "");
    return code;
}

static int open_inputs(predicting *work) {
    const predict_request *request = &work->request;
    int code = open_model(work, &work->model);
    if (code == EX_OK)
        code = check_names(work);
    if (code == EX_OK)
        code = open_described(&work->typed, request->files[1], &request->features_file, true,
                              &work->features.file);
    if (code == EX_OK)
        code = check_features(&work->features);
    return code == EX_OK ? find_row_axes(work) : code;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int32_t lane(const predicting *work) {
    return work->model.parameters.weight.dtype;
}

/* Features of one block, and as many bytes of logits. */
static int take_memory(predicting *work) {
    enum { BUDGET = 1 << 24 };
    const array *file = &work->features.file;
    const int64_t classes = work->model.classes, width = work->model.features;
    const size_t size = type_size(lane(work));
    int code = EX_OK;
    work->most = rows_that_fit(&work->features, BUDGET);
    if (work->most > BUDGET / (classes * (int64_t)size))
        work->most = BUDGET / (classes * (int64_t)size);
    if (work->most < 1)
        work->most = 1;
    work->raw = take_numbers(work->most * width, type_size(file->tensor.dtype), file, &code);
    work->prepared = take_numbers(work->most * width, size, file, &code);
    work->classes = take_numbers(work->most, sizeof *work->classes, file, &code);
    work->zeros = take_numbers(work->most, sizeof *work->zeros, file, &code);
    if (work->request.what != GIVE_CLASSES)
        work->logits = take_numbers(work->most * classes, size, file, &code);
    if (work->request.what == GIVE_PROBABILITIES)
        work->probability = take_numbers(work->most * classes, size, file, &code);
    return code;
}

static void free_memory(predicting *work) {
    free(work->raw);
    free(work->prepared);
    free(work->logits);
    free(work->probability);
    free(work->classes);
    free(work->zeros);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static const xent_tensor *given(const xent_tensor *tensor) {
    return tensor->data ? tensor : NULL;
}

/* Labels are needed for a loss, which nobody looks at. */
static int find_logits(predicting *work, const xent_tensor *prepared, const xent_tensor *logits) {
    const xent_training_parameters *p = &work->model.parameters;
    const int64_t rows = prepared->shape[0];
    const xent_tensor labels = xent_vector(work->zeros, XENT_U8, rows),
                      classes = xent_vector(work->classes, XENT_I64, rows);
    xent_options options = XENT_OPTIONS_INIT;
    xent_linear_outputs outputs = XENT_LINEAR_OUTPUTS_INIT;
    xent_error error;
    options.threads = work->request.threads;
    outputs.prediction = &classes;
    outputs.logits = logits;
    xent_status status = xent_linear_cross_entropy(prepared, &p->weight, given(&p->bias), &labels,
                                                   &options, &outputs, NULL, &error);
    return complain_internally(status, &error);
}

static int find_probabilities(predicting *work, const xent_tensor *logits,
                              const xent_tensor *probability) {
    const xent_tensor labels = xent_vector(work->zeros, XENT_U8, logits->shape[0]);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_error error;
    options.threads = work->request.threads;
    outputs.probability = probability;
    xent_status status = xent_cross_entropy(logits, &labels, &options, &outputs, NULL, &error);
    return complain_internally(status, &error);
}

static int write_classes(predicting *work, int64_t rows) {
    const xent_tensor numbers = xent_vector(work->classes, XENT_I64, rows);
    int code = EX_OK;
    for (int64_t i = 0; i < rows; i++)
        work->unknown += work->classes[i] < 0;
    if (!has_words(&work->model)) {
        for (int64_t i = 0; i < rows; i++)
            work->classes[i] = class_number(&work->model, work->classes[i]);
        return add_rows(&work->out, &numbers);
    }
    for (int64_t i = 0; i < rows && code == EX_OK; i++) {
        const json_t *name = json_array_get(work->model.names, (size_t)work->classes[i]);
        code = add_word(&work->out, work->classes[i] < 0 ? "-1" : json_string_value(name));
    }
    return code;
}

static int predict_block(predicting *work, int64_t first, int64_t rows) {
    const xent_training_parameters *p = &work->model.parameters;
    const int64_t classes = work->model.classes;
    const xent_tensor prepared =
                          xent_matrix(work->prepared, lane(work), rows, work->model.features),
                      logits = xent_matrix(work->logits, lane(work), rows, classes),
                      probability = xent_matrix(work->probability, lane(work), rows, classes);
    xent_tensor raw;
    xent_error error;
    int code = read_rows(&work->features, first, rows, work->raw, &raw);
    if (code != EX_OK)
        return code;
    xent_status status =
        xent_prepare_features(&raw, given(&p->mean), given(&p->scale), &prepared, &error);
    if (status != XENT_OK)
        return complain_internally(status, &error);
    code = find_logits(work, &prepared, given(&logits));
    if (code != EX_OK || work->request.what == GIVE_CLASSES)
        return code == EX_OK ? write_classes(work, rows) : code;
    if (work->request.what == GIVE_LOGITS)
        return add_rows(&work->out, &logits);
    code = find_probabilities(work, &logits, &probability);
    return code == EX_OK ? add_rows(&work->out, &probability) : code;
}

static int predict_blocks(predicting *work) {
    const features *from = &work->features;
    int code = EX_OK;
    work->shown = begin_progress(from->rows * from->row_size, work->request.quiet);
    for (int64_t at = 0; at < from->rows && code == EX_OK; at += work->most) {
        int64_t rows = work->most < from->rows - at ? work->most : from->rows - at;
        code = predict_block(work, at, rows);
        show_progress(&work->shown, rows * from->row_size);
    }
    end_progress();
    return code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The shape of the rows, with an axis of classes where numbers of each are written. */
static xent_tensor shape_of_output(const predicting *work) {
    const features *from = &work->features;
    int64_t shape[XENT_MAX_NDIM + 1];
    memcpy(shape, from->file.tensor.shape, sizeof(int64_t) * (size_t)from->row_axes);
    if (work->request.what == GIVE_CLASSES)
        return xent_ndarray(NULL, XENT_I64, from->row_axes, shape);
    shape[from->row_axes] = work->model.classes;
    return xent_ndarray(NULL, lane(work), from->row_axes + 1, shape);
}

static int write_all(predicting *work) {
    const xent_tensor whole = shape_of_output(work);
    int code = begin_table(work->request.output, &whole, &work->out);
    if (code == EX_OK)
        code = predict_blocks(work);
    if (code == EX_OK)
        code = finish_table(&work->out);
    if (code == EX_OK && work->unknown > 0)
        note(work->request.quiet, "%s: rows with NaN or infinity, whose class is -1: %" PRId64,
             work->features.file.path, work->unknown);
    return code;
}

static int run_steps(predicting *work) {
    int code = read_predict_request(work);
    if (code == EX_OK)
        code = check_output_file(&work->request);
    if (code == EX_OK)
        code = open_inputs(work);
    if (code == EX_OK)
        code = take_memory(work);
    return code == EX_OK ? write_all(work) : code;
}

int run_predict(int argc, char **argv) {
    predicting work = {.typed = {argc, argv}};
    int code = run_steps(&work);
    drop_table(&work.out);
    free_memory(&work);
    close_features(&work.features);
    free_model(&work.model);
    return code;
}
