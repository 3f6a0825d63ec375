/* SPDX-License-Identifier: MIT
 * What xent_diagnose finds in a batch. */
#include "findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

xent_diagnosis *diagnose_tensors(const xent_tensor *x, const xent_tensor *y,
                                 const xent_options *options) {
    xent_diagnosis *found = NULL;
    xent_error error;
    if (xent_diagnose(x, y, options, &found, &error) != XENT_OK) {
        printf("%s\n", error.message);
        exit(1);
    }
    return found;
}

xent_diagnosis *diagnose(const struct batch *b) {
    return diagnose_tensors(&b->x, &b->y, &b->options);
}

const xent_finding *find(const xent_diagnosis *found, const char *id) {
    for (int32_t i = 0; i < xent_diagnosis_count(found); i++) {
        if (strcmp(xent_diagnosis_finding(found, i)->id, id) == 0)
            return xent_diagnosis_finding(found, i);
    }
    return NULL;
}
