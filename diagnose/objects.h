/* SPDX-License-Identifier: MIT
 * Objects: neighbouring rows of one label, as runs of frames and areas of a map, each of which
 * counts once. */
#ifndef XENT_DIAGNOSE_OBJECTS_H
#define XENT_DIAGNOSE_OBJECTS_H

#include "diagnosis.h"

/* Neighbours of the same label (and, `alike`, of the same prediction), along any axis of the labels
 * but that of a batch of maps, are an object. It is predicted as most of its rows are, by a vote;
 * rows that are repeated elsewhere have none, unless `alike`. */
typedef struct objects {
    int64_t count;
    int32_t *labels, *predictions;
    uint8_t *half; /* by turns within a label */
} objects;
/* XENT_OK or XENT_NO_MEMORY; to be freed in either case. */
xent_status find_objects(const xent_diagnosis *all, bool alike, objects *made);
void free_objects(objects *made);

#endif
