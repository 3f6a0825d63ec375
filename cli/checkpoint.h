/* SPDX-License-Identifier: MIT
 * A training that was interrupted, in a file: to go on with the same bits. */
#ifndef XENT_CLI_CHECKPOINT_H
#define XENT_CLI_CHECKPOINT_H

#include "feature_rows.h"
#include "history.h"
#include "train_options.h"

/* What the training is of: an object of strings by name. Those that are flags say how, the others
 * what data. The model has it as metadata too. NULL: no memory, or an error of reading that was
 * said; *code tells. `key`: of labels and class weights. */
json_t *describe_training(const train_request *request, const features *from, uint64_t key,
                          int *code);

/* A number that other bytes are unlikely to have; `before`: that of the bytes before, or 0. */
uint64_t key_of(const void *bytes, size_t size, uint64_t before);

/* "model.safetensors.checkpoint", in new memory; NULL: there is none. */
char *checkpoint_path(const char *model);

/* Writes the state, whole or not at all. EX_OK or as write_bundle. */
int write_checkpoint(const char *path, const xent_training *training, const history *held,
                     json_t *about);

/* Reads it back into a training that has just begun. EX_OK, or says what is wrong: EX_USAGE for
 * other flags, EX_DATAERR for other data or what is no checkpoint. */
int read_checkpoint(const char *path, const char *features_path, xent_training *training,
                    history *held, const json_t *about);

/* Whether a file is there, and a model of this very training. */
bool is_model_of(const char *path, const json_t *about);

#endif
