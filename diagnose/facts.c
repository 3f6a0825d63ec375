/* SPDX-License-Identifier: MIT
 * What each row of a part says by itself, found by several threads: none of it depends on the
 * others, so neither does it on the threads. */
#include "facts.h"
#include "../src/tasks.h"
#include "gather.h"
#include "row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
double unit_slack(int32_t dtype, int64_t classes) {
    if (dtype == XENT_F16)
        return 2e-3 + 3e-8 * (double)classes;
    return dtype == XENT_BF16 ? 8e-3 : 1e-4;
}

static double log_slack(int32_t dtype) {
    if (dtype == XENT_F16)
        return 0.02;
    return dtype == XENT_BF16 ? 0.08 : 1e-3;
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

static uint64_t key_of(const row_facts *row, double most, double lse) {
    uint64_t key = mixed(bits_of(row->sum), bits_of(row->order));
    key = mixed(key, bits_of(most));
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

static bool is_label_least(const xent_diagnosis *all, int64_t at, float least, float largest,
                           const float *logits) {
    int32_t label = all->labels[at];
    return label >= 0 && label < all->classes && least != largest &&
           is_only_least(logits, all->classes, label, least);
}

/* ---- a row ----------------------------------------------------------------------------------- */

/* `moved`: what was taken from the logits, not from their log-sum-exp. */
static int look(xent_diagnosis *all, int64_t at, const float *logits, double lse, double moved) {
    const row_facts row = look_at_row(logits, all->classes);
    const float largest = logits[all->predictions[at]];
    double slack = unit_slack(all->dtype, all->classes), most = (double)largest;
    double own = lse - (double)all->run.logit_scale * moved;
    int facts = 0;
    all->confidence[at] = (float)confidence_of(all, most, own);
    all->keys[at] = key_of(&row, most, lse);
    if (row.least >= 0.0f && most <= 1.0 + slack && fabs(row.sum - 1.0) <= slack)
        facts |= UNIT;
    if (most <= slack && fabs(lse) <= log_slack(all->dtype))
        facts |= LOGARITHMS;
    if (row.least == largest && all->classes > 1)
        facts |= CONSTANT;
    if (largest >= limit_of(all->dtype))
        facts |= SATURATED;
    return is_label_least(all, at, row.least, largest, logits) ? facts | LABEL_LEAST : facts;
}

static int look_for_infinity(const xent_diagnosis *all, const float *logits) {
    bool found = false;
    for (int64_t c = 0; c < all->classes; c++)
        found |= logits[c] == INFINITY;
    return found ? INFINITE : 0;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* Groups of rows that are gathered at once, or, where they lie in place, looked up at once; a run
 * of groups for each task. */
typedef struct looking {
    xent_diagnosis *all;
    const xent_tensor *part;
    int64_t rows, group, groups, width;
    float *gathered; /* group*classes for each task; NULL: rows lie in place */
} looking;

static void look_at_group(const looking *of, walk *from, int64_t first, float *memory) {
    xent_diagnosis *all = of->all;
    int64_t count = of->rows - first < of->group ? of->rows - first : of->group;
    const float *rows[GATHERED];
    double moved[GATHERED];
    gather(all, of->part, from, count, memory, rows, moved);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = all->added + first + i;
        if (all->predictions[at] >= 0)
            all->looks[first + i] = (uint8_t)look(all, at, rows[i], all->lse[first + i], moved[i]);
        else
            all->looks[first + i] =
                (uint8_t)(all->labels[at] == IGNORED ? 0 : look_for_infinity(all, rows[i]));
    }
}

static void look_in_task(void *data, int64_t i) {
    const looking *of = data;
    int64_t group = i * of->groups / of->width, end = (i + 1) * of->groups / of->width;
    walk from = begin_walk(of->part, of->all->class_axis, group * of->group);
    float *memory = of->gathered ? of->gathered + i * of->group * of->all->classes : NULL;
    for (; group < end; group++)
        look_at_group(of, &from, group * of->group, memory);
}

/* Waking a thread takes as long as a few of these. */
enum { LOGITS_PER_TASK = 1 << 16 };

/* Memory for rows side by side, kept for the next part. */
static bool take_gathered(xent_diagnosis *all, int64_t floats) {
    if (floats > all->gathered_floats) {
        free(all->gathered);
        all->gathered = take_array(floats, sizeof *all->gathered);
        all->gathered_floats = all->gathered ? floats : 0;
    }
    return all->gathered != NULL;
}

xent_status look_at_rows(xent_diagnosis *all, const xent_tensor *part, int64_t rows) {
    looking of = {.all = all, .part = part, .rows = rows};
    bool in_place = lies_in_place(part, all->class_axis);
    /* not so long that groups would leave tasks without work */
    bool short_rows = in_place && all->classes <= LOGITS_PER_TASK / GATHERED;
    of.group = short_rows || part->stride[all->class_axis] != 1 ? GATHERED : 1;
    of.groups = (rows + of.group - 1) / of.group;
    int64_t wanted = rows * all->classes / LOGITS_PER_TASK + 1;
    wanted = wanted < of.groups ? wanted : of.groups;
    of.width = wanted < all->width ? wanted : all->width;
    if (!in_place) {
        if (!take_gathered(all, of.width * of.group * all->classes))
            return XENT_NO_MEMORY;
        of.gathered = all->gathered;
    }
    run_tasks(&all->run, look_in_task, &of, of.width);
    return XENT_OK;
}
