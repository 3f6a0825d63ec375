/* SPDX-License-Identifier: MIT
 * Equal rows with different labels: more of them than the model's own probabilities allow. */
#include "diagnosis.h"
#include "tails.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct duplicates {
    int64_t pairs, conflicts; /* a row and an earlier equal one; those with different labels */
    int64_t row, other;       /* the first such */
    double allowed;           /* sum over pairs of 1 - max p^2 */
} duplicates;

static bool is_counted(const xent_diagnosis *all, int64_t row) {
    return all->predictions[row] >= 0 && all->labels[row] >= 0 && all->labels[row] < all->classes;
}

static bool same_rows(const xent_diagnosis *all, int64_t a, int64_t b) {
    return all->keys[a] == all->keys[b] && all->predictions[a] == all->predictions[b];
}

static void add_pair(const xent_diagnosis *all, duplicates *found, int64_t row, int64_t other) {
    double most = (double)all->confidence[row];
    found->pairs++;
    found->allowed += 1.0 - most * most;
    if (all->labels[row] == all->labels[other])
        return;
    if (found->conflicts++ == 0) {
        found->row = row;
        found->other = other;
    }
}

/* A hash table of rows, by their keys: 0 is an empty place, else the latest such row + 1. */
static void fill(const xent_diagnosis *all, int32_t *places, int bits, duplicates *found) {
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (int64_t row = 0; row < all->rows; row++) {
        if (!is_counted(all, row))
            continue;
        uint64_t at = all->keys[row] >> (64 - bits);
        while (places[at] != 0 && !same_rows(all, row, places[at] - 1))
            at = (at + 1) & mask;
        if (places[at] != 0)
            add_pair(all, found, row, places[at] - 1);
        places[at] = (int32_t)(row + 1);
    }
}

static void report(xent_diagnosis *all, const duplicates *found, double chance) {
    bool many = chance <= test_level();
    record *finding =
        add_finding(all, "conflicting-duplicates", many ? XENT_WARNING : XENT_NOTE, 0.6);
    say(finding,
        "%" PRId64 " of %" PRId64 " pairs of equal rows have different labels (first: rows %" PRId64
        " and %" PRId64 ")%s",
        found->conflicts, found->pairs, found->other, found->row,
        many ? "; the model's own probabilities allow fewer"
             : ", as many as the probabilities allow");
    set_fix(finding,
            "Look for inputs that are in the data twice with different labels, or for rows "
            "that were repeated to fit.");
    add_evidence(finding, "pairs", (double)found->pairs);
    add_evidence(finding, "conflicts", (double)found->conflicts);
    add_evidence(finding, "conflicts_allowed", found->allowed);
    add_evidence(finding, "first_row", (double)found->other);
    add_evidence(finding, "second_row", (double)found->row);
    add_evidence(finding, "chance", chance);
}

xent_status judge_duplicates(xent_diagnosis *all) {
    int bits = 4;
    duplicates found = {.pairs = 0};
    if (all->rows > INT32_MAX - 1 || all->logit_facts.other_rows == 0)
        return XENT_OK;
    while ((INT64_C(1) << bits) < all->rows + all->rows / 2)
        bits++;
    int32_t *places = take_array(INT64_C(1) << bits, sizeof *places);
    if (!places)
        return XENT_NO_MEMORY;
    fill(all, places, bits, &found);
    free(places);
    if (found.conflicts == 0)
        return XENT_OK;
    double chance =
        binomial_above(found.conflicts, found.pairs, found.allowed / (double)found.pairs);
    if (!has_mistake(all)) /* else the labels of most rows conflict with something */
        report(all, &found, chance);
    return XENT_OK;
}
