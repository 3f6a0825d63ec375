/* SPDX-License-Identifier: MIT
 * Option and output structs of any size that a caller's version of the header may have. */
#ifndef XENT_SRC_STRUCTS_H
#define XENT_SRC_STRUCTS_H

#include "names.h"
#include "xent.h"

/* Copies the caller's struct of any known or future size (NULL: the defaults) into one of this
 * library's size; refuses a size of 0 and unknown bytes that are not 0. */
xent_status read_options(const xent_options *given, xent_options *options, xent_error *error);
xent_status read_outputs(const xent_outputs *given, xent_outputs *outputs, xent_error *error);
xent_status read_linear_outputs(const xent_linear_outputs *given, xent_linear_outputs *outputs,
                                xent_error *error);

#endif
