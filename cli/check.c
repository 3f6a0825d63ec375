/* SPDX-License-Identifier: MIT
 * `xent check`: what is wrong with a batch when its shapes fit. */
#include "check.h"
#include "blocks.h"
#include "complain.h"
#include "explain.h"
#include "findings.h"
#include "inputs.h"
#include "progress.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdlib.h>

/* The exit code where something was found. */
enum { EXIT_FOUND = 1 };

typedef struct checking {
    loss_call *call;
    xent_diagnosis *diagnosis; /* NULL until it is begun */
    division how;
    void *logits; /* of one block */
    progress shown;
} checking;

static xent_status begin(checking *work, xent_error *error) {
    const loss_call *call = work->call;
    return xent_diagnosis_begin(&call->logits.tensor, &call->labels.tensor, &call->options,
                                &work->diagnosis, error);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static int add_block(checking *work, const block *at) {
    const array *logits = &work->call->logits;
    xent_tensor view;
    xent_error error;
    int code = read_box(logits, &at->logits, work->logits, &view);
    if (code != EX_OK)
        return code;
    xent_status status = xent_diagnosis_add(work->diagnosis, &view, &error);
    show_progress(&work->shown,
                  box_count(&at->logits, view.ndim) * (int64_t)type_size(logits->tensor.dtype));
    return complain_internally(status, &error);
}

static int add_blocks(checking *work) {
    const loss_call *call = work->call;
    const xent_tensor *logits = &call->logits.tensor;
    block at = {.first = 0};
    int code = EX_OK;
    work->how = divide_batch(logits, &call->labels.tensor, class_axis(call), BLOCK_BUDGET);
    work->logits = take_numbers(work->how.most, type_size(logits->dtype), &call->logits, &code);
    work->shown = begin_progress(element_count(logits) * (int64_t)type_size(logits->dtype),
                                 call->request.quiet);
    while (code == EX_OK && next_block(&work->how, &at))
        code = add_block(work, &at);
    end_progress();
    return code;
}

static int diagnose(checking *work) {
    xent_error error;
    xent_status status = begin(work, &error);
    if (status != XENT_OK)
        return explain_refusal(work->call, status, &error);
    int code = add_blocks(work);
    if (code != EX_OK)
        return code;
    status = xent_diagnosis_finish(work->diagnosis, &error);
    return complain_internally(status, &error);
}

/* ---- results --------------------------------------------------------------------------------- */

static int report(const checking *work) {
    return report_findings(work->call, work->diagnosis);
}

/* Why the labels cannot be scored, in the words of `xent loss`. */
static int explain_unscorable(const loss_call *call) {
    xent_error error = {""};
    xent_status status =
        xent_count_labels(&call->labels.tensor, call->logits.tensor.shape[class_axis(call)],
                          &call->options, NULL, &error);
    return explain_refusal(call, status == XENT_OK ? XENT_NOTHING_COUNTED : status, &error);
}

static int conclude(const checking *work) {
    int code = report(work);
    if (code != EX_OK)
        return code;
    if (!xent_diagnosis_scorable(work->diagnosis))
        return explain_unscorable(work->call);
    return finds_fault(work->diagnosis) ? EXIT_FOUND : EX_OK;
}

/* What does not fit has been said already; here it gets its name. */
static int name_misfit(checking *work, int code) {
    if (begin(work, NULL) == XENT_OK && !xent_diagnosis_scorable(work->diagnosis) &&
        report(work) != EX_OK)
        return EX_SOFTWARE;
    return code;
}

/* Rows and classes are counted in 32 bits. */
static int check_size(const loss_call *call) {
    int64_t rows = element_count(&call->labels.tensor);
    int64_t classes = call->logits.tensor.shape[class_axis(call)];
    if (rows < INT32_MAX && classes < INT32_MAX)
        return EX_OK;
    return complain(EX_DATAERR, NULL,
                    "%" PRId64 " rows of %" PRId64
                    " class%s are more than `xent check` counts (2^31 - 2 of either): check a part "
                    "of them (--shape, --labels-shape, --offset)",
                    rows, classes, classes == 1 ? "" : "es");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int run_steps(checking *work) {
    loss_call *call = work->call;
    int code = read_request(&CHECK_COMMAND, call->typed.argc, call->typed.argv, &call->request);
    if (code == EX_OK)
        code = check_inputs(&call->request);
    if (code == EX_OK)
        code = open_files(call);
    if (code != EX_OK)
        return code;
    double begun = seconds_now();
    code = explain_fit(call);
    if (code == EX_OK)
        code = check_size(call);
    if (code == EX_DATAERR)
        return name_misfit(work, code);
    if (code == EX_OK)
        code = load_files(call);
    if (code == EX_OK)
        code = diagnose(work);
    call->seconds = seconds_now() - begun;
    return code == EX_OK ? conclude(work) : code;
}

int run_check(int argc, char **argv) {
    loss_call call = {.typed = {argc, argv}, .total = XENT_TOTAL_INIT};
    checking work = {.call = &call};
    int code = run_steps(&work);
    xent_diagnosis_free(work.diagnosis);
    close_files(&call);
    free(work.logits);
    return code;
}
