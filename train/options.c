/* SPDX-License-Identifier: MIT
 * Options of any version of the header, and one sentence for each rule about them. */
#include "training.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static xent_status read_struct(const xent_training_options *given, xent_training_options *options,
                               xent_error *error) {
    const size_t known = sizeof *options, limit = 4096;
    size_t size;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > limit || (size < known && size % sizeof(int32_t) != 0))
        return reject(error, XENT_BAD_ARGUMENT,
                      "options.struct_size is %zu, which no version of the struct has (here: %zu): "
                      "its fields seem not to be set. Start from the defaults: "
                      "xent_training_options options = XENT_TRAINING_OPTIONS_INIT;",
                      size, known);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return reject(error, XENT_BAD_ARGUMENT,
                          "options.struct_size is %zu and a field past byte %zu is set, which "
                          "version %s of the library does not know",
                          size, known, xent_version());
    memcpy(options, given, size < known ? size : known);
    options->struct_size = known;
    return XENT_OK;
}

/* ---- rules ---- */

struct choice {
    const char *name;
    int64_t value, least, most;
};

static xent_status check_choices(const xent_training_options *o, xent_error *error) {
    const struct choice choices[] = {
        {"method", o->method, XENT_LBFGS, XENT_ADAM},
        {"dtype", o->dtype, XENT_F32, XENT_F64},
        {"on_bad_label", o->on_bad_label, XENT_BAD_LABEL_ERROR, XENT_BAD_LABEL_IGNORE},
        {"threads", o->threads, -1, INT32_MAX},
        {"standardize", o->standardize, 0, 1},
        {"max_iterations", o->max_iterations, 0, INT32_MAX},
        {"patience", o->patience, 0, INT32_MAX},
        {"precondition", o->precondition, XENT_PRECONDITION_AUTO, XENT_PRECONDITION_FULL},
        {"history", o->history, 1, 100},
        {"batch_rows", o->batch_rows, 1, INT32_MAX},
    };
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (choices[i].value < choices[i].least || choices[i].value > choices[i].most)
            return reject(error, XENT_BAD_ARGUMENT,
                          "options.%s = %" PRId64 " must lie from %" PRId64 " to %" PRId64,
                          choices[i].name, choices[i].value, choices[i].least, choices[i].most);
    return XENT_OK;
}

static xent_status check_number(const char *name, double value, bool good, const char *rule,
                                xent_error *error) {
    if (good)
        return XENT_OK;
    return reject(error, XENT_BAD_ARGUMENT, "options.%s = %g must be %s", name, value, rule);
}

static xent_status check_numbers(const xent_training_options *o, xent_error *error) {
    const double most = 1e300;
    const struct {
        const char *name;
        double value;
        bool good;
        const char *rule;
    } rules[] = {
        {"l2", o->l2, o->l2 >= 0 && o->l2 < most, "finite and not negative"},
        {"label_smoothing", o->label_smoothing, o->label_smoothing >= 0 && o->label_smoothing <= 1,
         "from 0 to 1"},
        {"scale", o->scale, o->scale != 0 && fabs(o->scale) < most,
         "finite and not 0: 1 leaves features as they are"},
        {"tolerance", o->tolerance, o->tolerance >= 0 && o->tolerance < most,
         "finite and not negative"},
        {"learning_rate", o->learning_rate, o->learning_rate >= 0 && o->learning_rate < most,
         "finite and not negative: 0 takes the method's own"},
        {"rate_decay", o->rate_decay, o->rate_decay > 0 && o->rate_decay <= 1,
         "above 0 and at most 1"},
        {"momentum", o->momentum, o->momentum >= 0 && o->momentum < 1, "from 0 to below 1"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        xent_status status =
            check_number(rules[i].name, rules[i].value, rules[i].good, rules[i].rule, error);
        if (status != XENT_OK)
            return status;
    }
    return XENT_OK;
}

/* What xent.h has rules about, the library judges itself, on no rows. */
static xent_status check_shared(int64_t classes, const xent_training_options *o,
                                xent_error *error) {
    const xent_tensor nothing = xent_vector(NULL, XENT_I64, 0);
    xent_options options = XENT_OPTIONS_INIT;
    options.ignore = o->ignore;
    options.ignore_count = o->ignore_count;
    options.class_weight = o->class_weight;
    options.executor = o->executor;
    return xent_count_labels(&nothing, classes, &options, NULL, error);
}

static xent_status check_sizes(int64_t classes, int64_t features, xent_error *error) {
    const int64_t most = INT64_C(1) << 40;
    if (classes < 2)
        return reject(error, XENT_BAD_ARGUMENT,
                      "classes = %" PRId64 ": a classifier needs at least 2", classes);
    if (features < 1)
        return reject(error, XENT_BAD_ARGUMENT,
                      "features = %" PRId64 ": a classifier needs at least 1", features);
    if (features >= most / classes)
        return reject(error, XENT_BAD_ARGUMENT,
                      "%" PRId64 " classes of %" PRId64 " features are more than 2^40 parameters",
                      classes, features);
    return XENT_OK;
}

static xent_status check_together(const xent_training_options *o, xent_error *error) {
    if (o->standardize && o->scale != 1)
        return reject(
            error, XENT_BAD_ARGUMENT,
            "options.scale = %g beside standardize, which finds a scale of its own: leave "
            "scale 1",
            o->scale);
    return XENT_OK;
}

static void set_defaults(int64_t features, xent_training_options *o) {
    const int64_t most_full = 2048;
    if (o->max_iterations == 0)
        o->max_iterations = o->method == XENT_LBFGS ? 1000 : 20;
    if (o->learning_rate == 0)
        o->learning_rate = o->method == XENT_ADAM ? 0.001 : 0.1;
    if (o->precondition == XENT_PRECONDITION_AUTO)
        o->precondition =
            features <= most_full ? XENT_PRECONDITION_FULL : XENT_PRECONDITION_DIAGONAL;
}

xent_status read_training_options(int64_t classes, int64_t features,
                                  const xent_training_options *given,
                                  xent_training_options *options, xent_error *error) {
    *options = (xent_training_options)XENT_TRAINING_OPTIONS_INIT;
    xent_status status = given ? read_struct(given, options, error) : XENT_OK;
    if (status == XENT_OK)
        status = check_sizes(classes, features, error);
    if (status == XENT_OK)
        status = check_choices(options, error);
    if (status == XENT_OK)
        status = check_numbers(options, error);
    if (status == XENT_OK)
        status = check_together(options, error);
    if (status == XENT_OK)
        status = check_shared(classes, options, error);
    if (status == XENT_OK)
        set_defaults(features, options);
    return status;
}
