/* SPDX-License-Identifier: MIT
 * Writing findings down, and putting them in order. */
#include "diagnosis.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

record *add_finding(xent_diagnosis *all, const char *id, int32_t severity, double explains) {
    int32_t at = all->count < MOST_FINDINGS ? all->count++ : MOST_FINDINGS - 1;
    record *finding = &all->store[at];
    memset(finding, 0, sizeof *finding);
    all->records[at] = finding;
    finding->shown.id = id;
    finding->shown.severity = severity;
    finding->shown.evidence = finding->evidence;
    finding->shown.message = finding->message;
    finding->shown.fix = finding->fix;
    finding->rank = 10.0 * severity + explains;
    return finding;
}

void say(record *finding, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->message, MESSAGE_TEXT, format, arguments);
    va_end(arguments);
}

void set_fix(record *finding, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->fix, FIX_TEXT, format, arguments);
    va_end(arguments);
}

void add_evidence(record *finding, const char *name, double value) {
    int32_t *count = &finding->shown.evidence_count;
    if (*count < MOST_EVIDENCE)
        finding->evidence[(*count)++] = (xent_evidence){name, value};
}

void set_unscorable(xent_diagnosis *all, record *finding) {
    finding->shown.unscorable = 1;
    finding->rank += 100.0;
    all->unscorable = true;
}

void sort_findings(xent_diagnosis *all) {
    for (int32_t i = 1; i < all->count; i++) {
        record *moved = all->records[i];
        int32_t to = i;
        for (; to > 0 && all->records[to - 1]->rank < moved->rank; to--)
            all->records[to] = all->records[to - 1];
        all->records[to] = moved;
    }
}

bool has_finding(const xent_diagnosis *all, const char *id) {
    for (int32_t i = 0; i < all->count; i++) {
        if (strcmp(all->records[i]->shown.id, id) == 0)
            return true;
    }
    return false;
}

/* Rows that are left out, and labels that are: the others say what they say. */
static bool concerns_few(const char *id) {
    static const char *const FEW[] = {"nonfinite-rows", "label-masked", "label-out-of-range"};
    bool found = false;
    for (size_t i = 0; i < sizeof FEW / sizeof *FEW; i++)
        found |= strcmp(FEW[i], id) == 0;
    return found;
}

bool hides_agreement(const xent_diagnosis *all) {
    for (int32_t i = 0; i < all->count; i++) {
        const xent_finding *finding = &all->records[i]->shown;
        if (finding->severity == XENT_MISTAKE && !concerns_few(finding->id))
            return true;
    }
    return has_finding(all, "undeclared-ignore"); /* a warning too */
}

xent_status refuse(xent_error *error, xent_status status, const char *format, ...) {
    va_list arguments;
    if (!error)
        return status;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}
