/* SPDX-License-Identifier: MIT
 * What every pass of a training has shown. */
#include "history.h"
#include "complain.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

static int make_room(history *held, int64_t count) {
    if (count <= held->room)
        return EX_OK;
    int64_t room = count < 32 ? 64 : 2 * count;
    double(*passes)[PAST_COUNT] = realloc(held->passes, (size_t)room * sizeof *passes);
    if (!passes)
        return complain(EX_SOFTWARE, NULL, "not enough memory for what %ld passes have shown",
                        (long)count);
    held->passes = passes;
    held->room = room;
    return EX_OK;
}

int add_to_history(history *held, const xent_training_report *report, double seconds) {
    const double pass[PAST_COUNT] = {
        [PAST_PASS] = report->pass,
        [PAST_ITERATION] = (double)report->iterations,
        [PAST_OBJECTIVE] = report->objective,
        [PAST_LOSS] = report->loss,
        [PAST_ACCURACY] = report->accuracy,
        [PAST_GRADIENT] = report->gradient,
        [PAST_STEP] = report->step,
        [PAST_HELD_OUT_LOSS] = report->held_out_loss,
        [PAST_HELD_OUT_ACCURACY] = report->held_out_accuracy,
        [PAST_IS_BEST] = report->is_best,
        [PAST_SECONDS] = seconds,
    };
    int code = make_room(held, held->count + 1);
    if (code == EX_OK)
        memcpy(held->passes[held->count++], pass, sizeof pass);
    return code;
}

xent_tensor history_tensor(const history *held) {
    return xent_matrix(held->passes, XENT_F64, held->count, PAST_COUNT);
}

/* What is printed as whole numbers must be some. */
static bool are_passes(const xent_tensor *tensor) {
    if (tensor->dtype != XENT_F64 || tensor->ndim != 2 || tensor->shape[1] != PAST_COUNT)
        return false;
    const double *values = tensor->data;
    for (int64_t i = 0; i < tensor->shape[0]; i++, values += PAST_COUNT) {
        if (!(values[PAST_ITERATION] >= 0.0 && values[PAST_ITERATION] < 0x1p53))
            return false;
    }
    return true;
}

int restore_history(history *held, const xent_tensor *tensor) {
    if (!are_passes(tensor))
        return complain(EX_DATAERR, NULL, "the history of the checkpoint is not one of xent %s",
                        xent_version());
    int code = make_room(held, tensor->shape[0]);
    if (code != EX_OK)
        return code;
    held->count = tensor->shape[0];
    if (held->count > 0)
        memcpy(held->passes, tensor->data, (size_t)held->count * sizeof *held->passes);
    return EX_OK;
}

void free_history(history *held) {
    free(held->passes);
}

const double *last_pass(const history *held) {
    return held->count > 0 ? held->passes[held->count - 1] : NULL;
}

const double *best_pass(const history *held) {
    for (int64_t i = held->count - 1; i >= 0; i--) {
        if (held->passes[i][PAST_IS_BEST] != 0.0)
            return held->passes[i];
    }
    return NULL;
}

static const char *pass_name(double pass) {
    static const char *const NAMES[] = {[XENT_PASS_LOOK] = "look",
                                        [XENT_PASS_TRIAL] = "trial",
                                        [XENT_PASS_ITERATION] = "iteration",
                                        [XENT_PASS_EPOCH] = "epoch"};
    return pass >= XENT_PASS_LOOK && pass <= XENT_PASS_EPOCH ? NAMES[(int)pass] : "";
}

json_t *json_pass(const history *held, int64_t i) {
    const double *pass = held->passes[i];
    const json_field fields[] = {
        {"pass", json_integer(i + 1)},
        {"kind", json_string(pass_name(pass[PAST_PASS]))},
        {"iteration", json_integer((json_int_t)pass[PAST_ITERATION])},
        {"objective", json_number(pass[PAST_OBJECTIVE])},
        {"loss", json_number(pass[PAST_LOSS])},
        {"accuracy", json_number(pass[PAST_ACCURACY])},
        {"gradient", json_number(pass[PAST_GRADIENT])},
        {"step", json_number(pass[PAST_STEP])},
        {"held_out_loss", json_number(pass[PAST_HELD_OUT_LOSS])},
        {"held_out_accuracy", json_number(pass[PAST_HELD_OUT_ACCURACY])},
        {"best", json_boolean(pass[PAST_IS_BEST] != 0.0)},
        {"seconds", json_number(pass[PAST_SECONDS])},
    };
    return json_of(fields, sizeof fields / sizeof *fields);
}
