/* SPDX-License-Identifier: MIT
 * Why the library refused a call: flags, weights, and a mean of nothing. */
#include "explain.h"
#include "complain.h"
#include "tensors.h"

#include <inttypes.h>
#include <math.h>

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
                    " has the weight %g, but the weights of classes must be finite and >= 0",
                    bad, real_at(&call->class_weight.tensor, bad));
}

static bool any_counted(const loss_call *call) {
    const xent_tensor *labels = &call->labels.tensor;
    int64_t count = element_count(labels);
    int64_t classes = call->logits.tensor.shape[class_axis(call)];
    for (int64_t i = 0; i < count; i++) {
        int64_t label = label_at(labels, i);
        if (label >= 0 && label < classes && !is_ignored(call, label))
            return true;
    }
    return false;
}

static int explain_nothing(const loss_call *call) {
    const replacement none[2] = {{NULL, NULL}, {NULL, NULL}};
    complain(EX_DATAERR, call->labels.path,
             "a mean needs something to be over, but %s; say what it shall be, or ask for the sum",
             any_counted(call) ? "the weights of all counted rows add up to 0"
                               : "every row is left out: all labels are ignored or no classes");
    suggest_command(&call->typed, none, " --on-nothing-counted zero");
    return EX_DATAERR;
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
    if (code == EX_OK)
        code = complain(EX_SOFTWARE, NULL, "%s: %s", xent_status_name(status), error->message);
    return code;
}
