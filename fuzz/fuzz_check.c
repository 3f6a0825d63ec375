/* SPDX-License-Identifier: MIT
 * Fuzzes the diagnosis: a few bytes say shapes, types and options, the rest are logits and labels.
 * However the rows are parted the findings must be the same, terminated and in order. */
#include "target.h"
#include "xent_diagnose.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 8, MOST_ROWS = 300, MOST_CLASSES = 40, MOST_BYTES = 8 };

typedef struct input {
    int64_t rows, classes;
    xent_tensor logits, labels;
    xent_options options;
    int64_t ignore;
} input;

/* Memory that repeats the bytes. */
static char *fill(const uint8_t *data, size_t size, int64_t count) {
    char *memory = calloc((size_t)count + 1, MOST_BYTES);
    for (size_t i = 0; memory && size > 0 && i < (size_t)count * MOST_BYTES; i++)
        memory[i] = (char)data[i % size];
    return memory;
}

static void set_head(input *in, const uint8_t *head) {
    const xent_options defaults = XENT_OPTIONS_INIT;
    in->rows = (head[0] | head[1] << 8) % MOST_ROWS;
    in->classes = head[2] % MOST_CLASSES;
    in->options = defaults;
    in->ignore = (int8_t)head[5];
    in->options.ignore = &in->ignore;
    in->options.ignore_count = head[4] & 1;
    in->options.logits_are = head[6] % 3;
    in->options.on_bad_label = head[6] / 3 % 3;
}

static xent_tensor shaped(void *data, int dtype, const input *in, const uint8_t *head, bool all) {
    const int64_t halves[3] = {in->rows / 2, 2, in->classes}, plain[2] = {in->rows, in->classes};
    bool split = head[7] & 1 && in->rows % 2 == 0;
    return split ? xent_ndarray(data, dtype, 2 + all, halves)
                 : xent_ndarray(data, dtype, 1 + all, plain);
}

/* By index, all of the findings; aborts if one is not as promised. */
static void check_findings(const xent_diagnosis *a, const xent_diagnosis *b) {
    if (xent_diagnosis_count(a) != xent_diagnosis_count(b))
        abort();
    for (int32_t i = 0; i < xent_diagnosis_count(a); i++) {
        const xent_finding *one = xent_diagnosis_finding(a, i),
                           *other = xent_diagnosis_finding(b, i);
        bool same = strcmp(one->id, other->id) == 0 && strcmp(one->message, other->message) == 0;
        bool whole = one->message[0] && one->fix[0] && one->severity >= XENT_NOTE &&
                     one->severity <= XENT_MISTAKE && one->evidence_count >= 0;
        if (!same || !whole)
            abort();
    }
}

static xent_diagnosis *diagnose_row_by_row(const input *in) {
    xent_diagnosis *found;
    if (xent_diagnosis_begin(&in->logits, &in->labels, &in->options, &found, NULL) != XENT_OK)
        return NULL;
    if (xent_diagnosis_count(found) > 0) /* finished at once */
        return found;
    for (int64_t i = 0; i < in->logits.shape[0]; i++) {
        const size_t sizes[] = {0, 4, 8, 2, 2};
        xent_tensor part = in->logits;
        part.shape[0] = 1;
        part.data =
            (char *)in->logits.data + (size_t)(i * in->logits.stride[0]) * sizes[in->logits.dtype];
        if (xent_diagnosis_add(found, &part, NULL) != XENT_OK)
            abort();
    }
    if (xent_diagnosis_finish(found, NULL) != XENT_OK)
        abort();
    return found;
}

static void run(const input *in) {
    xent_diagnosis *whole = NULL, *parts = NULL;
    if (xent_diagnose(&in->logits, &in->labels, &in->options, &whole, NULL) != XENT_OK)
        return;
    parts = diagnose_row_by_row(in);
    if (!parts)
        abort();
    check_findings(whole, parts);
    xent_diagnosis_free(whole);
    xent_diagnosis_free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in;
    if (size <= HEAD)
        return 0;
    set_head(&in, data);
    char *logits = fill(data + HEAD, size - HEAD, in.rows * in.classes);
    char *labels = fill(data + HEAD + (size - HEAD) / 2, (size - HEAD + 1) / 2, in.rows);
    in.logits = shaped(logits, XENT_F32 + data[3] % 4, &in, data, true);
    in.labels = shaped(labels, XENT_F32 + data[3] / 4 % 12, &in, data, false);
    if (logits && labels)
        run(&in);
    free(logits);
    free(labels);
    return 0;
}
