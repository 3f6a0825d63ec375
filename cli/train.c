/* SPDX-License-Identifier: MIT
 * `xent train`: a linear classifier of features in a file. */
#define _POSIX_C_SOURCE 200809L
#include "train.h"
#include "complain.h"
#include "formats/output.h"
#include "model.h"
#include "tensors.h"
#include "train_inputs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where a pass is left because of a signal: no exit code. */
enum { ABANDONED = -1 };

static double seconds_of(const train_call *call) {
    return call->before + seconds_now() - call->begun;
}

static bool is_lbfgs(const train_call *call) {
    return call->request.options.method == XENT_LBFGS;
}

/* ---- how far it is --------------------------------------------------------------------------- */

static int64_t bytes_of_a_pass(const train_call *call) {
    return (call->feed.training + call->feed.held_out) * call->features.row_size;
}

/* Passes that L-BFGS will need in all if the gradient goes on to fall at the pace it has had; at
 * first, what is usual. */
static double expect_passes(const train_call *call) {
    const history *held = &call->history;
    const double tolerance = call->request.options.tolerance;
    const int32_t most = call->request.options.max_iterations;
    const double usual = 40.0;
    double first = NAN, least = INFINITY, passes = most > 0 ? most + 2.0 : 1002.0;
    for (int64_t i = 0; i < held->count; i++) {
        double gradient = held->passes[i][PAST_GRADIENT];
        first = isnan(first) ? gradient : first;
        least = fmin(least, gradient);
    }
    double way = log(first / fmax(tolerance, 1e-9)), done = log(first / least);
    return fmin(passes, done > 0.0 && way > 0.0 ? (double)held->count * fmax(way / done, 1.0)
                                                : (double)held->count + usual);
}

static void expect_the_end(train_call *call) {
    const xent_training_options *options = &call->request.options;
    const double *last = last_pass(&call->history);
    double passes = expect_passes(call);
    if (!is_lbfgs(call))
        passes = (options->max_iterations > 0 ? options->max_iterations : 20) +
                 (options->standardize ? 1.0 : 0.0);
    if (passes < (double)call->history.count + 1.0)
        passes = (double)call->history.count + 1.0;
    call->shown.whole =
        (int64_t)((passes - (double)call->report.passes) * (double)bytes_of_a_pass(call)) +
        call->shown.done;
    if (last && isfinite(last[PAST_LOSS]))
        snprintf(call->shown.words, sizeof call->shown.words, "%.0f: loss %.4g  %.2f %%",
                 last[PAST_ITERATION], last[PAST_LOSS], 100.0 * last[PAST_ACCURACY]);
}

/* ---- one pass -------------------------------------------------------------------------------- */

/* A signal ends the pass at once if all before it is on the disk, else after it. */
static bool is_abandoned(const train_call *call) {
    return deferred_signal() != 0 && call->saved_passes == call->history.count;
}

/* What the library has refused is explained when the pass is over. */
static int end_block(train_call *call, const feed_block *part, xent_status status) {
    call->refusal = status;
    show_progress(&call->shown, part->features.shape[0] * call->features.row_size);
    if (status != XENT_OK)
        return EX_DATAERR;
    return is_abandoned(call) ? ABANDONED : EX_OK;
}

static int add_block(void *context, const feed_block *part) {
    train_call *call = context;
    return end_block(
        call, part,
        xent_training_add(call->training, &part->features, &part->labels, NULL, &call->error));
}

static int score_block(void *context, const feed_block *part) {
    train_call *call = context;
    return end_block(
        call, part,
        xent_training_score(call->training, &part->features, &part->labels, NULL, &call->error));
}

/* The first pass of L-BFGS, and of standardised features, only looks at the rows to learn from. */
static int feed_rows(train_call *call) {
    const int64_t passes = call->history.count;
    bool looks = passes == 0 && (is_lbfgs(call) || call->request.options.standardize);
    int code = run_feed(&call->feed, ROW_TRAINS, is_lbfgs(call) ? -1 : passes, add_block, call);
    if (code == EX_OK && call->feed.held_out > 0 && !looks)
        code = run_feed(&call->feed, ROW_HELD_OUT, -1, score_block, call);
    return code;
}

static void note_constant(const train_call *call) {
    const xent_training_report *report = &call->report;
    if (report->constant_features > 0)
        note(call->request.quiet,
             "%s: constant features, which tell classes no better than the bias: %" PRId64
             " of %" PRId64 ", the first is feature %" PRId64,
             call->features.file.path, report->constant_features, call->features.width,
             report->first_constant_feature);
}

static int end_pass(train_call *call) {
    call->refusal = xent_training_step(call->training, &call->report, &call->error);
    if (call->refusal != XENT_OK)
        return EX_DATAERR;
    if (call->report.pass == XENT_PASS_LOOK)
        note_constant(call);
    int code = add_to_history(&call->history, &call->report, seconds_of(call));
    if (code == EX_OK)
        code = add_to_journal(&call->journal, &call->history);
    expect_the_end(call);
    return code;
}

static int run_pass(train_call *call) {
    int code = feed_rows(call);
    if (code == EX_OK)
        code = end_pass(call);
    return call->refusal == XENT_OK ? code : explain_training(call);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static int save(train_call *call) {
    int code = write_checkpoint(call->checkpoint, call->training, &call->history, call->about);
    if (code == EX_OK)
        code = draw_journal(&call->journal, &call->history);
    if (code == EX_OK) {
        call->saved = seconds_now();
        call->saved_passes = call->history.count;
    } else if (call->saved_passes > 0) {
        complain(code, call->checkpoint,
                 "is as it was after pass %" PRId64 ": make room, then go on with --resume",
                 call->saved_passes);
    }
    return code;
}

static bool is_due(const train_call *call) {
    return seconds_now() - call->saved >= call->request.every;
}

/* After a signal: what is on the disk, and how to go on. */
static int say_stopped(const train_call *call) {
    const int code = 128 + deferred_signal();
    if (call->saved_passes == 0)
        return complain(code, NULL, "stopped in the first pass, so there is nothing to go on from");
    complain(code, NULL, "stopped after %" PRId64 " passes, which are kept in %s",
             call->saved_passes, call->checkpoint);
    suggest_command(&call->typed, NULL, "%s", call->request.resume ? "" : " --resume");
    return code;
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* Between two passes. A signal that comes after the first line waits for the next pass. */
static int end_or_go_on(train_call *call) {
    const bool stops = deferred_signal() != 0;
    int code = stops || is_due(call) ? save(call) : EX_OK;
    return code == EX_OK && stops ? ABANDONED : code;
}

static int run_passes(train_call *call) {
    int code = EX_OK;
    call->report.passes = call->history.count;
    call->saved_passes = call->history.count;
    call->saved = seconds_now();
    call->shown = begin_progress(1, call->request.quiet);
    expect_the_end(call);
    while (code == EX_OK && call->report.ended == XENT_TRAINING_GOES_ON) {
        code = run_pass(call);
        if (code == EX_OK && call->report.ended == XENT_TRAINING_GOES_ON)
            code = end_or_go_on(call);
    }
    end_progress();
    return code == ABANDONED ? say_stopped(call) : code;
}

/* ---- the begin and the end ------------------------------------------------------------------- */

static int begin_training(train_call *call) {
    const int64_t left_out = -1;
    xent_training_options options = call->request.options;
    xent_error error;
    options.ignore = &left_out;
    options.ignore_count = 1;
    options.class_weight = call->weights.data ? &call->weights : NULL;
    xent_status status = xent_training_begin(call->classes.count, call->features.width, &options,
                                             &call->training, &error);
    if (status == XENT_NO_MEMORY)
        return complain(EX_SOFTWARE, NULL,
                        "not enough memory for %" PRId64 " classes of %" PRId64 " features: %s",
                        call->classes.count, call->features.width, error.message);
    return status == XENT_BAD_ARGUMENT ? complain(EX_USAGE, "train", "%s", error.message)
                                       : complain_internally(status, &error);
}

/* Whoever begins anew would lose what an earlier call has learnt. */
static int refuse_to_forget(const train_call *call) {
    complain(EX_USAGE, call->checkpoint,
             "is there, from a training that was interrupted: go on from it, or remove it to begin "
             "anew");
    suggest_command(&call->typed, NULL, " --resume");
    return EX_USAGE;
}

static int resume(train_call *call) {
    const train_request *request = &call->request;
    bool is_there = access(call->checkpoint, F_OK) == 0;
    if (!request->resume)
        return is_there ? refuse_to_forget(call) : EX_OK;
    if (!is_there) {
        call->is_done = is_model_of(request->model, call->about);
        note(request->quiet,
             call->is_done ? "%s is there and is the end of this very training"
                           : "there is no %s.checkpoint to go on from: the training begins anew",
             request->model);
        return EX_OK;
    }
    int code = read_checkpoint(call->checkpoint, call->features.file.path, call->training,
                               &call->history, call->about);
    const double *last = last_pass(&call->history);
    call->before = code == EX_OK && last ? last[PAST_SECONDS] : 0.0;
    return code;
}

static int begin_log(train_call *call) {
    snprintf(call->title, sizeof call->title,
             "%" PRId64 " rows of %" PRId64 " features, %" PRId64 " classes, %s",
             call->feed.training, call->features.width, call->classes.count,
             method_name(call->request.options.method));
    return begin_journal(call->request.log, &call->history, call->title, &call->journal);
}

static int refuse_diverged(const train_call *call) {
    const double rate = call->report.step;
    complain(EX_DATAERR, NULL,
             "the loss of epoch %" PRId64 " is not finite: the learning rate %g is too large for "
             "these features. No model was written",
             call->report.iterations, rate);
    suggest_command(&call->typed, NULL, " --rate %g", rate / 10.0);
    return EX_DATAERR;
}

static int write_result(train_call *call) {
    xent_error error;
    bool failed;
    model result = {.path = call->request.model};
    xent_status status = xent_training_model(call->training, &result.parameters, &error);
    if (status != XENT_OK)
        return complain_internally(status, &error);
    result.names = name_classes(&call->classes, &failed);
    int code = failed ? complain(EX_SOFTWARE, NULL, "not enough memory")
                      : write_model(&result, call->about);
    json_decref(result.names);
    return code;
}

/* Where rounding errors end it, what is left of the gradient is far from what was asked for. */
static void note_rest(const train_call *call) {
    const xent_training_options *options = &call->request.options;
    const double far = fmax(100.0 * options->tolerance, 1e-3);
    if (call->request.quiet || options->tolerance == 0.0 || !(call->report.gradient > far))
        return;
    note(false,
         "it came to rest with a gradient of %.2g, far from what --tolerance asks: features as "
         "large as these, or as far from 0, leave rounding errors where the least objective is "
         "looked for, so that the model is likely to be a poor one",
         call->report.gradient);
    if (!options->standardize && options->scale == 1.0)
        suggest_command(&call->typed, NULL, " --standardize");
}

/* Why L-BFGS found no least objective. Of rows that are all told apart there is none without l2. */
static void note_no_end(const train_call *call) {
    const xent_training_options *options = &call->request.options;
    if (call->report.ended == XENT_TRAINING_AT_REST)
        note_rest(call);
    else if (call->report.accuracy == 1.0 && options->l2 == 0.0 && options->label_smoothing == 0.0)
        note(
            call->request.quiet,
            "every row is told apart, so weights grow on and on and the loss goes to 0: an --l2 of "
            "1e-4, say, has an end, and is likely to be better on other rows");
    else
        note(call->request.quiet,
             "--iterations ended it before the gradient was as small as --tolerance asks: %.2g",
             call->report.gradient);
}

static int finish(train_call *call) {
    if (call->report.ended == XENT_TRAINING_DIVERGED)
        return refuse_diverged(call);
    int code = write_result(call);
    if (code != EX_OK)
        return code;
    unlink(call->checkpoint);
    code = draw_journal(&call->journal, &call->history);
    if (code == EX_OK && is_lbfgs(call) &&
        (call->report.ended == XENT_TRAINING_ITERATIONS ||
         call->report.ended == XENT_TRAINING_AT_REST))
        note_no_end(call);
    return code == EX_OK ? report_training(call) : code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int open_all(train_call *call) {
    int code = read_train_request(call->typed.argc, call->typed.argv, &call->request);
    if (code != EX_OK)
        return code;
    call->checkpoint = checkpoint_path(call->request.model);
    if (!call->checkpoint)
        return complain(EX_SOFTWARE, NULL, "not enough memory");
    code = check_train_outputs(call);
    return code == EX_OK ? open_train_inputs(call) : code;
}

static int run_steps(train_call *call) {
    int code = open_all(call);
    if (code == EX_OK)
        code = begin_training(call);
    if (code == EX_OK)
        code = resume(call);
    if (code != EX_OK || call->is_done)
        return code;
    note_gaps(&call->classes, call->request.quiet);
    code = begin_log(call);
    if (code != EX_OK)
        return code;
    defer_signals();
    code = run_passes(call);
    return code == EX_OK ? finish(call) : code;
}

int run_train(int argc, char **argv) {
    train_call call = {.typed = {argc, argv}, .begun = seconds_now()};
    int code = run_steps(&call);
    end_journal(&call.journal);
    xent_training_free(call.training);
    free_history(&call.history);
    close_train_inputs(&call);
    free(call.checkpoint);
    return code;
}
