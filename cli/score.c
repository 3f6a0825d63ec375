/* SPDX-License-Identifier: MIT
 * Scores opened files block by block: logits in, gradient and row losses out. */
#include "score.h"
#include "blocks.h"
#include "complain.h"
#include "explain.h"
#include "formats/npy_output.h"
#include "progress.h"
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct scoring {
    loss_call *call;
    division how;
    void *logits;         /* of one block */
    double *losses;       /* of one block, or the call's row_loss; NULL: not wanted */
    xent_options options; /* the call's, with the denominator of the whole batch */
    npy_output grad, row_loss;
    progress shown;
} scoring;

/* ---- outputs --------------------------------------------------------------------------------- */

static int begin_outputs(scoring *work) {
    const loss_call *call = work->call;
    const xent_tensor *labels = &call->labels.tensor;
    const xent_tensor rows = xent_ndarray(NULL, XENT_F64, labels->ndim, labels->shape);
    int code = begin_npy(call->request.grad, &call->logits.tensor, call->logits.found.fortran_order,
                         &work->grad);
    return code == EX_OK ? begin_npy(call->request.row_loss, &rows, false, &work->row_loss) : code;
}

/* The gradient has taken the place of the block's logits. */
static int write_block(scoring *work, const block *at, const double *losses) {
    const array *logits = &work->call->logits;
    int code = EX_OK;
    if (work->grad.file.path)
        code = for_each_run(&logits->tensor, logits->found.fortran_order, &at->logits, work->logits,
                            write_npy_run, &work->grad);
    if (code == EX_OK && work->row_loss.file.path)
        code = write_npy_run(&work->row_loss, at->first * (int64_t)sizeof *losses,
                             at->rows * (int64_t)sizeof *losses, (char *)(uintptr_t)losses);
    return code;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The part of a tensor in memory that is a box of it. */
static xent_tensor box_of(const xent_tensor *whole, const box *part) {
    xent_tensor view = *whole;
    int64_t offset = 0;
    for (int axis = 0; axis < whole->ndim; axis++) {
        offset += part->first[axis] * whole->stride[axis];
        view.shape[axis] = part->length[axis];
    }
    view.data = (char *)whole->data + offset * (int64_t)type_size(whole->dtype);
    return view;
}

/* One call of the library; its total is merged into the call's. */
static int score_block(scoring *work, const block *at, const xent_tensor *logits, double *losses) {
    loss_call *call = work->call;
    const xent_tensor labels = box_of(&call->labels.tensor, &at->labels);
    const xent_tensor rows = xent_ndarray(losses, XENT_F64, labels.ndim, labels.shape);
    xent_tensor row_weight;
    xent_options options = work->options;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total;
    xent_error error;
    if (options.row_weight) {
        row_weight = box_of(options.row_weight, &at->labels);
        options.row_weight = &row_weight;
    }
    outputs.grad = call->request.grad ? logits : NULL;
    outputs.loss = losses ? &rows : NULL;
    xent_status status = xent_cross_entropy(logits, &labels, &options, &outputs, &total, &error);
    if (status != XENT_OK)
        return explain_refusal(call, status, &error);
    xent_total_merge(&call->total, &total);
    return EX_OK;
}

static int run_block(scoring *work, const block *at) {
    xent_tensor logits;
    double *losses = work->call->row_loss ? work->losses + at->first : work->losses;
    int code = read_box(&work->call->logits, &at->logits, work->logits, &logits);
    if (code == EX_OK)
        code = score_block(work, at, &logits, losses);
    if (code == EX_OK)
        code = write_block(work, at, losses);
    show_progress(&work->shown, box_count(&at->logits, logits.ndim) *
                                    (int64_t)type_size(work->call->logits.tensor.dtype));
    return code;
}

/* A batch without rows is one empty block, so that the library judges the options. */
static int run_blocks(scoring *work) {
    const loss_call *call = work->call;
    block at = {.first = 0};
    int code = EX_OK;
    if (element_count(&call->labels.tensor) == 0) {
        at.labels = whole_box(&call->labels.tensor);
        at.logits = whole_box(&call->logits.tensor);
        return run_block(work, &at);
    }
    while (code == EX_OK && next_block(&work->how, &at))
        code = run_block(work, &at);
    return code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* D of the whole batch, which every block's gradient needs. */
static double find_denominator(const xent_options *options, const xent_total *counts) {
    if (options->denominator > 0)
        return options->denominator;
    if (options->reduction == XENT_SUM)
        return 1;
    return options->reduction == XENT_MEAN ? counts->weight_sum : (double)counts->counted;
}

/* A denominator that options cannot hold (0, negative or not finite, by row weights) needs the
 * whole batch in one block. */
static void divide(scoring *work, const xent_total *counts) {
    const loss_call *call = work->call;
    double denominator = find_denominator(&call->options, counts);
    bool holds = denominator > 0 && isfinite(denominator);
    work->options = call->options;
    work->options.denominator = holds ? denominator : 0;
    work->how = divide_batch(&call->logits.tensor, &call->labels.tensor, class_axis(call),
                             holds ? BLOCK_BUDGET : INT64_MAX);
}

static int take_memory(scoring *work) {
    const loss_call *call = work->call;
    int64_t rows = work->how.length * work->how.inner;
    int code = EX_OK;
    if (call->request.reduction == REDUCE_NONE)
        work->losses = work->call->row_loss = take_numbers(
            element_count(&call->labels.tensor), sizeof *work->losses, &call->labels, &code);
    else if (call->request.row_loss)
        work->losses = take_numbers(rows, sizeof *work->losses, &call->labels, &code);
    work->logits =
        take_numbers(work->how.most, type_size(call->logits.tensor.dtype), &call->logits, &code);
    return code;
}

static int run_steps(scoring *work) {
    int code = take_memory(work);
    if (code == EX_OK)
        code = begin_outputs(work);
    if (code == EX_OK)
        code = run_blocks(work);
    if (code == EX_OK)
        code = finish_output(&work->grad.file);
    if (code == EX_OK)
        code = finish_output(&work->row_loss.file);
    return code;
}

int score_files(loss_call *call) {
    scoring work = {.call = call};
    const xent_tensor *logits = &call->logits.tensor;
    xent_total counts;
    xent_error error;
    double begun = seconds_now();
    xent_status status = xent_count_labels(&call->labels.tensor, logits->shape[class_axis(call)],
                                           &call->options, &counts, &error);
    if (status != XENT_OK)
        return explain_refusal(call, status, &error);
    divide(&work, &counts);
    work.shown = begin_progress(element_count(logits) * (int64_t)type_size(logits->dtype),
                                call->request.quiet);
    int code = run_steps(&work);
    end_progress();
    drop_output(&work.grad.file);
    drop_output(&work.row_loss.file);
    free(work.logits);
    if (!call->row_loss)
        free(work.losses);
    call->seconds = seconds_now() - begun;
    return code;
}
