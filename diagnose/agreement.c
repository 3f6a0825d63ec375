/* SPDX-License-Identifier: MIT
 * How well labels and predictions agree: as if by chance, worse, or suspiciously well. */
#include "diagnosis.h"
#include "objects.h"
#include "tails.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* Skill is (A - A0)/(1 - A0) of an agreement A, where A0 is that of independent labels and
 * predictions with the same class frequencies (Cohen's kappa, 1960). */
typedef struct skill {
    double rows, agreement, expected, confidence;
    double loss;      /* mean; NaN if a row's is not finite */
    double claimed;   /* the skill that the mean confidence claims */
    double ruled_out; /* the chance of so little agreement if the skill were a quarter of 1 */
    double unclaimed; /* and if it were a quarter of what is claimed */
    double worse;     /* the chance of so little agreement if there were no skill */
    double possible;  /* the most agreement that the class frequencies allow */
    double largest;   /* share of a label */
} skill;

double expected_agreement(const xent_diagnosis *all) {
    double sum = 0.0, rows = (double)(all->judged > 0 ? all->judged : 1);
    for (int64_t c = 0; c < all->classes; c++)
        sum += (double)all->label_counts[c] / rows * (double)all->prediction_counts[c] / rows;
    return sum;
}

static double agreement_of_skill(const skill *has, double level) {
    return has->expected + level * (1.0 - has->expected);
}

static void find_bounds(const xent_diagnosis *all, skill *has) {
    for (int64_t c = 0; c < all->classes; c++) {
        double label = (double)all->label_counts[c] / has->rows;
        has->possible += fmin(label, (double)all->prediction_counts[c] / has->rows);
        has->largest = fmax(has->largest, label);
    }
}

static skill find_skill(const xent_diagnosis *all) {
    skill has = {.rows = (double)all->judged, .expected = expected_agreement(all)};
    find_bounds(all, &has);
    has.agreement = (double)all->agreeing / has.rows;
    has.confidence = all->logit_facts.confidence / (double)all->logit_facts.read;
    has.loss = all->total.loss_sum / (double)all->total.counted;
    has.claimed = (has.confidence - has.expected) / (1.0 - has.expected);
    has.worse = binomial_below(all->agreeing, all->judged, has.expected);
    has.ruled_out = binomial_below(all->agreeing, all->judged, agreement_of_skill(&has, 0.25));
    has.unclaimed =
        binomial_below(all->agreeing, all->judged, agreement_of_skill(&has, 0.25 * has.claimed));
    return has;
}

static void add_skill(record *finding, const skill *has) {
    add_evidence(finding, "agreement", has->agreement);
    add_evidence(finding, "agreement_by_chance", has->expected);
    add_evidence(finding, "mean_confidence", has->confidence);
    add_evidence(finding, "loss", has->loss);
    add_evidence(finding, "rows_tested", has->rows);
}

static void report_shuffled(xent_diagnosis *all, const skill *has) {
    record *finding = add_finding(all, "labels-shuffled", XENT_MISTAKE, 0.3);
    say(finding,
        "the model is sure of itself (mean confidence %.1f %%) and agrees with %.1f %% of the "
        "labels, as labels in random order would (%.1f %%)",
        100.0 * has->confidence, 100.0 * has->agreement, 100.0 * has->expected);
    set_fix(finding, "Look for a shuffle, sort or filter that was applied to the one file and not "
                     "to the other, or to labels of another data set.");
    add_skill(finding, has);
    add_evidence(finding, "chance", has->unclaimed);
}

/* Whether so little is known all the same: more than chance, and the loss saves more than the 0.999
 * quantile of chi-squared with 1 degree of freedom. */
static bool knows_a_little(const xent_diagnosis *all, const skill *has) {
    const double notable = 10.83;
    double saved = log((double)all->classes) - has->loss;
    return binomial_above(all->agreeing, all->judged, has->expected) <= test_level() &&
           2.0 * saved * (double)all->total.counted > notable;
}

static void report_untrained(xent_diagnosis *all, const skill *has) {
    int32_t severity = knows_a_little(all, has) ? XENT_NOTE : XENT_WARNING;
    record *finding = add_finding(all, "untrained", severity, 0.5);
    say(finding,
        "the mean loss, %.4g, is about that of no knowledge, ln %" PRId64 " = %.4g, and %.1f %% of "
        "the labels are predicted, as by chance",
        has->loss, all->classes, log((double)all->classes), 100.0 * has->agreement);
    set_fix(finding, "Load the trained weights, train on, or look for inputs that are all alike.");
    add_skill(finding, has);
    add_evidence(finding, "log_classes", log((double)all->classes));
    add_evidence(finding, "chance", has->ruled_out);
}

static void report_worse(xent_diagnosis *all, const skill *has) {
    record *finding = add_finding(all, "worse-than-chance", XENT_WARNING, 0.9);
    say(finding,
        "%.1f %% of the labels are predicted, fewer than labels in random order would be (%.1f %%)",
        100.0 * has->agreement, 100.0 * has->expected);
    set_fix(finding, "Look for a sign that is wrong, class ids in another order, or rows that go "
                     "with another row's label.");
    add_skill(finding, has);
    add_evidence(finding, "chance", has->worse);
}

/* A loss within a tenth of ln C, hardly any claim, and no skill behind it. Weights drawn at random
 * send similar rows the same way, so agreement may be above chance or below; that says nothing. */
static bool is_ignorant(const xent_diagnosis *all, const skill *has) {
    const double hardly = 0.1;
    double ignorance = log((double)all->classes), share = 1.0 / (double)all->classes;
    return fabs(has->loss - ignorance) <= hardly * ignorance &&
           (has->confidence - share) / (1.0 - share) <= hardly && has->ruled_out <= test_level();
}

bool knows_nothing(const xent_diagnosis *all) {
    if (all->judged == 0 || all->classes < 2)
        return false;
    const skill has = find_skill(all);
    return is_ignorant(all, &has);
}

void judge_training(xent_diagnosis *all) {
    if (all->judged == 0 || all->classes < 2 || hides_agreement(all))
        return;
    const skill has = find_skill(all);
    if (is_ignorant(all, &has))
        report_untrained(all, &has);
}

/* Whether skill shows in agreement at all: of a single label it is the share of its predictions,
 * in any order. */
static bool can_show(const skill *has) {
    const double one_label = 0.9;
    return has->largest <= one_label &&
           has->possible - has->expected >= 0.5 * has->claimed * (1.0 - has->expected);
}

/* The same chances, where neighbours of the same label and prediction count once, as frames of a
 * clip that is taken wholly for another class: the larger ones hold. */
static void count_objects_once(const objects *made, int64_t *labels, int64_t *predictions,
                               int64_t classes, skill *has) {
    int64_t agreeing = 0, count = made->count;
    double expected = 0.0, rows = (double)(count > 0 ? count : 1);
    for (int64_t i = 0; i < count; i++) {
        labels[made->labels[i]]++;
        predictions[made->predictions[i]]++;
        agreeing += made->labels[i] == made->predictions[i];
    }
    for (int64_t c = 0; c < classes; c++)
        expected += (double)labels[c] / rows * ((double)predictions[c] / rows);
    double quarter = expected + 0.25 * has->claimed * (1.0 - expected);
    has->worse = fmax(has->worse, binomial_below(agreeing, count, expected));
    has->unclaimed = fmax(has->unclaimed, binomial_below(agreeing, count, quarter));
}

static xent_status try_objects(const xent_diagnosis *all, skill *has) {
    int64_t *labels = take_array(all->classes, sizeof *labels);
    int64_t *predictions = take_array(all->classes, sizeof *predictions);
    objects made = {.count = 0};
    xent_status status = labels && predictions ? find_objects(all, true, &made) : XENT_NO_MEMORY;
    if (status == XENT_OK)
        count_objects_once(&made, labels, predictions, all->classes, has);
    free_objects(&made);
    free(labels);
    free(predictions);
    return status;
}

/* Agreement of chance or so: not even a quarter of what is claimed, and little above chance. */
static bool seems_shuffled(const xent_diagnosis *all, const skill *has) {
    const double doubtful = 0.01, some_claim = 0.25;
    return binomial_above(all->agreeing, all->judged, has->expected) > doubtful &&
           has->claimed >= some_claim && has->unclaimed <= test_level() && can_show(has);
}

static xent_status judge_little(xent_diagnosis *all, skill *has) {
    bool worse = has->worse <= test_level();
    if (!worse && !seems_shuffled(all, has))
        return XENT_OK;
    xent_status status = try_objects(all, has);
    if (status == XENT_OK && worse && has->worse <= test_level())
        report_worse(all, has);
    else if (status == XENT_OK && !worse && has->unclaimed <= test_level())
        report_shuffled(all, has);
    return status;
}

/* ---- too good -------------------------------------------------------------------------------- */

/* No error in so many different rows has, at an error rate of 2 %, a chance below the level of a
 * test. A model that is right so often by its own merit still meets rows that it is not sure of. */
static bool is_too_good(const xent_diagnosis *all, const skill *has) {
    const double error_rate = 0.02, tiny_loss = 5e-4;
    return all->agreeing == all->judged && has->loss < tiny_loss &&
           pow(1.0 - error_rate, (double)all->distinct_rows) <= test_level();
}

static void judge_leakage(xent_diagnosis *all, const skill *has) {
    if (all->classes < 2 || has->expected > 0.9 || !is_too_good(all, has))
        return;
    record *finding = add_finding(all, "leakage", XENT_NOTE, 0.95);
    say(finding,
        "all %" PRId64 " rows are predicted right, with a mean loss of %.3g: labels seem to reach "
        "the logits",
        all->judged, has->loss);
    set_fix(finding, "Check that no input holds the label, and that these rows were not trained "
                     "on.");
    add_skill(finding, has);
}

xent_status judge_agreement(xent_diagnosis *all) {
    xent_status status = XENT_OK;
    if (all->judged == 0 || all->classes < 2)
        return XENT_OK;
    skill has = find_skill(all);
    if (has.expected < 1.0 && !hides_agreement(all) && !has_finding(all, "untrained"))
        status = judge_little(all, &has);
    judge_leakage(all, &has);
    return status;
}
