/* SPDX-License-Identifier: MIT
 * Rows that count, regrouped into units of a size that shapes and options alone decide, so that
 * blocks of any size give the same bits. */
#include "training.h"

#include <string.h>

/* Some 4 MB of features: little enough to stay in a cache, enough for the products to be worth
 * several threads, and a multiple of the 256 rows that the linear form adds in one chain. */
static int64_t choose_capacity(const struct xent_training *training) {
    const int64_t entries = 1 << 20, most = 4096, least = 16;
    int64_t rows = most;
    while (rows > least && rows * training->features > entries)
        rows /= 2;
    if (training->batches && rows > training->options.batch_rows)
        rows = training->options.batch_rows;
    return rows;
}

bool take_unit(struct xent_training *training) {
    struct unit *unit = &training->unit;
    size_t size = training->looks ? sizeof(double) : training->lane;
    unit->capacity = choose_capacity(training);
    unit->features = take_zeros(unit->capacity, training->features, size);
    unit->labels = take_zeros(unit->capacity, 1, sizeof *unit->labels);
    unit->places = take_zeros(unit->capacity, 1, sizeof *unit->places);
    unit->weights = take_zeros(unit->capacity, 1, sizeof *unit->weights);
    return unit->features && unit->labels && unit->places && unit->weights;
}

static bool is_looking(const struct xent_training *training) {
    return training->looks && !training->count.looked;
}

/* How many more rows the unit may take: it ends where its batch does. */
static int64_t room_of(const struct xent_training *training) {
    int64_t room = training->unit.capacity - training->unit.rows;
    if (!training->batches || training->pass.scores || is_looking(training))
        return room;
    int64_t left =
        training->options.batch_rows - training->pass.batch.counted - training->unit.rows;
    return left < room ? left : room;
}

static void end_unit(struct xent_training *training) {
    training->unit.rows = 0;
    training->unit.weighs = false;
    if (training->pass.batch.counted == training->options.batch_rows)
        finish_batch(training);
}

/* features: where they lie if not in the unit. */
static xent_status use_unit(struct xent_training *training, const xent_tensor *features,
                            xent_error *error) {
    const struct unit *unit = &training->unit;
    xent_tensor own =
        xent_matrix(unit->features, training->options.dtype, unit->rows, training->features);
    xent_status status = XENT_OK;
    if (is_looking(training))
        status = look_at_unit(training, error);
    else
        status = learn_from(training, features ? features : &own, error);
    end_unit(training);
    return status;
}

/* Row i of the unit, without its features. */
static void take_row(struct xent_training *training, const struct block *block, int64_t row,
                     int64_t label) {
    struct unit *unit = &training->unit;
    const xent_total *counts =
        training->pass.scores ? &training->pass.held_counts : &training->pass.counts;
    unit->labels[unit->rows] = label;
    unit->weights[unit->rows] = weight_of(block, row);
    unit->places[unit->rows] = counts->rows + row;
    unit->weighs = unit->weighs || unit->weights[unit->rows] != 1;
    unit->rows++;
}

static struct preparation preparation_for(const struct xent_training *training,
                                          const struct block *block) {
    const xent_tensor *features = block->features;
    bool plain = is_looking(training), scales = !plain && training->count.transforms;
    bool moves = scales && training->options.standardize;
    return (struct preparation){.from = features->dtype,
                                .to = plain ? XENT_F64 : training->options.dtype,
                                .stride = features->stride[features->ndim - 1],
                                .count = training->features,
                                .mean = moves ? training->mean : NULL,
                                .scale = scales ? training->scale : NULL,
                                .float_mean = moves ? training->float_mean : NULL,
                                .float_scale = scales ? training->float_scale : NULL};
}

/* As many rows as the unit has room for, all of which count, are used where they lie. */
static bool is_whole_unit(const struct xent_training *training, const struct block *block,
                          int64_t row, int64_t room) {
    bool fits = training->unit.rows == 0 && row + room <= block->rows &&
                block->features->ndim == 2 && block->features->dtype == training->options.dtype &&
                !training->count.transforms && !is_looking(training);
    for (int64_t i = 0; fits && i < room; i++)
        fits = label_of(training, block, row + i) >= 0;
    return fits;
}

static xent_status use_in_place(struct xent_training *training, const struct block *block,
                                int64_t row, int64_t count, xent_error *error) {
    xent_tensor features = *block->features;
    features.data =
        (char *)features.data + row * features.stride[0] * (int64_t)size_of_dtype(features.dtype);
    features.shape[0] = count;
    for (int64_t i = 0; i < count; i++)
        take_row(training, block, row + i, label_of(training, block, row + i));
    return use_unit(training, &features, error);
}

static void copy_row(struct xent_training *training, const struct block *block,
                     const struct preparation *how, int64_t row, int64_t label) {
    size_t size = size_of_dtype(how->to) * (size_t)training->features;
    char *to = (char *)training->unit.features + (size_t)training->unit.rows * size;
    prepare_row(how, features_of(block, row), to);
    take_row(training, block, row, label);
}

xent_status take_rows(struct xent_training *training, const struct block *block,
                      xent_error *error) {
    const struct preparation how = preparation_for(training, block);
    xent_status status = XENT_OK;
    for (int64_t row = 0; status == XENT_OK && row < block->rows;) {
        int64_t room = room_of(training);
        if (is_whole_unit(training, block, row, room)) {
            status = use_in_place(training, block, row, room, error);
            row += room;
            continue;
        }
        for (int64_t end = row + room; row < block->rows && row < end; row++) {
            int64_t label = label_of(training, block, row);
            if (label >= 0)
                copy_row(training, block, &how, row, label);
        }
        if (room_of(training) == 0)
            status = use_unit(training, NULL, error);
    }
    return status;
}

xent_status finish_unit(struct xent_training *training, xent_error *error) {
    xent_status status = XENT_OK;
    if (training->unit.rows > 0)
        status = use_unit(training, NULL, error);
    if (status == XENT_OK && training->pass.batch.counted > 0)
        finish_batch(training);
    return status;
}
