/* SPDX-License-Identifier: MIT
 * `xent loss`: from files to files. */
#include "loss.h"
#include "complain.h"
#include "explain.h"
#include "formats/output.h"
#include "inputs.h"
#include "report.h"
#include "score.h"

#include <stdlib.h>
#include <string.h>

/* ---- before ---------------------------------------------------------------------------------- */

static int check_output_path(const loss_request *request, const char *flag, const char *path) {
    const char *const files[] = {request->files[0], request->files[1], request->class_weight,
                                 request->row_weight};
    if (!path)
        return EX_OK;
    int code = check_output(path);
    for (size_t i = 0; i < sizeof files / sizeof *files && code == EX_OK; i++)
        code = refuse_same(flag, path, files[i], "is read");
    return code;
}

static int check_output_paths(const loss_request *request) {
    int code = check_output_path(request, "--grad", request->grad);
    if (code == EX_OK)
        code = check_output_path(request, "--row-loss", request->row_loss);
    if (code == EX_OK && request->grad && request->row_loss)
        code = refuse_same("--row-loss", request->row_loss, request->grad, "--grad writes");
    return code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int run_steps(loss_call *call) {
    int code = read_request(&LOSS_COMMAND, call->typed.argc, call->typed.argv, &call->request);
    if (code == EX_OK)
        code = check_inputs(&call->request);
    if (code == EX_OK)
        code = check_output_paths(&call->request);
    if (code == EX_OK)
        code = open_files(call);
    if (code != EX_OK)
        return code;
    code = explain_fit(call);
    if (code == EX_OK)
        code = load_files(call);
    if (code == EX_OK)
        code = score_files(call);
    return code == EX_OK ? report_loss(call) : code;
}

int run_loss(int argc, char **argv) {
    loss_call call = {.typed = {argc, argv}, .total = XENT_TOTAL_INIT};
    int code = run_steps(&call);
    close_files(&call);
    free(call.row_loss);
    return code;
}
