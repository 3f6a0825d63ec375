/* SPDX-License-Identifier: MIT
 * train_file FEATURES LABELS CLASSES WIDTH MODEL [NAME=VALUE...]: trains on raw bytes (u8 or, with
 * f32=1, floats; labels i32), read anew in blocks in each pass, and prints a line of JSON for each.
 * The model is written as raw numbers, weight and bias. */
#include "xent_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct job {
    FILE *features, *labels;
    int64_t classes, width, block;
    int is_f32;
    void *rows;
    int32_t *row_labels;
    xent_training_options options;
};

static double processor_seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

static int set_option(struct job *job, const char *name, double value) {
    const struct {
        const char *name;
        int32_t *integer;
        double *number;
    } options[] = {{"threads", &job->options.threads, NULL},
                   {"standardize", &job->options.standardize, NULL},
                   {"method", &job->options.method, NULL},
                   {"precondition", &job->options.precondition, NULL},
                   {"max_iterations", &job->options.max_iterations, NULL},
                   {"batch_rows", &job->options.batch_rows, NULL},
                   {"history", &job->options.history, NULL},
                   {"f32", &job->is_f32, NULL},
                   {"l2", NULL, &job->options.l2},
                   {"scale", NULL, &job->options.scale},
                   {"tolerance", NULL, &job->options.tolerance},
                   {"learning_rate", NULL, &job->options.learning_rate}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(name, options[i].name) == 0) {
            if (options[i].integer)
                *options[i].integer = (int32_t)value;
            else
                *options[i].number = value;
            return 1;
        }
    return 0;
}

static int read_arguments(struct job *job, int count, char **arguments) {
    const xent_training_options options = XENT_TRAINING_OPTIONS_INIT;
    *job = (struct job){.block = 2048, .options = options};
    if (count < 6)
        return 0;
    job->features = fopen(arguments[1], "rb");
    job->labels = fopen(arguments[2], "rb");
    job->classes = strtol(arguments[3], NULL, 10);
    job->width = strtol(arguments[4], NULL, 10);
    for (int i = 6; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        if (!value)
            return 0;
        *value = '\0';
        if (!set_option(job, arguments[i], strtod(value + 1, NULL)))
            return 0;
    }
    size_t size = job->is_f32 ? sizeof(float) : 1;
    job->rows = malloc((size_t)(job->block * job->width) * size);
    job->row_labels = malloc((size_t)job->block * sizeof *job->row_labels);
    return job->features && job->labels && job->rows && job->row_labels;
}

static xent_status add_file(const struct job *job, xent_training *training, xent_error *error) {
    const size_t row = (size_t)job->width * (job->is_f32 ? sizeof(float) : 1);
    xent_status status = XENT_OK;
    rewind(job->features);
    rewind(job->labels);
    while (status == XENT_OK) {
        int64_t rows = (int64_t)fread(job->row_labels, sizeof *job->row_labels, (size_t)job->block,
                                      job->labels);
        if (rows == 0 || fread(job->rows, row, (size_t)rows, job->features) != (size_t)rows)
            break;
        xent_tensor x = xent_matrix(job->rows, job->is_f32 ? XENT_F32 : XENT_U8, rows, job->width);
        xent_tensor y = xent_vector(job->row_labels, XENT_I32, rows);
        status = xent_training_add(training, &x, &y, NULL, error);
    }
    return status;
}

static xent_status run(const struct job *job, xent_training *training, xent_error *error) {
    xent_training_report report = {0};
    xent_status status = XENT_OK;
    while (status == XENT_OK && !report.ended) {
        double before = processor_seconds();
        status = add_file(job, training, error);
        if (status == XENT_OK)
            status = xent_training_step(training, &report, error);
        if (status == XENT_OK && report.pass != XENT_PASS_LOOK)
            printf("{\"pass\": %lld, \"iterations\": %lld, \"objective\": %.12f, \"gradient\": %g, "
                   "\"accuracy\": %.6f, \"ended\": %d, \"seconds\": %.3f, \"all_seconds\": %.3f}\n",
                   (long long)report.passes, (long long)report.iterations, report.objective,
                   report.pass == XENT_PASS_EPOCH ? 0.0 : report.gradient, report.accuracy,
                   report.ended, processor_seconds() - before, processor_seconds());
        fflush(stdout);
    }
    return status;
}

static int write_model(const struct job *job, const xent_training *training, const char *path) {
    xent_training_parameters model;
    FILE *file = fopen(path, "wb");
    size_t count = (size_t)(job->classes * (job->width + 1));
    xent_training_model(training, &model, NULL);
    if (!file)
        return 0;
    size_t written = fwrite(model.weight.data, sizeof(float), count, file);
    return fclose(file) == 0 && written == count;
}

static int train(const struct job *job, const char *path) {
    xent_training *training;
    xent_error error;
    xent_status status =
        xent_training_begin(job->classes, job->width, &job->options, &training, &error);
    if (status == XENT_OK)
        status = run(job, training, &error);
    if (status != XENT_OK)
        fprintf(stderr, "%s\n", error.message);
    int written = status == XENT_OK && write_model(job, training, path);
    xent_training_free(training);
    return written ? 0 : 1;
}

int main(int count, char **arguments) {
    struct job job;
    int result = 2;
    if (read_arguments(&job, count, arguments))
        result = train(&job, arguments[5]);
    else
        fprintf(stderr, "train_file: its first lines say what it takes\n");
    if (job.features)
        fclose(job.features);
    if (job.labels)
        fclose(job.labels);
    free(job.rows);
    free(job.row_labels);
    return result;
}
