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
    in->ignore = head[5] - (int64_t)128;
    in->options.ignore = &in->ignore;
    in->options.ignore_count = head[4] & 1;
    in->options.logits_are = head[6] % 3;
    in->options.on_bad_label = head[6] / 3 % 3;
    in->options.softcap = (const double[]){0, 0, 30, 1e-3}[head[4] >> 1 & 3];
    in->options.logit_scale = (const double[]){1, 1, 0x1p-64, 100}[head[4] >> 3 & 3];
}

/* [rows], or [rows / 2, 2]; of the logits besides an axis of the classes, anywhere: counted from
 * the end too. */
static void set_logits(input *in, void *data, int dtype, const uint8_t *head) {
    bool split = head[7] & 1 && in->rows % 2 == 0;
    int32_t ndim = split ? 3 : 2, axis = ndim - 1 - (head[7] >> 1 & 3) % ndim;
    int64_t shape[3] = {0};
    for (int32_t i = 0, row = 0; i < ndim; i++)
        shape[i] = i == axis ? in->classes : !split ? in->rows : row++ ? 2 : in->rows / 2;
    in->logits = xent_ndarray(data, dtype, ndim, shape);
    in->options.class_axis = head[7] >> 3 & 1 ? axis : axis - ndim;
}

static int32_t class_axis(const input *in) {
    int32_t axis = in->options.class_axis;
    return axis < 0 ? axis + in->logits.ndim : axis;
}

/* The shape of the logits without the classes, or one that does not fit: one label less, a
 * number, an axis more, the shape of the logits, or one with the axes exchanged. */
static void set_labels(input *in, void *data, int dtype, const uint8_t *head) {
    const xent_tensor *logits = &in->logits;
    int64_t shape[4] = {0};
    int32_t ndim = 0;
    int misfit = head[7] >> 4 & 7;
    for (int32_t i = 0; i < logits->ndim; i++) {
        if (i != class_axis(in) || misfit == 1)
            shape[ndim++] = logits->shape[i];
    }
    if (misfit == 2 && shape[0] > 0)
        shape[0]--;
    if (misfit == 3)
        ndim = 0;
    if (misfit == 4)
        shape[ndim++] = 1;
    if (misfit == 5) {
        int64_t first = shape[0];
        shape[0] = shape[ndim - 1];
        shape[ndim - 1] = first;
    }
    in->labels = xent_ndarray(data, dtype, ndim, shape);
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
    int outer = class_axis(in) == 0; /* the outermost axis of rows */
    for (int64_t i = 0; i < in->logits.shape[outer]; i++) {
        const size_t sizes[] = {0, 4, 8, 2, 2};
        xent_tensor part = in->logits;
        part.shape[outer] = 1;
        part.data = (char *)in->logits.data +
                    (size_t)(i * in->logits.stride[outer]) * sizes[in->logits.dtype];
        if (xent_diagnosis_add(found, &part, NULL) != XENT_OK)
            abort();
    }
    if (xent_diagnosis_finish(found, NULL) != XENT_OK)
        abort();
    return found;
}

/* Scorable is what the library takes, and what is not has a first finding that says why. */
static void check_scorable(const input *in, const xent_diagnosis *found) {
    bool scorable = xent_diagnosis_scorable(found);
    xent_status status =
        xent_cross_entropy(&in->logits, &in->labels, &in->options, NULL, NULL, NULL);
    const xent_finding *first = xent_diagnosis_finding(found, 0);
    if (scorable != (status == XENT_OK) || (!scorable && !(first && first->unscorable)))
        abort();
}

static void run(const input *in) {
    xent_diagnosis *whole = NULL, *parts = NULL;
    if (xent_diagnose(&in->logits, &in->labels, &in->options, &whole, NULL) != XENT_OK)
        return;
    parts = diagnose_row_by_row(in);
    if (!parts)
        abort();
    check_findings(whole, parts);
    check_scorable(in, whole);
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
    set_logits(&in, logits, XENT_F32 + data[3] % 4, data);
    set_labels(&in, labels, XENT_F32 + data[3] / 4 % 12, data);
    if (logits && labels)
        run(&in);
    free(logits);
    free(labels);
    return 0;
}
