/* SPDX-License-Identifier: MIT
 * Labels that are no classes: where, and what they look like. */
#include "complain.h"
#include "explain.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>

/* What there is to say of the labels. "Least" and "largest" are of those that are not ignored. */
typedef struct label_facts {
    int64_t rows, classes;
    int64_t bad, first_row, first_label; /* the labels outside [0, classes) that are not ignored */
    int64_t least;                       /* that is not negative */
    int64_t largest;
} label_facts;

/* The bits of a uint64 above INT64_MAX look negative. */
static bool is_larger(int32_t dtype, int64_t a, int64_t b) {
    return dtype == XENT_U64 ? (uint64_t)a > (uint64_t)b : a > b;
}

static label_facts look_at_labels(const loss_call *call) {
    const xent_tensor *labels = &call->labels.tensor;
    label_facts facts = {.rows = element_count(labels), .least = INT64_MAX};
    facts.largest = labels->dtype == XENT_U64 ? 0 : INT64_MIN;
    facts.classes = call->logits.tensor.shape[class_axis(call)];
    for (int64_t i = 0; i < facts.rows; i++) {
        int64_t label = label_at(labels, i);
        if (is_ignored(call, label))
            continue;
        facts.least = label >= 0 && label < facts.least ? label : facts.least;
        facts.largest = is_larger(labels->dtype, label, facts.largest) ? label : facts.largest;
        if (label >= 0 && label < facts.classes)
            continue;
        if (facts.bad++ == 0) {
            facts.first_row = i;
            facts.first_label = label;
        }
    }
    return facts;
}

/* What goes wrong, in every case, and the likely mistake. */
static void print_bad_label(const loss_call *call, const label_facts *facts, const char *likely) {
    char position[SHAPE_TEXT], value[LABEL_TEXT], range[96] = "1 class, so every label is 0";
    const xent_tensor *labels = &call->labels.tensor;
    if (facts->classes > 1)
        snprintf(range, sizeof range, "%" PRId64 " classes, so labels are 0 to %" PRId64,
                 facts->classes, facts->classes - 1);
    complain(EX_DATAERR, call->labels.path,
             "row %s has the label %s, but %s has %s (outside: %" PRId64 " of %" PRId64 "). %s",
             write_position(position, labels, facts->first_row),
             write_label(value, labels, facts->first_label), call->logits.path, range, facts->bad,
             facts->rows, likely);
}

/* ---- marks of rows to leave out -------------------------------------------------------------- */

/* The usual mark, -1 or -100, that was stored in an unsigned type as this label; 0: none. */
static int64_t wrapped_mark(int32_t dtype, int64_t label) {
    int64_t modulus = 0; /* of uint64: 2^64, which the 64 bits have already been reduced by */
    if (dtype == XENT_U8 || dtype == XENT_U16 || dtype == XENT_U32)
        modulus = (int64_t)1 << 8 * type_size(dtype);
    else if (dtype != XENT_U64)
        return 0;
    int64_t mark = label - modulus;
    return mark == -1 || mark == -100 ? mark : 0;
}

enum { LIKELY_TEXT = 256 };

static void explain_mark(const loss_call *call, const label_facts *facts) {
    print_bad_label(call, facts,
                    facts->first_label == 255 || facts->first_label == -1 ||
                            facts->first_label == -100
                        ? "It is a usual mark of rows to leave out: say so if it is meant that way"
                        : "If it marks rows to leave out, say so");
    suggest_command(&call->typed, NULL, " --ignore %" PRId64, facts->first_label);
}

static void explain_wrapped(const loss_call *call, const label_facts *facts, int64_t mark) {
    char likely[LIKELY_TEXT];
    snprintf(likely, sizeof likely,
             "It is %" PRId64 " stored as %s: if it marks rows to leave out, name it as it is "
             "stored",
             mark, type_name(call->labels.tensor.dtype));
    print_bad_label(call, facts, likely);
    suggest_command(&call->typed, NULL, " --ignore %" PRId64, facts->first_label);
}

static bool names_ignored(const loss_call *call, int64_t mark) {
    for (size_t i = 0; i < call->options.ignore_count; i++) {
        if (call->options.ignore[i] == mark)
            return true;
    }
    return false;
}

/* No --ignore can name it. */
static void explain_wrapped_uint64(const loss_call *call, const label_facts *facts, int64_t mark) {
    char likely[LIKELY_TEXT], flags[LABEL_TEXT + 16] = "";
    snprintf(likely, sizeof likely,
             "It is %" PRId64 " stored as uint64: if it marks rows to leave out, make the labels "
             "int64 and ignore %" PRId64,
             mark, mark);
    print_bad_label(call, facts, likely);
    if (!names_ignored(call, mark))
        snprintf(flags, sizeof flags, " --ignore %" PRId64, mark);
    suggest_converted(call, &call->labels, "a.astype(numpy.int64)", flags);
}

static bool is_signed(int32_t dtype) {
    return dtype == XENT_I8 || dtype == XENT_I16 || dtype == XENT_I32 || dtype == XENT_I64;
}

/* Marks of other programs, as INT_MAX. */
static bool is_largest_of_type(int32_t dtype, int64_t label) {
    return is_signed(dtype) && label == INT64_MAX >> (64 - 8 * type_size(dtype));
}

static void explain_largest(const loss_call *call, const label_facts *facts) {
    char likely[LIKELY_TEXT];
    snprintf(likely, sizeof likely, "It is the largest %s: if it marks rows to leave out, say so",
             type_name(call->labels.tensor.dtype));
    print_bad_label(call, facts, likely);
    suggest_command(&call->typed, NULL, " --ignore %" PRId64, facts->first_label);
}

/* ---- other mistakes -------------------------------------------------------------------------- */

static bool count_from_1(const label_facts *facts) {
    return facts->least >= 1 && facts->largest == facts->classes &&
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

static void explain_count_from_1(const loss_call *call, const label_facts *facts) {
    print_bad_label(call, facts,
                    "No label is 0 and the largest is the number of classes: they seem to count "
                    "from 1. Subtract 1 from each that is not ignored");
    if (all_marks_negative(call))
        suggest_converted(call, &call->labels, "numpy.where(a > 0, a - 1, a)", "");
}

/* A model with two classes and one logit, the other being 0: its sigmoid is their softmax. */
static void explain_single_logit(const loss_call *call, const label_facts *facts) {
    char expression[64];
    print_bad_label(call, facts,
                    "If the logit is that of a sigmoid, there are two classes, and the logit of "
                    "class 0 is 0: put it before the other");
    snprintf(expression, sizeof expression, "numpy.concatenate([0 * a, a], %d)", class_axis(call));
    suggest_converted(call, &call->logits, expression, "");
}

/* The label with its bytes in the other order. */
static int64_t swapped_label(int32_t dtype, int64_t label) {
    const uint64_t bytes = __builtin_bswap64((uint64_t)label);
    const size_t unused = 64 - 8 * type_size(dtype);
    return is_signed(dtype) ? (int64_t)bytes >> unused : (int64_t)(bytes >> unused);
}

/* A raw file does not say its byte order. */
static bool looks_swapped(const loss_call *call, const label_facts *facts) {
    int64_t swapped = swapped_label(call->labels.tensor.dtype, facts->first_label);
    return call->request.labels_file.shape.given && swapped >= 0 && swapped < facts->classes;
}

static void explain_byte_order(const loss_call *call, const label_facts *facts) {
    char likely[LIKELY_TEXT];
    int32_t dtype = call->labels.tensor.dtype;
    char given = call->request.labels_file.dtype.order;
    bool was_big = given ? given == '>' : is_foreign('<');
    snprintf(likely, sizeof likely,
             "With its bytes in the other order it is %" PRId64
             ": if the file is %s endian, say so",
             swapped_label(dtype, facts->first_label), was_big ? "little" : "big");
    print_bad_label(call, facts, likely);
    suggest_command(&call->typed, NULL, " --labels-dtype '%c%s'", was_big ? '<' : '>',
                    type_name(dtype));
}

/* More classes than any model has. */
enum { TOO_MANY = INT32_MAX };

static void explain_no_label(const loss_call *call, const label_facts *facts) {
    char likely[LIKELY_TEXT], largest[LABEL_TEXT];
    write_label(largest, &call->labels.tensor, facts->largest);
    snprintf(likely, sizeof likely,
             "The largest is %s, and no model has so many classes: are these labels, and is their "
             "type %s?",
             largest, type_name(call->labels.tensor.dtype));
    print_bad_label(call, facts, likely);
}

static void explain_other_classes(const loss_call *call, const label_facts *facts) {
    char likely[LIKELY_TEXT], largest[LABEL_TEXT];
    write_label(largest, &call->labels.tensor, facts->largest);
    snprintf(likely, sizeof likely,
             "The largest, %s, needs logits of more than %s classes: are these labels of another "
             "data set, or logits of another model? If such rows are to be left out and counted, "
             "say so",
             largest, largest);
    print_bad_label(call, facts, likely);
    suggest_command(&call->typed, NULL, " --on-bad-label ignore");
}

int explain_labels(const loss_call *call) {
    const label_facts facts = look_at_labels(call);
    int32_t dtype = call->labels.tensor.dtype;
    int64_t label = facts.first_label, mark = wrapped_mark(dtype, label);
    if (count_from_1(&facts) && facts.classes > 1)
        explain_count_from_1(call, &facts);
    else if (facts.classes == 1 && facts.least >= 0 && facts.largest == 1)
        explain_single_logit(call, &facts);
    else if (mark != 0 && dtype == XENT_U64)
        explain_wrapped_uint64(call, &facts, mark);
    else if (mark != 0)
        explain_wrapped(call, &facts, mark);
    else if (looks_swapped(call, &facts))
        explain_byte_order(call, &facts);
    else if ((dtype != XENT_U64 && label < 0) || label == 255)
        explain_mark(call, &facts);
    else if (is_largest_of_type(dtype, label))
        explain_largest(call, &facts);
    else if (is_larger(dtype, facts.largest, TOO_MANY))
        explain_no_label(call, &facts);
    else
        explain_other_classes(call, &facts);
    return EX_DATAERR;
}
