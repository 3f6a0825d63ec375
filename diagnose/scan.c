/* SPDX-License-Identifier: MIT
 * A part of the logits that stays in a cache: one call of the library, then what it does not tell:
 * range, sum and a key of each row. */
#include "diagnosis.h"
#include "row.h"
#include "widen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows gathered at once, and the most in a part. */
enum { GATHERED = 16, PART_ROWS = 1 << 16 };

static size_t element_size(int32_t dtype) {
    return dtype == XENT_F64 ? 8 : dtype == XENT_F32 ? 4 : 2;
}

/* ---- memory ---- */

/* Square matrices of rows and classes may be transposed. */
static bool is_square(const xent_diagnosis *all) {
    int last = all->label_ndim - 1;
    return last >= 0 && all->label_shape[last] == all->classes && all->classes > 1;
}

xent_status make_scan(xent_diagnosis *all) {
    int64_t part = all->rows < PART_ROWS ? all->rows : PART_ROWS;
    all->lse = take_array(part, sizeof *all->lse);
    int64_t gathered = all->rows < GATHERED ? all->rows : GATHERED;
    all->gathered =
        take_array(all->classes, (size_t)(gathered > 0 ? gathered : 1) * sizeof *all->gathered);
    if (!all->lse || !all->gathered)
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

/* Rows in C order: each one's offset, in elements. */
typedef struct walk {
    int ndim;
    int64_t length[XENT_MAX_NDIM], stride[XENT_MAX_NDIM], position[XENT_MAX_NDIM];
    int64_t offset, class_stride;
} walk;

static walk begin_walk(const xent_tensor *part, int class_axis) {
    walk rows = {.class_stride = part->stride[class_axis]};
    for (int axis = 0; axis < part->ndim; axis++) {
        if (axis == class_axis)
            continue;
        rows.length[rows.ndim] = part->shape[axis];
        rows.stride[rows.ndim++] = part->stride[axis];
    }
    return rows;
}

static int64_t next_offset(walk *rows) {
    int64_t offset = rows->offset;
    for (int axis = rows->ndim - 1; axis >= 0; axis--) {
        rows->offset += rows->stride[axis];
        if (++rows->position[axis] < rows->length[axis])
            break;
        rows->offset -= rows->position[axis] * rows->stride[axis];
        rows->position[axis] = 0;
    }
    return offset;
}

/* What is taken from a row of doubles before it is narrowed: floats tell values far from 0 hardly
 * apart, and only differences matter. Not where values are compared with those of other rows. */
static double far_from_zero(const xent_diagnosis *all, const char *row, int64_t class_stride) {
    const double far = 1024.0;
    double most = -INFINITY, value;
    if (all->run.logits_are != XENT_LOGITS || all->run.softcap > 0.0 || all->across)
        return 0.0;
    for (int64_t c = 0; c < all->classes; c++) {
        memcpy(&value, row + c * class_stride * (int64_t)sizeof value, sizeof value);
        most = value > most ? value : most;
    }
    return isfinite(most) && fabs(most) > far ? most : 0.0;
}

static void narrow_from(const char *row, int64_t class_stride, int64_t classes, double offset,
                        float *to) {
    double value;
    for (int64_t c = 0; c < classes; c++) {
        memcpy(&value, row + c * class_stride * (int64_t)sizeof value, sizeof value);
        to[c] = (float)(value - offset);
    }
}

/* Along another axis neighbouring rows share lines of the cache, so they are read together. */
static void widen_rows(xent_diagnosis *all, const char *data, const int64_t *offsets,
                       int64_t class_stride, int64_t count) {
    const int64_t size = (int64_t)element_size(all->dtype);
    for (int64_t i = 0; i < count && class_stride == 1; i++)
        widen(all->dtype, data + offsets[i] * size, all->classes, all->gathered + i * all->classes);
    for (int64_t c = 0; c < all->classes && class_stride != 1; c++) {
        for (int64_t i = 0; i < count; i++)
            all->gathered[i * all->classes + c] =
                widen_one(all->dtype, data + (offsets[i] + c * class_stride) * size);
    }
}

/* Up to GATHERED rows as floats with consecutive classes; rows[i] points at each. Rows that are so
 * already are left where they are. `moved`: what was taken from each. */
static void gather(xent_diagnosis *all, const xent_tensor *part, walk *from, int64_t count,
                   const float **rows, double *moved) {
    const char *data = part->data;
    const int64_t size = (int64_t)element_size(all->dtype);
    int64_t offsets[GATHERED];
    bool in_place =
        all->dtype == XENT_F32 && from->class_stride == 1 && (uintptr_t)data % sizeof(float) == 0;
    for (int64_t i = 0; i < count; i++) {
        offsets[i] = next_offset(from);
        moved[i] = all->dtype == XENT_F64
                       ? far_from_zero(all, data + offsets[i] * size, from->class_stride)
                       : 0.0;
        rows[i] =
            in_place ? (const float *)part->data + offsets[i] : all->gathered + i * all->classes;
    }
    if (!in_place)
        widen_rows(all, data, offsets, from->class_stride, count);
    for (int64_t i = 0; i < count; i++) {
        if (moved[i] != 0.0)
            narrow_from(data + offsets[i] * size, from->class_stride, all->classes, moved[i],
                        all->gathered + i * all->classes);
    }
}

/* ---- what rows say ---- */

/* The largest probability of a row, as far as a float tells its largest logit; in [0, 1], whatever
 * was passed as probabilities. */
static double confidence_of(const xent_diagnosis *all, double most, double lse) {
    double z = all->run.logit_scale * most, cap = all->run.softcap;
    if (cap > 0.0)
        z = cap * tanh(z / cap);
    double p = all->run.logits_are == XENT_PROBABILITIES ? most : exp(z - lse);
    if (p >= 1.0)
        return 1.0;
    return p > 0.0 ? p : 0.0;
}

/* The largest finite value, to which overflow saturates. */
static float limit_of(int32_t dtype) {
    if (dtype == XENT_F16)
        return 65504.0f;
    return dtype == XENT_BF16 ? 0x1.fep127f : INFINITY;
}

/* How far from 1 rounded probabilities may add up, and their log-sum-exp from 0. */
static double unit_slack(int32_t dtype, int64_t classes) {
    if (dtype == XENT_F16)
        return 2e-3 + 3e-8 * (double)classes;
    return dtype == XENT_BF16 ? 8e-3 : 1e-4;
}

static double log_slack(int32_t dtype) {
    if (dtype == XENT_F16)
        return 0.02;
    return dtype == XENT_BF16 ? 0.08 : 1e-3;
}

/* softmax(q) of probabilities q: log x = q - lse(q), and q adds up to 1, so lse(q) is
 * (1 - sum log x)/C. Every q must lie in [0, 1]; where all are about 1/C, as in the single softmax
 * of logits near 0, that says little. */
static void look_for_softmax_twice(logit_facts *facts, const row_facts *row, const float *logits,
                                   int64_t classes, double slack) {
    double sum = 0.0, loosely = 1e-3 + 2.0 * slack;
    facts->tried_rows++;
    if (!(row->least > 0.0f) || (double)row->most > (double)row->least * 2.7182818285 * (1 + slack))
        return;
    for (int64_t c = 0; c < classes; c++)
        sum += log((double)logits[c]);
    double lse = (1.0 - sum) / (double)classes;
    double least = log((double)row->least) + lse, most = log((double)row->most) + lse;
    facts->twice_rows += least > -loosely && most < 1.0 + loosely;
    facts->telling_rows += least < 0.5 / (double)classes;
}

/* Rows looked at so: each costs a logarithm a class. */
enum { MOST_TRIED = 1024 };

static void judge_sums(xent_diagnosis *all, const row_facts *row, const float *logits, double lse) {
    logit_facts *facts = &all->logit_facts;
    double slack = unit_slack(all->dtype, all->classes);
    bool unit =
        row->least >= 0.0f && (double)row->most <= 1.0 + slack && fabs(row->sum - 1.0) <= slack;
    if (unit && facts->tried_rows == facts->twice_rows && facts->tried_rows < MOST_TRIED)
        look_for_softmax_twice(facts, row, logits, all->classes, slack);
    facts->unit_rows += unit;
    facts->log_rows += (double)row->most <= slack && fabs(lse) <= log_slack(all->dtype);
}

static uint64_t mixed(uint64_t a, uint64_t b) {
    a = (a ^ b) * UINT64_C(0x9E3779B97F4A7C15);
    return a ^ a >> 29;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t key_of(const row_facts *row, double lse) {
    uint64_t key = mixed(bits_of(row->sum), bits_of(row->order));
    key = mixed(key, bits_of((double)row->most));
    return mixed(mixed(key, bits_of((double)row->least)), bits_of(lse));
}

/* The least logit of its row, and no other class has it: of ties at the bottom, as trees and votes
 * of neighbours leave, any label may be one. */
static bool is_only_least(const float *logits, int64_t classes, int32_t label, float least) {
    bool found = logits[label] == least;
    for (int64_t c = 0; c < classes && found; c++)
        found = c == label || logits[c] != least;
    return found;
}

static void judge_label(xent_diagnosis *all, int64_t at, const row_facts *row,
                        const float *logits) {
    int32_t label = all->labels[at];
    if (label < 0 || label >= all->classes || row->least == row->most)
        return;
    bool is_least = is_only_least(logits, all->classes, label, row->least);
    bool agrees = all->predictions[at] == label;
    all->logit_facts.least_agree += is_least;
    all->logit_facts.least_only += is_least && !agrees;
    all->logit_facts.given_only += agrees && !is_least;
}

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

/* `moved`: what was taken from the logits, not from their log-sum-exp. */
static void judge_row(xent_diagnosis *all, int64_t at, const float *logits, double lse,
                      double moved) {
    logit_facts *facts = &all->logit_facts;
    const row_facts row = look_at_row(logits, all->classes);
    double confidence =
        confidence_of(all, (double)row.most, lse - (double)all->run.logit_scale * moved);
    all->confidence[at] = (float)confidence;
    all->keys[at] = key_of(&row, lse);
    facts->confidence += confidence;
    judge_sums(all, &row, logits, lse);
    if (facts->read == 0)
        facts->first_key = all->keys[at];
    facts->other_rows += all->keys[at] != facts->first_key;
    if (row.least == row.most && all->classes > 1) {
        note_first(&facts->constant_rows, &facts->first_constant, at);
        vote(facts, all->keys[at]);
    }
    if (row.most >= limit_of(all->dtype))
        note_first(&facts->saturated_rows, &facts->first_saturated, at);
    judge_label(all, at, &row, logits);
    facts->read++;
    add_sample(all, at, logits);
}

/* Without a prediction and yet not ignored: a NaN or +inf is there, or nothing but -inf. */
static void judge_poisoned(xent_diagnosis *all, int64_t at, const float *logits) {
    bool infinite = false;
    for (int64_t c = 0; c < all->classes; c++)
        infinite |= logits[c] == INFINITY;
    note_first(&all->logit_facts.poisoned_rows, &all->logit_facts.first_poisoned, at);
    all->logit_facts.infinite_rows += infinite;
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

static void judge_rows(xent_diagnosis *all, const xent_tensor *part, int64_t rows) {
    const float *gathered[GATHERED];
    double moved[GATHERED];
    walk from = begin_walk(part, all->class_axis);
    for (int64_t first = 0; first < rows; first += GATHERED) {
        int64_t count = rows - first < GATHERED ? rows - first : GATHERED;
        gather(all, part, &from, count, gathered, moved);
        for (int64_t i = 0; i < count; i++) {
            int64_t at = all->added + first + i;
            if (all->across)
                look_across(all, at, gathered[i]);
            if (all->predictions[at] >= 0)
                judge_row(all, at, gathered[i], all->lse[first + i], moved[i]);
            else if (all->labels[at] != IGNORED)
                judge_poisoned(all, at, gathered[i]);
        }
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

/* A part is read twice, by the library and here: the second time from a cache. */
enum { PART_BYTES = 1 << 21 };

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
    judge_rows(all, part, rows);
    all->added += rows;
    return XENT_OK;
}

xent_status scan_part(xent_diagnosis *all, const xent_tensor *part, xent_error *error) {
    int64_t rows = rows_of(all, part), size = (int64_t)element_size(all->dtype);
    int64_t most = PART_BYTES / (size * (all->classes > 0 ? all->classes : 1));
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
