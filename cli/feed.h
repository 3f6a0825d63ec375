/* SPDX-License-Identifier: MIT
 * The rows of a training in the order in which a pass takes them, block by block out of a file. */
#ifndef XENT_CLI_FEED_H
#define XENT_CLI_FEED_H

#include "classes.h"
#include "feature_rows.h"

/* What a row is for. */
enum { ROW_TRAINS = 0, ROW_HELD_OUT = 1, ROW_IGNORED = 2 };

typedef struct feed {
    const features *from;
    const class_list *classes;
    uint64_t seed;
    unsigned char *use; /* of each row */
    int64_t training, held_out;
    int64_t most; /* rows of a block */
    /* one block: features as they come, and shuffled; labels; which rows of the file they are */
    char *memory, *shuffled;
    int32_t *labels;
    int64_t *rows;
    int64_t *chunks; /* the order of the file's chunks in a shuffled pass */
} feed;

/* Holds out a share of the rows of each class, at least one row of each class being left, and takes
 * memory for blocks. EX_OK, or says what is wrong: EX_USAGE, EX_SOFTWARE. Free it either way. */
int begin_feed(const features *from, const class_list *classes, double share, uint64_t seed,
               bool shuffles, feed *begun);
void free_feed(feed *begun);

/* Calls each(context, part) for the blocks of a pass and returns the first code that is not EX_OK.
 * `use`: which rows; epoch: -1 as they lie in the file, else shuffled, every epoch in its own
 * order: chunks of neighbouring rows from anywhere fill a block, and its rows are shuffled. */
typedef struct feed_block {
    xent_tensor features, labels; /* [n, width], and I32 [n] */
    const int64_t *rows;          /* of the file */
} feed_block;
typedef int feed_action(void *context, const feed_block *part);
int run_feed(feed *from, int use, int64_t epoch, feed_action *each, void *context);

#endif
