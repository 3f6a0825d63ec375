/* SPDX-License-Identifier: MIT
 * A fixed list of trainings gives models of these bytes, whatever machine, instruction set and
 * compiler; test_train_hashes --print prints them, to be pasted here when a change of bits is
 * meant. */
#include "draw.h"
#include "hash.h"
#include "xent_train.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 700, CLASSES = 4, FEATURES = 9, BLOCK_ROWS = 130 };

/* Overlapping classes, so that the optimum is finite. */
static struct data {
    float features[ROWS * FEATURES];
    int64_t labels[ROWS];
} data;

static void draw_data(void) {
    uint64_t dice = 11;
    for (int i = 0; i < ROWS; i++) {
        data.labels[i] = draw(&dice, CLASSES);
        for (int d = 0; d < FEATURES; d++) {
            double middle = d % CLASSES == data.labels[i] ? 1 : 0;
            data.features[i * FEATURES + d] = (float)(middle + draw_normal(&dice, 1 + 0.2 * d));
        }
    }
}

static const struct {
    const char *name;
    int method, dtype, precondition;
    bool standardize;
    uint64_t hash;
} trainings[] = {
    {"lbfgs", XENT_LBFGS, XENT_F32, XENT_PRECONDITION_AUTO, false, UINT64_C(0x272d396204f133f5)},
    {"lbfgs f64, standardised", XENT_LBFGS, XENT_F64, XENT_PRECONDITION_AUTO, true,
     UINT64_C(0xe9c9bd23239d6622)},
    {"lbfgs diagonal", XENT_LBFGS, XENT_F32, XENT_PRECONDITION_DIAGONAL, false,
     UINT64_C(0xd97c1a633aa37b78)},
    {"lbfgs plain", XENT_LBFGS, XENT_F32, XENT_PRECONDITION_NONE, true,
     UINT64_C(0xd6c53828a8813a47)},
    {"sgd", XENT_SGD, XENT_F32, XENT_PRECONDITION_AUTO, false, UINT64_C(0x081256b7a6fc15bd)},
    {"adam, standardised", XENT_ADAM, XENT_F32, XENT_PRECONDITION_AUTO, true,
     UINT64_C(0x0d617c0b0a0a6666)},
};
enum { TRAININGS = sizeof trainings / sizeof *trainings };

static xent_status run_pass(xent_training *training, xent_training_report *report,
                            xent_error *error) {
    xent_status status = XENT_OK;
    for (int64_t i = 0; i < ROWS && status == XENT_OK; i += BLOCK_ROWS) {
        int64_t rows = ROWS - i < BLOCK_ROWS ? ROWS - i : BLOCK_ROWS;
        xent_tensor x = xent_matrix(data.features + i * FEATURES, XENT_F32, rows, FEATURES);
        xent_tensor y = xent_vector(data.labels + i, XENT_I64, rows);
        status = xent_training_add(training, &x, &y, NULL, error);
    }
    return status == XENT_OK ? xent_training_step(training, report, error) : status;
}

static uint64_t hash_vector(uint64_t hash, const xent_tensor *tensor) {
    const size_t size = tensor->dtype == XENT_F64 ? 8 : 4;
    size_t count = tensor->data ? 1 : 0;
    for (int axis = 0; axis < tensor->ndim; axis++)
        count *= (size_t)tensor->shape[axis];
    return hash_bytes(hash, tensor->data, count * size);
}

/* 0 and a sentence, if the training fails. */
static uint64_t hash_training(int chosen) {
    xent_training_options options = XENT_TRAINING_OPTIONS_INIT;
    xent_training_report report = {0};
    xent_training_parameters model;
    xent_training *training;
    xent_error error;
    options.method = trainings[chosen].method;
    options.dtype = trainings[chosen].dtype;
    options.precondition = trainings[chosen].precondition;
    options.standardize = trainings[chosen].standardize;
    options.l2 = 1e-3;
    options.max_iterations = 18;
    xent_status status = xent_training_begin(CLASSES, FEATURES, &options, &training, &error);
    while (status == XENT_OK && !report.ended)
        status = run_pass(training, &report, &error);
    if (status == XENT_OK)
        status = xent_training_model(training, &model, &error);
    uint64_t hash = 0;
    if (status == XENT_OK) {
        hash = hash_vector(hash_vector(HASH_START, &model.weight), &model.bias);
        hash = hash_vector(hash_vector(hash, &model.mean), &model.scale);
        hash = hash_bytes(hash, &report.objective, sizeof report.objective);
    } else {
        printf("%s\n", error.message);
    }
    xent_training_free(training);
    return hash;
}

int main(int count, char **arguments) {
    const bool print = count == 2 && strcmp(arguments[1], "--print") == 0;
    int different = 0;
    draw_data();
    for (int i = 0; i < TRAININGS; i++) {
        uint64_t hash = hash_training(i);
        different += hash != trainings[i].hash;
        if (print || hash != trainings[i].hash)
            printf("%s: %016" PRIx64 "\n", trainings[i].name, hash);
    }
    printf("%s: %d of %d trainings differ\n", xent_isa(), different, TRAININGS);
    return different && !print ? 1 : 0;
}
