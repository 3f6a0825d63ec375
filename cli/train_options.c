/* SPDX-License-Identifier: MIT
 * What `xent train` can be asked for: one table for parsing, help, manual and completion. */
#include "train_options.h"
#include "complain.h"
#include "inputs.h"

#include <float.h>

/* The words of a choice stand in the order of the library's numbers. */
static const flag_row FLAGS[] = {
    {FLAG_HEADING, .help = "What is written"},
    {FLAG_OUTPUT, "--model", "OUT.safetensors", offsetof(train_request, model),
     .help = "the classifier; needed"},
    {FLAG_OUTPUT, "--log", "FOLDER", offsetof(train_request, log),
     .help = "a line of JSON for each pass (log.jsonl), and the loss as a curve (loss.svg)"},

    {FLAG_HEADING, .help = "What is learnt"},
    {FLAG_REAL, "--l2", "L", offsetof(train_request, options.l2),
     .help = "number >= 0: L/2*|weight|^2 is added to the mean loss (default: 0)", .lowest = 0.0,
     .highest = DBL_MAX},
    {FLAG_REAL, "--label-smoothing", "E", offsetof(train_request, options.label_smoothing),
     .help = "share of the loss spread over all classes, in [0, 1]", .lowest = 0.0, .highest = 1.0},
    {FLAG_INPUT, "--class-weight", "FILE", offsetof(train_request, class_weight),
     .help = "a weight for each class: float32 or float64, [C]"},
    {FLAG_LIST, "--ignore", "V", offsetof(train_request, ignore),
     .help = "leave out rows whose label is V (may be repeated)"},

    {FLAG_HEADING, .help = "The features"},
    {FLAG_REAL, "--scale", "X", offsetof(train_request, options.scale),
     .help = "factor of all features, not 0: 1/255, say", .lowest = -DBL_MAX, .highest = DBL_MAX},
    {FLAG_SWITCH, "--standardize", NULL, offsetof(train_request, options.standardize),
     .help = "give each feature mean 0 and variance 1; costs a pass", .value = 1},

    {FLAG_HEADING, .help = "Rows held out"},
    {FLAG_REAL, "--validation", "F", offsetof(train_request, validation),
     .help = "share of each class's rows to score and not to learn from, in [0, 0.9]",
     .lowest = 0.0, .highest = 0.9},
    {FLAG_WHOLE, "--seed", "N", offsetof(train_request, seed),
     .help = "which rows these are, and the order of batches (default: 0)", .lowest = 0,
     .highest = INT32_MAX},
    {FLAG_WHOLE, "--patience", "N", offsetof(train_request, options.patience),
     .help = "end when the held-out loss has not fallen for more than N iterations or epochs",
     .lowest = 1, .highest = INT32_MAX},

    {FLAG_HEADING, .help = "The method"},
    {FLAG_CHOICE, "--method", "lbfgs|sgd|adam", offsetof(train_request, options.method),
     .help = "L-BFGS, an iteration a pass (default), or batches in random order"},
    {FLAG_WHOLE, "--iterations", "N", offsetof(train_request, iterations),
     .help = "L-BFGS: at most N iterations (default: 1000)", .lowest = 1, .highest = INT32_MAX},
    {FLAG_REAL, "--tolerance", "T", offsetof(train_request, options.tolerance),
     .help = "L-BFGS: number >= 0, the largest entry of the gradient to end with (default: 1e-5)",
     .lowest = 0.0, .highest = DBL_MAX},
    {FLAG_WHOLE, "--epochs", "N", offsetof(train_request, epochs),
     .help = "SGD, Adam: N passes over the rows (default: 20)", .lowest = 1, .highest = INT32_MAX},
    {FLAG_WHOLE, "--batch", "N", offsetof(train_request, batch),
     .help = "SGD, Adam: rows of a batch (default: 256)", .lowest = 1, .highest = 1 << 20},
    {FLAG_REAL, "--rate", "R", offsetof(train_request, options.learning_rate),
     .help = "SGD, Adam: learning rate > 0 (default: 0.1, 0.001)", .lowest = DBL_TRUE_MIN,
     .highest = DBL_MAX},
    {FLAG_REAL, "--rate-decay", "K", offsetof(train_request, options.rate_decay),
     .help = "SGD, Adam: factor in [0.001, 1] of the rate, epoch after epoch (default: 1)",
     .lowest = 0.001, .highest = 1.0},
    {FLAG_REAL, "--momentum", "M", offsetof(train_request, options.momentum),
     .help = "SGD: number in [0, 0.9999] (default: 0.9)", .lowest = 0.0, .highest = 0.9999},

    {FLAG_HEADING, .help = "Files without a head"},
    {FLAG_DTYPE, "--dtype", "T", offsetof(train_request, features_file.dtype),
     .help = "type of the features: u8, f32, >f64 ..; bf16 also of a .npy of uint16"},
    {FLAG_SHAPE, "--shape", "A,B,..", offsetof(train_request, features_file.shape),
     .help = "the features are raw elements of that shape, in C order"},
    {FLAG_OFFSET, "--offset", "N", offsetof(train_request, features_file.offset),
     .help = "raw features begin after N bytes (default: 0)"},
    {FLAG_DTYPE, "--labels-dtype", "T", offsetof(train_request, labels_file.dtype),
     .help = "the same for the labels: i64, u8, >i32 .."},
    {FLAG_SHAPE, "--labels-shape", "A,B,..", offsetof(train_request, labels_file.shape),
     .help = "the labels are raw elements of that shape"},
    {FLAG_OFFSET, "--labels-offset", "N", offsetof(train_request, labels_file.offset),
     .help = "raw labels begin after N bytes (default: 0)"},

    {FLAG_HEADING, .help = "Running"},
    {FLAG_SWITCH, "--resume", NULL, offsetof(train_request, resume),
     .help = "go on from OUT.safetensors.checkpoint", .value = 1},
    {FLAG_REAL, "--checkpoint", "S", offsetof(train_request, every),
     .help = "seconds >= 0 between checkpoints, at the end of a pass (default: 2)", .lowest = 0.0,
     .highest = DBL_MAX},
    {FLAG_SWITCH, "--json", NULL, offsetof(train_request, json),
     .help = "print JSON, floats with 17 digits", .value = 1},
    {FLAG_SWITCH, "--quiet", NULL, offsetof(train_request, quiet),
     .help = "no notes on stderr, errors only", .value = 1, .letter = 'q'},
    {FLAG_WHOLE, "--threads", "N", offsetof(train_request, options.threads),
     .help = "at most N threads (default: -1, all); the result is the same", .lowest = -1.0,
     .highest = INT32_MAX},
};

static const example EXAMPLES[] = {
    {"xent train features.npy labels.npy --model model.safetensors",
     "A linear classifier of features."},
    {"xent train features.npy labels.npy --model m.safetensors --log log",
     "Each pass as a line of JSON, and the loss as a curve."},
    {"xent train features.npy labels.npy --model m.safetensors --validation 0.1",
     "A tenth of the rows tells which iteration is the best."},
    {"xent train features.npy labels.npy --model m.safetensors --method adam",
     "Batches instead of passes, for more data than there is time for."},
    {"xent train features.npy labels.npy --model m.safetensors --resume -q",
     "Goes on after Ctrl-C, or after a machine that stopped."},
};

const command TRAIN_COMMAND = {
    .name = "train",
    .operands = "FEATURES.npy LABELS.npy",
    .brief = "a linear classifier of features, on more data than memory",
    .summary = "Trains a linear classifier (softmax regression, a linear probe): logits are "
               "features*weight^T + bias, and weight and bias are those of the least mean "
               "cross-entropy, plus L/2*|weight|^2. Features need not fit memory, and logits are "
               "never stored.",
    .description =
        "The labels have the shape of the first axes of the features; the axes that remain are a "
        "row's features, so that images may be given as they are. Labels are any whole numbers >= "
        "0 (or -1 and 1): the classes are those that are there, in order, and the model keeps "
        "their labels as names.\n\n"
        "The model is the same, bit for bit, for any number of threads and any instruction set, "
        "and whether or not the training was interrupted.\n\n"
        "While it trains, OUT.safetensors.checkpoint is rewritten every few seconds at the end of "
        "a pass, whole or not at all. Ctrl-C ends the training so that --resume goes on from "
        "there; a checkpoint of other data or other flags is refused.",
    .files = "Features are uint8, float16, bfloat16, float32 or float64, in all formats of `xent "
             "loss`; they are read anew in each pass, in blocks. Labels are held in memory. The "
             "model is a .safetensors file: weight [C, D], bias [C], and mean [D] and scale [D] if "
             "features are standardised or scaled.",
    .least = 2,
    .most = 2,
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof *FLAGS,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

const char *method_name(int32_t method) {
    static const char *const NAMES[] = {"lbfgs", "sgd", "adam"};
    return NAMES[method];
}

/* ---- flags that contradict each other -------------------------------------------------------- */

/* A flag that only some methods know; `given` and not theirs is refused. */
static int check_method(const train_request *request, const char *flag, bool given, bool theirs,
                        const char *of) {
    if (!given || theirs)
        return EX_OK;
    return complain(EX_USAGE, flag,
                    "has a meaning for --method %s only, and the method is %s: leave one of the "
                    "two out",
                    of, method_name(request->options.method));
}

static int check_methods(const train_request *request) {
    const xent_training_options *options = &request->options, defaults = XENT_TRAINING_OPTIONS_INIT;
    bool lbfgs = options->method == XENT_LBFGS;
    int code = check_method(request, "--iterations", request->iterations > 0, lbfgs, "lbfgs");
    if (code == EX_OK)
        code = check_method(request, "--tolerance", options->tolerance != defaults.tolerance, lbfgs,
                            "lbfgs");
    if (code == EX_OK)
        code = check_method(request, "--epochs", request->epochs > 0, !lbfgs, "sgd and adam");
    if (code == EX_OK)
        code = check_method(request, "--batch", request->batch > 0, !lbfgs, "sgd and adam");
    if (code == EX_OK)
        code =
            check_method(request, "--rate", options->learning_rate > 0.0, !lbfgs, "sgd and adam");
    if (code == EX_OK)
        code = check_method(request, "--rate-decay", options->rate_decay < 1.0, !lbfgs,
                            "sgd and adam");
    return code == EX_OK
               ? check_method(request, "--momentum", options->momentum != defaults.momentum,
                              options->method == XENT_SGD, "sgd")
               : code;
}

static int check_flags(const train_request *request) {
    const xent_training_options *options = &request->options;
    if (!request->model)
        return complain(EX_USAGE, "train",
                        "where shall the classifier go? Give --model OUT.safetensors");
    if (options->scale == 0.0)
        return complain(EX_USAGE, "--scale", "0 would make all features alike");
    if (options->standardize && options->scale != 1.0)
        return complain(EX_USAGE, "--scale",
                        "has no effect with --standardize, which finds a scale for each feature: "
                        "leave one of the two out");
    if (options->patience > 0 && request->validation == 0.0)
        return complain(EX_USAGE, "--patience",
                        "is about the loss of rows held out: say how many, --validation 0.1");
    return check_methods(request);
}

static void set_options(train_request *request) {
    xent_training_options *options = &request->options;
    options->max_iterations = request->iterations ? request->iterations : request->epochs;
    if (request->batch > 0)
        options->batch_rows = request->batch;
    options->seed = (uint64_t)request->seed;
}

int read_train_request(int argc, char **argv, train_request *request) {
    const xent_training_options defaults = XENT_TRAINING_OPTIONS_INIT;
    request->options = defaults;
    request->options.threads = -1;
    request->every = 2.0;
    int code = parse_flags(&TRAIN_COMMAND, argc, argv, request, request->files);
    if (code == EX_OK)
        code = check_file_flags(&request->features_file, &FIRST_FILE_FLAGS);
    if (code == EX_OK)
        code = check_file_flags(&request->labels_file, &LABELS_FILE_FLAGS);
    if (code == EX_OK)
        code = check_flags(request);
    if (code != EX_OK)
        return code;
    set_options(request);
    const char *const files[] = {request->files[0], request->files[1], request->class_weight};
    return check_standard_input(files, sizeof files / sizeof *files);
}
