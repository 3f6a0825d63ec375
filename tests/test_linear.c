/* SPDX-License-Identifier: MIT
 * The linear form against the plain one: random calls, whose logits are computed here, one fma at a
 * time, and scored by xent_cross_entropy; the gradients that follow from its gradient likewise. All
 * bits must agree, and no other byte may be written. XENT_CASES and XENT_SEED as in
 * test_differential (a fortieth of the cases, since each is many times the work). */
#include "cases.h"
#include "draw.h"
#include "kernels.h"
#include "reference.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN = 256, CHUNK_ROWS = 4096, CHUNK_LEAST = 64, CHUNK_BYTES = 32 << 20 };

/* A matrix in memory of its own with a margin, and what it must hold after the call. */
typedef struct owned {
    xent_tensor tensor;
    unsigned char *bytes, *expected;
    size_t size;
} owned;

typedef struct linear_case {
    test_case *call;
    uint64_t dice;
    int64_t rows, classes, features;
    xent_tensor x; /* the features: the call's logits, the class axis moved to the end */
    owned weight, bias, grad_x, grad_weight, grad_bias, logits_out;
    bool has_bias;
    xent_linear_outputs outputs;
    /* what the plain form says of the rows */
    xent_status status;
    xent_total total;
    xent_error error;
    double *logits, *grad; /* [rows][C], numbers that lanes hold */
    double *column[ENTROPY + 1];
    int64_t *prediction;
} linear_case;

static void *allocate(size_t size) {
    void *block = calloc(1, size + 64);
    if (!block)
        abort();
    return block;
}

/* ---- the call ---- */

static xent_tensor classes_last(const xent_tensor *tensor, int axis) {
    xent_tensor moved = *tensor;
    for (int i = axis; i < tensor->ndim - 1; i++) {
        moved.shape[i] = tensor->shape[i + 1];
        moved.stride[i] = tensor->stride[i + 1];
    }
    moved.shape[tensor->ndim - 1] = tensor->shape[axis];
    moved.stride[tensor->ndim - 1] = tensor->stride[axis];
    return moved;
}

/* Memory for a tensor of known dtype and shape: in C order or transposed, sometimes with gaps. */
static void make_room(linear_case *made, owned *room) {
    xent_tensor *tensor = &room->tensor;
    const int64_t size = (int64_t)dtype_bytes(tensor->dtype), gap = draw(&made->dice, 3);
    const bool transposed = chance(&made->dice, 40);
    int64_t extent = 1 + (chance(&made->dice, 70) ? 0 : gap);
    for (int i = 0; i < tensor->ndim; i++) {
        const int axis = transposed ? i : tensor->ndim - 1 - i;
        tensor->stride[axis] = extent;
        extent = extent * tensor->shape[axis] + gap;
    }
    room->size = (size_t)((extent + 8) * size);
    room->bytes = allocate(room->size);
    room->expected = allocate(room->size);
    memset(room->bytes, 0xa5, room->size);
    memset(room->expected, 0xa5, room->size);
    tensor->data = room->bytes + 4 * size + draw(&made->dice, 2);
}

static void free_room(owned *room) {
    free(room->bytes);
    free(room->expected);
}

static void fill_matrix(linear_case *made, const xent_tensor *matrix, double deviation) {
    const int64_t columns = matrix->ndim > 1 ? matrix->shape[1] : 1;
    for (int64_t i = 0; i < matrix->shape[0]; i++)
        for (int64_t j = 0; j < columns; j++)
            store_real(matrix,
                       i * matrix->stride[0] + (matrix->ndim > 1 ? j * matrix->stride[1] : 0),
                       draw_normal(&made->dice, deviation), &made->dice);
}

static int32_t wider_or_same(linear_case *made, int32_t dtype) {
    const int32_t choices[] = {dtype, XENT_F64, dtype == XENT_F64 ? XENT_F64 : XENT_F32};
    return choices[draw(&made->dice, 3)];
}

static void make_matrices(linear_case *made) {
    const int64_t shape[2] = {made->classes, made->features};
    const int32_t dtype = made->x.dtype;
    made->weight.tensor = xent_ndarray(NULL, dtype, 2, shape);
    made->bias.tensor = xent_ndarray(NULL, dtype, 1, shape);
    if (dtype_bytes(dtype) == 2 && chance(&made->dice, 50))
        made->bias.tensor.dtype = XENT_F32;
    make_room(made, &made->weight);
    make_room(made, &made->bias);
    made->has_bias = chance(&made->dice, 60);
    fill_matrix(made, &made->weight.tensor, 1 / sqrt((double)made->features + 1));
    fill_matrix(made, &made->bias.tensor, 1);
}

/* Half of the time the features are what the call's logits were, with all their extremes. */
static void tame_features(linear_case *made) {
    if (chance(&made->dice, 40))
        return;
    for (int64_t row = 0; row < made->rows; row++) {
        int64_t start = row_offset(&made->x, made->x.ndim - 1, row);
        for (int64_t d = 0; d < made->features; d++)
            store_real(&made->x, start + d * made->x.stride[made->x.ndim - 1],
                       draw_normal(&made->dice, 1), &made->dice);
    }
}

static void make_outputs(linear_case *made) {
    const xent_outputs *rows = &made->call->outputs;
    xent_linear_outputs *outputs = &made->outputs;
    *outputs = (xent_linear_outputs)XENT_LINEAR_OUTPUTS_INIT;
    outputs->loss = rows->loss;
    outputs->lse = rows->lse;
    outputs->prediction = rows->prediction;
    outputs->label_probability = rows->label_probability;
    outputs->entropy = rows->entropy;
    made->grad_x.tensor = xent_ndarray(NULL, made->x.dtype, made->x.ndim, made->x.shape);
    made->grad_weight.tensor = made->weight.tensor;
    made->grad_weight.tensor.dtype = wider_or_same(made, made->x.dtype);
    made->grad_bias.tensor = made->bias.tensor;
    made->grad_bias.tensor.dtype = wider_or_same(made, made->x.dtype);
    make_room(made, &made->grad_x);
    make_room(made, &made->grad_weight);
    make_room(made, &made->grad_bias);
    made->logits_out.tensor = xent_ndarray(NULL, made->x.dtype == XENT_F64 ? XENT_F64 : XENT_F32,
                                           made->x.ndim, made->x.shape);
    made->logits_out.tensor.shape[made->x.ndim - 1] = made->classes;
    make_room(made, &made->logits_out);
    const bool forward = chance(&made->dice, 40);
    outputs->grad_features = !forward && chance(&made->dice, 70) ? &made->grad_x.tensor : NULL;
    outputs->grad_weight = !forward && chance(&made->dice, 70) ? &made->grad_weight.tensor : NULL;
    outputs->grad_bias = !forward && chance(&made->dice, 50) ? &made->grad_bias.tensor : NULL;
    outputs->logits = chance(&made->dice, 50) ? &made->logits_out.tensor : NULL;
}

/* false: the random call is too large for this test. */
static bool make_linear(linear_case *made, uint64_t seed) {
    test_case *call = made->call;
    const int axis =
        call->options.class_axis + (call->options.class_axis < 0 ? call->tensor[LOGITS].ndim : 0);
    const int64_t more = call->options.class_weight ? 0 : draw(&made->dice, 40);
    made->dice = seed;
    made->rows = call->rows;
    made->features = call->classes;
    made->classes = call->classes + more;
    if (made->rows * made->features * made->classes > 4000000 || made->classes > 20000)
        return false;
    call->options.logits_are = XENT_LOGITS;
    call->options.class_axis = -1;
    made->x = classes_last(&call->tensor[LOGITS], axis);
    make_matrices(made);
    tame_features(made);
    make_outputs(made);
    return true;
}

/* ---- what is expected ---- */

static bool is_double(const linear_case *made) {
    return made->x.dtype == XENT_F64;
}

static double lane_fma(const linear_case *made, double a, double b, double c) {
    return is_double(made) ? fma(a, b, c) : (double)fmaf((float)a, (float)b, (float)c);
}

static double feature(const linear_case *made, int64_t row, int64_t d) {
    int last = made->x.ndim - 1;
    return real_element(&made->x, row_offset(&made->x, last, row) + d * made->x.stride[last]);
}

static double weight(const linear_case *made, int64_t c, int64_t d) {
    const xent_tensor *w = &made->weight.tensor;
    return real_element(w, c * w->stride[0] + d * w->stride[1]);
}

static double logit(const linear_case *made, int64_t row, int64_t c) {
    const xent_tensor *bias = &made->bias.tensor;
    double sum = made->has_bias ? real_element(bias, c * bias->stride[0]) : 0;
    for (int64_t d = 0; d < made->features; d++)
        sum = lane_fma(made, feature(made, row, d), weight(made, c, d), sum);
    return sum;
}

/* The plain form on the logits, as doubles that are floats or as they are. */
static void solve_plain(linear_case *made) {
    const test_case *call = made->call;
    const xent_tensor *labels = &call->tensor[LABELS];
    const int64_t count = made->rows * made->classes;
    const int dtype = is_double(made) ? XENT_F64 : XENT_F32;
    xent_options options = call->options;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    int64_t shape[XENT_MAX_NDIM];
    memcpy(shape, labels->shape, sizeof shape);
    shape[labels->ndim] = made->classes;
    made->logits = allocate((size_t)count * 8);
    made->grad = allocate((size_t)count * 8);
    void *lanes = allocate((size_t)count * 8), *lane_grad = allocate((size_t)count * 8);
    for (int64_t row = 0; row < made->rows; row++)
        for (int64_t c = 0; c < made->classes; c++)
            made->logits[row * made->classes + c] = logit(made, row, c);
    xent_kernels_for(dtype)->narrow(made->logits, count, lanes, 1);
    xent_tensor x = xent_ndarray(lanes, dtype, labels->ndim + 1, shape), grad = x, columns[TENSORS];
    grad.data = lane_grad;
    for (int which = LOSS; which <= ENTROPY; which++) {
        made->column[which] = allocate((size_t)made->rows * 8);
        columns[which] =
            xent_ndarray(made->column[which], which == PREDICTION ? XENT_I64 : XENT_F64,
                         labels->ndim, labels->shape);
    }
    outputs.loss = &columns[LOSS];
    outputs.lse = &columns[LSE];
    outputs.prediction = &columns[PREDICTION];
    outputs.label_probability = &columns[LABEL_PROBABILITY];
    outputs.entropy = &columns[ENTROPY];
    outputs.grad = &grad;
    options.threads = 1;
    options.executor = NULL;
    made->status = xent_cross_entropy(&x, labels, &options, &outputs, &made->total, &made->error);
    xent_kernels_for(dtype)->widen(lane_grad, count, 1, made->grad);
    made->prediction = (int64_t *)(void *)made->column[PREDICTION];
    free(lanes);
    free(lane_grad);
}

/* Where the element at `data` lies in the memory that shows what is expected. */
static void *expected_place(const owned *room, int64_t offset) {
    const unsigned char *data = room->tensor.data;
    return room->expected + (data - room->bytes) +
           offset * (int64_t)dtype_bytes(room->tensor.dtype);
}

static void expect(const owned *room, int64_t offset, double value) {
    xent_kernels_for(room->tensor.dtype)->narrow(&value, 1, expected_place(room, offset), 1);
}

static double expected_already(const owned *room, int64_t offset) {
    double value;
    xent_kernels_for(room->tensor.dtype)->widen(expected_place(room, offset), 1, 1, &value);
    return value;
}

/* A row's part in the gradients: none at all, that of a row with weight 0, or its own. */
enum { NO_PART, SILENT, OWN_PART };

static int part_of_row(const linear_case *made, int64_t row) {
    const test_case *call = made->call;
    const xent_options *options = &call->options;
    const xent_tensor *labels = &call->tensor[LABELS];
    const int64_t label = integer_element(labels, row_offset(labels, -1, row));
    const bool wraps = labels->dtype == XENT_U64 && label < 0;
    for (size_t i = 0; i < options->ignore_count; i++)
        if (label == options->ignore[i] && !wraps)
            return NO_PART;
    const bool bad = wraps || label < 0 || label >= made->classes;
    if (bad && options->on_bad_label == XENT_BAD_LABEL_IGNORE)
        return NO_PART;
    double d = options->denominator > 0              ? options->denominator
               : options->reduction == XENT_SUM      ? 1
               : options->reduction == XENT_ROW_MEAN ? (double)made->total.counted
                                                     : made->total.weight_sum;
    const xent_tensor *w = options->row_weight;
    return d == 0 || (w && real_element(w, row_offset(w, -1, row)) == 0) ? SILENT : OWN_PART;
}

static void expect_grad_x(const linear_case *made, const int *part) {
    const int last = made->x.ndim - 1;
    const xent_tensor *to = &made->grad_x.tensor;
    for (int64_t row = 0; row < made->rows; row++)
        for (int64_t d = 0; d < made->features; d++) {
            double sum = 0;
            for (int64_t c = 0; part[row] == OWN_PART && c < made->classes; c++)
                sum = lane_fma(made, made->grad[row * made->classes + c], weight(made, c, d), sum);
            expect(&made->grad_x, row_offset(to, last, row) + d * to->stride[last], sum);
        }
}

/* 0 where a row is ignored, NaN where its label is bad. */
static void expect_logits(const linear_case *made, const int *part) {
    const xent_tensor *to = &made->logits_out.tensor, *labels = &made->call->tensor[LABELS];
    const int last = to->ndim - 1;
    for (int64_t row = 0; row < made->rows; row++) {
        const int64_t label = integer_element(labels, row_offset(labels, -1, row));
        const bool is_class = label >= 0 && label < made->classes;
        for (int64_t c = 0; c < made->classes; c++)
            expect(&made->logits_out, row_offset(to, last, row) + c * to->stride[last],
                   part[row] == NO_PART ? 0
                   : !is_class          ? (double)NAN
                                        : made->logits[row * made->classes + c]);
    }
}

static int64_t chunk_rows(const linear_case *made) {
    int64_t rows = CHUNK_BYTES / (is_double(made) ? 8 : 4) / made->classes;
    return rows < CHUNK_LEAST ? CHUNK_LEAST : rows > CHUNK_ROWS ? CHUNK_ROWS : rows;
}

/* d = -1: of the bias. Chains of up to 256 rows, begun anew in each chunk. */
static void expect_sum(const linear_case *made, const int *part, int64_t c, int64_t d,
                       const owned *room, int64_t offset) {
    double sum = 0;
    int64_t length = 0, kept = 0;
    const int64_t chunk = chunk_rows(made);
    bool any = false;
    for (int64_t row = 0; row < made->rows; row++) {
        if (part[row] == NO_PART)
            continue;
        const bool own = part[row] == OWN_PART;
        sum = lane_fma(made, made->grad[row * made->classes + c],
                       !own    ? 0
                       : d < 0 ? 1
                               : feature(made, row, d),
                       sum);
        length++;
        kept++;
        if (length == CHAIN || kept % chunk == 0) {
            expect(room, offset, any ? expected_already(room, offset) + sum : sum);
            any = true;
            sum = 0;
            length = 0;
        }
    }
    if (length > 0 || !any)
        expect(room, offset, any ? expected_already(room, offset) + sum : sum);
}

static void expect_sums(const linear_case *made, const int *part) {
    const xent_tensor *w = &made->grad_weight.tensor, *b = &made->grad_bias.tensor;
    for (int64_t c = 0; c < made->classes; c++) {
        for (int64_t d = 0; made->outputs.grad_weight && d < made->features; d++)
            expect_sum(made, part, c, d, &made->grad_weight, c * w->stride[0] + d * w->stride[1]);
        if (made->outputs.grad_bias)
            expect_sum(made, part, c, -1, &made->grad_bias, c * b->stride[0]);
    }
}

static void expect_row_outputs(const linear_case *made) {
    test_case *call = made->call;
    for (int which = LOSS; which <= ENTROPY; which++) {
        if (!call->given[which])
            continue;
        xent_tensor to = tensor_before(call, which);
        for (int64_t row = 0; row < made->rows; row++) {
            char *place =
                (char *)to.data + row_offset(&to, -1, row) * (int64_t)dtype_bytes(to.dtype);
            if (which == PREDICTION)
                memcpy(place, &made->prediction[row], dtype_bytes(to.dtype)); /* little-endian */
            else
                xent_kernels_for(to.dtype)->narrow(&made->column[which][row], 1, place, 1);
        }
    }
}

static void expect_all(const linear_case *made) {
    int *part = allocate((size_t)made->rows * sizeof *part);
    if (made->status == XENT_OK) {
        for (int64_t row = 0; row < made->rows; row++)
            part[row] = part_of_row(made, row);
        expect_row_outputs(made);
        if (made->outputs.grad_features)
            expect_grad_x(made, part);
        if (made->outputs.logits)
            expect_logits(made, part);
        expect_sums(made, part);
    }
    free(part);
}

/* ---- comparison ---- */

static int differs(const char *what, const void *a, const void *b, size_t size) {
    if (size == 0 || memcmp(a, b, size) == 0)
        return 0;
    printf("%s differs\n", what);
    return 1;
}

static bool same_sum(double a, double b) {
    return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 0x1p-52 * fabs(a);
}

static int compare_totals(const xent_total *found, const xent_total *expected) {
    int wrong = memcmp(found, expected, offsetof(xent_total, loss_sum)) != 0;
    wrong |= !same_sum(found->loss_sum, expected->loss_sum);
    wrong |= !same_sum(found->weight_sum, expected->weight_sum);
    if (wrong)
        printf("the total differs: loss_sum %.17g, expected %.17g\n", found->loss_sum,
               expected->loss_sum);
    return wrong;
}

static int compare_memory(const linear_case *made) {
    int wrong = 0;
    const test_case *call = made->call;
    for (int which = LOSS; which <= ENTROPY; which++)
        wrong += differs(tensor_name(which), call->memory[which].bytes, call->memory[which].before,
                         call->memory[which].size);
    wrong += differs("grad_features", made->grad_x.bytes, made->grad_x.expected, made->grad_x.size);
    wrong += differs("grad_weight", made->grad_weight.bytes, made->grad_weight.expected,
                     made->grad_weight.size);
    wrong +=
        differs("grad_bias", made->grad_bias.bytes, made->grad_bias.expected, made->grad_bias.size);
    wrong +=
        differs("logits", made->logits_out.bytes, made->logits_out.expected, made->logits_out.size);
    return wrong;
}

static int compare_linear(linear_case *made) {
    xent_total total;
    xent_error error;
    solve_plain(made);
    expect_all(made);
    xent_status status = xent_linear_cross_entropy(
        &made->x, &made->weight.tensor, made->has_bias ? &made->bias.tensor : NULL,
        &made->call->tensor[LABELS], &made->call->options, &made->outputs, &total, &error);
    int wrong = status != made->status || strcmp(error.message, made->error.message) != 0;
    if (wrong)
        printf("status %d (%s), expected %d (%s)\n", status, error.message, made->status,
               made->error.message);
    if (status == XENT_OK && made->status == XENT_OK)
        wrong += compare_totals(&total, &made->total);
    return wrong + compare_memory(made);
}

static void free_linear(linear_case *made) {
    owned *rooms[] = {&made->weight,      &made->bias,      &made->grad_x,
                      &made->grad_weight, &made->grad_bias, &made->logits_out};
    for (int i = 0; i < 6; i++)
        free_room(rooms[i]);
    for (int which = LOSS; which <= ENTROPY; which++)
        free(made->column[which]);
    free(made->logits);
    free(made->grad);
    free_case(made->call);
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(void) {
    const uint64_t cases = number_from_environment("XENT_CASES", 10000) / 40 + 1;
    const uint64_t seed = number_from_environment("XENT_SEED", 1);
    uint64_t wrong = 0, compared = 0;
    for (uint64_t i = 0; i < cases && wrong < 5; i++) {
        linear_case made = {.call = make_case(seed + i), .dice = seed + i};
        if (make_linear(&made, seed + i)) {
            compared++;
            if (compare_linear(&made) > 0) {
                wrong++;
                printf("%" PRId64 " features, %" PRId64 " classes%s\n", made.features, made.classes,
                       made.has_bias ? ", bias" : "");
                print_case(stdout, made.call);
            }
        }
        free_linear(&made);
    }
    printf("%s: %" PRIu64 " random calls of the linear form from seed %" PRIu64 ", %" PRIu64
           " with differences\n",
           xent_isa(), compared, seed, wrong);
    return wrong > 0 || compared < cases / 4;
}
