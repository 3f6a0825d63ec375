/* SPDX-License-Identifier: MIT
 * `xent loss`: one call of the library, from files to files. */
#define _POSIX_C_SOURCE 200809L
#include "loss.h"
#include "complain.h"
#include "explain.h"
#include "formats/output.h"
#include "report.h"
#include "tensors.h"

#include <stdlib.h>
#include <time.h>

int class_axis(const loss_call *call) {
    int axis = call->options.class_axis;
    return axis < 0 ? axis + call->logits.tensor.ndim : axis;
}

/* ---- before ---------------------------------------------------------------------------------- */

/* An output must not replace a file that is read. */
static int refuse_same(const char *flag, const char *path, const char *other) {
    if (other && same_file(path, other))
        return complain(EX_USAGE, flag, "%s is also %s: give the output a name of its own", path,
                        other);
    return EX_OK;
}

static int check_output_path(const loss_request *request, const char *flag, const char *path) {
    const char *const files[] = {request->files[0], request->files[1], request->class_weight,
                                 request->row_weight};
    if (!path)
        return EX_OK;
    int code = check_output(path);
    for (size_t i = 0; i < sizeof files / sizeof *files && code == EX_OK; i++)
        code = refuse_same(flag, path, files[i]);
    return code;
}

static int check_output_paths(const loss_request *request) {
    int code = check_output_path(request, "--grad", request->grad);
    if (code == EX_OK)
        code = check_output_path(request, "--row-loss", request->row_loss);
    if (code == EX_OK && request->grad && request->row_loss)
        code = refuse_same("--row-loss", request->row_loss, request->grad);
    return code;
}

static int open_files(loss_call *call) {
    const loss_request *request = &call->request;
    int code = open_array(request->files[0], &call->logits);
    if (code == EX_OK)
        code = open_array(request->files[1], &call->labels);
    if (code == EX_OK && request->class_weight)
        code = open_array(request->class_weight, &call->class_weight);
    if (code == EX_OK && request->row_weight)
        code = open_array(request->row_weight, &call->row_weight);
    return code;
}

/* ---- the call -------------------------------------------------------------------------------- */

static void set_options(loss_call *call) {
    const loss_request *request = &call->request;
    call->options = request->options;
    call->options.reduction = request->reduction == REDUCE_NONE ? XENT_SUM : request->reduction;
    call->options.ignore = request->ignore.values;
    call->options.ignore_count = request->ignore.count;
    call->options.class_weight = request->class_weight ? &call->class_weight.tensor : NULL;
    call->options.row_weight = request->row_weight ? &call->row_weight.tensor : NULL;
}

static xent_tensor row_loss_tensor(const loss_call *call) {
    const xent_tensor *labels = &call->labels.tensor;
    return xent_ndarray(call->row_loss, XENT_F64, labels->ndim, labels->shape);
}

static int prepare(loss_call *call) {
    set_options(call);
    if (!call->request.row_loss && call->request.reduction != REDUCE_NONE)
        return EX_OK;
    size_t count = (size_t)element_count(&call->labels.tensor);
    call->row_loss = calloc(count ? count : 1, sizeof *call->row_loss);
    return call->row_loss ? EX_OK : complain(EX_SOFTWARE, NULL, "not enough memory");
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The gradient takes the place of the logits in their private mapping. */
static int score(loss_call *call) {
    xent_tensor rows = row_loss_tensor(call);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_error error;
    outputs.grad = call->request.grad ? &call->logits.tensor : NULL;
    outputs.loss = call->row_loss ? &rows : NULL;
    double start = seconds_now();
    xent_status status = xent_cross_entropy(&call->logits.tensor, &call->labels.tensor,
                                            &call->options, &outputs, &call->total, &error);
    call->seconds = seconds_now() - start;
    return status == XENT_OK ? EX_OK : explain_refusal(call, status, &error);
}

/* ---- after ----------------------------------------------------------------------------------- */

static int write_outputs(const loss_call *call) {
    const loss_request *request = &call->request;
    xent_tensor rows = row_loss_tensor(call);
    int code = EX_OK;
    if (request->grad)
        code = write_npy(request->grad, &call->logits.tensor);
    if (code == EX_OK && request->row_loss)
        code = write_npy(request->row_loss, &rows);
    return code;
}

static int run_steps(loss_call *call) {
    int code = read_loss_request(call->typed.argc, call->typed.argv, &call->request);
    if (code == EX_OK)
        code = check_output_paths(&call->request);
    if (code == EX_OK)
        code = open_files(call);
    if (code == EX_OK)
        code = prepare(call);
    if (code == EX_OK)
        code = score(call);
    if (code == EX_OK)
        code = write_outputs(call);
    return code == EX_OK ? report_loss(call) : code;
}

int run_loss(int argc, char **argv) {
    loss_call call = {.typed = {argc, argv}};
    int code = run_steps(&call);
    close_array(&call.logits);
    close_array(&call.labels);
    close_array(&call.class_weight);
    close_array(&call.row_weight);
    free(call.row_loss);
    free(call.request.ignore.values);
    return code;
}
