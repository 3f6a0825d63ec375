/* SPDX-License-Identifier: MIT
 * Labels that are no classes: where, and what they look like. */
#include "complain.h"
#include "explain.h"
#include "tensors.h"

#include <inttypes.h>

static const replacement NO_CHANGES[2] = {{NULL, NULL}, {NULL, NULL}};

typedef struct label_facts {
    int64_t rows, classes;
    int64_t bad, first_row, first_label; /* the labels outside [0, classes) that are not ignored */
    int64_t least, highest; /* of those not ignored: the least that is not negative, the highest */
} label_facts;

static label_facts look_at_labels(const loss_call *call) {
    const xent_tensor *labels = &call->labels.tensor;
    label_facts facts = {.rows = element_count(labels), .least = INT64_MAX, .highest = INT64_MIN};
    facts.classes = call->logits.tensor.shape[class_axis(call)];
    for (int64_t i = 0; i < facts.rows; i++) {
        int64_t label = label_at(labels, i);
        if (is_ignored(call, label))
            continue;
        facts.least = label >= 0 && label < facts.least ? label : facts.least;
        facts.highest = label > facts.highest ? label : facts.highest;
        if (label >= 0 && label < facts.classes)
            continue;
        if (facts.bad++ == 0) {
            facts.first_row = i;
            facts.first_label = label;
        }
    }
    return facts;
}

/* Values by which data sets mark rows to leave out. Negative bits are a large uint64. */
static bool is_usual_mark(int32_t dtype, int64_t label) {
    return label == 255 || (dtype != XENT_U64 && (label == -100 || label == -1));
}

/* What goes wrong, in every case. */
static void print_bad_label(const loss_call *call, const label_facts *facts, const char *likely) {
    char position[SHAPE_TEXT], value[LABEL_TEXT];
    const xent_tensor *labels = &call->labels.tensor;
    complain(EX_DATAERR, call->labels.path,
             "row %s has the label %s, but %s has %" PRId64 " classes, so labels are 0 to %" PRId64
             " (outside: %" PRId64 " of %" PRId64 " labels). %s",
             write_position(position, labels, facts->first_row),
             write_label(value, labels, facts->first_label), call->logits.path, facts->classes,
             facts->classes - 1, facts->bad, facts->rows, likely);
}

static bool count_from_1(const label_facts *facts) {
    return facts->least >= 1 && facts->highest == facts->classes &&
           facts->first_label == facts->classes;
}

/* Marks of rows to leave out survive the shift if they are negative. */
static bool all_marks_negative(const loss_call *call) {
    for (size_t i = 0; i < call->options.ignore_count; i++) {
        if (call->options.ignore[i] >= 0)
            return false;
    }
    return true;
}

int explain_labels(const loss_call *call) {
    const label_facts facts = look_at_labels(call);
    if (count_from_1(&facts)) {
        print_bad_label(call, &facts,
                        "No label is 0 and the largest is the number of classes: they seem to "
                        "count from 1. Subtract 1 from each that is not ignored");
        if (all_marks_negative(call))
            suggest_converted(call, &call->labels, "numpy.where(a > 0, a - 1, a)");
    } else if (is_usual_mark(call->labels.tensor.dtype, facts.first_label)) {
        print_bad_label(call, &facts,
                        "It is a usual mark of rows to leave out: say so if it is meant that way");
        suggest_command(&call->typed, NO_CHANGES, " --ignore %" PRId64, facts.first_label);
    } else {
        print_bad_label(call, &facts,
                        "Are these the labels of another data set, or logits of another model? If "
                        "such rows are to be left out and counted, say so");
        suggest_command(&call->typed, NO_CHANGES, " --on-bad-label ignore");
    }
    return EX_DATAERR;
}
