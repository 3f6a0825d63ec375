/* SPDX-License-Identifier: MIT
 * Equal rows: which stand for others, and which have different labels; more of these than the
 * model's probabilities, or its agreement, allow. */
#include "diagnosis.h"
#include "tails.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- equal rows ------------------------------------------------------------------------------ */

static bool is_counted(const xent_diagnosis *all, int64_t row) {
    return all->predictions[row] >= 0 && all->labels[row] >= 0 && all->labels[row] < all->classes;
}

static bool same_rows(const xent_diagnosis *all, int64_t a, int64_t b) {
    return all->keys[a] == all->keys[b] && all->predictions[a] == all->predictions[b];
}

/* A hash table of rows: 0 is an empty place, else a row + 1; negative: the row has its pair. */
typedef struct table {
    int32_t *places;
    int bits;
} table;

static uint64_t first_place(const table *of, uint64_t key) {
    return key >> (64 - of->bits);
}

/* The key of a row and its label. */
static uint64_t labelled_key(const xent_diagnosis *all, int64_t row) {
    uint64_t spread = (uint64_t)(all->labels[row] + 1) * UINT64_C(0xC2B2AE3D27D4EB4F);
    return all->keys[row] ^ spread;
}

static uint64_t own_key(const xent_diagnosis *all, int64_t row) {
    return all->keys[row];
}

/* Places lie anywhere in memory: those of rows that come soon are fetched. */
static void fetch_place(const xent_diagnosis *all, const table *of, int64_t row,
                        uint64_t (*key_of)(const xent_diagnosis *, int64_t)) {
    enum { AHEAD = 16 };
    if (row + AHEAD < all->rows)
        __builtin_prefetch(of->places + first_place(of, key_of(all, row + AHEAD)), 1);
}

/* The place of a row, or of an equal one with the same label. */
static int32_t *find_same(const xent_diagnosis *all, const table *of, int64_t row) {
    uint64_t mask = (UINT64_C(1) << of->bits) - 1, at = first_place(of, labelled_key(all, row));
    while (of->places[at] != 0 && (!same_rows(all, row, of->places[at] - 1) ||
                                   all->labels[row] != all->labels[of->places[at] - 1]))
        at = (at + 1) & mask;
    return &of->places[at];
}

/* The place of an equal row, whatever its label. */
static int32_t *find_equal(const xent_diagnosis *all, const table *of, int64_t row) {
    uint64_t mask = (UINT64_C(1) << of->bits) - 1, at = first_place(of, own_key(all, row));
    while (of->places[at] != 0 && !same_rows(all, row, abs(of->places[at]) - 1))
        at = (at + 1) & mask;
    return &of->places[at];
}

static void mark_distinct(xent_diagnosis *all, const table *of) {
    for (int64_t row = 0; row < all->rows; row++) {
        fetch_place(all, of, row, labelled_key);
        all->half[row] = LEFT_OUT;
        if (!is_counted(all, row))
            continue;
        int32_t *place = find_same(all, of, row);
        all->half[row] = (uint8_t)((all->keys[row] & 1) + (*place == 0 ? 0 : REPEATED));
        all->distinct_rows += *place == 0;
        *place = (int32_t)(row + 1);
    }
}

/* ---- conflicts ------------------------------------------------------------------------------- */

/* How often rows of a confidence agree with their labels, whatever the model claims. */
enum { BINS = 20 };
typedef struct reliability {
    int64_t rows[BINS], agree[BINS];
} reliability;

static int bin_of(double confidence) {
    int bin = (int)(confidence * BINS);
    return bin < BINS ? bin : BINS - 1;
}

static reliability find_reliability(const xent_diagnosis *all) {
    reliability found = {{0}, {0}};
    for (int64_t row = 0; row < all->rows; row++) {
        if (!is_counted(all, row))
            continue;
        int bin = bin_of((double)all->confidence[row]);
        found.rows[bin]++;
        found.agree[bin] += all->labels[row] == all->predictions[row];
    }
    return found;
}

/* Two labels of a row are the same with a probability of sum p^2 >= max p^2, where p is what the
 * model says or, if that is less, what its rows of such confidence show. */
static double allowed_for(const reliability *known, double confidence) {
    int bin = bin_of(confidence);
    double shown = (double)known->agree[bin] / (double)known->rows[bin];
    double most = shown < confidence ? shown : confidence;
    return 1.0 - most * most;
}

/* Of equal rows the first and the second are a pair, the third and the fourth, ..: pairs that share
 * no label are independent. */
static void count_conflicts(xent_diagnosis *all, const table *of) {
    const reliability known = find_reliability(all);
    duplicates *found = &all->duplicates;
    for (int64_t row = 0; row < all->rows; row++) {
        fetch_place(all, of, row, own_key);
        if (!is_counted(all, row))
            continue;
        int32_t *place = find_equal(all, of, row);
        int64_t other = *place - (int64_t)1;
        *place = (int32_t)(other < 0 ? row + 1 : -(row + 1));
        if (other < 0)
            continue;
        found->pairs++;
        found->allowed += allowed_for(&known, (double)all->confidence[row]);
        if (all->labels[row] != all->labels[other] && found->conflicts++ == 0) {
            found->row = other;
            found->other = row;
        }
    }
}

xent_status find_duplicates(xent_diagnosis *all) {
    table of = {.bits = 4};
    while ((INT64_C(1) << of.bits) < all->rows + all->rows / 2)
        of.bits++;
    all->half = take_array(all->rows, sizeof *all->half);
    of.places = take_array(INT64_C(1) << of.bits, sizeof *of.places);
    if (!all->half || !of.places) {
        free(of.places);
        return XENT_NO_MEMORY;
    }
    mark_distinct(all, &of);
    memset(of.places, 0, (sizeof *of.places) << of.bits);
    count_conflicts(all, &of);
    free(of.places);
    return XENT_OK;
}

void judge_duplicates(xent_diagnosis *all) {
    const duplicates *found = &all->duplicates;
    if (found->conflicts == 0 || hides_agreement(all)) /* most labels are wrong then */
        return;
    double chance =
        binomial_above(found->conflicts, found->pairs, found->allowed / (double)found->pairs);
    bool many = chance <= test_level();
    record *finding =
        add_finding(all, "conflicting-duplicates", many ? XENT_WARNING : XENT_NOTE, 0.6);
    say(finding,
        "%" PRId64 " of %" PRId64 " pairs of equal rows have different labels (first: rows %" PRId64
        " and %" PRId64 ")%s",
        found->conflicts, found->pairs, found->row, found->other,
        many ? "; the model's own probabilities allow fewer"
             : ", as many as the probabilities allow");
    set_fix(finding,
            "Look for inputs that are in the data twice with different labels, or for rows "
            "that were repeated to fit.");
    add_evidence(finding, "pairs", (double)found->pairs);
    add_evidence(finding, "conflicts", (double)found->conflicts);
    add_evidence(finding, "conflicts_allowed", found->allowed);
    add_evidence(finding, "first_row", (double)found->row);
    add_evidence(finding, "second_row", (double)found->other);
    add_evidence(finding, "chance", chance);
}
