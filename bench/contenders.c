/* SPDX-License-Identifier: MIT
 * What is timed: the library, and what it is compared with. */
#include "contenders.h"
#include "parts.h"
#include "plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library ----------------------------------------------------------------------------- */

static void *copy_of(const batch *held, void *array, int64_t copy) {
    return (char *)array + (size_t)copy * held->bytes;
}

static void call_library(job *work, int64_t copy, const xent_tensor *gradient) {
    const batch *held = work->held;
    xent_tensor losses;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_error error;
    work->logits.data = copy_of(held, held->logits, copy);
    work->gradient.data = copy_of(held, held->gradient, copy);
    work->labels.data = held->labels + copy * held->rows;
    outputs.grad = gradient;
    if (work->row_loss) {
        losses = work->labels;
        losses.data = work->row_loss;
        losses.dtype = XENT_F64;
        outputs.loss = &losses;
    }
    if (xent_cross_entropy(&work->logits, &work->labels, &work->options, &outputs, &work->total,
                           &error) == XENT_OK)
        return;
    fprintf(stderr, "bench: %s\n", error.message);
    exit(1);
}

static void run_loss(job *work, int64_t copy) {
    call_library(work, copy, NULL);
}

static void run_in_place(job *work, int64_t copy) {
    call_library(work, copy, &work->logits);
}

static void run_out_of_place(job *work, int64_t copy) {
    call_library(work, copy, &work->gradient);
}

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct transfer {
    const char *from;
    char *to;
    uint64_t *sums; /* one a part */
} transfer;

static void copy_part(void *data, int part, int64_t begin, int64_t end) {
    const transfer *what = data;
    (void)part;
    memcpy(what->to + begin, what->from + begin, (size_t)(end - begin));
}

static void run_copy(job *work, int64_t copy) {
    const batch *held = work->held;
    transfer what = {copy_of(held, held->logits, copy), copy_of(held, held->gradient, copy), NULL};
    in_parts(work->threads, (int64_t)held->bytes, copy_part, &what);
}

static void read_part(void *data, int part, int64_t begin, int64_t end) {
    const transfer *what = data;
    what->sums[part] = read_memory(what->from + begin, (size_t)(end - begin));
}

static void run_read(job *work, int64_t copy) {
    const batch *held = work->held;
    uint64_t sums[MOST_PARTS] = {0};
    transfer what = {copy_of(held, held->logits, copy), NULL, sums};
    in_parts(work->threads, (int64_t)held->bytes, read_part, &what);
    for (int part = 0; part < work->threads; part++)
        work->sink += sums[part];
}

/* ---- the plain loop -------------------------------------------------------------------------- */

typedef struct plain_work {
    plain_batch batch;
    plain_loop *loop;
    double *scratch, *losses; /* a row and a sum for each part */
} plain_work;

static plain_loop *find_plain(int32_t dtype) {
    switch (dtype) {
    case XENT_F32:
        return plain_f32;
    case XENT_F64:
        return plain_f64;
    case XENT_BF16:
        return plain_bf16;
    default:
        return NULL;
    }
}

static void plain_part(void *data, int part, int64_t begin, int64_t end) {
    const plain_work *work = data;
    work->losses[part] =
        work->loop(&work->batch, begin, end, work->scratch + part * work->batch.classes);
}

static void run_plain(job *work, int64_t copy) {
    const batch *held = work->held;
    double losses[MOST_PARTS] = {0};
    plain_work all = {
        .batch = {.logits = copy_of(held, held->logits, copy),
                  .gradient = copy_of(held, held->gradient, copy),
                  .labels = held->labels + copy * held->rows,
                  .rows = held->rows,
                  .classes = held->classes,
                  .inner = held->inner},
        .loop = find_plain(held->point->dtype),
        .scratch = work->scratch,
        .losses = losses,
    };
    in_parts(work->threads, held->rows, plain_part, &all);
    work->loss = 0.0;
    for (int part = 0; part < work->threads; part++)
        work->loss += losses[part] / (double)held->rows;
}

/* ---- the table ------------------------------------------------------------------------------- */

const contender ALL_CONTENDERS[CONTENDERS] = {
    {"memcpy", WRITES_NOTHING, false, run_copy},
    {"read", WRITES_NOTHING, false, run_read},
    {"loss", WRITES_NOTHING, false, run_loss},
    {"in_place", WRITES_LOGITS, false, run_in_place},
    {"out_of_place", WRITES_GRADIENT, false, run_out_of_place},
    {"plain", WRITES_GRADIENT, true, run_plain},
};

bool takes_part(const contender *who, const point *where) {
    return !who->is_plain || (where->plain && find_plain(where->dtype));
}

job make_job(const batch *held, int threads) {
    const point *of = held->point;
    const xent_options defaults = XENT_OPTIONS_INIT;
    int64_t label_shape[4];
    for (int axis = 0; axis + 1 < of->ndim; axis++)
        label_shape[axis] = of->shape[axis + (axis >= of->class_axis)];
    job work = {.held = held, .threads = threads, .options = defaults};
    work.logits = xent_ndarray(held->logits, of->dtype, of->ndim, of->shape);
    work.gradient = xent_ndarray(held->gradient, of->dtype, of->ndim, of->shape);
    work.labels = xent_ndarray(held->labels, XENT_I64, of->ndim - 1, label_shape);
    work.options.class_axis = of->class_axis;
    work.options.threads = threads;
    if (of->plain)
        work.scratch = get_memory((size_t)threads * (size_t)held->classes * sizeof(double));
    return work;
}

void free_job(job *done) {
    free(done->scratch);
    free(done->row_loss);
}
