/* SPDX-License-Identifier: MIT
 * What `xent loss` and `xent check` can be asked for: one table for parsing, help, manual and
 * completion. */
#include "options.h"
#include "complain.h"

#include <float.h>

/* The flags of `xent loss` alone come first; those that `xent check` has too are the rest. The
 * words of a choice stand in the order of the library's numbers. */
enum { LOSS_ONLY = 11 };
static const flag_row FLAGS[] = {
    {FLAG_HEADING, .help = "What is reported"},
    {FLAG_CHOICE, "--reduction", "mean|row-mean|sum|none", offsetof(loss_request, reduction),
     .help = "mean over the weights (default), mean over counted rows, sum, or each row"},
    {FLAG_REAL, "--denominator", "D", offsetof(loss_request, options.denominator),
     .help = "number > 0 that divides the sum, whatever the reduction", .lowest = DBL_TRUE_MIN,
     .highest = DBL_MAX},

    {FLAG_HEADING, .help = "What is written"},
    {FLAG_OUTPUT, "--grad", "OUT.npy", offsetof(loss_request, grad),
     .help = "the gradient: type and shape of the logits"},
    {FLAG_OUTPUT, "--row-loss", "OUT.npy", offsetof(loss_request, row_loss),
     .help = "the loss of every row: float64, shape of the labels"},

    {FLAG_HEADING, .help = "The loss"},
    {FLAG_INPUT, "--class-weight", "FILE", offsetof(loss_request, class_weight),
     .help = "a weight for each class: float32 or float64, [C]"},
    {FLAG_INPUT, "--row-weight", "FILE", offsetof(loss_request, row_weight),
     .help = "a weight for each row: float32 or float64, shape of the labels"},
    {FLAG_REAL, "--label-smoothing", "E", offsetof(loss_request, options.label_smoothing),
     .help = "share of the loss spread over all classes, in [0, 1]", .lowest = 0.0, .highest = 1.0},
    {FLAG_REAL, "--z-loss", "Q", offsetof(loss_request, options.z_loss),
     .help = "coefficient >= 0 of log-sum-exp squared", .lowest = 0.0, .highest = DBL_MAX},

    {FLAG_HEADING, .help = "The logits"},
    {FLAG_WHOLE, "--class-axis", "N", offsetof(loss_request, options.class_axis),
     .help = "the axis of the logits that counts classes (default: -1, the last)",
     .lowest = -XENT_MAX_NDIM, .highest = XENT_MAX_NDIM - 1},
    {FLAG_SWITCH, "--probabilities", NULL, offsetof(loss_request, options.logits_are),
     .help = "LOGITS.npy holds probabilities", .value = XENT_PROBABILITIES},
    {FLAG_SWITCH, "--log-probabilities", NULL, offsetof(loss_request, options.logits_are),
     .help = "LOGITS.npy holds log-probabilities", .value = XENT_LOG_PROBABILITIES},
    {FLAG_REAL, "--softcap", "C", offsetof(loss_request, options.softcap),
     .help = "bound >= 0 of the logits, C*tanh(logit/C); 0: none", .lowest = 0.0,
     .highest = DBL_MAX},
    {FLAG_REAL, "--logit-scale", "S", offsetof(loss_request, options.logit_scale),
     .help = "factor of the logits, in [2^-64, 2^64]", .lowest = 0x1p-64, .highest = 0x1p64},

    {FLAG_HEADING, .help = "The labels"},
    {FLAG_LIST, "--ignore", "V", offsetof(loss_request, ignore),
     .help = "leave out rows whose label is V (may be repeated)"},
    {FLAG_CHOICE, "--on-bad-label", "error|ignore|nan",
     offsetof(loss_request, options.on_bad_label),
     .help = "what a label that is no class does (default: error)"},
    {FLAG_CHOICE, "--on-nothing-counted", "error|nan|zero",
     offsetof(loss_request, options.on_nothing_counted),
     .help = "what a mean over nothing is (default: error)"},

    {FLAG_HEADING, .help = "Files without a head"},
    {FLAG_DTYPE, "--dtype", "T", offsetof(loss_request, logits_file.dtype),
     .help = "type of the logits: f32, bf16, >f64 ..; bf16 also of a .npy of uint16"},
    {FLAG_SHAPE, "--shape", "A,B,..", offsetof(loss_request, logits_file.shape),
     .help = "the logits are raw elements of that shape, in C order"},
    {FLAG_OFFSET, "--offset", "N", offsetof(loss_request, logits_file.offset),
     .help = "raw logits begin after N bytes (default: 0)"},
    {FLAG_DTYPE, "--labels-dtype", "T", offsetof(loss_request, labels_file.dtype),
     .help = "the same for the labels: i64, u8, >i32 .."},
    {FLAG_SHAPE, "--labels-shape", "A,B,..", offsetof(loss_request, labels_file.shape),
     .help = "the labels are raw elements of that shape"},
    {FLAG_OFFSET, "--labels-offset", "N", offsetof(loss_request, labels_file.offset),
     .help = "raw labels begin after N bytes (default: 0)"},

    {FLAG_HEADING, .help = "Running"},
    {FLAG_SWITCH, "--json", NULL, offsetof(loss_request, json),
     .help = "print JSON, floats with 17 digits", .value = 1},
    {FLAG_SWITCH, "--quiet", NULL, offsetof(loss_request, quiet),
     .help = "no notes on stderr, errors only", .value = 1, .letter = 'q'},
    {FLAG_WHOLE, "--threads", "N", offsetof(loss_request, options.threads),
     .help = "at most N threads (default: -1, all); the result is the same", .lowest = -1.0,
     .highest = INT32_MAX},
};

static const example EXAMPLES[] = {
    {"xent loss logits.npy labels.npy", "Loss, perplexity and accuracy of a batch."},
    {"xent loss logits.npy labels.npy --ignore -100 --json",
     "Rows labelled -100 are left out; the result is JSON."},
    {"xent loss logits.npy labels.npy --grad grad.npy --denominator 4096",
     "The gradient of the sum divided by 4096, into a file."},
    {"xent loss logits.npy labels.npy --reduction none | sort -g | tail",
     "The ten largest losses."},
    {"xent loss batch.npz:logits batch.npz:labels", "Two arrays of one file."},
    {"zcat logits.npy.gz | xent loss - labels.npy", "Logits from a pipe."},
};

const command LOSS_COMMAND = {
    .name = "loss",
    .operands = "LOGITS.npy LABELS.npy",
    .brief = "cross-entropy of logits against labels",
    .summary = "Scores logits [..., C] against labels [...], each the index of the true class of "
               "its row: cross-entropy, perplexity, accuracy, and what was counted. One of the "
               "files may be -, standard input.",
    .description =
        "Logits have a class axis of length C, the last one unless --class-axis says otherwise; "
        "labels have the same shape without it. When the two do not fit, the error says which row, "
        "which value and which rule, and where a likely mistake is recognised a second line begins "
        "with `try:` and can be typed.\n\n"
        "A flag may be written `--flag VALUE` or `--flag=VALUE`; given again, the later one "
        "counts. After -- every word is a file.\n\n"
        "Results go to standard output, everything else to standard error. Work of more than a "
        "second shows its progress if standard error is a terminal, unless --quiet is given. "
        "Errors are in colour on a terminal unless NO_COLOR is set or TERM is dumb.",
    .files =
        "Inputs are .npy, .npz (FILE.npz:NAME), .safetensors (FILE.safetensors:NAME), numbers as "
        "text (.csv, .tsv), IDX, any of these packed by gzip, or raw elements that --dtype and "
        "--shape describe; what a file is shows in its content, not in its name. "
        "Logits are read in blocks and may be larger than memory. Outputs are written under a "
        "temporary name in the same folder and renamed when they are whole: the file of that "
        "name is the old one or the whole new one.",
    .least = 2,
    .most = 2,
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof *FLAGS,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

static const example CHECK_EXAMPLES[] = {
    {"xent check logits.npy labels.npy", "What is wrong with a batch, most telling first."},
    {"xent check logits.npy labels.npy --ignore -100 && xent loss logits.npy labels.npy --ignore "
     "-100",
     "The loss, if nothing is wrong."},
    {"xent check batch.npz:logits batch.npz:labels --json", "The findings as JSON."},
};

const command CHECK_COMMAND = {
    .name = "check",
    .operands = "LOGITS.npy LABELS.npy",
    .brief = "what is wrong with a batch that has the right shapes",
    .summary = "Looks for mistakes that shapes do not show: labels repeated, shifted, counted from "
               "1, shuffled or permuted, probabilities passed as logits, and others. The exit code "
               "is 0 if there are none, 1 if there are, and 65 if the batch cannot be scored.",
    .description =
        "Each finding has a name, a severity, the numbers it rests on and a fix. An error means "
        "that the loss means nothing, a warning that it may not mean what is thought; a note is "
        "worth knowing and nothing wrong. A batch without a mistake raises an error or a warning "
        "with a probability of at most 1 %.\n\n"
        "What cannot be scored is named as well, and refused on standard error in the words of "
        "`xent loss`.",
    .files = "Inputs are those of `xent loss`. Logits are read once, in blocks, and may be larger "
             "than memory.",
    .least = 2,
    .most = 2,
    .flags = FLAGS + LOSS_ONLY,
    .flag_count = sizeof FLAGS / sizeof *FLAGS - LOSS_ONLY,
    .examples = CHECK_EXAMPLES,
    .example_count = sizeof CHECK_EXAMPLES / sizeof *CHECK_EXAMPLES,
};

const file_flag_names FIRST_FILE_FLAGS = {"--dtype", "--shape", "--offset"},
                      LABELS_FILE_FLAGS = {"--labels-dtype", "--labels-shape", "--labels-offset"};

int check_file_flags(const file_flags *file, const file_flag_names *names) {
    bool is_raw = file->shape.given;
    if (is_raw && file->dtype.dtype == 0)
        return complain(EX_USAGE, names->shape, "a raw file needs a type as well: %s f32",
                        names->dtype);
    if (!is_raw && file->offset != 0)
        return complain(EX_USAGE, names->offset, "a raw file needs a shape as well: %s 4,3",
                        names->shape);
    if (!is_raw && file->dtype.order != '\0')
        return complain(EX_USAGE, names->dtype,
                        "'%c' is for raw files, others know their byte order: leave it out, or "
                        "give the shape of a raw file as well: %s 4,3",
                        file->dtype.order, names->shape);
    return EX_OK;
}

int read_request(const command *verb, int argc, char **argv, loss_request *request) {
    const xent_options defaults = XENT_OPTIONS_INIT;
    request->options = defaults;
    request->options.threads = -1;
    int code = parse_flags(verb, argc, argv, request, request->files);
    if (code == EX_OK)
        code = check_file_flags(&request->logits_file, &FIRST_FILE_FLAGS);
    return code == EX_OK ? check_file_flags(&request->labels_file, &LABELS_FILE_FLAGS) : code;
}
