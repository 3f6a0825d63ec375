/* SPDX-License-Identifier: MIT
 * How the rows of one call are worked through: decided once, from shapes and options alone. */
#ifndef XENT_SRC_PLAN_H
#define XENT_SRC_PLAN_H

#include "cpu/kernels.h"
#include "layout.h"
#include "terms.h"

/* Which way a row meets the kernels; the bits are the same. */
enum way {
    WAY_ALONG,  /* one row at a time, its classes being consecutive in every tensor */
    WAY_ACROSS, /* rows side by side: few classes, or a class axis with a stride */
    WAY_BENT    /* softcap: one row at a time, block by block in double */
};

/* What is known of rows whose logits are nowhere by then: what sweeping them would find. */
struct known_rows {
    xent_stats *blocks;  /* [rows][blocks] */
    xent_stats *raw;     /* BENT: the same before softcap */
    double *label_logit; /* [rows], before softcap; 0 where a row is not counted */
};

struct plan {
    const layout *shape;
    const xent_options *options;
    struct formula formula;
    const xent_kernels *kernels; /* of the logits' dtype */
    const xent_math *math;
    const double *class_weight; /* contiguous [C], or NULL: all 1 */
    bool all_counted;           /* no row of the call is ignored or bad */
    enum way way;
    bool neighbours;     /* ACROSS: rows lie side by side in memory, a class axis outside of them */
    bool in_place;       /* the gradient takes the place of the logits */
    int phase_rows;      /* rows taken through each step together, at most MOST_ROWS */
    bool fits_tiles;     /* ACROSS: E of all classes of a phase is kept in tiles */
    int64_t group_rows;  /* rows whose losses are summed in order into one total */
    int stage_rows;      /* rows that are copied side by side before anything else; 0: none are */
    int64_t blocks;      /* of BLOCK classes in a row */
    bool reads_logits;   /* false: only the label's probability is needed */
    bool more;           /* mass, gap and heat are needed */
    bool plain;          /* see xent_coefficients */
    bool keeps_terms;    /* E is needed after the statistics */
    bool keeps_in_place; /* .. and is kept in the gradient's own memory */
    int32_t split;       /* ALONG: tasks that share the blocks of one row */
    const row_view *source;         /* the logits, also where rows are staged */
    int64_t ahead;                  /* ACROSS: rows from one read to one fetched; 0: none is */
    bool in_order;                  /* one thread takes all groups of rows, one after the other */
    const struct known_rows *known; /* not ACROSS; NULL: logits are read */
    bool streams;                   /* ALONG: the gradient is written past the caches */
    bool again;                     /* .. and E is not kept, but computed again */
    size_t scratch_size;            /* bytes that one task needs */
};

/* Rows whose losses and weights are summed in order into one total, before totals are merged in
 * order: a function of the shape alone, since it says which numbers are added first. */
int64_t choose_group_rows(int64_t rows, int64_t classes);

/* Sets all but formula, class_weight and all_counted, which the data decide, split and in_order.
 * Nothing is known. There is at least one row; shape and options must live as long. */
void make_plan(struct plan *plan, const layout *shape, const xent_options *options,
               const xent_outputs *outputs, bool wants_total);

/* The parts of one task's scratch memory, which is aligned for doubles. */
struct scratch {
    xent_stats *blocks;          /* ALONG: [phase_rows][blocks] */
    xent_stats_columns *columns; /* ACROSS: [blocks] */
    void *terms;                 /* ALONG, not kept in place: lanes [phase_rows][C];
                                    ACROSS: lanes [MOST_ROWS/ACROSS][TILE][ACROSS], or
                                    [LONG_TILE][ACROSS] */
    void *stage;                 /* elements [C][stage_pitch] of stage_rows rows */
};

struct scratch divide_scratch(const struct plan *plan, void *memory);

/* Elements from one class of the stage to the next: not a multiple of a page, so that the classes
 * of a row do not meet in the same few places of a cache. */
int64_t stage_pitch(const struct plan *plan);

/* Bytes of a lane of the logits' dtype. */
int64_t lane_size(const struct plan *plan);

#endif
