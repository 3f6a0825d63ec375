/* SPDX-License-Identifier: MIT
 * One row of floats at a glance, in lanes that compilers turn into vectors. */
#include "row.h"

/* So many lanes stay in memory, where loops over them become vectors; compilers take fewer
 * apart. */
enum { LANES = 32, BLOCK = 2048 };

/* At least one class. */
static row_facts look_at_few(const float *logits, int64_t classes) {
    row_facts row = {logits[0], logits[0], 0.0, 0.0};
    for (int64_t c = 0; c < classes; c++) {
        float x = logits[c];
        row.least = x < row.least ? x : row.least;
        row.most = x > row.most ? x : row.most;
        row.sum += (double)x;
        row.order += row.sum;
    }
    return row;
}

/* Up to BLOCK classes, a multiple of LANES: chains of at most 64 additions of floats. */
static row_facts look_at_block(const float *logits, int64_t classes) {
    float least[LANES], most[LANES], sum[LANES] = {0}, order[LANES] = {0};
    row_facts row = {logits[0], logits[0], 0.0, 0.0};
    for (int lane = 0; lane < LANES; lane++)
        least[lane] = most[lane] = logits[lane];
    for (int64_t c = 0; c < classes; c += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            float x = logits[c + lane];
            least[lane] = x < least[lane] ? x : least[lane];
            most[lane] = x > most[lane] ? x : most[lane];
            sum[lane] += x;
            order[lane] += sum[lane];
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        row.least = least[lane] < row.least ? least[lane] : row.least;
        row.most = most[lane] > row.most ? most[lane] : row.most;
        row.sum += (double)sum[lane];
        row.order += row.sum + (double)order[lane];
    }
    return row;
}

static void add_block(row_facts *row, const row_facts *block) {
    row->least = block->least < row->least ? block->least : row->least;
    row->most = block->most > row->most ? block->most : row->most;
    row->sum += block->sum;
    row->order += row->sum + block->order;
}

row_facts look_at_row(const float *logits, int64_t classes) {
    int64_t done = 0;
    if (classes < 2 * LANES)
        return look_at_few(logits, classes);
    row_facts row = {logits[0], logits[0], 0.0, 0.0};
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
