/* SPDX-License-Identifier: MIT
 * What is wrong with a batch when its shapes fit: labels repeated to fit, shifted, counted from 1,
 * shuffled or permuted, probabilities passed as logits, and other mistakes that run without an
 * error. On top of xent.h; this header is the reference manual.
 *
 * A complete program:
 *
 *     #include <stdio.h>
 *     #include <xent_diagnose.h>
 *     int main(void) {
 *         float logits[2][2] = {{.3f, .7f}, {.9f, .1f}};
 *         int64_t labels[2] = {1, 0};
 *         xent_tensor x = xent_matrix(logits, XENT_F32, 2, 2);
 *         xent_tensor y = xent_vector(labels, XENT_I64, 2);
 *         xent_diagnosis *found;
 *         xent_error error;
 *         if (xent_diagnose(&x, &y, NULL, &found, &error) != XENT_OK)
 *             return fprintf(stderr, "%s\n", error.message), 1;
 *         for (int32_t i = 0; i < xent_diagnosis_count(found); i++)
 *             printf("%s\n", xent_diagnosis_finding(found, i)->id);
 *         xent_diagnosis_free(found);
 *     }
 *
 * prints probabilities-as-logits (cc -std=c99 program.c -lxent).
 *
 * WHAT A FINDING IS WORTH. Findings of severity XENT_MISTAKE and XENT_WARNING come from facts that
 * hold in every row (sums of 1, a constant row, a NaN), which no clean batch shows, or from
 * statistical tests. At most XENT_DIAGNOSE_TESTS tests are made of a batch, each at the level
 * XENT_DIAGNOSE_RATE/XENT_DIAGNOSE_TESTS, so that a clean batch raises any of them with a
 * probability of at most XENT_DIAGNOSE_RATE (Bonferroni's inequality). Tails are those of the
 * exact distributions, never of a normal approximation, so that they hold in small batches too.
 *
 *   Another labelling h of the same rows (shifted, halves swapped, counted from 1, ..) against the
 *   labels y as given: of the n rows whose prediction agrees with exactly one of the two, k agree
 *   with h. Where y is right, h is not the likelier one to agree, so k is at most Binomial(n, 1/2):
 *   P(X >= k). (The sign test, McNemar 1947.) It asks nothing of accuracy or class frequencies.
 *   Permuted class ids: the assignment of labels to predictions is fitted on half of the rows and
 *   held against the identity on the other half, and the other way round, by the same test: the
 *   optimism of choosing among C! assignments stays out of it. Equal rows lie in the same half and
 *   count once. Besides, of as many rows of one label as of another, a class is not predicted more
 *   often for the other's than for its own, where labels are right: Binomial(n, 1/2) again.
 *   Repeated labels: they are periodic to the end of the batch, or constant in aligned runs, and
 *   the rows beyond the first period agree less: Fisher's exact test (hypergeometric tail), and no
 *   better than by chance; the sign test for runs. Periodic labels that fit all rows alike, or the
 *   rest less well but beyond chance (harder rows), are no mistake.
 *   Shuffled labels, an untrained model: agreement is what independent labels and predictions with
 *   the same class frequencies would show, A0 = sum_c f_labels(c)*f_predictions(c), and an
 *   agreement of a quarter of the skill (A - A0)/(1 - A0) that is claimed is ruled out by the
 *   binomial tail.
 *   Conflicting duplicates: a row gets the same label twice with a probability of sum_c p[c]^2 >=
 *   max p^2, where max p is the model's or, if that is less, the agreement of rows of such
 *   confidence; the count of conflicts has at most the binomial tail of the mean of 1 - max p^2
 *   (Hoeffding 1956).
 *
 * Rows are assumed to be independent given their labels; frames of a clip and pixels of an object
 * are right or wrong together, and count for more than they are. Two tests allow for it: shifts ask
 * for a gain in a fifth of the rows, so that a model that follows its labels late gets a note; and
 * permuted ids, shuffled labels and what is worse than chance must show as well where runs of equal
 * labels, or areas of a map, count once: if permuted ids show there above the level only, the
 * finding is a warning, above 1 % a note. A model that is always late, on labels that
 * change often, cannot be told from labels that are shifted, nor a first part that is right from
 * others that are right by chance alone from repeated labels. A hard class 0 whose failures are as
 * sure and as varied as all rows is taken for a mark (a warning).
 *
 * Notes are worth knowing and nothing wrong; they have no stated rate. docs/check.md has a page of
 * all findings with their conditions. */
#ifndef XENT_DIAGNOSE_H
#define XENT_DIAGNOSE_H

#include "xent.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The rate of false alarms of a clean batch, and the most tests that share it. */
#define XENT_DIAGNOSE_RATE 0.01
#define XENT_DIAGNOSE_TESTS 32

/* severity */
enum {
    XENT_NOTE = 1,    /* worth knowing, nothing wrong */
    XENT_WARNING = 2, /* the loss may well not mean what is thought */
    XENT_MISTAKE = 3  /* the loss means nothing */
};

/* A number that a finding rests on; the name is static memory. */
typedef struct xent_evidence {
    const char *name; /* "agreement", "rows_tested", .. */
    double value;
} xent_evidence;

/* Owned by its diagnosis. Later versions may add members at the end. */
typedef struct xent_finding {
    const char *id;     /* stable: "labels-shifted"; static memory */
    int32_t severity;   /* XENT_NOTE, XENT_WARNING, XENT_MISTAKE */
    int32_t unscorable; /* 1: xent_cross_entropy refuses this batch because of it, or ("too-large")
                         * the diagnosis does */
    int32_t evidence_count;
    int32_t reserved; /* 0 */
    const xent_evidence *evidence;
    const char *message, *fix; /* a sentence or two; one sentence */
} xent_finding;

/* The diagnosis of one batch. One thread at a time may use it. */
typedef struct xent_diagnosis xent_diagnosis;

/* All of a batch in memory: begin, add, finish. On XENT_OK *diagnosis is finished and to be freed;
 * that is so too if the batch cannot be scored, which then is its first finding. On any other
 * status (XENT_BAD_ARGUMENT, XENT_NO_MEMORY, or what xent_count_labels says of the options and the
 * labels) *diagnosis is NULL.
 *   logits, labels   as in xent_cross_entropy, and besides: labels of a floating-point dtype, and
 *                    any shapes, since what does not fit is a finding
 *   options          NULL or as in xent_cross_entropy; read are logits_are, class_axis, ignore,
 *                    on_bad_label, softcap, logit_scale, threads and executor
 *   error            may be NULL */
XENT_API xent_status xent_diagnose(const xent_tensor *logits, const xent_tensor *labels,
                                   const xent_options *options, xent_diagnosis **diagnosis,
                                   xent_error *error);

/* A batch in parts, as one whose logits are larger than memory. Of `logits` only shape and dtype
 * are read here; the labels are read to the end, unless the two do not fit together: then their
 * data may be NULL, and the diagnosis is finished at once (xent_diagnosis_scorable says 0).
 * Memory: some 40 bytes a row and 70 a class, up to 16 rows of logits a thread, and for up to 1000
 * classes a table of classes^2 counts of 4 bytes. More than 2^31 - 2 rows or classes are a finding.
 * Options are copied; the executor must live until the diagnosis is finished. */
XENT_API xent_status xent_diagnosis_begin(const xent_tensor *logits, const xent_tensor *labels,
                                          const xent_options *options, xent_diagnosis **diagnosis,
                                          xent_error *error);

/* The next rows. `logits` has the dtype, the number of axes and the classes of the whole; its rows
 * in C order are those that follow the ones added before. How the rows are parted does not change
 * the findings. XENT_OK, XENT_BAD_SHAPE, XENT_BAD_DTYPE, XENT_BAD_ARGUMENT (more rows than labels;
 * a diagnosis that is finished) or XENT_NO_MEMORY; only after XENT_NO_MEMORY is the diagnosis of no
 * more use but to be freed. */
XENT_API xent_status xent_diagnosis_add(xent_diagnosis *diagnosis, const xent_tensor *logits,
                                        xent_error *error);

/* Judges all rows. XENT_OK, XENT_BAD_ARGUMENT (rows are missing) or XENT_NO_MEMORY. Finishing what
 * is finished does nothing. */
XENT_API xent_status xent_diagnosis_finish(xent_diagnosis *diagnosis, xent_error *error);

/* How many findings there are, 0 before the end, and each of them, most telling first: what makes
 * scoring impossible, then mistakes by the agreement they restore, warnings, notes. NULL: there is
 * no finding of that index. Valid until the diagnosis is freed. */
XENT_API int32_t xent_diagnosis_count(const xent_diagnosis *diagnosis);
XENT_API const xent_finding *xent_diagnosis_finding(const xent_diagnosis *diagnosis, int32_t index);

/* 1 if xent_cross_entropy takes this batch, and a diagnosis can count it; else 0. */
XENT_API int32_t xent_diagnosis_scorable(const xent_diagnosis *diagnosis);

/* The batch as xent_cross_entropy scores it, unweighted and without smoothing; bad labels are left
 * out whatever the policy. XENT_TOTAL_INIT if shapes or types do not fit. */
XENT_API xent_total xent_diagnosis_total(const xent_diagnosis *diagnosis);

/* NULL is allowed. */
XENT_API void xent_diagnosis_free(xent_diagnosis *diagnosis);

#ifdef __cplusplus
}
#endif

#endif
