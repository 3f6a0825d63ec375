/* SPDX-License-Identifier: MIT
 * Which classes the labels of a training hold. */
#ifndef XENT_CLI_CLASSES_H
#define XENT_CLI_CLASSES_H

#include "feature_rows.h"

#include <jansson.h>

/* The labels that are there, in order, are the classes; rows have their places in this list. */
typedef struct class_list {
    const array *labels;
    int64_t count;
    int64_t *values; /* [count] */
    int64_t *rows;   /* [count], of each class */
    int32_t *codes;  /* of each row: its class; -1: ignored */
    int64_t counted, ignored;
} class_list;

/* Finds the classes of labels in memory. EX_OK, or says why there is nothing to learn and returns
 * EX_DATAERR (EX_SOFTWARE: no memory). Free it either way. */
int find_classes(const command_line *typed, const array *labels, const whole_list *ignore,
                 class_list *found);
void free_classes(class_list *held);

/* A note where the classes are not 0 to count - 1. */
void note_gaps(const class_list *held, bool quiet);

/* The names of the classes, for a model; NULL: they are 0 to count - 1. *failed: no memory. */
json_t *name_classes(const class_list *held, bool *failed);

/* The weights of the classes, F64 [count] from malloc, out of a loaded file that has one for each
 * class, or one for each whole number up to the last label. EX_OK, or says what is wrong. */
int weigh_classes(const class_list *held, const array *weights, xent_tensor *found);

#endif
