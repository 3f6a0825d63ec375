/* SPDX-License-Identifier: MIT
 * The linear form's rows as they lie in the caller's tensors. */
#include "linear_job.h"

#include <math.h>
#include <string.h>

bool is_silent(const struct linear *job, int64_t i) {
    bool weighed = job->options->row_weight != NULL;
    return job->denominator == 0 || (weighed && job->memory.weights[i] == 0);
}

bool lie_evenly(const struct linear *job, const row_view *view, int64_t *stride) {
    const int64_t first = job->memory.rows[0], last = job->memory.rows[job->count - 1];
    const int64_t size = dtype_size(view->dtype);
    int64_t step;
    if (size == 0 || last - first != job->count - 1 || row_run(view, first, &step) < job->count)
        return false;
    *stride = step / size;
    return true;
}

/* Consecutive lanes, so that a product can leave them there. */
static bool holds_lanes(const struct linear *job, const row_view *view) {
    return view->dtype == job->chunk.logits.dtype && view->class_stride == 1;
}

char *place_of_grad_features(const struct linear *job, int64_t *stride) {
    const row_view *view = &job->shape->grad;
    if (holds_lanes(job, view) && lie_evenly(job, view, stride))
        return row_address(view, job->memory.rows[0]);
    *stride = job->features;
    return job->memory.grad_features;
}

static void put_double(const row_view *view, int64_t row, double value) {
    if (view->data)
        xent_kernels_for(view->dtype)->narrow(&value, 1, row_address(view, row), 1);
}

static void put_prediction(const row_view *view, int64_t row, int64_t value) {
    int32_t narrow = (int32_t)value;
    if (view->data && view->dtype == XENT_I64)
        memcpy(row_address(view, row), &value, sizeof value);
    else if (view->data)
        memcpy(row_address(view, row), &narrow, sizeof narrow);
}

/* n elements of a row, `first` the first; lanes NULL: all are `otherwise`. */
static void put_lanes(const struct linear *job, const row_view *view, int64_t row, int64_t first,
                      int64_t n, const char *lanes, double otherwise) {
    enum { SOME = 256 };
    double values[SOME];
    if (!view->data)
        return;
    char *to = class_address(view, row_address(view, row), first);
    if (lanes && holds_lanes(job, view)) {
        memcpy(to, lanes, (size_t)(n * job->lane));
        return;
    }
    for (int i = 0; i < SOME; i++)
        values[i] = otherwise;
    for (int64_t done = 0; done < n; done += SOME) {
        int64_t some = n - done < SOME ? n - done : SOME;
        if (lanes)
            job->lanes->widen(lanes + done * job->lane, some, 1, values);
        xent_kernels_for(view->dtype)
            ->narrow(values, some, class_address(view, to, done), view->class_stride);
    }
}

void write_logits(const struct linear *job, int64_t i, int64_t first, int64_t n,
                  const char *lanes) {
    put_lanes(job, &job->shape->probability, job->memory.rows[i], first, n,
              job->memory.labels[i] < 0 ? NULL : lanes, NAN);
}

void leave_row_out(const struct linear *job, int64_t row) {
    const layout *to = job->shape;
    put_double(&to->loss, row, 0);
    put_double(&to->lse, row, 0);
    put_double(&to->label_probability, row, 0);
    put_double(&to->entropy, row, 0);
    put_prediction(&to->prediction, row, -1);
    put_lanes(job, &to->grad, row, 0, job->features, NULL, 0);
    put_lanes(job, &to->probability, row, 0, to->classes, NULL, 0);
}

static void write_grad_features(const struct linear *job, int64_t i) {
    int64_t stride;
    const char *lanes = job->memory.grad_features + i * job->features * job->lane;
    bool is_there = place_of_grad_features(job, &stride) != job->memory.grad_features;
    if (is_silent(job, i))
        lanes = NULL;
    else if (is_there)
        return;
    put_lanes(job, &job->shape->grad, job->memory.rows[i], 0, job->features, lanes, 0);
}

void write_row(const struct linear *job, int64_t i) {
    const layout *to = job->shape;
    const struct linear_memory *from = &job->memory;
    int64_t row = from->rows[i];
    put_double(&to->loss, row, from->loss[i]);
    put_double(&to->lse, row, from->lse[i]);
    put_double(&to->label_probability, row, from->label_probability[i]);
    put_double(&to->entropy, row, from->entropy[i]);
    put_prediction(&to->prediction, row, from->prediction[i]);
    if (to->grad.data)
        write_grad_features(job, i);
}
