/* SPDX-License-Identifier: MIT
 * What xent_diagnose finds in a batch. */
#ifndef XENT_TESTS_FINDINGS_H
#define XENT_TESTS_FINDINGS_H

#include "faults.h"

/* A diagnosis, or the end of the program with the error. */
xent_diagnosis *diagnose_tensors(const xent_tensor *x, const xent_tensor *y,
                                 const xent_options *options);
xent_diagnosis *diagnose(const struct batch *b);

/* The finding of this id; NULL: there is none. */
const xent_finding *find(const xent_diagnosis *found, const char *id);

#endif
