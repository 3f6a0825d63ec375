/* SPDX-License-Identifier: MIT
 * The linear form without gradients, on shapes that need several blocks of rows and classes,
 * several chunks and several tasks: its logits against chains of fma, and its row outputs against
 * those of xent_cross_entropy on these logits, all bit for bit. With XENT_SHORT set, as under
 * sanitizers, each shape meets one dtype. */
#include "cases.h"
#include "draw.h"
#include "reference.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 5000, COLUMNS = 5, ROWS_TRIED = 40, IGNORED = 3 };

typedef struct batch {
    int64_t rows, features, classes;
    int32_t dtype, lane;
    xent_tensor x, weight, bias, labels, logits, class_weight, row_weight;
    double *row_weights, *class_weights;
    uint64_t dice;
} batch;

/* loss, lse, label probability, entropy, prediction */
typedef struct results {
    double column[COLUMNS - 1][MOST];
    int64_t prediction[MOST];
    xent_total total;
} results;

static void *allocate(int64_t count, int64_t size) {
    void *block = calloc((size_t)count + 8, (size_t)size);
    if (!block)
        abort();
    return block;
}

static xent_tensor make_matrix(batch *made, int64_t rows, int64_t columns, double deviation) {
    xent_tensor matrix = xent_matrix(allocate(rows * columns, (int64_t)dtype_bytes(made->dtype)),
                                     made->dtype, rows, columns);
    for (int64_t i = 0; i < rows * columns; i++)
        store_real(&matrix, i, draw_normal(&made->dice, deviation), &made->dice);
    return matrix;
}

static double *make_weights(batch *made, int64_t count) {
    double *weights = allocate(count, sizeof *weights);
    for (int64_t i = 0; i < count; i++)
        weights[i] = draw_real(&made->dice, 0, 2);
    return weights;
}

static batch make_batch(int64_t rows, int64_t features, int64_t classes, int32_t dtype) {
    batch made = {.rows = rows, .features = features, .classes = classes, .dtype = dtype};
    made.dice = (uint64_t)classes;
    made.lane = dtype == XENT_F64 ? XENT_F64 : XENT_F32;
    made.x = make_matrix(&made, rows, features, 1);
    made.weight = make_matrix(&made, classes, features, 1);
    made.bias = make_matrix(&made, 1, classes, 1);
    made.bias = xent_vector(made.bias.data, dtype, classes);
    made.labels = xent_vector(allocate(rows, 8), XENT_I64, rows);
    made.logits = xent_matrix(allocate(rows * classes, 8), made.lane, rows, classes);
    made.row_weights = make_weights(&made, rows);
    made.class_weights = make_weights(&made, classes);
    made.row_weight = xent_vector(made.row_weights, XENT_F64, rows);
    made.class_weight = xent_vector(made.class_weights, XENT_F64, classes);
    for (int64_t i = 0; i < rows; i++)
        ((int64_t *)made.labels.data)[i] = draw(&made.dice, classes);
    return made;
}

static void free_batch(batch *made) {
    void *blocks[] = {made->x.data,      made->weight.data, made->bias.data,    made->labels.data,
                      made->logits.data, made->row_weights, made->class_weights};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        free(blocks[i]);
}

/* ---- options --------------------------------------------------------------------------------- */

enum { PLAIN, WEIGHTED, CAPPED, WITH_GAPS, KINDS };

static xent_options make_options(batch *made, int kind) {
    static const int64_t ignored = IGNORED;
    xent_options options = XENT_OPTIONS_INIT;
    options.threads = 4;
    options.label_smoothing = kind == WEIGHTED || kind == CAPPED ? 0.1 : 0;
    options.logit_scale = kind == PLAIN ? 1 : 0.5;
    options.softcap = kind == CAPPED ? 2 : 0;
    if (kind == WEIGHTED) {
        options.z_loss = 1e-3;
        options.class_weight = &made->class_weight;
        options.row_weight = &made->row_weight;
    }
    if (kind == WITH_GAPS) {
        options.ignore = &ignored;
        options.ignore_count = 1;
        options.on_bad_label = XENT_BAD_LABEL_NAN;
        for (int64_t i = 0; i < made->rows; i += 7)
            ((int64_t *)made->labels.data)[i] = i % 2 ? IGNORED : made->classes + i;
    }
    return options;
}

/* ---- both forms ------------------------------------------------------------------------------ */

static void list_columns(const batch *made, results *into, xent_tensor columns[COLUMNS]) {
    for (int i = 0; i < COLUMNS - 1; i++)
        columns[i] = xent_vector(into->column[i], XENT_F64, made->rows);
    columns[COLUMNS - 1] = xent_vector(into->prediction, XENT_I64, made->rows);
}

static xent_status run_linear_form(batch *made, const xent_options *options, results *into) {
    xent_tensor columns[COLUMNS];
    xent_linear_outputs outputs = XENT_LINEAR_OUTPUTS_INIT;
    list_columns(made, into, columns);
    outputs.loss = &columns[0];
    outputs.lse = &columns[1];
    outputs.label_probability = &columns[2];
    outputs.entropy = &columns[3];
    outputs.prediction = &columns[4];
    outputs.logits = &made->logits;
    return xent_linear_cross_entropy(&made->x, &made->weight, &made->bias, &made->labels, options,
                                     &outputs, &into->total, NULL);
}

static xent_status run_plain_form(batch *made, const xent_options *options, results *into) {
    xent_tensor columns[COLUMNS];
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    list_columns(made, into, columns);
    outputs.loss = &columns[0];
    outputs.lse = &columns[1];
    outputs.label_probability = &columns[2];
    outputs.entropy = &columns[3];
    outputs.prediction = &columns[4];
    return xent_cross_entropy(&made->logits, &made->labels, options, &outputs, &into->total, NULL);
}

/* ---- comparison ------------------------------------------------------------------------------ */

/* Logit c of a row as the header defines it, from elements that are read here. */
static double chain(const batch *made, int64_t row, int64_t c) {
    double sum = real_element(&made->bias, c);
    for (int64_t d = 0; d < made->features; d++) {
        double x = real_element(&made->x, row * made->features + d);
        double w = real_element(&made->weight, c * made->features + d);
        sum =
            made->lane == XENT_F64 ? fma(x, w, sum) : (double)fmaf((float)x, (float)w, (float)sum);
    }
    return sum;
}

static double expected_logit(const batch *made, int64_t row, int64_t c, bool has_gaps) {
    const int64_t label = ((const int64_t *)made->labels.data)[row];
    if (has_gaps && label == IGNORED)
        return 0;
    return label < made->classes ? chain(made, row, c) : (double)NAN;
}

/* The first rows, the last, and some between. */
static int64_t count_wrong_logits(const batch *made, bool has_gaps) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < ROWS_TRIED; i++) {
        int64_t row = i * (made->rows - 1) / (ROWS_TRIED - 1);
        for (int64_t c = 0; c < made->classes; c++) {
            double found = real_element(&made->logits, row * made->classes + c);
            double expected = expected_logit(made, row, c, has_gaps);
            wrong += !(found == expected || (isnan(found) && isnan(expected)));
        }
    }
    return wrong;
}

static int64_t count_wrong_rows(const batch *made, const results *found, const results *expected) {
    int64_t wrong = 0;
    for (int64_t row = 0; row < made->rows; row++)
        for (int i = 0; i < COLUMNS; i++)
            wrong += i < COLUMNS - 1 ? memcmp(&found->column[i][row], &expected->column[i][row],
                                              sizeof(double)) != 0
                                     : found->prediction[row] != expected->prediction[row];
    return wrong;
}

static bool same_total(const xent_total *found, const xent_total *expected) {
    const double a = found->loss_sum, b = expected->loss_sum;
    return memcmp(found, expected, offsetof(xent_total, loss_sum)) == 0 &&
           ((isnan(a) && isnan(b)) || fabs(a - b) <= 0x1p-52 * fabs(b));
}

/* The logits of lost rows, which are NaN, would make them NaN in the plain form as well. */
static int try_kind(batch *made, int kind) {
    static results found, expected;
    const xent_options options = make_options(made, kind);
    memset(&found, 0xa5, sizeof found);
    bool runs = run_linear_form(made, &options, &found) == XENT_OK &&
                run_plain_form(made, &options, &expected) == XENT_OK;
    int64_t logits = runs ? count_wrong_logits(made, kind == WITH_GAPS) : 0;
    int64_t rows = runs ? count_wrong_rows(made, &found, &expected) : 0;
    bool same = runs && same_total(&found.total, &expected.total);
    if (same && logits == 0 && rows == 0)
        return 0;
    printf("%" PRId64 " x %" PRId64 " x %" PRId64 ", dtype %d, options %d: %" PRId64
           " logits and %" PRId64 " row outputs differ%s%s\n",
           made->rows, made->features, made->classes, made->dtype, kind, logits, rows,
           same ? "" : ", the total differs", runs ? "" : " (a call was refused)");
    return 1;
}

int main(void) {
    static const int64_t shapes[][3] = {
        {300, 7, 2100}, {50, 6, 16000}, {4500, 3, 70}, {280, 300, 70}};
    static const int32_t dtypes[] = {XENT_F32, XENT_F64, XENT_BF16};
    int wrong = 0, calls = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t j = 0; j < sizeof dtypes / sizeof *dtypes; j++) {
            if (getenv("XENT_SHORT") && j != i % 3)
                continue;
            batch made = make_batch(shapes[i][0], shapes[i][1], shapes[i][2], dtypes[j]);
            for (int kind = 0; kind < KINDS; kind++, calls++)
                wrong += try_kind(&made, kind);
            free_batch(&made);
        }
    printf("%s: %d of %d calls without gradients differ\n", xent_isa(), wrong, calls);
    return wrong > 0;
}
