/* SPDX-License-Identifier: MIT
 * A linear classifier in a .safetensors file: what `xent train` writes and `xent predict` reads. */
#ifndef XENT_CLI_MODEL_H
#define XENT_CLI_MODEL_H

#include "xent_train.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct model {
    const char *path;
    int64_t classes, features;
    /* As in xent_train.h; bias, mean and scale have data NULL where the file has none. Of weight
     * and bias the type is F32 or F64, whatever the file has. */
    xent_training_parameters parameters;
    json_t *names; /* of the classes: an array of whole numbers or of strings; NULL: 0 to C-1 */
} model;

/* Reads and checks a model. EX_OK, or says what is wrong and returns as open_bundle or EX_DATAERR.
 * Free it either way. */
int read_model(const char *path, model *found);
void free_model(model *held);

/* Writes a model and other metadata with it: an object of strings, borrowed (NULL: there was no
 * memory for it). EX_OK or as write_bundle. */
int write_model(const model *held, json_t *metadata);

/* Whether the classes have words for names, not whole numbers. */
bool has_words(const model *held);

/* The whole number that is a class's name; -1 for no class (-1). */
int64_t class_number(const model *held, int64_t class);

#endif
