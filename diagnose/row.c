/* SPDX-License-Identifier: MIT
 * One row of floats at a glance, in lanes that compilers turn into vectors. */
#include "row.h"

/* So many lanes stay in memory, where loops over them become vectors; compilers take fewer
 * apart. */
enum { LANES = 32, BLOCK = 2048 };

/* At least one class. */
static row_facts look_at_few(const float *logits, int64_t classes) {
    row_facts row = {logits[0], 0.0, 0.0};
    for (int64_t c = 0; c < classes; c++) {
        float x = logits[c];
        row.least = x < row.least ? x : row.least;
        row.sum += (double)x;
        row.order += row.sum;
    }
    return row;
}

/* What the lanes of a block have met. */
struct lanes {
    float least[LANES], sum[LANES], order[LANES];
};

/* Folds are by halves of lengths that compilers know. */
static inline __attribute__((always_inline)) void add_half(double *numbers, int half) {
    for (int lane = 0; lane < half; lane++)
        numbers[lane] += numbers[lane + half];
}

static inline double add_up(double *numbers) {
    _Static_assert(LANES == 32, "the halves are those of so many lanes");
    add_half(numbers, 16);
    add_half(numbers, 8);
    add_half(numbers, 4);
    add_half(numbers, 2);
    return numbers[0] + numbers[1];
}

static inline __attribute__((always_inline)) void compare_half(float *least, int half) {
    for (int lane = 0; lane < half; lane++)
        least[lane] = least[lane + half] < least[lane] ? least[lane + half] : least[lane];
}

static inline float least_of(float *least) {
    compare_half(least, 16);
    compare_half(least, 8);
    compare_half(least, 4);
    compare_half(least, 2);
    return least[1] < least[0] ? least[1] : least[0];
}

/* The sum of a lane is part of the sums so far of all lanes that follow. */
static row_facts fold(struct lanes *lanes) {
    double sum[LANES], order[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        sum[lane] = (double)lanes->sum[lane];
        double share = (double)(LANES - lane) * sum[lane]; /* exact */
        order[lane] = (double)lanes->order[lane] + share;
    }
    return (row_facts){least_of(lanes->least), add_up(sum), add_up(order)};
}

/* Up to BLOCK classes, a multiple of LANES: chains of at most 64 additions of floats. */
static row_facts look_at_block(const float *logits, int64_t classes) {
    struct lanes lanes;
    for (int lane = 0; lane < LANES; lane++)
        lanes.least[lane] = lanes.sum[lane] = lanes.order[lane] = logits[lane];
    for (int64_t c = LANES; c < classes; c += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            float x = logits[c + lane];
            lanes.least[lane] = x < lanes.least[lane] ? x : lanes.least[lane];
            lanes.sum[lane] += x;
            lanes.order[lane] += lanes.sum[lane];
        }
    }
    return fold(&lanes);
}

static void add_block(row_facts *row, const row_facts *block) {
    row->least = block->least < row->least ? block->least : row->least;
    row->sum += block->sum;
    row->order += row->sum + block->order;
}

row_facts look_at_row(const float *logits, int64_t classes) {
    int64_t done = 0;
    if (classes < 2 * LANES)
        return look_at_few(logits, classes);
    row_facts row = {logits[0], 0.0, 0.0};
    while (classes - done >= LANES) {
        int64_t length = (classes - done) / LANES * LANES;
        length = length < BLOCK ? length : BLOCK;
        row_facts block = look_at_block(logits + done, length);
        add_block(&row, &block);
        done += length;
    }
    if (done < classes) {
        row_facts rest = look_at_few(logits + done, classes - done);
        add_block(&row, &rest);
    }
    return row;
}
