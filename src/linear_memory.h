/* SPDX-License-Identifier: MIT
 * The memory of a call of the linear form, in one piece. */
#ifndef XENT_SRC_LINEAR_MEMORY_H
#define XENT_SRC_LINEAR_MEMORY_H

#include "plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* C classes, D features; lanes are of the features' type. */
struct linear_memory {
    int64_t classes, features, lane; /* C, D, and bytes of a lane */
    int64_t chunk_rows;              /* R, rows whose logits are there at once */
    int64_t pitch;                   /* P, lanes from one row's logits to the next one's */
    size_t size;                     /* bytes of it all */
    void *piece;
    char *logits;        /* lanes [R][P], and then their gradient */
    char *gathered;      /* features, lanes [R][D] */
    char *grad_features; /* lanes [R][D] */
    char *bias;          /* lanes [C] */
    int64_t *rows;       /* [R], which rows of the call they are; so are all others: */
    int64_t *labels, *prediction;
    double *weights, *loss, *lse, *label_probability, *entropy;
    char *products; /* for the tasks of a product */
    bool forward;   /* logits and grad_features have no memory, but .. */
    bool bends;
    struct known_rows known; /* .. what is known of the rows has; raw if `bends` */
};

/* Sets chunk_rows and pitch, for chunks of logits that are stored. */
void plan_memory(struct linear_memory *memory, int64_t rows, int64_t classes, int64_t features,
                 int64_t lane);

/* Whether logits of so many features can be looked at block by block instead, with none stored; and
 * sets all for that, after plan_memory. */
bool can_forward(int64_t features, int64_t lane);
void plan_forward(struct linear_memory *memory, int64_t rows, bool bends);

/* Only as many rows as stay in the caches of `width` tasks, where that changes no bit. */
void shorten_chunk(struct linear_memory *memory, int32_t width);

/* Takes it, for products in `width` tasks; false: there is none. */
bool take_memory(struct linear_memory *memory, int32_t width);

void give_back_memory(struct linear_memory *memory);

#endif
