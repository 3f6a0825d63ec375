/* SPDX-License-Identifier: MIT
 * Every rule about arguments: one `if` per rule, one helpful sentence each. No data is read. */
#ifndef XENT_SRC_CHECK_H
#define XENT_SRC_CHECK_H

#include "names.h"
#include "xent.h"

/* Shapes, dtypes, options, overlap. options and outputs have been through structs.h. */
xent_status check_arguments(const xent_tensor *logits, const xent_tensor *labels,
                            const xent_options *options, const xent_outputs *outputs,
                            xent_error *error);

/* The same for xent_linear_cross_entropy. */
xent_status check_linear_arguments(const xent_tensor *features, const xent_tensor *weight,
                                   const xent_tensor *bias, const xent_tensor *labels,
                                   const xent_options *options, const xent_linear_outputs *outputs,
                                   xent_error *error);

/* The same for xent_count_labels. */
xent_status check_count_arguments(const xent_tensor *labels, int64_t classes,
                                  const xent_options *options, xent_error *error);

#endif
