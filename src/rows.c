/* SPDX-License-Identifier: MIT
 * Takes a group of rows through the steps: labels, statistics, terms, outputs, gradient, total. */
#include "rows.h"

#include "gradient.h"
#include "labels.h"
#include "stage.h"
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
    bool lost = label == LABEL_BAD && plan->options->on_bad_label == XENT_BAD_LABEL_NAN;
    return lost ? ROW_LOST : ROW_SKIPPED;
}

/* Weights of rows that are not counted are 0. */
static void look_up_weights(const struct plan *plan, struct rows *rows) {
    xent_columns *columns = &rows->columns;
    for (int i = 0; i < rows->count; i++) {
        bool counted = rows->kind[i] == ROW_COUNTED;
        columns->weight[i] = counted ? row_weight_at(plan->shape, rows->first + i) : 0;
        columns->label_weight[i] = counted ? weight_of_class(plan, rows->label[i]) : 0;
    }
}

static void begin_kinds(const struct plan *plan, int64_t first, int count, struct rows *rows) {
    bool all_counted = true;
    classify_labels(plan->shape, plan->options, first, count, rows->label);
    for (int i = 0; i < count; i++) {
        rows->kind[i] = (unsigned char)kind_of(plan, rows->label[i]);
        all_counted &= rows->kind[i] == ROW_COUNTED;
    }
    rows->all_counted = all_counted;
}

static void begin_rows(const struct plan *plan, int64_t first, int count, struct rows *rows) {
    const layout *shape = plan->shape;
    rows->first = first;
    rows->count = count;
    rows->all_counted = plan->all_counted;
    if (plan->all_counted) {
        read_labels(shape, first, count, rows->label);
        memset(rows->kind, ROW_COUNTED, sizeof rows->kind); /* all, for a few stores */
    } else {
        begin_kinds(plan, first, count, rows);
    }
    for (int i = 0; !(plan->all_counted && plan->reads_logits) && i < count; i++) {
        rows->prediction[i] = -1;
        rows->poisoned[i] = false;
    }
    if (!plan->formula.by.plain)
        look_up_weights(plan, rows);
    rows->neighbours = row_addresses(&shape->logits, first, count, rows->logits);
    rows->grad = plan->in_place ? rows->logits : rows->own_grad;
    rows->grad_neighbours = rows->neighbours;
    if (!plan->in_place)
        rows->grad_neighbours = row_addresses(&shape->grad, first, count, rows->own_grad);
    rows->probability_neighbours =
        row_addresses(&shape->probability, first, count, rows->probability);
}

/* values rounded to the view's dtype; a NaN as the positive quiet one */
static void write_doubles(const row_view *view, const struct rows *rows, const double *values) {
    void *to[MOST_ROWS];
    if (!view->data)
        return;
    row_addresses(view, rows->first, rows->count, to);
    for (int i = 0; i < rows->count; i++) {
        double wide = isnan(values[i]) ? (double)NAN : values[i];
        float narrow = (float)wide;
        if (view->dtype == XENT_F64)
            memcpy(to[i], &wide, sizeof wide);
        else
            memcpy(to[i], &narrow, sizeof narrow);
    }
}

static void write_integers(const row_view *view, const struct rows *rows, const int64_t *values) {
    void *to[MOST_ROWS];
    if (!view->data)
        return;
    row_addresses(view, rows->first, rows->count, to);
    for (int i = 0; i < rows->count; i++) {
        int32_t narrow = (int32_t)values[i];
        if (view->dtype == XENT_I64)
            memcpy(to[i], &values[i], sizeof values[i]);
        else
            memcpy(to[i], &narrow, sizeof narrow);
    }
}

static void write_rows(const layout *shape, const struct rows *rows) {
    const xent_columns *columns = &rows->columns;
    write_doubles(&shape->loss, rows, columns->loss);
    write_doubles(&shape->lse, rows, columns->lse);
    write_doubles(&shape->label_probability, rows, columns->label_probability);
    write_doubles(&shape->entropy, rows, columns->entropy);
    write_integers(&shape->prediction, rows, rows->prediction);
}

/* An uncounted row has prediction -1 and a negative label. Where there is none, what differs is
 * counted by signs: any vector has those, but few can compare 64 bits. */
static void count_correct(const struct rows *rows, xent_total *total) {
    int64_t correct = 0, apart = 0;
    for (int i = 0; rows->all_counted && i < rows->count; i++) {
        uint64_t difference = (uint64_t)(rows->prediction[i] ^ rows->label[i]);
        apart += (int64_t)((difference | (0 - difference)) >> 63);
    }
    correct += rows->all_counted ? rows->count - apart : 0;
    for (int i = 0; !rows->all_counted && i < rows->count; i++)
        correct += (rows->prediction[i] == rows->label[i]) & (rows->label[i] >= 0);
    total->correct += correct;
}

/* Losses that are not finite leave a sum that is not. */
static void count_nonfinite(const struct rows *rows, const struct lane_sums *sums,
                            xent_total *total) {
    double differences = 0; /* NaN unless all sums are finite */
    for (int lane = 0; lane < SUM_LANES && lane < rows->count; lane++)
        differences += sums->high[lane] - sums->high[lane];
    for (int i = 0; differences != 0 && i < rows->count; i++) {
        if (isfinite(rows->columns.loss[i]))
            continue;
        total->nonfinite++;
        if (total->first_nonfinite_row < 0)
            total->first_nonfinite_row = rows->first + i;
    }
}

/* Takes rows through the steps that stay in the first-level cache. */
static void run_phases(const struct plan *plan, struct scratch scratch, struct rows *rows) {
    for (int from = 0; from < rows->count; from += plan->phase_rows) {
        int left = rows->count - from, count = left < plan->phase_rows ? left : plan->phase_rows;
        sweep_rows(plan, scratch, rows, from, count);
        finish_rows(&plan->formula, rows, from, count, plan->math);
        write_gradients(plan, scratch, rows, from, count);
    }
}

static void add_losses(struct rows *rows, struct lane_sums *sums) {
    const int64_t filled = filled_up(rows->count);
    for (int64_t i = rows->count; i < filled; i++)
        rows->columns.loss[i] = 0;
    add_rows(sums, rows->columns.loss, filled);
}

/* As kernels leave them that do not find them. */
static void clear_moments(xent_stats_columns *stats) {
    memset(stats->mass, 0, sizeof stats->mass);
    memset(stats->gap, 0, sizeof stats->gap);
    memset(stats->heat, 0, sizeof stats->heat);
}

/* end: the row behind the last of the group. */
static void run_steps(const struct plan *plan, struct scratch scratch, int64_t first, int64_t count,
                      int64_t end, struct lane_sums *losses, xent_total *total) {
    struct rows rows;
    rows.end = plan->in_order ? plan->shape->rows : end;
    if (!plan->more && !plan->formula.by.plain)
        clear_moments(&rows.columns.stats);
    const int64_t together = plan->way == WAY_ACROSS ? plan->phase_rows : MOST_ROWS;
    for (int64_t done = 0; done < count; done += together) {
        int64_t left = count - done;
        begin_rows(plan, first + done, (int)(left < together ? left : together), &rows);
        run_phases(plan, scratch, &rows);
        write_rows(plan->shape, &rows);
        count_correct(&rows, total);
        add_losses(&rows, losses);
        count_nonfinite(&rows, losses, total);
    }
}

/* The same from the stage, where the gradient takes the place of the logits. */
static void run_stages(const struct plan *plan, struct scratch scratch, int64_t first,
                       int64_t count, struct lane_sums *losses, xent_total *total) {
    layout shape = *plan->shape;
    struct plan staged = *plan;
    staged.shape = &shape;
    for (int64_t done = 0; done < count; done += plan->stage_rows) {
        int64_t left = count - done, some = left < plan->stage_rows ? left : plan->stage_rows;
        shape.logits = stage_logits(plan, scratch, first + done, some);
        if (shape.grad.data)
            shape.grad = shape.logits;
        staged.in_place = shape.grad.data != NULL;
        run_steps(&staged, scratch, first + done, some, first + count, losses, total);
        if (shape.grad.data)
            unstage_gradient(plan, scratch, first + done, some);
    }
}

void run_rows(const struct plan *plan, int64_t first, int64_t count, void *memory,
              xent_total *total) {
    struct lane_sums losses = {{0}, {0}};
    struct scratch scratch = divide_scratch(plan, memory);
    if (plan->stage_rows > 0)
        run_stages(plan, scratch, first, count, &losses, total);
    else
        run_steps(plan, scratch, first, count, first + count, &losses, total);
    if (plan->streams) /* once, not for each row: a fence waits for all that was written */
        plan->kernels->fence();
    finish_sum(&losses, count, &total->loss_sum, &total->loss_sum_low);
}
