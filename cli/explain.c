/* SPDX-License-Identifier: MIT
 * Why the library refused a call: flags, weights, and a mean of nothing. */
#include "explain.h"
#include "complain.h"
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

bool is_ignored(const loss_call *call, int64_t label) {
    if (call->labels.tensor.dtype == XENT_U64 && label < 0)
        return false;
    for (size_t i = 0; i < call->options.ignore_count; i++) {
        if (call->options.ignore[i] == label)
            return true;
    }
    return false;
}

/* The first flag given that has a meaning for logits only; NULL: none. */
static const char *logits_only_flag(const xent_options *options) {
    if (options->label_smoothing != 0.0)
        return "--label-smoothing";
    if (options->z_loss != 0.0)
        return "--z-loss";
    if (options->softcap != 0.0)
        return "--softcap";
    return options->logit_scale != 1.0 ? "--logit-scale" : NULL;
}

/* Index of the first class weight that is negative or not finite; -1: none. */
static int64_t first_bad_weight(const loss_call *call) {
    const xent_tensor *weights = call->options.class_weight;
    int64_t count = weights ? element_count(weights) : 0;
    for (int64_t i = 0; i < count; i++) {
        double weight = real_at(weights, i);
        if (!(weight >= 0.0 && isfinite(weight)))
            return i;
    }
    return -1;
}

/* XENT_BAD_ARGUMENT. EX_OK, and nothing said, if no flag and no weight is at fault. */
static int explain_argument(const loss_call *call) {
    const xent_options *options = &call->options;
    const char *flag = logits_only_flag(options);
    int code = explain_axis(call);
    if (code != EX_OK)
        return code;
    if (options->logits_are != XENT_LOGITS && flag)
        return complain(EX_USAGE, flag,
                        "has a meaning for logits only, and %s says that %s holds none: leave one "
                        "of the two flags out",
                        options->logits_are == XENT_PROBABILITIES ? "--probabilities"
                                                                  : "--log-probabilities",
                        call->logits.path);
    int64_t bad = first_bad_weight(call);
    if (bad < 0)
        return EX_OK;
    return complain(EX_DATAERR, call->class_weight.path,
                    "class %" PRId64
                    " has the weight %g, but the weights of classes must be finite and >= 0. To "
                    "leave out the rows of a class, give it the weight 0, or --ignore %" PRId64,
                    bad, real_at(&call->class_weight.tensor, bad), bad);
}

/* Every row is left out. */
static int explain_no_rows(const loss_call *call, const xent_total *counts) {
    char outside[64], reason[128] = "all labels are ignored";
    int64_t classes = call->logits.tensor.shape[class_axis(call)];
    snprintf(outside, sizeof outside, classes > 1 ? "outside 0 to %" PRId64 : "outside %" PRId64,
             classes - 1);
    if (counts->ignored == 0)
        snprintf(reason, sizeof reason, "all labels lie %s", outside);
    else if (counts->bad > 0)
        snprintf(reason, sizeof reason, "%" PRId64 " %s ignored, %" PRId64 " %s %s",
                 counts->ignored, counts->ignored == 1 ? "is" : "are", counts->bad,
                 counts->bad == 1 ? "lies" : "lie", outside);
    complain(EX_DATAERR, call->labels.path,
             "there is nothing to take the mean of, since none of its %" PRId64
             " rows is counted: %s. If such batches are expected, say what their mean is",
             counts->rows, reason);
    suggest_command(&call->typed, NULL, " --on-nothing-counted zero");
    return EX_DATAERR;
}

static bool any_negative(const xent_tensor *weights) {
    int64_t count = weights ? element_count(weights) : 0;
    for (int64_t i = 0; i < count; i++) {
        if (real_at(weights, i) < 0.0)
            return true;
    }
    return false;
}

/* Weights that are all 0 make the sum 0 too; weights that cancel do not. */
static int explain_no_weight(const loss_call *call, const xent_total *counts) {
    bool rows = call->row_weight.path, classes = call->class_weight.path;
    bool cancel = any_negative(call->options.row_weight);
    complain(EX_DATAERR, rows ? call->row_weight.path : call->class_weight.path,
             "the weights of the %s add up to 0 (counted: %" PRId64 " of %" PRId64 " rows), and "
             "the mean divides by their sum. %s",
             !rows     ? "classes of all counted rows"
             : classes ? "counted rows, times those of their classes,"
                       : "counted rows",
             counts->counted, counts->rows,
             cancel ? "Weights of both signs cancel: the sum of the losses has a meaning, their "
                      "mean has none"
                    : "If such batches are expected, say what their mean is");
    suggest_command(&call->typed, NULL, cancel ? " --reduction sum" : " --on-nothing-counted zero");
    return EX_DATAERR;
}

static int explain_nothing(const loss_call *call) {
    xent_total counts = XENT_TOTAL_INIT;
    int64_t classes = call->logits.tensor.shape[class_axis(call)];
    xent_count_labels(&call->labels.tensor, classes, &call->options, &counts, NULL);
    return counts.counted > 0 ? explain_no_weight(call, &counts) : explain_no_rows(call, &counts);
}

int explain_refusal(const loss_call *call, xent_status status, const xent_error *error) {
    int code = EX_OK;
    if (status == XENT_BAD_ARGUMENT)
        code = explain_argument(call);
    else if (status == XENT_BAD_SHAPE || status == XENT_BAD_DTYPE)
        code = explain_fit(call);
    else if (status == XENT_BAD_LABEL)
        code = explain_labels(call);
    else if (status == XENT_NOTHING_COUNTED)
        code = explain_nothing(call);
    return code == EX_OK ? complain_internally(status, error) : code;
}
