/* SPDX-License-Identifier: MIT
 * A training that was interrupted, in a file: to go on with the same bits. */
#define _POSIX_C_SOURCE 200809L
#include "checkpoint.h"
#include "blocks.h"
#include "complain.h"
#include "formats/bundle.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char MARK[] = "xent", KIND[] = "checkpoint 1", HISTORY[] = "history";

char *checkpoint_path(const char *model) {
    static const char ENDING[] = ".checkpoint";
    char *path = malloc(strlen(model) + sizeof ENDING);
    if (path) {
        strcpy(path, model);
        strcat(path, ENDING);
    }
    return path;
}

/* ---- what the training is of ----------------------------------------------------------------- */

/* FNV-1a of 8 bytes at a time: no defence against malice, nor needed. */
uint64_t key_of(const void *bytes, size_t size, uint64_t before) {
    const uint64_t prime = 0x100000001b3u;
    const unsigned char *at = bytes;
    uint64_t key = before ^ 0xcbf29ce484222325u;
    for (; size >= sizeof key; size -= sizeof key, at += sizeof key) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        key = (key ^ word) * prime;
        key ^= key >> 29;
    }
    for (; size > 0; size--, at++)
        key = (key ^ *at) * prime;
    return key;
}

/* Of rows at the begin and at the end of the file. */
static int key_of_rows(const features *from, uint64_t *key) {
    enum { BUDGET = 1 << 16 };
    int64_t count = rows_that_fit(from, BUDGET);
    xent_tensor view;
    int code = EX_OK;
    if (count > from->rows)
        count = from->rows;
    void *memory = take_numbers(count, (size_t)from->row_size, &from->file, &code);
    if (code == EX_OK)
        code = read_rows(from, 0, count, memory, &view);
    if (code == EX_OK)
        *key = key_of(memory, (size_t)(count * from->row_size), 1);
    if (code == EX_OK)
        code = read_rows(from, from->rows - count, count, memory, &view);
    if (code == EX_OK)
        *key = key_of(memory, (size_t)(count * from->row_size), *key);
    free(memory);
    return code;
}

static int say(json_t *about, const char *name, const char *sentence, ...)
    __attribute__((format(printf, 3, 4)));
static int say(json_t *about, const char *name, const char *sentence, ...) {
    char text[SHAPE_TEXT];
    va_list arguments;
    va_start(arguments, sentence);
    vsnprintf(text, sizeof text, sentence, arguments);
    va_end(arguments);
    return json_object_set_new(about, name, json_string(text));
}

/* With as few digits as read back to the same number. */
static int say_real(json_t *about, const char *name, double value) {
    char text[32];
    int digits = 1;
    do
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtod(text, NULL) != value && digits++ < 17);
    return say(about, name, "%s", text);
}

static int say_flags(json_t *about, const train_request *request) {
    const xent_training_options *options = &request->options;
    return say(about, "--method", "%s", method_name(options->method)) |
           say_real(about, "--l2", options->l2) |
           say_real(about, "--label-smoothing", options->label_smoothing) |
           say_real(about, "--scale", options->scale) |
           say(about, "--standardize", "%s", options->standardize ? "yes" : "no") |
           say_real(about, "--validation", request->validation) |
           say(about, "--seed", "%" PRId32, request->seed) |
           say_real(about, "--tolerance", options->tolerance) |
           say(about, "--batch", "%" PRId32, options->batch_rows) |
           say_real(about, "--rate", options->learning_rate) |
           say_real(about, "--rate-decay", options->rate_decay) |
           say_real(about, "--momentum", options->momentum);
}

json_t *describe_training(const train_request *request, const features *from, uint64_t key,
                          int *code) {
    const xent_tensor *tensor = &from->file.tensor;
    char shape[SHAPE_TEXT];
    uint64_t rows = 0;
    *code = key_of_rows(from, &rows);
    if (*code != EX_OK)
        return NULL;
    json_t *about = json_object();
    int failed =
        say(about, "shape", "%s", write_shape(shape, tensor->ndim, tensor->shape)) |
        say(about, "type", "%s", type_name(tensor->dtype)) |
        say(about, "size", "%" PRId64, element_count(tensor) * (int64_t)type_size(tensor->dtype)) |
        say(about, "first and last rows", "%016" PRIx64, rows) |
        say(about, "labels, weights", "%016" PRIx64, key) | say_flags(about, request);
    if (!failed)
        return about;
    json_decref(about);
    *code = complain(EX_SOFTWARE, NULL, "not enough memory");
    return NULL;
}

/* The name of the first thing that the head of a file says differently; NULL: none. */
static const char *find_difference(const safetensors_head *head, const json_t *about) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)about, name, value) {
        const char *then = safetensors_note(head, name);
        if (!then || strcmp(then, json_string_value(value)) != 0)
            return name;
    }
    return NULL;
}

bool is_model_of(const char *path, const json_t *about) {
    bundle file;
    if (access(path, R_OK) != 0)
        return false;
    bool same = open_bundle(path, &file) == EX_OK && !find_difference(&file.head, about);
    close_bundle(&file);
    return same;
}

/* ---- writing --------------------------------------------------------------------------------- */

int write_checkpoint(const char *path, const xent_training *training, const history *held,
                     json_t *about) {
    const int32_t count = xent_training_state_count(training);
    json_t *metadata = json_copy(about);
    named_tensor *tensors = calloc((size_t)count + 1, sizeof *tensors);
    int code = EX_OK;
    if (json_object_set_new(metadata, MARK, json_string(KIND)) != 0 || !tensors)
        code = complain(EX_SOFTWARE, path, "not enough memory");
    for (int32_t i = 0; tensors && i < count && code == EX_OK; i++) {
        xent_error error;
        xent_status status =
            xent_training_state(training, i, &tensors[i].name, &tensors[i].tensor, &error);
        code = complain_internally(status, &error);
    }
    if (tensors && code == EX_OK) {
        tensors[count] = (named_tensor){HISTORY, history_tensor(held)};
        code = write_bundle(path, tensors, (size_t)count + 1, metadata);
    }
    free(tensors);
    json_decref(metadata);
    return code;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int refuse_difference(const char *path, const char *features_path, const char *name,
                             const char *then, const char *now) {
    if (name[0] == '-')
        return complain(EX_USAGE, name,
                        "was %s when %s was written and is %s now: go on with the flags that the "
                        "training began with, or remove the checkpoint to begin anew",
                        then, path, now);
    return complain(EX_DATAERR, features_path,
                    "is not the data that %s was made of (%s: %s then, %s now): give the same "
                    "files, or remove the checkpoint to begin anew",
                    path, name, then, now);
}

static int check_head(const bundle *file, const char *features_path, const json_t *about) {
    const char *kind = safetensors_note(&file->head, MARK);
    if (!kind || strcmp(kind, KIND) != 0)
        return complain(EX_DATAERR, file->file.path,
                        "is no checkpoint of this version of xent: remove it to begin anew");
    const char *name = find_difference(&file->head, about);
    if (!name)
        return EX_OK;
    const char *then = safetensors_note(&file->head, name);
    return refuse_difference(file->file.path, features_path, name, then ? then : "unknown",
                             json_string_value(json_object_get(about, name)));
}

/* All tensors of the file in memory, so that the training can take its own. */
static int restore(const bundle *file, xent_training *training, history *held) {
    const int64_t count = file->head.count;
    xent_tensor *tensors = calloc((size_t)count + 1, sizeof *tensors);
    const char **names = calloc((size_t)count + 1, sizeof *names);
    const xent_tensor *past = NULL;
    xent_error error;
    int code = tensors && names && count < INT32_MAX
                   ? EX_OK
                   : complain(EX_SOFTWARE, file->file.path, "not enough memory");
    for (int64_t i = 0; names && tensors && i < count && code == EX_OK; i++) {
        names[i] = file->head.entries[i].name;
        code = load_from_bundle(file, &file->head.entries[i], &tensors[i]);
        if (strcmp(names[i], HISTORY) == 0)
            past = &tensors[i];
    }
    if (code == EX_OK &&
        xent_training_restore(training, names, tensors, (int32_t)count, &error) != XENT_OK)
        code = complain(EX_DATAERR, file->file.path,
                        "cannot be gone on with: %s. Remove it to begin anew", error.message);
    if (code == EX_OK)
        code = past ? restore_history(held, past)
                    : complain(EX_DATAERR, file->file.path, "has no history: it is damaged");
    for (int64_t i = 0; i < count && tensors; i++)
        free(tensors[i].data);
    free(tensors);
    free(names);
    return code;
}

int read_checkpoint(const char *path, const char *features_path, xent_training *training,
                    history *held, const json_t *about) {
    bundle file;
    int code = open_bundle(path, &file);
    if (code == EX_OK)
        code = check_head(&file, features_path, about);
    if (code == EX_OK)
        code = restore(&file, training, held);
    close_bundle(&file);
    return code;
}
