/* SPDX-License-Identifier: MIT
 * What `xent loss` and `xent check` can be asked for. */
#ifndef XENT_CLI_OPTIONS_H
#define XENT_CLI_OPTIONS_H

#include "flags.h"
#include "xent.h"

/* The first three have the library's numbers. */
enum {
    REDUCE_MEAN = XENT_MEAN,
    REDUCE_ROW_MEAN = XENT_ROW_MEAN,
    REDUCE_SUM = XENT_SUM,
    REDUCE_NONE
};

/* What flags say of a file: of a raw one, which has a shape, all of it. */
typedef struct file_flags {
    dtype_value dtype;
    shape_value shape;
    int64_t offset;
} file_flags;

/* The names of those flags. */
typedef struct file_flag_names {
    const char *dtype, *shape, *offset;
} file_flag_names;

extern const file_flag_names FIRST_FILE_FLAGS, LABELS_FILE_FLAGS;

/* A raw file needs a type and a shape; an offset and a byte order are of raw files only. EX_OK, or
 * says so and returns EX_USAGE. */
int check_file_flags(const file_flags *file, const file_flag_names *names);

typedef struct loss_request {
    const char *files[2]; /* logits, labels */
    file_flags logits_file, labels_file;
    const char *class_weight, *row_weight, *grad, *row_loss; /* files; NULL: not given */
    int32_t reduction, json, quiet;
    whole_list ignore;
    xent_options options; /* the numbers and choices; its pointers are the caller's business */
} loss_request;

extern const command LOSS_COMMAND, CHECK_COMMAND;

/* Reads what was typed after one of these verbs. EX_OK and *request filled, or says what is wrong
 * and returns EX_USAGE. request->ignore.values is freed by the caller either way. */
int read_request(const command *verb, int argc, char **argv, loss_request *request);

#endif
