/* SPDX-License-Identifier: MIT
 * The reference: short, slow and clear. See the formula in xent.h; the names are the same. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool reference_is_precise(void) {
    volatile long double one = 1, little = 0x1p-60L;
    return one + little != one;
}

/* ---- elements ---- */

size_t dtype_bytes(int32_t dtype) {
    static const size_t sizes[] = {0, 4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8};
    return sizes[dtype];
}

int64_t row_offset(const xent_tensor *tensor, int axis, int64_t row) {
    int64_t offset = 0;
    for (int i = tensor->ndim - 1; i >= 0; i--) {
        if (i == axis)
            continue;
        offset += row % tensor->shape[i] * tensor->stride[i];
        row /= tensor->shape[i];
    }
    return offset;
}

static double f16_value(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits >> 15 ? -1.0 : 1.0;
    if (exponent == 31)
        return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

double real_element(const xent_tensor *tensor, int64_t offset) {
    const char *from = (const char *)tensor->data + offset * (int64_t)dtype_bytes(tensor->dtype);
    float single;
    double value;
    uint16_t half;
    if (tensor->dtype == XENT_F64) {
        memcpy(&value, from, sizeof value);
        return value;
    }
    if (tensor->dtype == XENT_F32) {
        memcpy(&single, from, sizeof single);
        return single;
    }
    memcpy(&half, from, sizeof half);
    if (tensor->dtype == XENT_F16)
        return f16_value(half);
    const uint32_t bits = (uint32_t)half << 16;
    memcpy(&single, &bits, sizeof single);
    return single;
}

int64_t integer_element(const xent_tensor *tensor, int64_t offset) {
    const size_t size = dtype_bytes(tensor->dtype);
    const unsigned char *from = (const unsigned char *)tensor->data + offset * (int64_t)size;
    uint8_t one = 0;
    uint16_t two = 0;
    uint32_t four = 0;
    uint64_t eight = 0;
    memcpy(&one, from, 1);
    memcpy(&two, from, size >= 2 ? 2 : 0);
    memcpy(&four, from, size >= 4 ? 4 : 0);
    memcpy(&eight, from, size >= 8 ? 8 : 0);
    switch (tensor->dtype) {
    case XENT_I8:
        return (int8_t)one;
    case XENT_U8:
        return one;
    case XENT_I16:
        return (int16_t)two;
    case XENT_U16:
        return two;
    case XENT_I32:
        return (int32_t)four;
    case XENT_U32:
        return four;
    default:
        return (int64_t)eight;
    }
}

long double weight_of(const xent_tensor *weight, int64_t index) {
    return weight ? real_element(weight, row_offset(weight, -1, index)) : 1.0L;
}

/* A coefficient of exactly 0 makes its term exactly 0, whatever the other factor. */
static long double times(long double coefficient, long double value) {
    return coefficient == 0 ? 0 : coefficient * value;
}

/* What each addition loses is added apart (Neumaier, doi:10.1002/zamm.19740540106). */
static void add_term(long_sum *sum, long double term) {
    const long double value = sum->value + term;
    const bool term_is_small = fabsl(sum->value) >= fabsl(term);
    if (isfinite(value))
        sum->lost += term_is_small ? (sum->value - value) + term : (term - value) + sum->value;
    sum->value = value;
}

static long double sum_of(const long_sum *sum) {
    return isfinite(sum->value) ? sum->value + sum->lost : sum->value;
}

/* ---- a call ---- */

static bool is_ignored(const xent_options *options, int64_t label) {
    for (size_t i = 0; i < options->ignore_count; i++)
        if (options->ignore[i] == label)
            return true;
    return false;
}

static int64_t classify(const reference *call, int64_t row, int64_t *label) {
    *label = integer_element(call->labels, row_offset(call->labels, -1, row));
    const bool above_int64 = call->labels->dtype == XENT_U64 && *label < 0;
    if (!above_int64 && is_ignored(call->options, *label))
        return ROW_IGNORED;
    return *label < 0 || *label >= call->classes ? ROW_BAD : *label;
}

static void count_row(reference *call, int64_t row, long_sum *weights) {
    int64_t label;
    const int64_t class = classify(call, row, &label);
    call->total.rows++;
    if (class == ROW_IGNORED) {
        call->total.ignored++;
    } else if (class == ROW_BAD) {
        if (call->total.bad++ == 0) {
            call->total.first_bad_row = row;
            call->total.first_bad_label = label;
        }
    } else {
        const long double w = weight_of(call->options->row_weight, row);
        const long double term = times(weight_of(call->options->class_weight, class), w);
        call->total.counted++;
        add_term(weights, w == 0 ? 0 : term);
        call->weight_parts += w == 0 ? 0 : fabsl(term);
    }
}

static bool is_mean(const xent_options *options) {
    return options->denominator == 0 && options->reduction != XENT_SUM;
}

static long double denominator_of(const reference *call) {
    if (!is_mean(call->options))
        return call->options->denominator > 0 ? call->options->denominator : 1;
    return call->options->reduction == XENT_MEAN ? call->weight_sum
                                                 : (long double)call->total.counted;
}

static xent_status status_of(const reference *call) {
    const xent_options *options = call->options;
    for (int64_t c = 0; c < call->classes; c++) {
        const long double k = weight_of(options->class_weight, c);
        if (!(k >= 0 && isfinite((double)k)))
            return XENT_BAD_ARGUMENT;
    }
    if (call->total.bad > 0 && options->on_bad_label == XENT_BAD_LABEL_ERROR)
        return XENT_BAD_LABEL;
    if (call->denominator == 0 && call->rows > 0 &&
        options->on_nothing_counted == XENT_NOTHING_ERROR)
        return XENT_NOTHING_COUNTED;
    return XENT_OK;
}

reference make_reference(const xent_tensor *logits, const xent_tensor *labels,
                         const xent_options *options) {
    reference call = {.logits = logits, .labels = labels, .options = options, .rows = 1};
    long_sum weights = {0, 0};
    call.axis = options->class_axis < 0 ? options->class_axis + logits->ndim : options->class_axis;
    call.classes = logits->shape[call.axis];
    call.total = (xent_total)XENT_TOTAL_INIT;
    for (int i = 0; i < labels->ndim; i++)
        call.rows *= labels->shape[i];
    for (int64_t row = 0; row < call.rows; row++)
        count_row(&call, row, &weights);
    call.weight_sum = sum_of(&weights);
    for (int64_t c = 0; c < call.classes; c++)
        call.mass += weight_of(options->class_weight, c);
    call.denominator = denominator_of(&call);
    call.status = status_of(&call);
    return call;
}

void add_row(reference *call, int64_t index, const reference_row *row) {
    xent_total *total = &call->total;
    add_term(&call->losses, row->loss);
    call->loss_sum = sum_of(&call->losses);
    if (row->label >= 0 && row->prediction == row->label)
        total->correct++;
    if (!isfinite((double)row->loss) && total->nonfinite++ == 0)
        total->first_nonfinite_row = index;
}

long double reduced_loss(const reference *call) {
    if (call->denominator == 0)
        return call->options->on_nothing_counted == XENT_NOTHING_ZERO ? 0 : NAN;
    return call->loss_sum / call->denominator;
}

/* ---- a row ---- */

reference_row make_row(int64_t classes) {
    long double *block = calloc((size_t)classes * 6 + 1, sizeof *block);
    if (!block)
        abort();
    return (reference_row){.x = block,
                           .nll = block + classes,
                           .probability = block + 2 * classes,
                           .grad = block + 3 * classes,
                           .grad_parts = block + 4 * classes,
                           .bend = block + 5 * classes};
}

void free_row(reference_row *row) {
    free(row->x);
}

void read_row(const reference *call, int64_t index, reference_row *row) {
    const int64_t start = row_offset(call->logits, call->axis, index);
    int64_t label;
    row->label = classify(call, index, &label);
    row->weight = weight_of(call->options->row_weight, index);
    for (int64_t c = 0; c < call->classes; c++)
        row->x[c] = real_element(call->logits, start + c * call->logits->stride[call->axis]);
}

/* All results the same: 0 for ignored rows, NaN for those that mean nothing. */
static void fill_row(const reference *call, reference_row *row, long double value) {
    row->loss = row->lse = row->label_probability = row->entropy = value;
    row->loss_parts = row->lse_parts = row->reach = row->largest = 0;
    row->prediction = -1;
    for (int64_t c = 0; c < call->classes; c++) {
        row->probability[c] = row->grad[c] = value;
        row->grad_parts[c] = row->bend[c] = 0;
    }
}

static void fill_meaningless_row(const reference *call, reference_row *row) {
    fill_row(call, row, NAN);
    if (row->weight != 0)
        return;
    row->loss = 0;
    for (int64_t c = 0; c < call->classes; c++)
        row->grad[c] = 0;
}

/* The lowest index of the largest x; -1 if there is a NaN or +inf or nothing above -inf. */
static int64_t predict(const reference *call, const long double *x) {
    int64_t best = -1;
    for (int64_t c = 0; c < call->classes; c++) {
        if (isnan(x[c]) || x[c] == INFINITY)
            return -1;
        if (x[c] > (best < 0 ? -INFINITY : x[best]))
            best = c;
    }
    return best;
}

static long double z_of(const xent_options *options, long double x) {
    const long double z = options->logit_scale * x, cap = options->softcap;
    return cap > 0 && isfinite(x) ? cap * tanhl(z / cap) : z;
}

/* dz/dx, where 1 - tanh(t)^2 = 4u/(1 + u)^2 with u = exp(-2|t|). */
static long double slope_of(const xent_options *options, long double x) {
    const long double s = options->logit_scale, cap = options->softcap;
    if (cap == 0 || isinf(x))
        return s;
    const long double u = expl(-2 * fabsl(s * x / cap));
    return s * 4 * u / ((1 + u) * (1 + u));
}

/* nll, probability, lse and entropy, from the distances max - z and from log(sum exp(z - max)),
 * both >= 0. */
static void spread_row(const reference *call, reference_row *row) {
    const xent_options *options = call->options;
    const long double top = row->x[row->prediction], max = z_of(options, top);
    long_sum rest = {0, 0}, heat = {0, 0};
    for (int64_t c = 0; c < call->classes; c++) {
        const long double x = row->x[c], z = z_of(options, x);
        row->nll[c] = options->softcap > 0 ? fmaxl(max - z, 0) : options->logit_scale * (top - x);
        row->bend[c] = options->softcap > 0 && isfinite(x)
                           ? fabsl(options->logit_scale * x) / options->softcap
                           : 0;
        row->largest = isfinite(z) ? fmaxl(row->largest, fabsl(z)) : row->largest;
        add_term(&rest, c == row->prediction ? 0 : expl(-row->nll[c]));
    }
    const long double spread = log1pl(sum_of(&rest));
    for (int64_t c = 0; c < call->classes; c++) {
        const long double below = row->nll[c];
        row->nll[c] = below + spread;
        row->probability[c] = expl(-row->nll[c]);
        add_term(&heat, times(row->probability[c], below));
    }
    row->lse = max + spread;
    row->lse_parts = fabsl(max) + spread;
    row->entropy = spread + sum_of(&heat);
    row->label_probability = row->probability[row->label];
}

static void lose(const reference *call, reference_row *row) {
    const xent_options *options = call->options;
    const long double e = options->label_smoothing, q = options->z_loss;
    const long double k = weight_of(options->class_weight, row->label);
    long_sum all = {0, 0};
    for (int64_t c = 0; e > 0 && c < call->classes; c++)
        add_term(&all, times(weight_of(options->class_weight, c), row->nll[c]));
    const long double sharp = times((1 - e) * k, row->nll[row->label]);
    const long double smooth = times(e, sum_of(&all) / (long double)call->classes);
    row->loss = times(row->weight, sharp + smooth + times(q, row->lse * row->lse));
    row->loss_parts =
        fabsl(times(row->weight, sharp + smooth + times(q, row->lse_parts * row->lse_parts)));
    row->reach =
        fabsl(times(row->weight, (1 - e) * k + e * call->mass / (long double)call->classes +
                                     2 * q * row->lse_parts));
}

/* share*value, where a value of exactly 0 stays so against an infinite share, but not a NaN. */
static long double share_of(long double share, long double value) {
    return value == 0 && isinf(share) ? 0 : times(share, value);
}

static void descend(const reference *call, reference_row *row) {
    const xent_options *options = call->options;
    const long double e = options->label_smoothing, q = options->z_loss,
                      classes = (long double)call->classes;
    const long double sharp = (1 - e) * weight_of(options->class_weight, row->label);
    const bool has_terms = sharp + e * call->mass + q > 0;
    long double share = times(row->weight, 1 / call->denominator);
    share = has_terms || isnan(share) ? share : 0;
    for (int64_t c = 0; c < call->classes; c++) {
        const long double p = row->probability[c], slope = slope_of(options, row->x[c]);
        const long double hit = sharp * (c == row->label ? expm1l(-row->nll[c]) : p);
        const long double smooth = e * call->mass / classes * p, spread = 2 * q * row->lse * p;
        const long double even = e / classes * weight_of(options->class_weight, c);
        const long double parts = fabsl(hit) + smooth + 2 * q * row->lse_parts * p + even;
        row->grad[c] = share_of(share, (hit + smooth + spread - even) * slope);
        row->grad_parts[c] = fabsl(share_of(share, parts * slope));
    }
}

static void score_logits(const reference *call, reference_row *row) {
    const int64_t prediction = predict(call, row->x);
    if (prediction < 0) {
        fill_meaningless_row(call, row);
        return;
    }
    row->prediction = prediction;
    row->largest = 0;
    spread_row(call, row);
    lose(call, row);
    descend(call, row);
}

/* Probabilities and log-probabilities: only the label's entry matters; -0 is a probability of 0. */
static void score_probabilities(const reference *call, reference_row *row) {
    const bool logs = call->options->logits_are == XENT_LOG_PROBABILITIES;
    const long double value = row->x[row->label] + 0.0L,
                      k = weight_of(call->options->class_weight, row->label);
    if (!(logs ? value <= 0x1p-6L : value >= 0 && value <= 1 + 0x1p-6L)) {
        fill_meaningless_row(call, row);
        row->prediction = predict(call, row->x);
        return;
    }
    fill_row(call, row, 0);
    row->prediction = predict(call, row->x);
    row->label_probability = logs ? expl(value) : value;
    row->loss = times(row->weight, times(k, logs ? -value : -logl(value)));
    row->loss_parts = fabsl(row->loss);
    const long double share = times(k, times(row->weight, 1 / call->denominator));
    row->grad[row->label] = times(share, -1 / (logs ? 1 : value));
    row->grad_parts[row->label] = fabsl(row->grad[row->label]);
    for (int64_t c = 0; isnan(share) && c < call->classes; c++)
        row->grad[c] = NAN;
}

void score_row(const reference *call, reference_row *row) {
    const bool spoils = call->options->on_bad_label == XENT_BAD_LABEL_NAN;
    if (row->label < 0) {
        fill_row(call, row, row->label == ROW_BAD && spoils ? NAN : 0);
        return;
    }
    if (call->options->logits_are == XENT_LOGITS)
        score_logits(call, row);
    else
        score_probabilities(call, row);
    for (int64_t c = 0; call->denominator == 0 && c < call->classes; c++)
        row->grad[c] = row->grad_parts[c] = 0;
}
