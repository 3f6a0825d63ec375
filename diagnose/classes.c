/* SPDX-License-Identifier: MIT
 * Classes that are never predicted, or never present. */
#include "diagnosis.h"

#include <inttypes.h>

/* Classes of one kind, and the one of them with the most rows. */
typedef struct missing {
    int64_t classes, first, most;
} missing;

static void add_missing(missing *found, int64_t class_index, int64_t rows) {
    if (found->classes++ == 0 || rows > found->most) {
        found->first = class_index;
        found->most = rows;
    }
}

/* Rows of a class that leave no room for chance, at a recall of a fifth. */
enum { ENOUGH = 20 };

static void judge_predicted(xent_diagnosis *all) {
    missing found = {0, 0, 0};
    for (int64_t c = 0; c < all->classes; c++) {
        if (all->prediction_counts[c] == 0 && all->label_counts[c] >= ENOUGH)
            add_missing(&found, c, all->label_counts[c]);
    }
    if (found.classes == 0)
        return;
    record *finding = add_finding(all, "class-never-predicted", XENT_NOTE, 0.8);
    say(finding,
        "%" PRId64 " class%s with at least %d rows %s never predicted: class %" PRId64
        " has %" PRId64 " rows",
        found.classes, found.classes == 1 ? "" : "es", ENOUGH, found.classes == 1 ? "is" : "are",
        found.first, found.most);
    set_fix(finding, "See whether the class was in the training data, and whether its logit is "
                     "masked or its weight 0.");
    add_evidence(finding, "classes", (double)found.classes);
    add_evidence(finding, "class", (double)found.first);
    add_evidence(finding, "rows", (double)found.most);
}

/* A class that should have so many rows, going by the predictions or by equal shares. */
static void judge_present(xent_diagnosis *all) {
    missing found = {0, 0, 0};
    int64_t share = all->judged / (all->classes > 0 ? all->classes : 1);
    for (int64_t c = 0; c < all->classes; c++) {
        if (all->label_counts[c] == 0 && (share >= ENOUGH || all->prediction_counts[c] >= ENOUGH))
            add_missing(&found, c, all->prediction_counts[c]);
    }
    if (found.classes == 0)
        return;
    record *finding = add_finding(all, "class-never-present", XENT_NOTE, 0.7);
    say(finding,
        "no label is %" PRId64 "%s, in %" PRId64 " rows of %" PRId64 " classes; it is predicted "
        "%" PRId64 " times",
        found.first, found.classes > 1 ? " (and others are missing)" : "", all->judged,
        all->classes, found.most);
    set_fix(finding, "See whether the data was filtered or is sorted by class, or the model has "
                     "a class too many.");
    add_evidence(finding, "classes", (double)found.classes);
    add_evidence(finding, "class", (double)found.first);
    add_evidence(finding, "times_predicted", (double)found.most);
}

void judge_classes(xent_diagnosis *all) {
    if (all->judged == 0 || all->classes < 2)
        return;
    judge_predicted(all);
    judge_present(all);
}
