/* SPDX-License-Identifier: MIT
 * Batches with a mistake, and what xent_diagnose must say of each. */
#include "faults.h"
#include "draw.h"

#include <math.h>
#include <string.h>

static const int64_t MARK[] = {-100};

void draw_batch(struct batch *b, int percent) {
    const xent_options defaults = XENT_OPTIONS_INIT;
    b->dice = 7;
    for (int i = 0; i < ROWS; i++) {
        b->label[i] = draw(&b->dice, CLASSES);
        int64_t winner = chance(&b->dice, percent) ? b->label[i] : draw(&b->dice, CLASSES);
        for (int c = 0; c < CLASSES; c++)
            b->logits[i * CLASSES + c] =
                (float)(draw_normal(&b->dice, 0.5) + (c == winner ? 4.0 : 0.0));
    }
    b->x = xent_matrix(b->logits, XENT_F32, ROWS, CLASSES);
    b->y = xent_vector(b->label, XENT_I64, ROWS);
    b->options = defaults;
}

/* ---- mistakes ---- */

static void relabel(struct batch *b, int64_t (*from)(int64_t row)) {
    static int64_t given[ROWS];
    memcpy(given, b->label, sizeof given);
    for (int64_t i = 0; i < ROWS; i++)
        b->label[i] = given[from(i)];
}
static int64_t row_before(int64_t i) {
    return (i + ROWS - 1) % ROWS;
}
static int64_t two_behind(int64_t i) {
    return (i + 2) % ROWS;
}
static int64_t other_half(int64_t i) {
    return (i + HALF) % ROWS;
}
static int64_t first_half(int64_t i) {
    return i % HALF;
}
static int64_t first_tenths(int64_t i) {
    return i % 800;
}
static int64_t each_twice(int64_t i) {
    return i / 2;
}
static int64_t any_order(int64_t i) {
    return i * 377 % ROWS;
}
static void scale(struct batch *b, float by) {
    for (int i = 0; i < ROWS * CLASSES; i++)
        b->logits[i] *= by;
}
static void shift_back(struct batch *b) {
    relabel(b, row_before);
}
/* Of a model that is right and hardly sure. */
static void shift_faint(struct batch *b) {
    scale(b, 0.01f);
    relabel(b, row_before);
}
static void shift_on(struct batch *b) {
    relabel(b, two_behind);
}
/* Labels that often stay as they were, so that other shifts fit as well, but less. */
static void shift_sticky(struct batch *b) {
    for (int i = 1; i < ROWS; i++) {
        int64_t kept = b->label[i - 1];
        if (!chance(&b->dice, 60))
            continue;
        b->logits[i * CLASSES + kept] += 6;
        b->label[i] = kept;
    }
    relabel(b, two_behind);
}
static void swap_halves(struct batch *b) {
    relabel(b, other_half);
}
static void repeat_half(struct batch *b) {
    relabel(b, first_half);
}
static void repeat_start(struct batch *b) {
    relabel(b, first_tenths);
}
static void repeat_each(struct batch *b) {
    relabel(b, each_twice);
}
static void shuffle(struct batch *b) {
    relabel(b, any_order);
}
/* Labels in order, of logits that are not. */
static void sort_labels(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = i / (ROWS / CLASSES);
}
/* [B, T, C] whose logits predict the next token. */
static void causal(struct batch *b) {
    const int64_t shape[] = {20, 50, CLASSES};
    relabel(b, row_before);
    b->x = xent_ndarray(b->logits, XENT_F32, 3, shape);
    b->y = xent_ndarray(b->label, XENT_I64, 2, shape);
}
static void shift_sequences(struct batch *b) {
    static int64_t given[ROWS];
    const int64_t shape[] = {20, 50, CLASSES};
    memcpy(given, b->label, sizeof given);
    for (int64_t i = 0; i < ROWS; i++)
        b->label[i] = given[(i + 50) % ROWS];
    b->x = xent_ndarray(b->logits, XENT_F32, 3, shape);
    b->y = xent_ndarray(b->label, XENT_I64, 2, shape);
}
static void rename_classes(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = (3 * b->label[i] + 1) % CLASSES;
}
static void rotate_classes(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = (b->label[i] + 1) % CLASSES;
}
static void rename_faint(struct batch *b) {
    scale(b, 0.01f);
    rename_classes(b);
}
/* Of a tree: each leaf's rows are equal, and most of them have its label. */
static void rename_leaves(struct batch *b) {
    enum { LEAVES = 120 };
    for (int i = LEAVES; i < ROWS; i++) {
        const float *leaf = b->logits + i % LEAVES * CLASSES;
        memcpy(b->logits + i * CLASSES, leaf, CLASSES * sizeof *leaf);
        b->label[i] = chance(&b->dice, 85) ? b->label[i % LEAVES] : b->label[i];
    }
    rename_classes(b);
}
static void exchange_two(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = b->label[i] == 2 ? 5 : b->label[i] == 5 ? 2 : b->label[i];
}
static void count_from_1(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i]++;
}
static void count_from_1_in_range(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = b->label[i] < CLASSES - 1 ? b->label[i] + 1 : CLASSES - 1;
}
/* Every seventh row. */
enum { MARKED = (ROWS + 6) / 7 };
static void mark_some(struct batch *b) {
    for (int i = 0; i < ROWS; i += 7)
        b->label[i] = -100;
}
static void zero_some(struct batch *b) {
    for (int i = 0; i < ROWS; i += 5)
        b->label[i] = 0;
}
/* Equal rows at the end, labelled 0. */
static void pad(struct batch *b) {
    for (int i = ROWS - 40; i < ROWS; i++) {
        b->label[i] = 0;
        memcpy(b->logits + i * CLASSES, b->logits, CLASSES * sizeof *b->logits);
    }
}
static void out_of_range(struct batch *b) {
    b->label[3] = 40;
    b->label[4] = 41;
}
static void ignore_all(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = MARK[0];
    b->options.ignore = MARK;
    b->options.ignore_count = 1;
}

static void softmax_rows(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        float *row = b->logits + i * CLASSES;
        double sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += exp((double)row[c]);
        for (int c = 0; c < CLASSES; c++)
            row[c] = (float)(exp((double)row[c]) / sum);
    }
}
/* Probabilities that are all about 1/C. */
static void softmax_flat(struct batch *b) {
    scale(b, 0.005f);
    softmax_rows(b);
}
static void softmax_twice(struct batch *b) {
    softmax_rows(b);
    softmax_rows(b);
}
static void log_rows(struct batch *b) {
    softmax_rows(b);
    for (int i = 0; i < ROWS * CLASSES; i++)
        b->logits[i] = logf(b->logits[i]);
}
static void say_probabilities(struct batch *b) {
    b->options.logits_are = XENT_PROBABILITIES;
    for (int i = 0; i < ROWS * CLASSES; i++)
        b->logits[i] = fabsf(b->logits[i]) / 10;
}
static void enlarge(struct batch *b) {
    scale(b, 6);
}
static void shrink(struct batch *b) {
    scale(b, 0.2f);
}
static void negate(struct batch *b) {
    scale(b, -1);
}
static void forget(struct batch *b) {
    for (int i = 0; i < ROWS * CLASSES; i++)
        b->logits[i] = (float)draw_normal(&b->dice, 0.1);
}
static void poison(struct batch *b) {
    b->logits[137] = NAN;
}
static void poison_infinitely(struct batch *b) {
    b->logits[137] = INFINITY;
}
static void overflow_halves(struct batch *b) {
    for (int i = 0; i < ROWS * CLASSES; i++)
        b->halves[i] = (uint16_t)(b->logits[i] > 5 ? 0x7c00 : 0x3000 + i * 7 % 1000);
    b->x = xent_matrix(b->halves, XENT_F16, ROWS, CLASSES);
}
static void mask_label(struct batch *b) {
    b->logits[20 * CLASSES + b->label[20]] = -INFINITY;
}
static void saturate(struct batch *b) {
    for (int i = 0; i < ROWS * CLASSES; i++)
        b->halves[i] = b->logits[i] > 4 ? 0x7bff : 0x3c00;
    b->x = xent_matrix(b->halves, XENT_F16, ROWS, CLASSES);
}
static void flatten(struct batch *b) {
    scale(b, 0);
}
static void same_rows(struct batch *b) {
    for (int i = 1; i < ROWS; i++)
        memcpy(b->logits + i * CLASSES, b->logits, CLASSES * sizeof *b->logits);
}
static void never_predict(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->logits[i * CLASSES + 3] -= 100;
}
static void never_label(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = b->label[i] == 3 ? 4 : b->label[i];
}
static void duplicate(struct batch *b) {
    for (int i = 0; i < 100; i++) {
        memcpy(b->logits + (i + HALF) * CLASSES, b->logits + i * CLASSES,
               CLASSES * sizeof *b->logits);
        b->label[i + HALF] = (b->label[i] + 1) % CLASSES;
    }
}
static void leak(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->logits[i * CLASSES + b->label[i]] += 40;
}
/* Every label but the right one. */
static void always_wrong(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = (b->label[i] + 1 + draw(&b->dice, CLASSES - 1)) % CLASSES;
}

static void cut_labels(struct batch *b) {
    b->y.shape[0] = HALF;
}
/* The article's case: four rows, two labels. */
static void two_labels(struct batch *b) {
    b->x = xent_matrix(b->logits, XENT_F32, 4, 3);
    b->y = xent_vector(b->label, XENT_I64, 2);
}
static void real_labels(struct batch *b) {
    b->y = xent_vector(b->reals, XENT_F64, ROWS);
}
static void one_hot(struct batch *b) {
    b->y = xent_matrix(b->halves, XENT_U16, ROWS, CLASSES);
}
static void swap(struct batch *b) {
    b->x = xent_vector(b->label, XENT_I64, ROWS);
    b->y = xent_matrix(b->logits, XENT_F32, ROWS, CLASSES);
}
static void transpose(struct batch *b) {
    b->x = xent_matrix(b->logits, XENT_F32, CLASSES, ROWS);
}
static void integers(struct batch *b) {
    b->x = xent_matrix(b->label, XENT_I32, ROWS, 1);
}
static void extra_axis(struct batch *b) {
    b->y = xent_matrix(b->label, XENT_I64, ROWS, 1);
}
static void no_classes(struct batch *b) {
    b->x.shape[1] = 0;
}
static void no_axes(struct batch *b) {
    b->x.ndim = 0;
}
/* Nothing of them is read. */
enum { TOO_MANY = INT32_MAX };
static void count_too_many(struct batch *b) {
    b->x = xent_matrix(b->logits, XENT_F32, TOO_MANY, 1);
    b->y = xent_vector(b->label, XENT_U8, TOO_MANY);
}
/* As many positions as classes, and the two exchanged. */
static void transpose_square(struct batch *b) {
    const int64_t shape[] = {ROWS / CLASSES, CLASSES, CLASSES};
    b->x = xent_ndarray(b->logits, XENT_F32, 3, shape);
    b->x.stride[1] = 1;
    b->x.stride[2] = CLASSES;
    b->y = xent_ndarray(b->label, XENT_I64, 2, shape);
}

/* f64 far from 0, where a float tells none of them apart. */
static void transpose_far_off(struct batch *b) {
    static double far[ROWS * CLASSES];
    for (int i = 0; i < ROWS * CLASSES; i++)
        far[i] = (double)b->logits[i] + 1e9;
    transpose_square(b);
    b->x.data = far;
    b->x.dtype = XENT_F64;
}

const struct fault FAULTS[FAULT_COUNT] = {
    {"batch-mismatch", cut_labels, XENT_MISTAKE, 1, "labels", HALF},
    {"batch-mismatch", two_labels, XENT_MISTAKE, 1, "rows", 4},
    {"float-labels", real_labels, XENT_MISTAKE, 1, NULL, 0},
    {"one-hot-labels", one_hot, XENT_MISTAKE, 1, NULL, 0},
    {"swapped-arguments", swap, XENT_MISTAKE, 1, NULL, 0},
    {"classes-first", transpose, XENT_MISTAKE, 1, "class_axis", 0},
    {"classes-first", transpose_square, XENT_MISTAKE, 0, NULL, 0},
    {"classes-first", transpose_far_off, XENT_MISTAKE, 0, NULL, 0},
    {"integer-logits", integers, XENT_MISTAKE, 1, NULL, 0},
    {"no-classes", no_classes, XENT_MISTAKE, 1, "axes", 2},
    {"no-classes", no_axes, XENT_MISTAKE, 1, "axes", 0},
    {"too-large", count_too_many, XENT_MISTAKE, 1, "rows", TOO_MANY},
    {"label-axes", extra_axis, XENT_MISTAKE, 1, NULL, 0},
    {"labels-one-based", count_from_1, XENT_MISTAKE, 1, "first_label", CLASSES},
    {"labels-one-based", count_from_1_in_range, XENT_MISTAKE, 0, NULL, 0},
    {"undeclared-ignore", mark_some, XENT_MISTAKE, 1, "bad_labels", MARKED},
    {"undeclared-ignore", zero_some, XENT_WARNING, 0, "label", 0},
    {"undeclared-ignore", pad, XENT_MISTAKE, 0, "rows_at_ends", 40},
    {"label-out-of-range", out_of_range, XENT_MISTAKE, 1, "first_row", 3},
    {"nothing-counted", ignore_all, XENT_MISTAKE, 1, "ignored", ROWS},
    {"labels-repeated", repeat_half, XENT_MISTAKE, 0, "period", HALF},
    {"labels-repeated", repeat_start, XENT_MISTAKE, 0, "period", 800},
    {"labels-repeated", repeat_each, XENT_MISTAKE, 0, "repeated_each", 2},
    {"labels-shifted", shift_back, XENT_MISTAKE, 0, "shift", 1},
    {"labels-shifted", shift_on, XENT_MISTAKE, 0, "shift", -2},
    {"labels-shifted", shift_sticky, XENT_MISTAKE, 0, "shift", -2},
    {"labels-shifted", shift_faint, XENT_MISTAKE, 0, "shift", 1},
    {"labels-shifted", causal, XENT_MISTAKE, 0, "shift", 1},
    {"labels-shifted", shift_sequences, XENT_MISTAKE, 0, "shift", -1},
    {"halves-swapped", swap_halves, XENT_MISTAKE, 0, "turned_by", HALF},
    {"labels-shuffled", shuffle, XENT_MISTAKE, 0, NULL, 0},
    {"labels-shuffled", sort_labels, XENT_MISTAKE, 0, NULL, 0},
    {"class-ids-permuted", rename_classes, XENT_MISTAKE, 0, "classes_moved", CLASSES},
    {"class-ids-permuted", rename_faint, XENT_MISTAKE, 0, "classes_moved", CLASSES},
    {"class-ids-permuted", rename_leaves, XENT_MISTAKE, 0, "classes_moved", CLASSES},
    {"class-ids-permuted", rotate_classes, XENT_MISTAKE, 0, "classes_moved", CLASSES},
    {"class-ids-permuted", exchange_two, XENT_MISTAKE, 0, "classes_moved", 2},
    {"probabilities-as-logits", softmax_rows, XENT_MISTAKE, 0, "rows_that_sum_to_1", ROWS},
    {"probabilities-as-logits", softmax_flat, XENT_MISTAKE, 0, NULL, 0},
    {"softmax-twice", softmax_twice, XENT_MISTAKE, 0, NULL, 0},
    {"log-probabilities-as-logits", log_rows, XENT_NOTE, 0, NULL, 0},
    {"not-normalised", say_probabilities, XENT_MISTAKE, 0, NULL, 0},
    {"overconfident", enlarge, XENT_NOTE, 0, "rows_sampled", ROWS},
    {"underconfident", shrink, XENT_NOTE, 0, NULL, 0},
    {"worse-than-chance", negate, XENT_MISTAKE, 0, NULL, 0},
    {"worse-than-chance", always_wrong, XENT_WARNING, 0, NULL, 0},
    {"untrained", forget, XENT_WARNING, 0, NULL, 0},
    {"nonfinite-rows", poison, XENT_MISTAKE, 0, "first_row", 13},
    {"nonfinite-rows", poison_infinitely, XENT_MISTAKE, 0, "rows_with_infinity", 1},
    {"overflow", overflow_halves, XENT_MISTAKE, 0, NULL, 0},
    {"label-masked", mask_label, XENT_MISTAKE, 0, "rows_masked", 1},
    {"overflow", saturate, XENT_MISTAKE, 0, NULL, 0},
    {"constant-logits", flatten, XENT_MISTAKE, 0, "rows_constant", ROWS},
    {"constant-logits", same_rows, XENT_MISTAKE, 0, "all_rows_equal", 1},
    {"class-never-predicted", never_predict, XENT_NOTE, 0, "class", 3},
    {"class-never-present", never_label, XENT_NOTE, 0, "class", 3},
    {"conflicting-duplicates", duplicate, XENT_WARNING, 0, "conflicts", 100},
    {"leakage", leak, XENT_NOTE, 0, NULL, 0},
};
/* ---- batches without a mistake ---- */

/* Labels 0 to C - 1 in turn: periodic, and right. */
static void in_turn(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        b->label[i] = i % CLASSES;
        b->logits[i * CLASSES + b->label[i]] += chance(&b->dice, 80) ? 9 : 0;
    }
}
static void sorted(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        b->label[i] = i / (ROWS / CLASSES);
        b->logits[i * CLASSES + b->label[i]] += chance(&b->dice, 80) ? 9 : 0;
    }
}
static void declared(struct batch *b) {
    mark_some(b);
    b->options.ignore = MARK;
    b->options.ignore_count = 1;
}
static void declared_probabilities(struct batch *b) {
    softmax_rows(b);
    b->options.logits_are = XENT_PROBABILITIES;
}
static void declared_log_probabilities(struct batch *b) {
    log_rows(b);
    b->options.logits_are = XENT_LOG_PROBABILITIES;
}
static void masked_classes(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->logits[i * CLASSES + (b->label[i] + 1) % CLASSES] = -INFINITY;
}
static void lowest_as_mask(struct batch *b) {
    for (int i = 0; i < ROWS * CLASSES; i++)
        b->halves[i] = (uint16_t)(b->logits[i] > 2 ? 0x4400 : 0x3000 + i * 7 % 1000);
    for (int i = 0; i < ROWS; i++)
        b->halves[i * CLASSES + (b->label[i] + 1) % CLASSES] = 0xfbff;
    b->x = xent_matrix(b->halves, XENT_F16, ROWS, CLASSES);
}
static void few_rows_many_times(struct batch *b) {
    for (int i = 60; i < ROWS; i++) {
        b->label[i] = b->label[i % 60];
        memcpy(b->logits + i * CLASSES, b->logits + i % 60 * CLASSES, CLASSES * sizeof *b->logits);
    }
}
static void all_right(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->logits[i * CLASSES + b->label[i]] += 6;
}
/* As small as those of a model before training, and right. */
static void faint(struct batch *b) {
    scale(b, 0.01f);
}
/* One class that is mostly taken for another. */
static void confuse(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        if (b->label[i] == 0)
            b->logits[i * CLASSES + 1] += chance(&b->dice, 60) ? 9 : 0;
    }
}
/* Two classes, one of them rare, and a model that prefers the rare one. */
static void prefer_rare(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        bool rare = chance(&b->dice, 5);
        b->label[i] = rare ? 2 : 1;
        b->logits[i * CLASSES + (rare || chance(&b->dice, 60) ? 2 : 1)] += 9;
    }
}
/* Few rows, whose labels are drawn as their probabilities say. */
static void draw_labels(struct batch *b) {
    enum { DIFFERENT = 50 };
    for (int i = 0; i < ROWS; i++) {
        const float *row = b->logits + i % DIFFERENT * CLASSES;
        double sum = 0;
        memmove(b->logits + i * CLASSES, row, CLASSES * sizeof *row);
        for (int c = 0; c < CLASSES; c++)
            sum += exp((double)row[c]);
        double left = draw_real(&b->dice, 0, sum);
        b->label[i] = 0;
        while (b->label[i] < CLASSES - 1 && left > exp((double)row[b->label[i]]))
            left -= exp((double)row[b->label[i]++]);
    }
}
static void nothing(struct batch *b) {
    (void)b;
}

void (*const CLEAN[CLEAN_COUNT])(struct batch *b) = {nothing,
                                                     in_turn,
                                                     sorted,
                                                     declared,
                                                     declared_probabilities,
                                                     declared_log_probabilities,
                                                     masked_classes,
                                                     lowest_as_mask,
                                                     few_rows_many_times,
                                                     log_rows,
                                                     enlarge,
                                                     shrink,
                                                     never_label,
                                                     all_right,
                                                     faint,
                                                     confuse,
                                                     prefer_rare,
                                                     draw_labels};
