/* SPDX-License-Identifier: MIT
 * The tolerances, and the comparison of every output, the total, and the memory around them.
 *
 * A result may be `bound` times the magnitudes of its terms away from the reference, before it is
 * rounded to its own dtype. Terms of the softmax below `flushed` (relative to the largest) may be
 * taken as 0. With softcap every z is rounded to a double, within 8 spacings: it is off by at most
 * `bent`, and a difference of two of them by twice that. */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- differences ---- */

void add_difference(comparison *with, const char *what, int64_t class, long double found,
                    long double expected, long double tolerance) {
    with->differences++;
    if (with->shown-- <= 0)
        return;
    if (with->differences == 1)
        print_case(stdout, with->call);
    printf("    %s", what);
    if (with->index >= 0)
        printf(" of row %" PRId64, with->index);
    if (class >= 0)
        printf(", class %" PRId64 " (logit %.9Lg)", class, with->row.x[class]);
    if (with->index >= 0)
        printf(", label %" PRId64 ", weight %.9Lg", with->row.label, with->row.weight);
    printf(": %.17Lg, reference %.17Lg, tolerance %.3Lg\n", found, expected, tolerance);
}

static void expect_count(comparison *with, const char *what, int64_t found, int64_t expected) {
    if (found != expected)
        add_difference(with, what, -1, (long double)found, (long double)expected, 0);
}

/* ---- numbers ---- */

long double spacing(int32_t dtype, long double size) {
    static const int digits[] = {0, 24, 53, 8, 11}, lowest[] = {0, -149, -1074, -133, -24};
    int exponent;
    frexpl(size, &exponent);
    exponent -= digits[dtype];
    return ldexpl(1, size == 0 || exponent < lowest[dtype] ? lowest[dtype] : exponent);
}

/* Where rounding to a dtype begins to give an infinity. */
static long double overflow(int32_t dtype) {
    static const long double limits[] = {0, 0x1.ffffffp127L, 0x1.fffffffffffff8p1023L, 0x1.ffp127L,
                                         65520};
    return limits[dtype];
}

/* An expected infinity or NaN must be met exactly, also an expected 0 that has no tolerance. */
static bool is_close(int32_t dtype, long double found, long double expected, long double tolerance,
                     long double spacings) {
    if (isnan(expected))
        return isnan(found);
    if (isinf(expected) || (expected == 0 && tolerance == 0))
        return found == expected;
    if (isinf(found))
        return (found > 0 ? expected : -expected) + tolerance >= overflow(dtype);
    const long double size = fmaxl(fabsl(found), fabsl(expected));
    return fabsl(found - expected) <= tolerance + spacings * spacing(dtype, size);
}

/* The only NaN that is ever written: positive and quiet. */
static bool is_plain_nan(const xent_tensor *tensor, int64_t offset) {
    static const uint64_t quiet[] = {0, 0x7fc00000, 0x7ff8000000000000, 0x7fc0, 0x7e00};
    static const int32_t whole[] = {0, XENT_U32, XENT_U64, XENT_U16, XENT_U16};
    xent_tensor bits = *tensor;
    bits.dtype = whole[tensor->dtype];
    return (uint64_t)integer_element(&bits, offset) == quiet[tensor->dtype];
}

/* An infinite weight times parts that cancel, or that may have been flushed, is 0, an infinity or a
 * NaN as rounding decides; times parts that are all 0 it is 0. */
static bool is_lost(const comparison *with, int64_t class, long double found,
                    long double expected) {
    if (!isinf(with->row.weight))
        return false;
    if (class < 0)
        return !isfinite(found) && !isfinite(expected);
    return with->row.grad_parts[class] > 0 && (found == 0 || !isfinite(found)) &&
           (expected == 0 || !isfinite(expected));
}

static void expect_close(comparison *with, int which, int64_t class, long double expected,
                         long double tolerance) {
    const test_case *call = with->call;
    const xent_tensor *tensor = &call->tensor[which];
    const bool by_class = class >= 0;
    const int axis = by_class ? with->expected.axis : -1;
    const int64_t offset =
        row_offset(tensor, axis, with->index) + (by_class ? class * tensor->stride[axis] : 0);
    const long double found = real_element(tensor, offset);
    if (!is_close(tensor->dtype, found, expected, tolerance, by_class ? 1 : 0.5L) &&
        !is_lost(with, class, found, expected))
        add_difference(with, tensor_name(which), class, found, expected, tolerance);
    if (isnan(found) && !is_plain_nan(tensor, offset))
        add_difference(with, "sign or payload of the NaN", class, found, expected, 0);
}

/* ---- tolerances ---- */

static void set_tolerances(comparison *with) {
    const bool wide = with->logits.dtype == XENT_F64;
    with->bound = 4 * 0x1p-23L;
    with->flushed = wide ? 0x1p-1020L : 0x1p-124L;
    if (wide)
        with->bound = (16 + ceill((long double)with->call->classes / 1024)) * 0x1p-53L;
    if (with->call->options.logits_are != XENT_LOGITS) {
        with->bound = 8 * 0x1p-53L; /* one log or exp, and a few products */
        with->flushed = 0x1p-1020L;
    }
}

/* What all small terms of a row amount to at most. */
static long double all_flushed(const comparison *with) {
    return (long double)with->call->classes * with->flushed;
}

static long double row_loss_tolerance(const comparison *with) {
    const reference_row *row = &with->row;
    return with->bound * row->loss_parts + row->reach * (all_flushed(with) + 2 * with->bent);
}

static long double lse_tolerance(const comparison *with) {
    return with->row.lse_parts > 0
               ? with->bound * with->row.lse_parts + all_flushed(with) + with->bent
               : 0;
}

static long double probability_tolerance(const comparison *with, long double p) {
    return p > 0 ? p * (with->bound + 2 * with->bent) + with->flushed : 0;
}

/* In sum p*(max - z) a flushed term has a factor below 800. Moving every z by b changes the entropy
 * by b*(2*entropy + 1) at most. */
static long double entropy_tolerance(const comparison *with) {
    const long double entropy = with->row.entropy;
    return entropy > 0 ? entropy * with->bound + 800 * all_flushed(with) +
                             2 * with->bent * (2 * entropy + 1)
                       : 0;
}

/* Before the rounding to its dtype. Besides its own terms: D is a rounded sum; the softmax term's
 * coefficient is reach/D; the slope of softcap is exp of a rounded argument, the more off the
 * larger that is. The label's p - 1 is made of all other terms. */
static long double grad_tolerance(const comparison *with, int64_t class) {
    const reference *expected = &with->expected;
    const reference_row *row = &with->row;
    const long double parts = row->grad_parts[class], p = row->probability[class],
                      bend = row->bend[class];
    if (parts == 0)
        return 0;
    const bool is_sum = expected->denominator == expected->weight_sum;
    const long double sum_error =
        is_sum ? 0x1p-52L * fabsl(expected->weight_parts / expected->weight_sum) : 0;
    const long double slope_error = bend > 0 ? (8 + 4 * bend) * 0x1p-53L : 0;
    const long double softmax =
        row->reach / fabsl(expected->denominator) * with->call->options.logit_scale;
    const long double flush = (p == 0                ? 0
                               : class == row->label ? all_flushed(with)
                                                     : with->flushed) +
                              2 * p * with->bent + (bend > 0 ? 0x1p-1019L : 0);
    return parts * (with->bound + sum_error + slope_error) + softmax * flush;
}

/* ---- rows ---- */

static void compare_prediction(comparison *with) {
    const xent_tensor *tensor = &with->call->tensor[PREDICTION];
    const int64_t found = integer_element(tensor, row_offset(tensor, -1, with->index));
    expect_count(with, "prediction", found, with->row.prediction);
}

static void compare_row(comparison *with) {
    const bool *given = with->call->given;
    const reference_row *row = &with->row;
    const long double loss_tolerance = row_loss_tolerance(with);
    with->loss_tolerance += loss_tolerance;
    if (given[LOSS])
        expect_close(with, LOSS, -1, row->loss, loss_tolerance);
    if (given[LSE])
        expect_close(with, LSE, -1, row->lse, lse_tolerance(with));
    if (given[PREDICTION])
        compare_prediction(with);
    if (given[LABEL_PROBABILITY])
        expect_close(with, LABEL_PROBABILITY, -1, row->label_probability,
                     probability_tolerance(with, row->label_probability));
    if (given[ENTROPY])
        expect_close(with, ENTROPY, -1, row->entropy, entropy_tolerance(with));
    for (int64_t c = 0; given[PROBABILITY] && c < with->call->classes; c++)
        expect_close(with, PROBABILITY, c, row->probability[c],
                     probability_tolerance(with, row->probability[c]));
    for (int64_t c = 0; given[GRAD] && c < with->call->classes; c++)
        expect_close(with, GRAD, c, row->grad[c], grad_tolerance(with, c));
}

static void compare_rows(comparison *with) {
    for (int64_t i = 0; i < with->call->rows; i++) {
        with->index = i;
        read_row(&with->expected, i, &with->row);
        score_row(&with->expected, &with->row);
        with->bent = with->call->options.softcap > 0 ? 8 * 0x1p-52L * with->row.largest : 0;
        add_row(&with->expected, i, &with->row);
        compare_row(with);
        if (with->call->given[GRAD])
            compare_slopes(with);
    }
    with->index = -1;
}

/* ---- the total ---- */

static void compare_counts(comparison *with) {
    const xent_total *found = &with->total, *expected = &with->expected.total;
    expect_count(with, "total.rows", found->rows, expected->rows);
    expect_count(with, "total.counted", found->counted, expected->counted);
    expect_count(with, "total.ignored", found->ignored, expected->ignored);
    expect_count(with, "total.bad", found->bad, expected->bad);
    expect_count(with, "total.nonfinite", found->nonfinite, expected->nonfinite);
    expect_count(with, "total.correct", found->correct, expected->correct);
    expect_count(with, "total.first_bad_row", found->first_bad_row, expected->first_bad_row);
    expect_count(with, "total.first_bad_label", found->first_bad_label, expected->first_bad_label);
    expect_count(with, "total.first_nonfinite_row", found->first_nonfinite_row,
                 expected->first_nonfinite_row);
    for (int i = 0; i < 3; i++)
        expect_count(with, "total.reserved", found->reserved[i], 0);
}

static void compare_sum(comparison *with, const char *what, double high, double low,
                        long double expected, long double tolerance) {
    double held = high;
    const xent_tensor scalar = {.data = &held, .dtype = XENT_F64};
    if (!is_close(XENT_F64, (long double)high + low, expected, tolerance, 0.01L) &&
        !(isinf(expected) && isnan(high)))
        add_difference(with, what, -1, (long double)high + low, expected, tolerance);
    if (!isfinite(high) && low != 0)
        add_difference(with, "low part of a sum that is not finite", -1, low, 0, 0);
    if (isnan(high) && !is_plain_nan(&scalar, 0))
        add_difference(with, "sign or payload of a NaN sum", -1, high, expected, 0);
}

/* The mean is checked against the reference's D and the total's own sum, which was compared
 * before. */
static void compare_mean(comparison *with) {
    reference expected = with->expected;
    const double found = xent_total_loss(&with->total, &with->call->options);
    expected.loss_sum = (long double)with->total.loss_sum + with->total.loss_sum_low;
    const long double mean = reduced_loss(&expected);
    const long double error = 0x1p-52L * (1 + fabsl(expected.weight_parts / expected.denominator));
    const long double tolerance = mean == 0 ? 0 : fabsl(mean) * error;
    if (!is_close(XENT_F64, found, mean, tolerance, 1))
        add_difference(with, "xent_total_loss", -1, found, mean, tolerance);
}

static void compare_total(comparison *with) {
    const xent_total *found = &with->total;
    const reference *expected = &with->expected;
    compare_counts(with);
    compare_sum(with, "total.loss_sum", found->loss_sum, found->loss_sum_low, expected->loss_sum,
                with->loss_tolerance);
    compare_sum(with, "total.weight_sum", found->weight_sum, found->weight_sum_low,
                expected->weight_sum, expected->weight_parts * 0x1p-52L);
    compare_mean(with);
}

/* ---- memory ---- */

/* Makes the elements of an output in `before` what they are now, so that only other bytes can
 * differ. */
static void forgive_elements(comparison *with, int which) {
    const test_case *call = with->call;
    const int owner = which == GRAD && call->in_place ? LOGITS : which;
    const xent_tensor *tensor = &call->tensor[which];
    const bool by_class = which == GRAD || which == PROBABILITY;
    const int axis = by_class ? with->expected.axis : -1;
    const int64_t size = (int64_t)dtype_bytes(tensor->dtype);
    const int64_t first = (unsigned char *)tensor->data - call->memory[owner].bytes;
    for (int64_t row = 0; row < call->rows; row++) {
        for (int64_t c = 0; c < (by_class ? call->classes : 1); c++) {
            const int64_t offset =
                row_offset(tensor, axis, row) + (by_class ? c * tensor->stride[axis] : 0);
            memcpy(call->memory[owner].before + first + offset * size,
                   call->memory[owner].bytes + first + offset * size, (size_t)size);
        }
    }
}

static void compare_memory(comparison *with, bool refused) {
    const test_case *call = with->call;
    for (int which = LOSS; which < TENSORS; which++)
        if (call->given[which] && !refused)
            forgive_elements(with, which);
    for (int which = 0; which < TENSORS; which++) {
        const case_memory *memory = &call->memory[which];
        if (memory->bytes && memcmp(memory->before, memory->bytes, memory->size) != 0) {
            printf("bytes that are not elements of an output have changed beside:\n");
            add_difference(with, tensor_name(which), -1, 0, 0, 0);
        }
    }
}

/* ---- the whole ---- */

/* Labels alone are counted and refused as with logits, but for a mean of nothing. */
static void compare_label_counts(comparison *with, xent_status status) {
    xent_total counts = XENT_TOTAL_INIT;
    const xent_total *whole = &with->total;
    const xent_status found =
        xent_count_labels(&with->labels, with->call->classes, &with->call->options, &counts, NULL);
    expect_count(with, "status of xent_count_labels", found,
                 status == XENT_NOTHING_COUNTED ? XENT_OK : status);
    if (status != XENT_OK)
        return;
    expect_count(with, "rows of labels alone", counts.rows, whole->rows);
    expect_count(with, "counted labels", counts.counted, whole->counted);
    expect_count(with, "ignored labels", counts.ignored, whole->ignored);
    expect_count(with, "bad labels", counts.bad, whole->bad);
    expect_count(with, "first bad label", counts.first_bad_label, whole->first_bad_label);
    expect_count(with, "first bad row", counts.first_bad_row, whole->first_bad_row);
    if (memcmp(&counts.weight_sum, &whole->weight_sum, 2 * sizeof counts.weight_sum) != 0)
        add_difference(with, "weight_sum of labels alone", -1, counts.weight_sum, whole->weight_sum,
                       0);
}

static void compare_refusal(comparison *with, const xent_total *untouched, const char *message) {
    if (memcmp(&with->total, untouched, sizeof *untouched) != 0)
        add_difference(with, "total of a refused call was written", -1, 0, 0, 0);
    if (message[0] == 0)
        add_difference(with, "sentence of a refused call is empty", -1, 0, 0, 0);
}

int64_t compare_case(test_case *call, int64_t show) {
    comparison with = {.call = call, .dice = call->seed, .index = -1, .shown = show};
    xent_error error = {"left over"};
    xent_total untouched;
    with.logits = tensor_before(call, LOGITS);
    with.labels = tensor_before(call, LABELS);
    with.expected = make_reference(&with.logits, &with.labels, &call->options);
    with.row = make_row(call->classes);
    with.others = calloc((size_t)call->classes + 1, sizeof *with.others);
    if (!with.others)
        abort();
    set_tolerances(&with);
    memset(&untouched, 0xa5, sizeof untouched);
    with.total = untouched;
    const xent_status status =
        xent_cross_entropy(&call->tensor[LOGITS], &call->tensor[LABELS], &call->options,
                           &call->outputs, &with.total, &error);
    expect_count(&with, "status", status, with.expected.status);
    if (status == XENT_OK && with.expected.status == XENT_OK) {
        if (reference_is_precise()) {
            compare_rows(&with);
            compare_total(&with);
        }
        expect_count(&with, "sentence of a success", error.message[0], 0);
    } else {
        compare_refusal(&with, &untouched, error.message);
    }
    compare_memory(&with, status != XENT_OK);
    compare_label_counts(&with, status);
    free_row(&with.row);
    free(with.others);
    return with.differences;
}
