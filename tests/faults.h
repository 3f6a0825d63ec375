/* SPDX-License-Identifier: MIT
 * Batches with a mistake, and what xent_diagnose must say of each. */
#ifndef XENT_TESTS_FAULTS_H
#define XENT_TESTS_FAULTS_H

#include "xent_diagnose.h"

enum { ROWS = 1000, CLASSES = 10, HALF = ROWS / 2 };

/* A batch that a model gives, and what becomes of it. */
struct batch {
    float logits[ROWS * CLASSES];
    int64_t label[ROWS];
    uint16_t halves[ROWS * CLASSES];
    double reals[ROWS];
    xent_tensor x, y;
    xent_options options;
    uint64_t dice;
};

/* Of a model that is right in this many rows of a hundred, and in some by chance. */
void draw_batch(struct batch *b, int percent);

struct fault {
    const char *id;
    void (*make)(struct batch *b);
    int32_t severity, unscorable;
    const char *name; /* of evidence, and its value; NULL: none */
    double value;
};
enum { FAULT_COUNT = 58 };
extern const struct fault FAULTS[FAULT_COUNT];

/* The batches of 80 % accuracy in which nothing is wrong, whatever they look like. */
enum { CLEAN_COUNT = 18 };
extern void (*const CLEAN[CLEAN_COUNT])(struct batch *b);
enum { HABIT_COUNT = 11 };
extern void (*const HABITS[HABIT_COUNT])(struct batch *b);

#endif
