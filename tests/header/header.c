/* SPDX-License-Identifier: MIT
 * The headers alone, as C99 and as C++11: every initialiser, and one call of every function. */
#include <xent.h>
#include <xent_diagnose.h>
#include <xent_train.h>

static int call_training(const xent_tensor *features, const xent_tensor *labels) {
    xent_training_options options = XENT_TRAINING_OPTIONS_INIT;
    xent_training_parameters model;
    xent_training_report report;
    xent_training *training = NULL;
    xent_tensor tensor, copy = *features;
    const char *name = NULL;
    float prepared[2];

    options.label_smoothing = 0.5;
    if (xent_training_begin(2, 2, &options, &training, NULL) != XENT_OK)
        return 1;
    if (xent_training_model(training, &model, NULL) != XENT_OK || model.bias.shape[0] != 2 ||
        xent_training_set(training, &model.weight, &model.bias, NULL) != XENT_OK)
        return 2;
    if (xent_training_state_count(training) < 1 ||
        xent_training_state(training, 0, &name, &tensor, NULL) != XENT_OK ||
        xent_training_restore(training, &name, &tensor, 1, NULL) != XENT_BAD_ARGUMENT)
        return 3;
    if (xent_training_score(training, features, labels, NULL, NULL) != XENT_OK ||
        xent_training_add(training, features, labels, NULL, NULL) != XENT_OK ||
        xent_training_step(training, &report, NULL) != XENT_BAD_LABEL)
        return 4;
    copy.data = prepared;
    if (xent_prepare_features(features, NULL, NULL, &copy, NULL) != XENT_OK)
        return 5;
    xent_training_free(training);
    return 0;
}

int main(void) {
    float logits[2] = {0, 0};
    int64_t label = 0, length = 2;
    double loss = 1;
    xent_tensor row = xent_vector(logits, XENT_F32, length);
    xent_tensor same_row = xent_ndarray(logits, XENT_F32, 1, &length);
    xent_tensor rows = xent_matrix(logits, XENT_F32, 1, 2);
    xent_tensor labels = xent_vector(&label, XENT_I64, 1);
    xent_options options = XENT_OPTIONS_INIT;
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total = XENT_TOTAL_INIT, sum = XENT_TOTAL_INIT;
    xent_error error;
    xent_diagnosis *found = NULL;

    outputs.grad = &rows;
    if (xent_mean_loss_f32(logits, &label, 1, 2, NULL, &loss, &error) != XENT_OK)
        return 1;
    if (xent_cross_entropy(&rows, &labels, &options, &outputs, &total, &error) != XENT_OK)
        return 2;
    xent_total_merge(&sum, &total);
    if (xent_total_loss(&sum, &options) != loss || row.shape[0] != same_row.shape[0])
        return 3;
    if (xent_thread_count() < 1 || !xent_version()[0] || !xent_isa()[0])
        return 4;

    if (xent_diagnose(&rows, &labels, &options, &found, &error) != XENT_OK)
        return 5;
    if (xent_diagnosis_finding(found, xent_diagnosis_count(found)) ||
        !xent_diagnosis_scorable(found))
        return 6;
    if (xent_diagnosis_total(found).rows != 1 || xent_diagnosis_finish(found, NULL) != XENT_OK)
        return 7;
    if (xent_diagnosis_add(found, &rows, NULL) != XENT_BAD_ARGUMENT)
        return 8;
    xent_diagnosis_free(found);
    if (xent_diagnosis_begin(&rows, &labels, NULL, &found, NULL) != XENT_OK)
        return 9;
    xent_diagnosis_free(found);
    if (call_training(&rows, &labels) != 0)
        return 10;
    return xent_status_name(XENT_OK)[0] != 'X';
}
