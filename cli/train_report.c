/* SPDX-License-Identifier: MIT
 * What `xent train` has learnt, for people and as JSON. */
#include "complain.h"
#include "json.h"
#include "train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const char *ended_name(int32_t ended) {
    static const char *const NAMES[] = {
        [XENT_TRAINING_GOES_ON] = "goes-on",   [XENT_TRAINING_CONVERGED] = "converged",
        [XENT_TRAINING_AT_REST] = "at-rest",   [XENT_TRAINING_ITERATIONS] = "iterations",
        [XENT_TRAINING_PATIENCE] = "patience", [XENT_TRAINING_DIVERGED] = "diverged"};
    return NAMES[ended];
}

/* In words, behind the number of passes. */
static const char *why_ended(const train_call *call) {
    switch (call->report.ended) {
    case XENT_TRAINING_CONVERGED:
        return "the gradient is within the tolerance";
    case XENT_TRAINING_AT_REST:
        return "no step lessens the objective any more";
    case XENT_TRAINING_PATIENCE:
        return "the held-out loss does not fall any more";
    default:
        return call->request.options.method == XENT_LBFGS ? "as many as --iterations allows"
                                                          : "as many as asked for";
    }
}

static void print_time(double seconds) {
    printf("time         %.*f s (%s)\n", seconds < 10.0 ? 2 : 1, seconds, xent_isa());
}

/* Held-out rows may say that an earlier one was the best. */
static void print_passes(const train_call *call, const double *best) {
    const bool lbfgs = call->request.options.method == XENT_LBFGS;
    const int64_t last = call->report.iterations, chosen = (int64_t)best[PAST_ITERATION];
    printf("%s %" PRId64 " (%s)", lbfgs ? "iterations  " : "epochs      ", last, why_ended(call));
    if (chosen != last)
        printf("; the model is number %" PRId64 ", of the least held-out loss", chosen);
    putchar('\n');
}

static int print_summary(const train_call *call, const double *best) {
    const bool lbfgs = call->request.options.method == XENT_LBFGS;
    printf("loss         %.9g (mean over %" PRId64 " rows)\n", best[PAST_LOSS],
           call->report.total.counted);
    if (call->request.options.l2 > 0.0)
        printf("objective    %.9g (with l2 = %g)\n", best[PAST_OBJECTIVE],
               call->request.options.l2);
    printf("accuracy     %.2f %%\n", 100.0 * best[PAST_ACCURACY]);
    if (call->feed.held_out > 0)
        printf("held out     loss %.9g, accuracy %.2f %% (%" PRId64 " rows)\n",
               best[PAST_HELD_OUT_LOSS], 100.0 * best[PAST_HELD_OUT_ACCURACY], call->feed.held_out);
    if (lbfgs)
        printf("gradient     %.2g\n", best[PAST_GRADIENT]);
    print_passes(call, best);
    printf("classes      %" PRId64 " of %" PRId64 " features\n", call->classes.count,
           call->features.width);
    printf("model        %s\n", call->request.model);
    print_time(call->before + seconds_now() - call->begun);
    return EX_OK;
}

static int print_json(const train_call *call, const double *best) {
    const bool held = call->feed.held_out > 0;
    const json_field fields[] = {
        {"loss", json_number(best[PAST_LOSS])},
        {"objective", json_number(best[PAST_OBJECTIVE])},
        {"accuracy", json_number(best[PAST_ACCURACY])},
        {"gradient", json_number(best[PAST_GRADIENT])},
        {"held_out_loss", held ? json_number(best[PAST_HELD_OUT_LOSS]) : json_null()},
        {"held_out_accuracy", held ? json_number(best[PAST_HELD_OUT_ACCURACY]) : json_null()},
        {"rows", json_integer(call->report.total.counted)},
        {"held_out", json_integer(call->report.held_out.counted)},
        {"ignored", json_integer(call->classes.ignored)},
        {"classes", json_integer(call->classes.count)},
        {"features", json_integer(call->features.width)},
        {"method", json_string(method_name(call->request.options.method))},
        {"best_iteration", json_integer((json_int_t)best[PAST_ITERATION])},
        {"iterations", json_integer(call->report.iterations)},
        {"passes", json_integer(call->history.count)},
        {"ended", json_string(ended_name(call->report.ended))},
        {"model", json_string(call->request.model)},
        {"seconds", json_number(call->before + seconds_now() - call->begun)},
    };
    return print_and_free(json_of(fields, sizeof fields / sizeof *fields));
}

int report_training(const train_call *call) {
    const double *best = best_pass(&call->history);
    if (!best)
        best = last_pass(&call->history);
    return call->request.json ? print_json(call, best) : print_summary(call, best);
}
