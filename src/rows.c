/* SPDX-License-Identifier: MIT
 * Takes a group of rows through the steps: labels, statistics, terms, outputs, gradient, total. */
#include "rows.h"

#include "gradient.h"
#include "labels.h"
#include "sweep.h"
#include "total.h"

#include <math.h>
#include <string.h>

static double weight_of_class(const struct plan *plan, int64_t class) {
    return plan->class_weight ? plan->class_weight[class] : 1;
}

static row_kind kind_of(const struct plan *plan, int64_t label) {
    if (label >= 0)
        return ROW_COUNTED;
    bool lost = label == LABEL_BAD && plan->options.on_bad_label == XENT_BAD_LABEL_NAN;
    return lost ? ROW_LOST : ROW_SKIPPED;
}

static void begin_rows(const struct plan *plan, int64_t first, int count, struct row *rows) {
    int64_t labels[MOST_ROWS];
    classify_labels(&plan->shape, &plan->options, first, count, labels);
    for (int i = 0; i < count; i++) {
        rows[i] = (struct row){
            .kind = kind_of(plan, labels[i]),
            .index = first + i,
            .label = labels[i],
            .prediction = -1,
            .stats = {.arg = -1, .max = -INFINITY},
        };
        if (rows[i].kind != ROW_COUNTED)
            continue;
        rows[i].weight = row_weight_at(&plan->shape, first + i);
        rows[i].label_weight = weight_of_class(plan, labels[i]);
    }
}

/* value rounded to the view's dtype; a NaN as the positive quiet one */
static void write_double(const row_view *view, int64_t index, double value) {
    if (!view->data)
        return;
    double wide = isnan(value) ? (double)NAN : value;
    float narrow = (float)wide;
    if (view->dtype == XENT_F64)
        memcpy(row_address(view, index), &wide, sizeof wide);
    else
        memcpy(row_address(view, index), &narrow, sizeof narrow);
}

static void write_integer(const row_view *view, int64_t index, int64_t value) {
    if (!view->data)
        return;
    int32_t narrow = (int32_t)value;
    if (view->dtype == XENT_I64)
        memcpy(row_address(view, index), &value, sizeof value);
    else
        memcpy(row_address(view, index), &narrow, sizeof narrow);
}

static void write_row(const layout *shape, const struct row *row) {
    write_double(&shape->loss, row->index, row->loss);
    write_double(&shape->lse, row->index, row->lse);
    write_double(&shape->label_probability, row->index, row->label_probability);
    write_double(&shape->entropy, row->index, row->entropy);
    write_integer(&shape->prediction, row->index, row->prediction);
}

static void count_row(const struct row *row, xent_total *total) {
    if (row->kind == ROW_SKIPPED)
        return;
    total->correct += row->kind == ROW_COUNTED && row->prediction == row->label;
    if (isfinite(row->loss))
        return;
    total->nonfinite++;
    if (total->first_nonfinite_row < 0)
        total->first_nonfinite_row = row->index;
}

static void run_phase(const struct plan *plan, struct scratch scratch, struct row *rows, int count,
                      xent_total *total) {
    sweep_rows(plan, scratch, rows, count);
    finish_rows(&plan->formula, rows, count, plan->math);
    for (int i = 0; i < count; i++) {
        write_row(&plan->shape, &rows[i]);
        count_row(&rows[i], total);
    }
    write_gradients(plan, scratch, rows, count);
}

static void add_losses(const struct row *rows, int count, struct lane_sums *sums) {
    double losses[MOST_ROWS] = {0};
    for (int i = 0; i < count; i++)
        losses[i] = rows[i].kind == ROW_SKIPPED ? 0 : rows[i].loss;
    add_rows(sums, losses, (count + SUM_LANES - 1) / SUM_LANES * SUM_LANES);
}

void run_rows(const struct plan *plan, int64_t first, int64_t count, void *memory,
              xent_total *total) {
    struct row rows[MOST_ROWS];
    struct lane_sums losses = {{0}, {0}};
    struct scratch scratch = divide_scratch(plan, memory);
    for (int64_t done = 0; done < count; done += MOST_ROWS) {
        int some = count - done < MOST_ROWS ? (int)(count - done) : MOST_ROWS, width;
        begin_rows(plan, first + done, some, rows);
        for (int i = 0; i < some; i += width) {
            width = phase_width(plan, rows + i, some - i);
            run_phase(plan, scratch, rows + i, width, total);
        }
        add_losses(rows, some, &losses);
    }
    finish_sum(&losses, &total->loss_sum, &total->loss_sum_low);
}
