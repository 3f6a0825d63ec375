/* SPDX-License-Identifier: MIT
 * Rules about options by themselves, and about what probabilities and log-probabilities rule
 * out. */
#include "check_parts.h"
#include "fail.h"

#include <inttypes.h>
#include <math.h>

static xent_status check_choices(const xent_options *options, xent_error *error) {
    if (options->logits_are < XENT_LOGITS || options->logits_are > XENT_LOG_PROBABILITIES)
        return fail(
            error, XENT_BAD_ARGUMENT,
            "options.logits_are = %" PRId32
            " is none of XENT_LOGITS (0), XENT_PROBABILITIES (1), XENT_LOG_PROBABILITIES (2).",
            options->logits_are);
    if (options->reduction < XENT_MEAN || options->reduction > XENT_SUM)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.reduction = %" PRId32
                    " is none of XENT_MEAN (0), XENT_ROW_MEAN (1), XENT_SUM (2). For no reduction "
                    "read each row's loss from outputs.loss.",
                    options->reduction);
    if (options->on_bad_label < XENT_BAD_LABEL_ERROR || options->on_bad_label > XENT_BAD_LABEL_NAN)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.on_bad_label = %" PRId32
                    " is none of XENT_BAD_LABEL_ERROR (0), XENT_BAD_LABEL_IGNORE (1), "
                    "XENT_BAD_LABEL_NAN (2).",
                    options->on_bad_label);
    if (options->on_nothing_counted < XENT_NOTHING_ERROR ||
        options->on_nothing_counted > XENT_NOTHING_ZERO)
        return fail(
            error, XENT_BAD_ARGUMENT,
            "options.on_nothing_counted = %" PRId32
            " is none of XENT_NOTHING_ERROR (0), XENT_NOTHING_NAN (1), XENT_NOTHING_ZERO (2).",
            options->on_nothing_counted);
    return XENT_OK;
}

/* Written so that NaN, which fails every comparison, is refused. */
static bool is_finite_and_not_negative(double value) {
    return value >= 0.0 && isfinite(value);
}

static xent_status check_numbers(const xent_options *options, xent_error *error) {
    double scale = options->logit_scale;
    if (!is_finite_and_not_negative(options->denominator))
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.denominator = %.15g must be finite and > 0, or 0 to let "
                    "options.reduction decide.",
                    options->denominator);
    if (!(options->label_smoothing >= 0.0 && options->label_smoothing <= 1.0))
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.label_smoothing = %.15g must lie in [0, 1]: it is the share of "
                    "probability taken from the label (0.1, not 10 percent as 10).",
                    options->label_smoothing);
    if (!is_finite_and_not_negative(options->z_loss))
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.z_loss = %.15g must be finite and >= 0: it is the coefficient of "
                    "lse^2 (0: off).",
                    options->z_loss);
    if (!is_finite_and_not_negative(options->softcap))
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.softcap = %.15g must be finite and >= 0: logits become "
                    "cap*tanh(logit/cap) (0: off).",
                    options->softcap);
    if (!(scale >= 0x1p-64 && scale <= 0x1p64))
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.logit_scale = %.15g must lie in [2^-64, 2^64]: it multiplies the "
                    "logits and is 1 if unused (1/temperature). Options that start from "
                    "XENT_OPTIONS_INIT have it set.",
                    scale);
    return XENT_OK;
}

static xent_status check_lists_and_threads(const xent_options *options, xent_error *error) {
    if (!options->ignore && options->ignore_count > 0)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.ignore is NULL but options.ignore_count is %zu: point options.ignore "
                    "at that many int64_t values, or set the count to 0.",
                    options->ignore_count);
    if (options->ignore_count >
        (UINTPTR_MAX - (uintptr_t)options->ignore) / sizeof *options->ignore)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.ignore_count = %zu is more than memory holds: it is the number of "
                    "int64_t values at options.ignore. Is it set?",
                    options->ignore_count);
    if (options->threads < -1)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.threads = %" PRId32
                    " must be 0 or 1 (the calling thread), a number of threads, or -1 (all).",
                    options->threads);
    if (options->executor && !options->executor->run)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.executor->run is NULL: give the function that runs the tasks, or set "
                    "options.executor = NULL and use options.threads.");
    if (options->executor && options->executor->width < 1)
        return fail(error, XENT_BAD_ARGUMENT,
                    "options.executor->width = %" PRId32
                    " must be at least 1: it is the number of tasks that may be handed to one run.",
                    options->executor->width);
    return XENT_OK;
}

/* Probabilities have been through a softmax already: what belongs before or inside it has no
 * meaning for them. */
static const char *without_meaning(const xent_options *options, const xent_outputs *outputs) {
    if (options->label_smoothing != 0.0)
        return "options.label_smoothing";
    if (options->z_loss != 0.0)
        return "options.z_loss";
    if (options->softcap != 0.0)
        return "options.softcap";
    if (options->logit_scale != 1.0)
        return "options.logit_scale";
    if (outputs->lse)
        return "outputs.lse";
    if (outputs->entropy)
        return "outputs.entropy";
    if (outputs->probability)
        return "outputs.probability";
    return NULL;
}

xent_status check_options(const xent_options *options, const xent_outputs *outputs,
                          xent_error *error) {
    xent_status status = check_choices(options, error);
    if (status == XENT_OK)
        status = check_numbers(options, error);
    if (status == XENT_OK)
        status = check_lists_and_threads(options, error);
    if (status != XENT_OK)
        return status;
    const char *name = without_meaning(options, outputs);
    if (name && options->logits_are != XENT_LOGITS)
        return fail(error, XENT_BAD_ARGUMENT,
                    "%s needs logits, but options.logits_are = %s says that they have been through "
                    "a softmax. Pass the logits before the softmax (they are also more accurate), "
                    "or leave %s unset.",
                    name,
                    options->logits_are == XENT_PROBABILITIES ? "XENT_PROBABILITIES"
                                                              : "XENT_LOG_PROBABILITIES",
                    name);
    return XENT_OK;
}
