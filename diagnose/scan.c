/* SPDX-License-Identifier: MIT
 * A part of the logits that stays in a cache: one call of the library, then what it does not tell:
 * range, sum and a key of each row, added up in the order of rows. */
#include "../src/tasks.h"
#include "diagnosis.h"
#include "facts.h"
#include "gather.h"
#include "row.h"

#include <math.h>
#include <stdlib.h>

/* A part is read twice, by the library and here: the second time from a cache. Each task brings its
 * own. */
enum { PART_ROWS = 1 << 16, PART_BYTES = 1 << 21, TASK_BYTES = 1 << 19, MOST_TASKS = 16 };

/* ---- memory ---- */

/* Square matrices of rows and classes may be transposed. */
static bool is_square(const xent_diagnosis *all) {
    int last = all->label_ndim - 1;
    return last >= 0 && all->label_shape[last] == all->classes && all->classes > 1;
}

xent_status make_scan(xent_diagnosis *all) {
    int64_t part = all->rows < PART_ROWS ? all->rows : PART_ROWS;
    all->lse = take_array(part, sizeof *all->lse);
    all->width = task_width(&all->run, MOST_TASKS);
    all->looks = take_array(part, sizeof *all->looks);
    if (!all->lse || !all->looks)
        return XENT_NO_MEMORY;
    if (is_square(all)) {
        all->across = take_array(all->rows, sizeof *all->across);
        all->largest = take_array(all->classes, sizeof *all->largest);
        if (!all->across || !all->largest)
            return XENT_NO_MEMORY;
    }
    return XENT_OK;
}

/* ---- rows of a part ---- */

/* softmax(q) of probabilities q: log x = q - lse(q), and q adds up to 1, so lse(q) is
 * (1 - sum log x)/C. Every q must lie in [0, 1]; where all are about 1/C, as in the single softmax
 * of logits near 0, that says little. */
static void look_for_softmax_twice(xent_diagnosis *all, int64_t at, const float *logits) {
    logit_facts *facts = &all->logit_facts;
    const row_facts row = look_at_row(logits, all->classes);
    const double largest = (double)logits[all->predictions[at]];
    double slack = unit_slack(all->dtype, all->classes), loosely = 1e-3 + 2.0 * slack, sum = 0.0;
    facts->tried_rows++;
    if (!(row.least > 0.0f) || largest > (double)row.least * 2.7182818285 * (1 + slack))
        return;
    for (int64_t c = 0; c < all->classes; c++)
        sum += log((double)logits[c]);
    double lse = (1.0 - sum) / (double)all->classes;
    double least = log((double)row.least) + lse, most = log(largest) + lse;
    facts->twice_rows += least > -loosely && most < 1.0 + loosely;
    facts->telling_rows += least < 0.5 / (double)all->classes;
}

/* Rows looked at so: each costs a logarithm a class. */
enum { MOST_TRIED = 1024 };

static void note_first(int64_t *count, int64_t *first, int64_t row) {
    if ((*count)++ == 0)
        *first = row;
}

/* The key that most constant rows have, by a vote (Boyer and Moore 1981). */
static void vote(logit_facts *facts, uint64_t key) {
    if (facts->constant_votes == 0)
        facts->constant_key = key;
    facts->constant_votes += facts->constant_key == key ? 1 : -1;
}

/* One more row of a square matrix: the largest logit of each column. */
static void look_across(xent_diagnosis *all, int64_t at, const float *logits) {
    int64_t row = at % all->classes;
    int32_t *found = all->across + (at - row);
    for (int64_t c = 0; c < all->classes; c++) {
        if (row == 0 || logits[c] > all->largest[c]) {
            all->largest[c] = logits[c];
            found[c] = (int32_t)row;
        }
    }
}

/* Until one of them is no second softmax. */
static bool is_tried(const xent_diagnosis *all, int looks) {
    const logit_facts *facts = &all->logit_facts;
    return looks & UNIT && facts->tried_rows == facts->twice_rows && facts->tried_rows < MOST_TRIED;
}

/* What few rows are asked. */
static void ask(xent_diagnosis *all, int64_t at, int looks, const float *logits) {
    if (all->across)
        look_across(all, at, logits);
    if (all->predictions[at] < 0)
        return;
    if (is_tried(all, looks))
        look_for_softmax_twice(all, at, logits);
    if (is_sampled(all, at))
        add_sample(all, at, logits);
}

/* Reads row i again, if there is something to ask it. */
static void ask_again(xent_diagnosis *all, const xent_tensor *part, int64_t i) {
    int64_t at = all->added + i;
    bool read = all->predictions[at] >= 0;
    if (!all->across && !(read && (is_tried(all, all->looks[i]) || is_sampled(all, at))))
        return;
    walk from = begin_walk(part, all->class_axis, i);
    const float *logits;
    double moved;
    gather(all, part, &from, 1, all->gathered, &logits, &moved);
    ask(all, at, all->looks[i], logits);
}

/* Without a prediction and yet not ignored: a NaN or +inf is there, or nothing but -inf. */
static void count_poisoned(xent_diagnosis *all, int64_t at, int looks) {
    logit_facts *facts = &all->logit_facts;
    note_first(&facts->poisoned_rows, &facts->first_poisoned, at);
    facts->infinite_rows += (looks & INFINITE) != 0;
}

static void count_row(xent_diagnosis *all, int64_t at, int looks) {
    logit_facts *facts = &all->logit_facts;
    bool is_least = (looks & LABEL_LEAST) != 0, agrees = all->predictions[at] == all->labels[at];
    if (facts->read++ == 0)
        facts->first_key = all->keys[at];
    facts->other_rows += all->keys[at] != facts->first_key;
    facts->confidence += (double)all->confidence[at];
    facts->unit_rows += (looks & UNIT) != 0;
    facts->log_rows += (looks & LOGARITHMS) != 0;
    if (looks & CONSTANT) {
        note_first(&facts->constant_rows, &facts->first_constant, at);
        vote(facts, all->keys[at]);
    }
    if (looks & SATURATED)
        note_first(&facts->saturated_rows, &facts->first_saturated, at);
    facts->least_agree += is_least;
    facts->least_only += is_least && !agrees;
    facts->given_only += agrees && !is_least && !(looks & CONSTANT);
}

static void count_rows(xent_diagnosis *all, const xent_tensor *part, int64_t rows) {
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = all->added + i;
        ask_again(all, part, i);
        if (all->predictions[at] >= 0)
            count_row(all, at, all->looks[i]);
        else if (all->labels[at] != IGNORED)
            count_poisoned(all, at, all->looks[i]);
    }
}

/* ---- the library's part ---- */

/* The tensors that go with a part, in the shape of its labels. */
typedef struct companions {
    xent_tensor labels, predictions, lse;
} companions;

static companions companions_of(xent_diagnosis *all, const xent_tensor *part) {
    int64_t shape[XENT_MAX_NDIM];
    int ndim = 0;
    for (int axis = 0; axis < part->ndim; axis++) {
        if (axis != all->class_axis)
            shape[ndim++] = part->shape[axis];
    }
    return (companions){
        xent_ndarray(all->labels + all->added, XENT_I32, ndim, shape),
        xent_ndarray(all->predictions + all->added, XENT_I32, ndim, shape),
        xent_ndarray(all->lse, XENT_F64, ndim, shape),
    };
}

/* Rows with bad labels have no prediction; it is asked for with a label that is a class. */
static xent_status predict_bad(xent_diagnosis *all, const xent_tensor *part, companions *with,
                               int64_t rows, xent_error *error) {
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    int32_t *labels = take_array(rows, sizeof *labels);
    if (!labels)
        return refuse(error, XENT_NO_MEMORY, "there is no memory for the labels of a part");
    for (int64_t i = 0; i < rows; i++) {
        int32_t label = all->labels[all->added + i];
        labels[i] = label == BAD || label == all->classes ? 0 : label;
    }
    with->labels.data = labels;
    outputs.prediction = &with->predictions;
    if (all->run.logits_are == XENT_LOGITS)
        outputs.lse = &with->lse;
    xent_status status = xent_cross_entropy(part, &with->labels, &all->run, &outputs, NULL, error);
    free(labels);
    return status;
}

static xent_status score(xent_diagnosis *all, const xent_tensor *part, int64_t rows,
                         xent_error *error) {
    companions with = companions_of(all, part);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total;
    outputs.prediction = &with.predictions;
    if (all->run.logits_are == XENT_LOGITS)
        outputs.lse = &with.lse;
    xent_status status = xent_cross_entropy(part, &with.labels, &all->run, &outputs, &total, error);
    if (status == XENT_OK && total.bad > 0)
        status = predict_bad(all, part, &with, rows, error);
    if (status != XENT_OK)
        return status;
    xent_total_merge(&all->total, &total);
    for (int64_t i = 0; i < rows; i++) {
        int32_t *prediction = &all->predictions[all->added + i];
        *prediction = *prediction < 0 ? NO_PREDICTION : *prediction;
    }
    return XENT_OK;
}

/* ---- parts ---- */

static int64_t most_bytes(const xent_diagnosis *all) {
    int64_t bytes = all->width * TASK_BYTES;
    return bytes > PART_BYTES ? bytes : PART_BYTES;
}

static int64_t rows_of(const xent_diagnosis *all, const xent_tensor *part) {
    int64_t rows = 1;
    for (int axis = 0; axis < part->ndim; axis++)
        rows *= axis == all->class_axis ? 1 : part->shape[axis];
    return rows;
}

/* The outermost axis of rows that can be cut; -1: a single row. */
static int axis_to_cut(const xent_diagnosis *all, const xent_tensor *part) {
    for (int axis = 0; axis < part->ndim; axis++) {
        if (axis != all->class_axis && part->shape[axis] > 1)
            return axis;
    }
    return -1;
}

static xent_status scan_whole(xent_diagnosis *all, const xent_tensor *part, int64_t rows,
                              xent_error *error) {
    xent_status status = score(all, part, rows, error);
    if (status != XENT_OK)
        return status;
    keep_offset(all, part);
    if (look_at_rows(all, part, rows) != XENT_OK)
        return refuse(error, XENT_NO_MEMORY, "there is no memory for rows of logits");
    count_rows(all, part, rows);
    all->added += rows;
    return XENT_OK;
}

xent_status scan_part(xent_diagnosis *all, const xent_tensor *part, xent_error *error) {
    int64_t rows = rows_of(all, part), size = (int64_t)element_size(all->dtype);
    int64_t most = most_bytes(all) / (size * (all->classes > 0 ? all->classes : 1));
    int axis = axis_to_cut(all, part);
    most = most < 1 ? 1 : most < PART_ROWS ? most : PART_ROWS;
    if (rows <= most || axis < 0)
        return rows > 0 ? scan_whole(all, part, rows, error) : XENT_OK;
    xent_tensor slice = *part;
    int64_t length = most / (rows / part->shape[axis]);
    length = length > 0 ? length : 1;
    for (int64_t first = 0; first < part->shape[axis]; first += length) {
        int64_t left = part->shape[axis] - first;
        slice.shape[axis] = left < length ? left : length;
        slice.data = (char *)part->data + first * part->stride[axis] * size;
        xent_status status = scan_part(all, &slice, error);
        if (status != XENT_OK)
            return status;
    }
    return XENT_OK;
}
