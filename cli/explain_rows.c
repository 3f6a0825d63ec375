/* SPDX-License-Identifier: MIT
 * Rows whose loss is not finite, which is no error: which number of the file makes it so. */
#include "blocks.h"
#include "complain.h"
#include "explain.h"
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAUSE_TEXT = 256 };

static bool poisons(double logit) {
    return isnan(logit) || logit == INFINITY;
}

static bool rules_out(double logit) {
    return logit == -INFINITY;
}

static bool is_usual(double logit) {
    return isfinite(logit);
}

/* The first class with such a logit; -1: none. */
static int64_t first_with(bool (*has)(double logit), const xent_tensor *row, int64_t classes) {
    for (int64_t c = 0; c < classes; c++) {
        if (has(real_at(row, c)))
            return c;
    }
    return -1;
}

static void write_cause_of_logits(char *text, const loss_call *call, const xent_tensor *row,
                                  int64_t classes, int64_t label) {
    int64_t poison = first_with(poisons, row, classes);
    int64_t ruled_out = first_with(rules_out, row, classes);
    if (poison >= 0)
        snprintf(text, CAUSE_TEXT, "has the logit %s for class %" PRId64 ", so its loss is NaN",
                 isnan(real_at(row, poison)) ? "NaN" : "+inf", poison);
    else if (first_with(is_usual, row, classes) < 0)
        snprintf(text, CAUSE_TEXT, "has the logit -inf for every class, so its loss is NaN");
    else if (rules_out(real_at(row, label)))
        snprintf(text, CAUSE_TEXT, "has the logit -inf for its label, %" PRId64, label);
    else if (ruled_out >= 0 && call->options.label_smoothing > 0.0)
        snprintf(text, CAUSE_TEXT,
                 "has the logit -inf for class %" PRId64 ", and --label-smoothing gives every "
                 "class a share",
                 ruled_out);
}

/* What rounding may add to a probability of 1, or to its logarithm; see xent.h. */
static const double SLACK = 0x1p-6;

static void write_cause_of_probability(char *text, double value, int64_t label) {
    if (value == 0.0)
        snprintf(text, CAUSE_TEXT, "has the probability 0 for its label, %" PRId64, label);
    else if (!(value > 0.0 && value <= 1.0 + SLACK))
        snprintf(text, CAUSE_TEXT,
                 "has %g for its label, %" PRId64 ", but probabilities lie in [0, 1]. If these are "
                 "logits, leave --probabilities out",
                 value, label);
}

static void write_cause_of_log_probability(char *text, double value, int64_t label) {
    if (rules_out(value))
        snprintf(text, CAUSE_TEXT, "has the log-probability -inf for its label, %" PRId64, label);
    else if (!(value <= SLACK))
        snprintf(text, CAUSE_TEXT,
                 "has %g for its label, %" PRId64 ", but log-probabilities are at most 0. If these "
                 "are logits, leave --log-probabilities out",
                 value, label);
}

/* What is in that row, which is read again; what is there already if nothing is recognised. */
static void write_cause(const loss_call *call, char *text) {
    const xent_tensor *logits = &call->logits.tensor, *labels = &call->labels.tensor;
    int64_t row = call->total.first_nonfinite_row, label = label_at(labels, row);
    int64_t classes = logits->shape[class_axis(call)];
    const box part = logits_of_row(logits, labels, class_axis(call), row);
    void *memory = calloc((size_t)classes, type_size(logits->dtype));
    xent_tensor view;
    bool is_class = label >= 0 && label < classes;
    if (!is_class || !memory || read_box(&call->logits, &part, memory, &view) != EX_OK)
        ;
    else if (call->options.logits_are == XENT_LOGITS)
        write_cause_of_logits(text, call, &view, classes, label);
    else if (call->options.logits_are == XENT_PROBABILITIES)
        write_cause_of_probability(text, real_at(&view, label), label);
    else
        write_cause_of_log_probability(text, real_at(&view, label), label);
    free(memory);
}

/* The file that is at fault. */
static const char *find_cause(const loss_call *call, char *text) {
    int64_t row = call->total.first_nonfinite_row;
    double weight = call->options.row_weight ? real_at(call->options.row_weight, row) : 1.0;
    if (!isfinite(weight)) {
        snprintf(text, CAUSE_TEXT, "has the weight %g", weight);
        return call->row_weight.path;
    }
    snprintf(text, CAUSE_TEXT, "has a loss that is not finite");
    write_cause(call, text);
    return call->logits.path;
}

void note_nonfinite(const loss_call *call) {
    const xent_total *total = &call->total;
    char position[SHAPE_TEXT], cause[CAUSE_TEXT];
    if (total->nonfinite == 0 || call->request.quiet)
        return;
    const char *file = find_cause(call, cause);
    note(false, "%s: row %s %s (rows whose loss is not finite: %" PRId64 " of %" PRId64 ")", file,
         write_position(position, &call->labels.tensor, total->first_nonfinite_row), cause,
         total->nonfinite, total->rows);
}
