/* SPDX-License-Identifier: MIT
 * What `xent check` found, for people and as JSON. */
#include "findings.h"
#include "complain.h"
#include "json.h"
#include "terminal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const char *severity_name(int32_t severity) {
    static const char *const NAMES[] = {
        [XENT_NOTE] = "note", [XENT_WARNING] = "warning", [XENT_MISTAKE] = "error"};
    return NAMES[severity];
}

static int count_severity(const xent_diagnosis *diagnosis, int32_t severity) {
    int count = 0;
    for (int32_t i = 0; i < xent_diagnosis_count(diagnosis); i++)
        count += xent_diagnosis_finding(diagnosis, i)->severity == severity;
    return count;
}

bool finds_fault(const xent_diagnosis *diagnosis) {
    return count_severity(diagnosis, XENT_WARNING) + count_severity(diagnosis, XENT_MISTAKE) > 0;
}

static double mean_loss(const xent_total *total) {
    return total->counted ? total->loss_sum / (double)total->counted : NAN;
}

static double accuracy(const xent_total *total) {
    return total->counted ? (double)total->correct / (double)total->counted : NAN;
}

static int64_t classes_of(const loss_call *call) {
    const xent_tensor *logits = &call->logits.tensor;
    return logits->ndim > 0 ? logits->shape[class_axis(call)] : 0;
}

/* ---- for people ------------------------------------------------------------------------------ */

enum { TEXT_COLUMN = 9 };

static void print_evidence(const xent_finding *finding) {
    enum { ROOM = 1024 };
    char text[ROOM] = "";
    int used = 0;
    for (int32_t i = 0; i < finding->evidence_count && used < ROOM; i++)
        used += snprintf(text + used, (size_t)(ROOM - used), "%s%s %.6g", i ? ", " : "",
                         finding->evidence[i].name, finding->evidence[i].value);
    printf("%*s", TEXT_COLUMN, "");
    print_wrapped(stdout, TEXT_COLUMN, line_width(), text);
}

static void print_finding(const xent_finding *finding) {
    printf("%-*s%s\n%*s", TEXT_COLUMN, severity_name(finding->severity), finding->id, TEXT_COLUMN,
           "");
    print_wrapped(stdout, TEXT_COLUMN, line_width(), finding->message);
    if (finding->evidence_count > 0)
        print_evidence(finding);
    printf("%*s", TEXT_COLUMN, "fix: ");
    print_wrapped(stdout, TEXT_COLUMN, line_width(), finding->fix);
}

static void print_count(int count, const char *what, const char *end) {
    printf("%d %s%s%s", count, what, count == 1 ? "" : "s", end);
}

static void print_summary(const loss_call *call, const xent_diagnosis *diagnosis) {
    const xent_total total = xent_diagnosis_total(diagnosis);
    print_count(count_severity(diagnosis, XENT_MISTAKE), "error", ", ");
    print_count(count_severity(diagnosis, XENT_WARNING), "warning", ", ");
    print_count(count_severity(diagnosis, XENT_NOTE), "note", "");
    if (total.rows > 0)
        printf(" in %" PRId64 " rows of %" PRId64 " classes: loss %.6g, accuracy %.2f %%",
               total.rows, classes_of(call), mean_loss(&total), 100.0 * accuracy(&total));
    putchar('\n');
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* NULL if there is no memory. */
static json_t *json_evidence(const xent_finding *finding) {
    json_t *evidence = json_object();
    int failed = 0;
    for (int32_t i = 0; i < finding->evidence_count; i++)
        failed |= json_object_set_new(evidence, finding->evidence[i].name,
                                      json_number(finding->evidence[i].value));
    return failed ? NULL : evidence;
}

static json_t *json_finding(const xent_finding *finding) {
    const json_field fields[] = {
        {"id", json_string(finding->id)},
        {"severity", json_string(severity_name(finding->severity))},
        {"message", json_string(finding->message)},
        {"fix", json_string(finding->fix)},
        {"evidence", json_evidence(finding)},
    };
    return json_of(fields, sizeof fields / sizeof *fields);
}

static json_t *json_findings(const xent_diagnosis *diagnosis) {
    json_t *findings = json_array();
    int failed = 0;
    for (int32_t i = 0; i < xent_diagnosis_count(diagnosis); i++)
        failed |=
            json_array_append_new(findings, json_finding(xent_diagnosis_finding(diagnosis, i)));
    return failed ? NULL : findings;
}

static int print_json(const loss_call *call, const xent_diagnosis *diagnosis) {
    const xent_total total = xent_diagnosis_total(diagnosis);
    const json_field fields[] = {
        {"findings", json_findings(diagnosis)},
        {"scorable", json_boolean(xent_diagnosis_scorable(diagnosis))},
        {"rows", json_integer(total.rows)},
        {"counted", json_integer(total.counted)},
        {"ignored", json_integer(total.ignored)},
        {"bad", json_integer(total.bad)},
        {"classes", json_integer(classes_of(call))},
        {"loss", json_number(mean_loss(&total))},
        {"accuracy", json_number(accuracy(&total))},
        {"seconds", json_number(call->seconds)},
    };
    return print_and_free(json_of(fields, sizeof fields / sizeof *fields));
}

int report_findings(const loss_call *call, const xent_diagnosis *diagnosis) {
    if (call->request.json)
        return print_json(call, diagnosis);
    for (int32_t i = 0; i < xent_diagnosis_count(diagnosis); i++)
        print_finding(xent_diagnosis_finding(diagnosis, i));
    print_summary(call, diagnosis);
    return EX_OK;
}
