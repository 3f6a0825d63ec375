/* SPDX-License-Identifier: MIT
 * What `xent loss` found, for people and as JSON. */
#include "report.h"
#include "complain.h"
#include "explain.h"
#include "json.h"
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

typedef struct figures {
    double loss, perplexity, accuracy;
    int64_t classes;
} figures;

/* Perplexity is exp of the weighted mean, whatever the reduction. */
static figures derive(const loss_call *call) {
    const xent_total *total = &call->total;
    return (figures){
        .loss = xent_total_loss(total, &call->options),
        .perplexity = exp(xent_total_loss(total, NULL)),
        .accuracy = total->counted ? (double)total->correct / (double)total->counted : NAN,
        .classes = call->logits.tensor.shape[class_axis(call)],
    };
}

static const char *reduction_name(int32_t reduction) {
    static const char *const NAMES[] = {"mean", "row-mean", "sum", "none"};
    return NAMES[reduction];
}

/* ---- for people ------------------------------------------------------------------------------ */

/* What the loss was divided by. */
static void print_divisor(const loss_call *call) {
    const xent_total *total = &call->total;
    bool weighted = call->options.class_weight || call->options.row_weight;
    if (call->options.denominator > 0.0)
        printf("sum / %g", call->options.denominator);
    else if (call->options.reduction == XENT_MEAN && weighted)
        printf("mean over a weight of %.9g", total->weight_sum);
    else
        printf("%s over %" PRId64 " row%s", call->options.reduction == XENT_SUM ? "sum" : "mean",
               total->counted, total->counted == 1 ? "" : "s");
}

static void print_accuracy(const xent_total *total, double accuracy) {
    if (total->counted)
        printf("accuracy     %.2f %% (%" PRId64 " of %" PRId64 ")\n", 100.0 * accuracy,
               total->correct, total->counted);
    else
        printf("accuracy     none counted\n");
}

static void print_time(double seconds) {
    if (seconds < 1.0)
        printf("time         %.3g ms (%s)\n", 1e3 * seconds, xent_isa());
    else
        printf("time         %.2f s (%s)\n", seconds, xent_isa());
}

static void print_summary(const loss_call *call) {
    const xent_total *total = &call->total;
    const figures found = derive(call);
    printf("loss         %.9g (", found.loss);
    print_divisor(call);
    printf(")\nperplexity   %.9g\n", found.perplexity);
    print_accuracy(total, found.accuracy);
    printf("rows         %" PRId64 " counted, %" PRId64 " ignored, %" PRId64 " bad\n",
           total->counted, total->ignored, total->bad);
    if (total->nonfinite)
        printf("not finite   %" PRId64 " row%s\n", total->nonfinite,
               total->nonfinite == 1 ? "" : "s");
    printf("classes      %" PRId64 "\n", found.classes);
    print_time(call->seconds);
}

static void print_rows(const loss_call *call) {
    for (int64_t row = 0; row < call->total.rows; row++)
        printf("%.17g\n", call->row_loss[row]);
}

static void print_notes(const loss_call *call) {
    const xent_total *total = &call->total;
    const xent_tensor *labels = &call->labels.tensor;
    char position[SHAPE_TEXT], value[LABEL_TEXT];
    if (total->bad)
        note(call->request.quiet,
             "%s: labels that are no classes: %" PRId64 ", first in row %s: %s", call->labels.path,
             total->bad, write_position(position, labels, total->first_bad_row),
             write_label(value, labels, total->first_bad_label));
    note_nonfinite(call);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* A flat row index; null: there is none. */
static json_t *json_row(int64_t row) {
    return row < 0 ? json_null() : json_integer(row);
}

/* The first bad label; null: there is none. A uint64 above INT64_MAX is no JSON integer, so it is
 * text. */
static json_t *json_label(const loss_call *call) {
    char value[LABEL_TEXT];
    const xent_total *total = &call->total;
    if (!total->bad)
        return json_null();
    if (call->labels.tensor.dtype == XENT_U64 && total->first_bad_label < 0)
        return json_string(write_label(value, &call->labels.tensor, total->first_bad_label));
    return json_integer(total->first_bad_label);
}

/* The loss of each row; NULL if there is no memory. */
static json_t *json_rows(const loss_call *call) {
    json_t *rows = json_array();
    int failed = 0;
    for (int64_t row = 0; row < call->total.rows && !failed; row++)
        failed = json_array_append_new(rows, json_number(call->row_loss[row]));
    return failed ? NULL : rows;
}

static int print_json(const loss_call *call) {
    const xent_total *total = &call->total;
    const figures found = derive(call);
    bool each = call->request.reduction == REDUCE_NONE;
    const json_field fields[] = {
        {"loss", json_number(found.loss)},
        {"reduction", json_string(reduction_name(call->request.reduction))},
        {"loss_sum", json_number(total->loss_sum)},
        {"weight_sum", json_number(total->weight_sum)},
        {"rows", json_integer(total->rows)},
        {"counted", json_integer(total->counted)},
        {"ignored", json_integer(total->ignored)},
        {"bad", json_integer(total->bad)},
        {"nonfinite", json_integer(total->nonfinite)},
        {"correct", json_integer(total->correct)},
        {"accuracy", json_number(found.accuracy)},
        {"perplexity", json_number(found.perplexity)},
        {"classes", json_integer(found.classes)},
        {"first_bad_row", json_row(total->first_bad_row)},
        {"first_bad_label", json_label(call)},
        {"first_nonfinite_row", json_row(total->first_nonfinite_row)},
        {"seconds", json_number(call->seconds)},
        {"losses", each ? json_rows(call) : NULL},
    };
    return print_and_free(json_of(fields, sizeof fields / sizeof *fields - !each));
}

int report_loss(const loss_call *call) {
    int code = EX_OK;
    if (call->request.json)
        code = print_json(call);
    else if (call->request.reduction == REDUCE_NONE)
        print_rows(call);
    else
        print_summary(call);
    print_notes(call);
    return code;
}
