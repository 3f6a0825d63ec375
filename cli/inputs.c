/* SPDX-License-Identifier: MIT
 * The files of a call: opened, loaded but for the logits, and closed. */
#define _POSIX_C_SOURCE 200809L
#include "inputs.h"
#include "complain.h"
#include "formats/output.h"
#include "tensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int class_axis(const loss_call *call) {
    int axis = call->options.class_axis;
    return axis < 0 ? axis + call->logits.tensor.ndim : axis;
}

int check_standard_input(const char *const *files, size_t count) {
    int given = 0;
    for (size_t i = 0; i < count; i++)
        given += files[i] && strcmp(files[i], "-") == 0;
    if (given > 1)
        return complain(EX_USAGE, "-",
                        "is standard input, which can be read once: give it for one of the files, "
                        "not for %d",
                        given);
    if (given == 1 && isatty(STDIN_FILENO))
        return complain(EX_USAGE, "-",
                        "is standard input, which is a terminal: pipe a file into xent, or name "
                        "one");
    return EX_OK;
}

int check_inputs(const loss_request *request) {
    const char *const files[] = {request->files[0], request->files[1], request->class_weight,
                                 request->row_weight};
    return check_standard_input(files, sizeof files / sizeof *files);
}

int refuse_same(const char *flag, const char *path, const char *other, const char *use) {
    if (other && same_file(path, other))
        return complain(
            EX_USAGE, flag, "%s%swould replace %s, which %s: give the output a name of its own",
            strcmp(path, other) ? path : "", strcmp(path, other) ? " " : "", other, use);
    return EX_OK;
}

int open_described(const command_line *typed, const char *path, const file_flags *flags, bool reals,
                   array *out) {
    description said = {.typed = typed};
    if (!path)
        return EX_OK;
    if (flags) {
        said.dtype = flags->dtype.dtype;
        said.raw = flags->shape.given;
        said.swapped = is_foreign(flags->dtype.order == '>' ? '>' : '<');
        said.ndim = flags->shape.ndim;
        memcpy(said.shape, flags->shape.lengths, sizeof said.shape);
        said.offset = flags->offset;
    }
    return open_array(path, &said, reals, out);
}

static int open_each(loss_call *call) {
    const loss_request *request = &call->request;
    int code =
        open_described(&call->typed, request->files[0], &request->logits_file, true, &call->logits);
    if (code == EX_OK)
        code = open_described(&call->typed, request->files[1], &request->labels_file, false,
                              &call->labels);
    if (code == EX_OK)
        code = open_described(&call->typed, request->class_weight, NULL, true, &call->class_weight);
    if (code == EX_OK)
        code = open_described(&call->typed, request->row_weight, NULL, true, &call->row_weight);
    return code;
}

static void set_options(loss_call *call) {
    const loss_request *request = &call->request;
    call->options = request->options;
    call->options.reduction = request->reduction == REDUCE_NONE ? XENT_SUM : request->reduction;
    call->options.ignore = request->ignore.values;
    call->options.ignore_count = request->ignore.count;
    call->options.class_weight = request->class_weight ? &call->class_weight.tensor : NULL;
    call->options.row_weight = request->row_weight ? &call->row_weight.tensor : NULL;
}

int open_files(loss_call *call) {
    int code = open_each(call);
    if (code == EX_OK)
        set_options(call);
    return code;
}

static int load_given(array *held) {
    return held->path ? load_array(held) : EX_OK;
}

int load_files(loss_call *call) {
    int code = load_given(&call->labels);
    if (code == EX_OK)
        code = load_given(&call->class_weight);
    return code == EX_OK ? load_given(&call->row_weight) : code;
}

void close_files(loss_call *call) {
    close_array(&call->logits);
    close_array(&call->labels);
    close_array(&call->class_weight);
    close_array(&call->row_weight);
    free(call->request.ignore.values);
}
