/* SPDX-License-Identifier: MIT
 * Integer dtypes -> class, ignored or bad; counts, weight sum and the denominator. */
#include "labels.h"
#include "total.h"

#include <math.h>
#include <string.h>

#define LABEL_READER read_i8
#define LABEL_TYPE int8_t
#include "labels_read_template.h"
#define LABEL_READER read_u8
#define LABEL_TYPE uint8_t
#include "labels_read_template.h"
#define LABEL_READER read_i16
#define LABEL_TYPE int16_t
#include "labels_read_template.h"
#define LABEL_READER read_u16
#define LABEL_TYPE uint16_t
#include "labels_read_template.h"
#define LABEL_READER read_i32
#define LABEL_TYPE int32_t
#include "labels_read_template.h"
#define LABEL_READER read_u32
#define LABEL_TYPE uint32_t
#include "labels_read_template.h"
#define LABEL_READER read_i64
#define LABEL_TYPE int64_t
#include "labels_read_template.h"
#define LABEL_READER read_u64
#define LABEL_TYPE uint64_t
#include "labels_read_template.h"

typedef void label_reader(const char *address, int64_t step, int64_t count, int64_t *values);

static label_reader *const readers[] = {
    [XENT_I8] = read_i8,   [XENT_U8] = read_u8,   [XENT_I16] = read_i16, [XENT_U16] = read_u16,
    [XENT_I32] = read_i32, [XENT_U32] = read_u32, [XENT_I64] = read_i64, [XENT_U64] = read_u64,
};

/* Rows are read in chunks of this many, which stay in the first-level cache. */
enum { CHUNK = 512 };

static int64_t at_most(int64_t value, int64_t limit) {
    return value < limit ? value : limit;
}

void read_labels(const layout *shape, int64_t first, int64_t count, int64_t *values) {
    const row_view *labels = &shape->labels;
    label_reader *read = readers[labels->dtype];
    for (int64_t done = 0, run; done < count; done += run) {
        int64_t step;
        run = at_most(row_run(labels, first + done, &step), count - done);
        read(row_address(labels, first + done), step, run, values + done);
    }
}

/* As unsigned numbers, the labels below C are exactly those in [0, C). A U64 above INT64_MAX looks
 * negative here and must not be taken for a negative ignore value, which no U64 can equal. */
static void classify_values(const layout *shape, const xent_options *options, const int64_t *values,
                            int64_t count, int64_t *classes) {
    for (int64_t i = 0; i < count; i++)
        classes[i] = (uint64_t)values[i] < (uint64_t)shape->classes ? values[i] : LABEL_BAD;
    for (size_t j = 0; j < options->ignore_count; j++) {
        int64_t ignored = options->ignore[j];
        if (ignored < 0 && shape->labels.dtype == XENT_U64)
            continue;
        for (int64_t i = 0; i < count; i++)
            classes[i] = values[i] == ignored ? LABEL_IGNORED : classes[i];
    }
}

void classify_labels(const layout *shape, const xent_options *options, int64_t first, int64_t count,
                     int64_t *classes_out) {
    int64_t values[CHUNK];
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = at_most(CHUNK, count - done);
        read_labels(shape, first + done, n, values);
        classify_values(shape, options, values, n, classes_out + done);
    }
}

int64_t label_bits(const layout *shape, int64_t row) {
    int64_t bits;
    read_labels(shape, row, 1, &bits);
    return bits;
}

static double read_weight(const char *address, int32_t dtype) {
    if (dtype == XENT_F32) {
        float narrow;
        memcpy(&narrow, address, sizeof narrow);
        return (double)narrow;
    }
    double wide;
    memcpy(&wide, address, sizeof wide);
    return wide;
}

double weight_at(const xent_tensor *vector, int64_t i) {
    int64_t offset = i == 0 ? 0 : i * vector->stride[0] * dtype_size(vector->dtype);
    return read_weight((const char *)vector->data + offset, vector->dtype);
}

double row_weight_at(const layout *shape, int64_t row) {
    const row_view *weights = &shape->row_weight;
    return weights->data ? read_weight(row_address(weights, row), weights->dtype) : 1.0;
}

/* Whether all values lie in [0, limit). */
static bool all_below(const int64_t *values, int64_t count, int64_t limit) {
    uint64_t outside = 0; /* the sign of each, and of what it lacks to the last below the limit */
    for (int64_t i = 0; i < count; i++)
        outside |= (uint64_t)values[i] | ((uint64_t)limit - 1 - (uint64_t)values[i]);
    return outside >> 63 == 0;
}

static void count_classes(const layout *shape, int64_t first, int64_t count, const int64_t *classes,
                          xent_total *counts) {
    int64_t ignored = 0, bad = 0;
    for (int64_t i = 0; i < count; i++) {
        ignored += classes[i] == LABEL_IGNORED;
        bad += classes[i] == LABEL_BAD;
    }
    counts->rows += count;
    counts->counted += count - ignored - bad;
    counts->ignored += ignored;
    counts->bad += bad;
    for (int64_t i = 0; i < count && bad > 0 && counts->first_bad_row < 0; i++)
        if (classes[i] == LABEL_BAD) {
            counts->first_bad_row = first + i;
            counts->first_bad_label = label_bits(shape, first + i);
        }
}

/* A row whose weight or class weight is 0 adds exactly 0, whatever the other one is. The product is
 * an fma, which no compiler can contract with the sum. count: at most CHUNK. */
static void add_weights(const layout *shape, const xent_tensor *class_weight, int64_t first,
                        int64_t count, const int64_t *classes, struct lane_sums *sums) {
    double weights[CHUNK] = {0};
    for (int64_t i = 0; i < count; i++) {
        if (classes[i] < 0)
            continue;
        double w = row_weight_at(shape, first + i);
        double k = class_weight ? weight_at(class_weight, classes[i]) : 1.0;
        weights[i] = w == 0.0 || k == 0.0 ? 0.0 : fma(w, k, 0.0);
    }
    add_rows(sums, weights, filled_up(count));
}

xent_total count_labels(const layout *shape, const xent_options *options, int64_t first,
                        int64_t count) {
    xent_total counts = XENT_TOTAL_INIT;
    int64_t classes[CHUNK];
    struct lane_sums weights;
    bool weighted = shape->row_weight.data || options->class_weight;
    if (weighted)
        weights = (struct lane_sums){{0}, {0}};
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = at_most(CHUNK, count - done);
        read_labels(shape, first + done, n, classes);
        if (options->ignore_count == 0 && all_below(classes, n, shape->classes)) {
            counts.rows += n;
            counts.counted += n;
        } else {
            classify_labels(shape, options, first + done, n, classes);
            count_classes(shape, first + done, n, classes, &counts);
        }
        if (weighted)
            add_weights(shape, options->class_weight, first + done, n, classes, &weights);
    }
    if (weighted)
        finish_sum(&weights, count, &counts.weight_sum, &counts.weight_sum_low);
    else
        counts.weight_sum = (double)counts.counted;
    return counts;
}

double gradient_denominator(const xent_options *options, const xent_total *counts) {
    if (options->denominator > 0.0)
        return options->denominator;
    switch (options->reduction) {
    case XENT_SUM:
        return 1.0;
    case XENT_ROW_MEAN:
        return (double)counts->counted;
    default:
        return counts->weight_sum;
    }
}
