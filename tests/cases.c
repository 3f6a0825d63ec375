/* SPDX-License-Identifier: MIT
 * The generator of random calls. */
#include "cases.h"

#include "draw.h"
#include "reference.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[TENSORS] = {"logits",  "labels", "class_weight", "row_weight",
                                           "loss",    "lse",    "prediction",   "label_probability",
                                           "entropy", "grad",   "probability"};
static const char *const dtypes[] = {"?",   "f32", "f64", "bf16", "f16", "i8", "u8",
                                     "i16", "u16", "i32", "u32",  "i64", "u64"};

const char *tensor_name(int which) {
    return names[which];
}

static void *allocate(size_t size) {
    void *block = calloc(1, size ? size : 1);
    if (!block)
        abort();
    return block;
}

/* ---- shapes and memory ---- */

static int64_t draw_classes(uint64_t *dice) {
    const int64_t kind = draw(dice, 100);
    if (kind < 70)
        return 1 + draw(dice, 70);
    if (kind < 80)
        return 60 + draw(dice, 10);
    if (kind < 92)
        return 100 + draw(dice, 2900);
    if (kind < 99)
        return (chance(dice, 70) ? 1024 : 2048) - 4 + draw(dice, 8);
    return 9000 + draw(dice, 11001);
}

static int64_t draw_rows(uint64_t *dice, int64_t classes) {
    const int64_t most = 30000 / classes;
    const int64_t rows = chance(dice, 2)   ? 0
                         : chance(dice, 3) ? 257 + draw(dice, 100)
                                           : 1 + draw(dice, chance(dice, 50) ? 6 : 80);
    return rows > most ? 1 + draw(dice, most > 5 ? 5 : most) : rows;
}

/* The library starts a task per 131072 logits and per group of rows. */
static void draw_size(test_case *call, uint64_t *dice) {
    call->large = chance(dice, 1);
    call->classes = call->large ? 1 + draw(dice, 500) : draw_classes(dice);
    call->rows =
        call->large ? 131072 / call->classes + 65 + draw(dice, 64) : draw_rows(dice, call->classes);
}

static void draw_threads(test_case *call, uint64_t *dice) {
    static const int threads[] = {2, 3, 4, 16, -1};
    xent_options *options = &call->options;
    options->threads = chance(dice, 80) ? (int32_t)draw(dice, 2) : threads[draw(dice, 5)];
    if (!call->large)
        return;
    const int32_t width = 2 + (int32_t)draw(dice, 15);
    call->on_executor.inner = chance(dice, 50) ? reverse_executor(width) : thread_executor(width);
    call->executor = counting_executor(&call->on_executor);
    options->threads = width;
    options->executor = chance(dice, 50) ? &call->executor : NULL;
}

/* Labels of 0 to 4 axes with about `rows` rows, and logits with the classes as one more axis
 * anywhere. */
static void draw_shapes(test_case *call, uint64_t *dice) {
    xent_tensor *labels = &call->tensor[LABELS], *logits = &call->tensor[LOGITS];
    int64_t left = call->rows;
    labels->ndim = (int32_t)(chance(dice, 50) ? 1 : draw(dice, 5));
    call->rows = 1;
    for (int i = 0; i < labels->ndim; i++) {
        const bool last = i == labels->ndim - 1;
        labels->shape[i] = last || left == 0 ? left : 1 + draw(dice, left < 6 ? left : 6);
        left = left == 0 ? chance(dice, 50) : left / labels->shape[i];
        call->rows *= labels->shape[i];
    }
    if (call->rows == 0 && chance(dice, 20))
        call->classes = 0;
    logits->ndim = labels->ndim + 1;
    const int axis = chance(dice, 50) ? labels->ndim : (int)draw(dice, logits->ndim);
    for (int i = 0; i < logits->ndim; i++)
        logits->shape[i] = i == axis ? call->classes : labels->shape[i - (i > axis)];
    call->options.class_axis = chance(dice, 50) ? axis : axis - logits->ndim;
}

/* Gives a tensor of known shape and dtype strides and zeroed memory: in C order, or with permuted,
 * padded and reversed axes, and in a tensor that is only read sometimes one element for a whole
 * axis. */
static void place(test_case *call, int which, bool read_only, uint64_t *dice) {
    xent_tensor *tensor = &call->tensor[which];
    const bool plain = chance(dice, 40);
    const int64_t size = (int64_t)dtype_bytes(tensor->dtype);
    int order[XENT_MAX_NDIM] = {0};
    int64_t extent = 1, start = draw(dice, 4);
    for (int i = 0; i < tensor->ndim; i++) {
        const int at = plain || chance(dice, 50) ? i : (int)draw(dice, i + 1);
        order[i] = i;
        order[i] = order[at];
        order[at] = i;
    }
    for (int i = tensor->ndim - 1; i >= 0; i--) {
        const int axis = plain ? i : order[i];
        const int64_t length = tensor->shape[axis];
        int64_t step = extent * (plain || chance(dice, 70) ? 1 : 1 + draw(dice, 3));
        step += plain || chance(dice, 80) ? 0 : draw(dice, 4);
        if (!plain && read_only && chance(dice, 7))
            step = 0;
        extent += length > 0 ? step * (length - 1) : 0;
        const bool reversed = !plain && chance(dice, 15) && length > 0;
        start += reversed ? step * (length - 1) : 0;
        tensor->stride[axis] = reversed ? -step : step;
    }
    const int64_t shift = chance(dice, 20) ? draw(dice, 8) : 0;
    call->memory[which].size = (size_t)((extent + start + 4) * size + shift);
    call->memory[which].bytes = allocate(call->memory[which].size);
    tensor->data = call->memory[which].bytes + start * size + shift;
    call->given[which] = true;
}

static void shape_like(test_case *call, int which, int other) {
    call->tensor[which] = call->tensor[other];
    call->tensor[which].data = NULL;
}

/* ---- contents ---- */

static int64_t draw_label(const test_case *call, uint64_t *dice, bool careless) {
    const int32_t dtype = call->tensor[LABELS].dtype;
    const int64_t classes = call->classes, low = lowest_label(dtype), high = highest_label(dtype);
    const int64_t bad[] = {-1, classes, -100, low, high, classes + draw(dice, 300), INT64_MIN};
    const int64_t count = call->options.ignore_count ? 8 : 0;
    if (count && draw(dice, 100) < count) {
        const int64_t label = call->ignore[draw(dice, (int64_t)call->options.ignore_count)];
        if (label >= low && label <= high)
            return label;
    }
    if (careless && chance(dice, 10)) {
        const int64_t label = bad[draw(dice, dtype == XENT_U64 ? 7 : 6)];
        if ((label >= low && label <= high) || dtype == XENT_U64)
            return label;
    }
    return draw(dice, classes - 1 > high ? high + 1 : classes);
}

static void fill_labels(test_case *call, uint64_t *dice) {
    const bool careless = chance(dice, call->options.on_bad_label == XENT_BAD_LABEL_ERROR ? 4 : 50);
    const bool all_ignored = call->options.ignore_count && chance(dice, 5);
    const xent_tensor *labels = &call->tensor[LABELS];
    const int64_t sentinel = call->ignore[0];
    const bool fits =
        sentinel >= lowest_label(labels->dtype) && sentinel <= highest_label(labels->dtype);
    for (int64_t row = 0; row < call->rows; row++)
        store_integer(labels, row_offset(labels, -1, row),
                      all_ignored && fits ? sentinel : draw_label(call, dice, careless));
}

static double draw_probability(uint64_t *dice, bool logs, double spread) {
    static const double odd[] = {0,   -0.0,     1,      1 + 0x1p-6, 1.03,      -0.25,
                                 NAN, INFINITY, 0x1p-6, 0x1p-5,     -INFINITY, 5};
    if (chance(dice, 3))
        return odd[draw(dice, (int64_t)(sizeof odd / sizeof *odd))];
    const double log_probability = -fabs(draw_normal(dice, spread));
    return logs ? log_probability : exp(log_probability);
}

/* Doubles stay so small that no step of the formula overflows before its result does: max - z; its
 * weighted sum and lse^2 of scaled logits, where they are used. */
static double largest_logit(const test_case *call) {
    const xent_options *options = &call->options;
    const bool weighted = options->label_smoothing > 0 || options->z_loss > 0 ||
                          options->class_weight || options->row_weight;
    const double limit = largest_value(call->tensor[LOGITS].dtype);
    return limit < 1e39 ? limit : (weighted ? 1e150 : limit / 4) / fmax(options->logit_scale, 1);
}

static void fill_logits(test_case *call, uint64_t *dice) {
    const xent_tensor *logits = &call->tensor[LOGITS], *labels = &call->tensor[LABELS];
    const int kind = call->options.logits_are;
    const int axis = call->options.class_axis + (call->options.class_axis < 0 ? logits->ndim : 0);
    for (int64_t row = 0; row < call->rows; row++) {
        const int64_t label = integer_element(labels, row_offset(labels, -1, row));
        const int64_t start = row_offset(logits, axis, row);
        const row_style style = draw_row_style(dice, largest_logit(call), call->classes, label);
        for (int64_t c = 0; c < call->classes; c++)
            store_real(logits, start + c * logits->stride[axis],
                       kind == XENT_LOGITS ? draw_logit(dice, &style, c)
                                           : draw_probability(dice, kind == XENT_LOG_PROBABILITIES,
                                                              style.deviation),
                       dice);
    }
}

static void fill_class_weight(test_case *call, uint64_t *dice) {
    static const double odd[] = {0, 0, 1, 1e10, 1e-10};
    const xent_tensor *weight = &call->tensor[CLASS_WEIGHT];
    const bool all_zero = chance(dice, 3);
    for (int64_t c = 0; c < call->classes; c++) {
        const double value = chance(dice, 15) ? odd[draw(dice, 5)] : draw_real(dice, 0, 2);
        store_real(weight, c * weight->stride[0], all_zero ? 0 : value, dice);
    }
    if (chance(dice, 2) && call->classes > 0)
        store_real(weight, draw(dice, call->classes) * weight->stride[0],
                   chance(dice, 50) ? -1 : INFINITY, dice);
}

static void fill_row_weight(test_case *call, uint64_t *dice) {
    static const double odd[] = {0, 0, -1, 1e30, 1e-30, 1, 1e-42, INFINITY, -INFINITY, NAN};
    const xent_tensor *weight = &call->tensor[ROW_WEIGHT];
    const bool all_zero = chance(dice, 3);
    const int64_t kinds = chance(dice, 10) ? 10 : chance(dice, 30) ? 7 : 2;
    for (int64_t row = 0; row < call->rows; row++) {
        const double value = chance(dice, 15) ? odd[draw(dice, kinds)] : draw_real(dice, 0, 2);
        store_real(weight, row_offset(weight, -1, row), all_zero ? 0 : value, dice);
    }
}

/* ---- options and outputs ---- */

static void draw_options(test_case *call, uint64_t *dice) {
    static const double caps[] = {0.5, 5, 30, 50, 1e4},
                        scales[] = {0.125, 0.7, 3, 0x1p-64, 0x1p64, 1e-3};
    static const double denominators[] = {1, 7, 0.1, 1e6};
    xent_options *options = &call->options;
    options->logits_are = chance(dice, 88) ? XENT_LOGITS : (int32_t)draw(dice, 3);
    options->reduction = (int32_t)draw(dice, 3);
    options->on_bad_label = (int32_t)draw(dice, 3);
    options->on_nothing_counted = (int32_t)draw(dice, 3);
    draw_threads(call, dice);
    options->denominator = chance(dice, 25) ? denominators[draw(dice, 4)] : 0;
    if (options->logits_are != XENT_LOGITS)
        return;
    options->label_smoothing =
        chance(dice, 30) ? (chance(dice, 80) ? draw_real(dice, 0, 1) : 1) : 0;
    options->z_loss = chance(dice, 25) ? pow(10, draw_real(dice, -5, 0)) : 0;
    options->softcap = chance(dice, 15) ? caps[draw(dice, 5)] : 0;
    options->logit_scale = chance(dice, 20) ? scales[draw(dice, 6)] : 1;
}

static void draw_ignore(test_case *call, uint64_t *dice) {
    const int64_t values[] = {-100, -1, 255, call->classes > 0 ? draw(dice, call->classes) : 0,
                              INT64_MIN};
    call->options.ignore_count = chance(dice, 40) ? (size_t)(1 + draw(dice, 4)) : 0;
    for (size_t i = 0; i < call->options.ignore_count; i++)
        call->ignore[i] = values[draw(dice, 5)];
    call->options.ignore = call->options.ignore_count ? call->ignore : NULL;
}

static void make_inputs(test_case *call, uint64_t *dice) {
    call->tensor[LOGITS].dtype = (int32_t)(XENT_F32 + draw(dice, 4));
    call->tensor[LABELS].dtype = (int32_t)(XENT_I8 + draw(dice, 8));
    draw_shapes(call, dice);
    draw_ignore(call, dice);
    place(call, LABELS, true, dice);
    fill_labels(call, dice);
    if (chance(dice, 30)) {
        const int64_t length = call->classes;
        call->tensor[CLASS_WEIGHT] = xent_vector(NULL, (int)(XENT_F32 + draw(dice, 2)), length);
        place(call, CLASS_WEIGHT, true, dice);
        fill_class_weight(call, dice);
        call->options.class_weight = &call->tensor[CLASS_WEIGHT];
    }
    if (chance(dice, 30)) {
        shape_like(call, ROW_WEIGHT, LABELS);
        call->tensor[ROW_WEIGHT].dtype = (int32_t)(XENT_F32 + draw(dice, 2));
        place(call, ROW_WEIGHT, true, dice);
        fill_row_weight(call, dice);
        call->options.row_weight = &call->tensor[ROW_WEIGHT];
    }
    place(call, LOGITS, !call->in_place, dice);
    fill_logits(call, dice);
}

static bool wants(const test_case *call, int which, uint64_t *dice) {
    const bool from_logits = call->options.logits_are == XENT_LOGITS;
    if (!from_logits && (which == LSE || which == ENTROPY || which == PROBABILITY))
        return false;
    return chance(dice, which == GRAD || which == LOSS ? 75 : 40);
}

static void make_outputs(test_case *call, uint64_t *dice) {
    const xent_tensor **fields[TENSORS] = {[LOSS] = &call->outputs.loss,
                                           [LSE] = &call->outputs.lse,
                                           [PREDICTION] = &call->outputs.prediction,
                                           [LABEL_PROBABILITY] = &call->outputs.label_probability,
                                           [ENTROPY] = &call->outputs.entropy,
                                           [GRAD] = &call->outputs.grad,
                                           [PROBABILITY] = &call->outputs.probability};
    for (int which = LOSS; which < TENSORS; which++) {
        const bool by_class = which == GRAD || which == PROBABILITY;
        if (!wants(call, which, dice))
            continue;
        *fields[which] = &call->tensor[which];
        if (which == GRAD && call->in_place) {
            call->tensor[GRAD] = call->tensor[LOGITS];
            call->given[GRAD] = true;
            continue;
        }
        shape_like(call, which, by_class ? LOGITS : LABELS);
        if (!by_class)
            call->tensor[which].dtype = which == PREDICTION
                                            ? (chance(dice, 50) ? XENT_I32 : XENT_I64)
                                            : (int32_t)(XENT_F32 + draw(dice, 2));
        place(call, which, false, dice);
        memset(call->memory[which].bytes, 0xa5, call->memory[which].size);
    }
}

/* ---- the whole ---- */

test_case *make_case(uint64_t seed) {
    test_case *call = allocate(sizeof *call);
    uint64_t dice = seed;
    call->seed = seed;
    call->options = (xent_options)XENT_OPTIONS_INIT;
    call->outputs = (xent_outputs)XENT_OUTPUTS_INIT;
    draw_size(call, &dice);
    call->in_place = chance(&dice, 40);
    draw_options(call, &dice);
    make_inputs(call, &dice);
    make_outputs(call, &dice);
    for (int i = 0; i < TENSORS; i++) {
        case_memory *memory = &call->memory[i];
        memory->before = allocate(memory->size);
        if (memory->bytes)
            memcpy(memory->before, memory->bytes, memory->size);
    }
    return call;
}

void free_case(test_case *call) {
    for (int i = 0; i < TENSORS; i++) {
        free(call->memory[i].bytes);
        free(call->memory[i].before);
    }
    free(call);
}

xent_tensor tensor_before(const test_case *call, int which) {
    const case_memory *memory = &call->memory[which];
    xent_tensor tensor = call->tensor[which];
    tensor.data = memory->before + ((unsigned char *)tensor.data - memory->bytes);
    return tensor;
}

static void print_tensor(FILE *file, const char *name, const xent_tensor *tensor) {
    fprintf(file, "  %s: %s, shape [", name, dtypes[tensor->dtype]);
    for (int i = 0; i < tensor->ndim; i++)
        fprintf(file, i ? ", %" PRId64 : "%" PRId64, tensor->shape[i]);
    fprintf(file, "], strides [");
    for (int i = 0; i < tensor->ndim; i++)
        fprintf(file, i ? ", %" PRId64 : "%" PRId64, tensor->stride[i]);
    fprintf(file, "]\n");
}

void print_case(FILE *file, const test_case *call) {
    const xent_options *options = &call->options;
    fprintf(file,
            "case XENT_SEED=%" PRIu64 " XENT_CASES=1: %" PRId64 " rows, %" PRId64 " classes%s\n",
            call->seed, call->rows, call->classes,
            call->in_place && call->given[GRAD] ? ", in place" : "");
    fprintf(file,
            "  logits_are %d, class_axis %d, reduction %d, on_bad_label %d, on_nothing_counted %d, "
            "threads %d%s\n",
            options->logits_are, options->class_axis, options->reduction, options->on_bad_label,
            options->on_nothing_counted, options->threads,
            options->executor ? ", on an executor" : "");
    fprintf(file,
            "  denominator %g, label_smoothing %.17g, z_loss %.17g, softcap %g, logit_scale %g, "
            "ignore {",
            options->denominator, options->label_smoothing, options->z_loss, options->softcap,
            options->logit_scale);
    for (size_t i = 0; i < options->ignore_count; i++)
        fprintf(file, " %" PRId64, options->ignore[i]);
    fprintf(file, " }\n");
    for (int i = 0; i < TENSORS; i++)
        if (call->given[i])
            print_tensor(file, names[i], &call->tensor[i]);
}
