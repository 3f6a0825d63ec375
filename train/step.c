/* SPDX-License-Identifier: MIT
 * The end of a pass: what it found, what comes of it, and whether another one is wanted. */
#include "training.h"

#include "vectors.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static double sum_of(double high, double low) {
    return high + low;
}

/* ---- the report ---- */

static xent_total total_of(const xent_total *counts, const xent_total *found) {
    xent_total total = *counts;
    total.nonfinite = found->nonfinite;
    total.correct = found->correct;
    total.loss_sum = found->loss_sum;
    total.loss_sum_low = found->loss_sum_low;
    total.weight_sum = found->weight_sum;
    total.weight_sum_low = found->weight_sum_low;
    return total;
}

static double share(double part, double whole) {
    return whole > 0 ? part / whole : (double)NAN;
}

static double mean_loss(const xent_total *found) {
    return share(sum_of(found->loss_sum, found->loss_sum_low),
                 sum_of(found->weight_sum, found->weight_sum_low));
}

static void set_report(const struct xent_training *training, xent_training_report *report) {
    const struct pass *pass = &training->pass;
    const double none = (double)NAN;
    *report = (xent_training_report){.objective = none, .gradient = none, .step = none};
    report->passes = training->count.passes;
    report->first_constant_feature = -1;
    report->total = total_of(&pass->counts, &pass->found);
    report->held_out = total_of(&pass->held_counts, &pass->held_found);
    report->loss = mean_loss(&pass->found);
    report->accuracy = share((double)pass->found.correct, (double)pass->found.counted);
    report->held_out_loss = mean_loss(&pass->held_found);
    report->held_out_accuracy =
        share((double)pass->held_found.correct, (double)pass->held_found.counted);
}

static void report_constants(const struct xent_training *training, xent_training_report *report) {
    for (int64_t d = training->features - 1; d >= 0; d--)
        if (training->look.spread[d] == 0) {
            report->constant_features++;
            report->first_constant_feature = d;
        }
}

/* ---- iterates ---- */

/* The parameters of this pass become the model if none before was better. */
static void judge_iterate(struct xent_training *training, xent_training_report *report) {
    double held_out = report->held_out_loss;
    bool better = !(held_out >= training->number.held_out);
    training->count.since_best = better ? 0 : training->count.since_best + 1;
    report->is_best = better;
    if (!better)
        return;
    if (held_out == held_out)
        training->number.held_out = held_out;
    training->count.best_pass = training->count.passes;
    memcpy(training->best, training->lanes, (size_t)training->parameters * training->lane);
}

static int32_t end_of_iterations(const struct xent_training *training) {
    const xent_training_options *options = &training->options;
    if (options->patience > 0 && training->count.since_best > options->patience)
        return XENT_TRAINING_PATIENCE;
    if (training->count.iterations >= options->max_iterations)
        return XENT_TRAINING_ITERATIONS;
    return XENT_TRAINING_GOES_ON;
}

/* ---- L-BFGS ---- */

/* Once probabilities differ, and ever more rarely, since each time costs some passes. */
static const int64_t METRIC_AFTER[] = {6, 16, 40, 100};
enum { METRICS = sizeof METRIC_AFTER / sizeof *METRIC_AFTER };

static bool is_time_for_metric(const struct xent_training *training) {
    bool now = false;
    for (int i = 0; training->metric.by_class && i < METRICS; i++)
        now = now || METRIC_AFTER[i] == training->count.iterations;
    return now;
}

static xent_status renew_metric(struct xent_training *training, xent_error *error) {
    if (!is_time_for_metric(training))
        return XENT_OK;
    if (!set_blocks(&training->metric, &training->sample, training->lbfgs.base, false,
                    &training->run))
        return reject(error, XENT_NO_MEMORY,
                      "out of memory for the second moments of each class: "
                      "XENT_PRECONDITION_DIAGONAL needs less");
    if (training->count.iterations == METRIC_AFTER[METRICS - 1])
        drop_sample(training);
    if (turn_lbfgs(&training->lbfgs, training->point) == LBFGS_AT_REST)
        training->count.rests = 1;
    return XENT_OK;
}

static int32_t end_of_lbfgs(struct xent_training *training, int outcome,
                            const xent_training_report *report) {
    if (report->pass == XENT_PASS_ITERATION && report->gradient <= training->options.tolerance)
        return XENT_TRAINING_CONVERGED;
    if (outcome == LBFGS_AT_REST) {
        training->count.rests = 1;
        return XENT_TRAINING_AT_REST;
    }
    return report->pass == XENT_PASS_ITERATION ? end_of_iterations(training)
                                               : XENT_TRAINING_GOES_ON;
}

static xent_status refuse_first_point(const xent_training_report *report, xent_error *error) {
    return reject(error, XENT_BAD_ARGUMENT,
                  "the objective is %g at the parameters that training begins with: the features "
                  "are too large for it. Set options.standardize, or a smaller options.scale",
                  report->objective);
}

static xent_status finish_evaluation(struct xent_training *training, xent_training_report *report,
                                     xent_error *error) {
    struct lbfgs *lbfgs = &training->lbfgs;
    const xent_total *found = &training->pass.found;
    bool first = !training->count.begun;
    scale_by(training->gradient, 1 / sum_of(found->weight_sum, found->weight_sum_low),
             training->parameters);
    add_penalty(training);
    report->objective = report->loss + penalty(training);
    report->gradient = largest(training->gradient, training->parameters);
    report->step = first ? 0 : lbfgs->search.step;
    if (first && !isfinite(report->objective))
        return refuse_first_point(report, error);
    int outcome =
        first ? begin_lbfgs(lbfgs, report->objective, training->gradient, training->point)
              : continue_lbfgs(lbfgs, report->objective, training->gradient, training->point);
    training->count.begun = 1;
    bool moved = first || lbfgs->accepted;
    report->pass = moved ? XENT_PASS_ITERATION : XENT_PASS_TRIAL;
    training->count.iterations += moved && !first;
    if (moved)
        judge_iterate(training, report);
    report->ended = end_of_lbfgs(training, outcome, report);
    xent_status status = XENT_OK;
    if (moved && report->ended == XENT_TRAINING_GOES_ON)
        status = renew_metric(training, error);
    if (training->count.rests)
        report->ended = XENT_TRAINING_AT_REST;
    set_lanes(training);
    return status;
}

/* ---- epochs ---- */

static void finish_epoch(struct xent_training *training, xent_training_report *report) {
    report->pass = XENT_PASS_EPOCH;
    report->objective = report->loss + penalty(training);
    report->step = training->number.rate;
    training->count.iterations++;
    training->number.rate *= training->options.rate_decay;
    if (!isfinite(report->objective)) {
        report->ended = XENT_TRAINING_DIVERGED;
        training->count.rests = 1;
        return;
    }
    judge_iterate(training, report);
    report->ended = end_of_iterations(training);
}

/* ---- the step ---- */

static xent_status check_pass(struct xent_training *training, xent_error *error) {
    const xent_total *counts = &training->pass.counts;
    struct counters *count = &training->count;
    if (counts->rows == 0)
        return reject(error, XENT_BAD_ARGUMENT, "the pass has no rows: add all rows, then end it");
    if (count->rows == 0) {
        count->rows = counts->rows;
        count->counted = counts->counted;
    }
    if (counts->rows != count->rows || counts->counted != count->counted)
        return reject(error, XENT_BAD_ARGUMENT,
                      "this pass had %" PRId64 " rows of which %" PRId64
                      " count, the first one %" PRId64 " and %" PRId64
                      ": every pass brings the same rows",
                      counts->rows, counts->counted, count->rows, count->counted);
    return XENT_OK;
}

/* Of a pass that learns; the one that looks knows no weight sum as exact as this. */
static xent_status check_weight(struct xent_training *training, xent_error *error) {
    const xent_total *found = &training->pass.found;
    double weight = sum_of(found->weight_sum, found->weight_sum_low);
    if (!(weight > 0))
        return reject(error, XENT_NOTHING_COUNTED,
                      "of %" PRId64 " rows none counts with a weight above 0",
                      training->pass.counts.rows);
    if (training->number.weight_sum == 0 || training->batches)
        training->number.weight_sum = weight;
    if (training->number.weight_sum != weight)
        return reject(error, XENT_BAD_ARGUMENT,
                      "the rows of this pass weigh %.17g, those of the first one %.17g: every pass "
                      "brings the same rows",
                      weight, training->number.weight_sum);
    return XENT_OK;
}

static xent_status finish_pass(struct xent_training *training, xent_training_report *report,
                               xent_error *error) {
    bool looks = training->looks && !training->count.looked;
    xent_status status = finish_unit(training, error);
    if (status == XENT_OK)
        status = check_pass(training, error);
    if (status == XENT_OK && !looks)
        status = check_weight(training, error);
    if (status != XENT_OK)
        return status;
    training->count.passes++;
    set_report(training, report);
    if (looks) {
        report->pass = XENT_PASS_LOOK;
        report_constants(training, report);
        status = finish_look(training, error);
    } else if (training->batches)
        finish_epoch(training, report);
    else
        status = finish_evaluation(training, report, error);
    report->iterations = training->count.iterations;
    return status;
}

xent_status xent_training_step(xent_training *training, xent_training_report *report,
                               xent_error *error) {
    xent_training_report found;
    if (error)
        error->message[0] = '\0';
    xent_status status = check_open(training, error);
    if (status != XENT_OK)
        return status;
    status = finish_pass(training, &found, error);
    if (status != XENT_OK) {
        training->broken = true;
        return status;
    }
    if (report)
        *report = found;
    begin_pass(training);
    note_numbers(training);
    return XENT_OK;
}
