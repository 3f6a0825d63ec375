/* SPDX-License-Identifier: MIT
 * Memory of the room: arrays of zeros, and the sentence that goes with a status. */
#ifndef XENT_TRAIN_BASICS_H
#define XENT_TRAIN_BASICS_H

#include "names.h"
#include "xent_train.h"

/* rows*columns elements of 0; NULL: there is no memory for them. */
void *take_zeros(int64_t rows, int64_t columns, size_t size);

/* What take_zeros gave, or NULL. */
void give_back(void *array);

/* Writes the sentence and returns the status. */
xent_status reject(xent_error *error, xent_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
