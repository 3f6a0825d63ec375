/* SPDX-License-Identifier: MIT
 * How the rows of one call are worked through: decided once, from shapes and options alone. */
#include "plan.h"

int64_t lane_size(const struct plan *plan) {
    return plan->shape->logits.dtype == XENT_F64 ? 8 : 4;
}

static bool is_consecutive(const row_view *view) {
    return !view->data || view->class_stride == 1;
}

/* Up to as many classes as the longest tile holds, rows go side by side: along them, ending one row
 * and beginning the next would take longer than its terms. */
static enum way choose_way(const layout *shape, const xent_options *options) {
    if (options->softcap > 0)
        return WAY_BENT;
    bool consecutive = is_consecutive(&shape->logits) && is_consecutive(&shape->grad) &&
                       is_consecutive(&shape->probability);
    return consecutive && shape->classes > LONG_TILE ? WAY_ALONG : WAY_ACROSS;
}

static bool rows_are_neighbours(const row_view *view) {
    return view->ndim > 0 && view->step[view->ndim - 1] == dtype_size(view->dtype);
}

/* Bytes of E of a phase, or of one row, that the first cache and the stack have room for. */
enum { ROOM_FOR_TERMS = 32768 };

/* Where each row's classes are consecutive, rows that share one long tile are enough at a time. */
static int choose_phase_rows(enum way way, const layout *shape) {
    if (way == WAY_BENT)
        return 1;
    if (way == WAY_ACROSS) {
        bool long_tile =
            is_consecutive(&shape->logits) && shape->classes > TILE && shape->classes <= LONG_TILE;
        return long_tile ? ACROSS : MOST_ROWS;
    }
    int64_t lane = shape->logits.dtype == XENT_F64 ? 8 : 4;
    int64_t rows = ROOM_FOR_TERMS / lane / shape->classes;
    return rows < 1 ? 1 : rows > MOST_ROWS ? MOST_ROWS : (int)rows;
}

/* Classes that lie a page or more apart, often by a power of 2, meet in the same few places of the
 * caches and throw each other out: some rows of each class at a time are copied together, as many
 * as the stack has room for, and the gradient back. */
static int choose_stage_rows(const struct plan *plan, const xent_outputs *outputs) {
    const int64_t page = 4096, room = 32768, least = 128, ways = 8; /* of a first-level cache */
    const layout *shape = plan->shape;
    int64_t step = shape->logits.class_step;
    int64_t rows = room / lane_size(plan) / shape->classes / MOST_ROWS * MOST_ROWS;
    bool far = plan->way == WAY_ACROSS && plan->neighbours && (step >= page || step <= -page);
    bool grad_fits = !shape->grad.data || rows_are_neighbours(&shape->grad);
    bool pays = shape->classes > ways && shape->rows >= least && rows >= least;
    return far && grad_fits && pays && !outputs->probability ? (int)rows : 0;
}

int64_t stage_pitch(const struct plan *plan) {
    return plan->stage_rows + 64 / lane_size(plan);
}

/* Rows that will be read after those of a phase, or of a stage, and lie where fetching them is a
 * matter of steps: as neighbours, or each right after the one before. But not so many bytes that
 * they throw out what is worked on. */
static int64_t choose_ahead(const struct plan *plan) {
    const int64_t room = 1 << 18, classes = plan->shape->classes;
    bool dense = plan->blocks == 1 && rows_are_dense(plan->source, classes);
    bool fits = plan->phase_rows * classes * dtype_size(plan->source->dtype) <= room;
    if (plan->way != WAY_ACROSS || !(plan->neighbours || dense) || !fits)
        return 0;
    return plan->stage_rows > 0 ? plan->stage_rows : plan->phase_rows;
}

static size_t stage_size(const struct plan *plan) {
    if (plan->stage_rows == 0)
        return 0;
    return (size_t)(plan->shape->classes * stage_pitch(plan) *
                    dtype_size(plan->shape->logits.dtype));
}

/* Many rows, so that handing out a group and ending its sums cost little, but not so many that
 * few groups are left to hand out: MOST_ROWS of up to 65536 logits, more of up to 16384, whole
 * chunks of MOST_ROWS, and at most about 1024 groups. */
int64_t choose_group_rows(int64_t rows, int64_t classes) {
    if (rows <= MOST_ROWS && classes <= 1024)
        return MOST_ROWS;
    const int64_t sizes[] = {65536 / classes, 16384 / classes, rows / 1024 + 1};
    const int64_t limits[] = {MOST_ROWS, 1024, INT64_MAX};
    int64_t wanted = 1;
    for (int i = 0; i < 3; i++) {
        int64_t size = sizes[i] < limits[i] ? sizes[i] : limits[i];
        wanted = wanted > size ? wanted : size;
    }
    return wanted > MOST_ROWS ? (wanted + MOST_ROWS - 1) / MOST_ROWS * MOST_ROWS : wanted;
}

static size_t blocks_size(const struct plan *plan) {
    if (plan->way == WAY_ACROSS)
        return (size_t)plan->blocks * sizeof(xent_stats_columns);
    int64_t rows = plan->way == WAY_BENT ? 0 : plan->phase_rows;
    return (size_t)(rows * plan->blocks) * sizeof(xent_stats);
}

static size_t terms_size(const struct plan *plan) {
    _Static_assert(MOST_ROWS * TILE >= ACROSS * LONG_TILE,
                   "a long tile fits the room of short ones");
    if (plan->way == WAY_ACROSS)
        return (size_t)(MOST_ROWS * TILE * lane_size(plan));
    if (plan->way == WAY_BENT || !plan->keeps_terms || plan->keeps_in_place)
        return 0;
    return (size_t)(plan->phase_rows * plan->shape->classes * lane_size(plan));
}

/* Only loss and gradient, of rows that are all worth the same, without smoothing, z-loss and
 * cap. */
static bool is_plain(const xent_options *options, const xent_outputs *outputs) {
    bool more_outputs =
        outputs->lse || outputs->label_probability || outputs->entropy || outputs->probability;
    bool more_options = options->row_weight || options->class_weight || options->softcap > 0 ||
                        options->label_smoothing > 0 || options->z_loss > 0;
    return options->logits_are == XENT_LOGITS && !more_outputs && !more_options;
}

/* Builds for tests go past the caches on any processor. */
#ifdef XENT_ALWAYS_PAST_CACHES
enum { ALWAYS_PAST_CACHES = true };
#else
enum { ALWAYS_PAST_CACHES = false };
#endif

/* A gradient that is larger than any cache and lies elsewhere than the logits would be read from
 * memory before it is written; where arithmetic is slower than that, it is none the worse. */
static bool streams_gradient(const struct plan *plan, const xent_outputs *outputs) {
    const int64_t beyond_caches = 32 << 20;
    const layout *shape = plan->shape;
    int64_t size = dtype_size(shape->logits.dtype);
    bool wanted = ALWAYS_PAST_CACHES || plan->kernels->past_caches;
    return wanted && plan->way == WAY_ALONG && outputs->grad && size == lane_size(plan) &&
           !outputs->probability && shape->grad.data != shape->logits.data &&
           plan->options->label_smoothing == 0 &&
           shape->rows > beyond_caches / size / shape->classes;
}

void make_plan(struct plan *plan, const layout *shape, const xent_options *options,
               const xent_outputs *outputs, bool wants_total) {
    bool is_logits = options->logits_are == XENT_LOGITS;
    int64_t classes = shape->classes;
    plan->shape = shape;
    plan->known = NULL;
    plan->options = options;
    plan->kernels = xent_kernels_for(shape->logits.dtype);
    plan->math = xent_math_functions();
    plan->way = choose_way(shape, options);
    plan->neighbours = rows_are_neighbours(&shape->logits);
    plan->in_place = shape->grad.data == shape->logits.data;
    plan->phase_rows = choose_phase_rows(plan->way, shape);
    plan->fits_tiles = classes <= (plan->phase_rows == ACROSS ? LONG_TILE : TILE);
    plan->group_rows = choose_group_rows(shape->rows, classes);
    plan->blocks = (classes - 1) / BLOCK + 1;
    plan->reads_logits = is_logits || outputs->prediction || wants_total;
    plan->more = options->label_smoothing > 0 || outputs->entropy;
    plan->plain = is_plain(options, outputs);
    plan->keeps_terms = is_logits && (outputs->grad || outputs->probability);
    bool are_lanes = lane_size(plan) == dtype_size(shape->logits.dtype);
    plan->streams = streams_gradient(plan, outputs);
    plan->again = plan->streams && classes > ROOM_FOR_TERMS / lane_size(plan);
    plan->keeps_terms &= !plan->again;
    plan->keeps_in_place = outputs->grad && are_lanes && !plan->streams;
    plan->stage_rows = choose_stage_rows(plan, outputs);
    plan->source = &shape->logits;
    plan->ahead = choose_ahead(plan);
    plan->scratch_size = blocks_size(plan) + terms_size(plan) + stage_size(plan);
}

struct scratch divide_scratch(const struct plan *plan, void *memory) {
    char *terms = (char *)memory + blocks_size(plan);
    return (struct scratch){
        .blocks = memory, .columns = memory, .terms = terms, .stage = terms + terms_size(plan)};
}
