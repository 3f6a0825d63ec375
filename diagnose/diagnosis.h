/* SPDX-License-Identifier: MIT
 * What is kept of a batch while its blocks go by, and what the parts of the room tell each
 * other. */
#ifndef XENT_DIAGNOSE_DIAGNOSIS_H
#define XENT_DIAGNOSE_DIAGNOSIS_H

#include "names.h"
#include "xent_diagnose.h"

#include <stdbool.h>

/* Codes of rows beside the classes [0, C): `labels` also holds C itself, the class that labels
 * counted from 1 have too much. No code of a label equals one of a prediction, nor one of its
 * neighbours. */
enum { IGNORED = -2, BAD = -3, NO_PREDICTION = -5 };

/* Rows are fitted on in one half and tried in the other. Equal rows lie in the same, by a bit of
 * their keys; with few different rows halves may be uneven, but then there is nothing to find: a
 * test takes a dozen. */
enum half { FIRST_HALF, OTHER_HALF, BOTH_HALVES, LEFT_OUT, REPEATED };

enum { MOST_FINDINGS = 48, MOST_EVIDENCE = 10, MESSAGE_TEXT = 512, FIX_TEXT = 256 };

typedef struct record {
    xent_finding shown;
    xent_evidence evidence[MOST_EVIDENCE];
    char message[MESSAGE_TEXT], fix[FIX_TEXT];
    double rank;
} record;

/* Labels as given, before any logit is there. */
typedef struct label_facts {
    int64_t bad, first_bad_row, first_bad_label; /* outside [0, C), not ignored */
    int64_t same_bad;                            /* bad ones that equal the first */
    int64_t one_too_many;                        /* labels C */
    int64_t ignored, zeros;
} label_facts;

/* Rows whose logits were read and hold neither NaN nor +inf: "read" rows. Counts of them. */
typedef struct logit_facts {
    int64_t read;
    int64_t unit_rows; /* in [0, 1], with the sum 1 */
    int64_t log_rows;  /* none above 0, log-sum-exp 0 */
    /* Unit rows looked at for a second softmax, those that a softmax of probabilities can give, and
     * of them those that only probabilities far from 1/C can. */
    int64_t tried_rows, twice_rows, telling_rows;
    int64_t constant_rows, first_constant;
    uint64_t constant_key; /* of most of them, if of more than half; and what speaks for it */
    int64_t constant_votes;
    uint64_t first_key;
    int64_t other_rows; /* whose key is not the first read row's */
    int64_t saturated_rows, first_saturated;
    int64_t poisoned_rows, first_poisoned; /* a NaN or +inf, or nothing but -inf */
    int64_t infinite_rows;                 /* of them: with +inf */
    double confidence;                     /* sum of the largest probabilities */
    int64_t least_only, given_only;        /* the label has the least logit; the prediction is it */
    int64_t least_agree;
} logit_facts;

/* Loss at several scales of the logits, on a sample of rows. */
enum { SCALES = 13 };
typedef struct sample {
    int64_t step, capacity, held; /* every step-th row; rows in the buffer */
    float *logits;
    int32_t *labels;
    int64_t rows;
    double loss[SCALES];
} sample;

/* Rows and earlier equal ones. */
typedef struct duplicates {
    int64_t pairs, conflicts; /* all, and those with different labels */
    int64_t row, other;       /* the first such */
    double allowed;           /* the most conflicts to be expected */
} duplicates;

struct xent_diagnosis {
    xent_options run;   /* how blocks are scored */
    int32_t logits_are; /* as declared */
    int32_t on_bad_label, on_nothing_counted;
    int32_t dtype, ndim, class_axis;
    int64_t shape[XENT_MAX_NDIM]; /* of the logits */
    int32_t label_dtype, label_ndim;
    int64_t label_shape[XENT_MAX_NDIM];
    int64_t rows, classes, added;
    int64_t width; /* tasks that may be under way */

    int32_t *labels, *predictions;
    int32_t *across;   /* predictions of the transposed logits; NULL unless they are square */
    double offset;     /* taken from all logits, if these are f64 and far from 0 */
    float *largest;    /* of `across`: the largest logit of each column so far */
    float *confidence; /* the largest probability of each row */
    uint8_t
        *half; /* LEFT_OUT: not judged; REPEATED more: an earlier row is equal, as is its label */
    uint64_t *keys;  /* equal for equal rows, else hardly ever */
    double *lse;     /* of a part */
    uint8_t *looks;  /* of a part: what each row says by itself, see look.h */
    float *gathered; /* rows as floats, side by side */
    int64_t gathered_floats;

    xent_total total;
    label_facts label_facts;
    logit_facts logit_facts;
    sample sample;

    duplicates duplicates;
    int64_t distinct_rows;
    int64_t judged, agreeing; /* rows with a class and a prediction; those where they agree */
    int64_t *label_counts, *prediction_counts, *agreeing_counts; /* of them, per class */

    bool finished, unscorable;
    int32_t count;
    record *records[MOST_FINDINGS];
    record *store;
};

/* ---- findings ---- */

/* A new finding. `explains` in [0, 1]: how much of the batch it explains, as the agreement that
 * its fix restores. */
record *add_finding(xent_diagnosis *all, const char *id, int32_t severity, double explains);
void say(record *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
void set_fix(record *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
void add_evidence(record *finding, const char *name, double value);
void set_unscorable(xent_diagnosis *all, record *finding);
void sort_findings(xent_diagnosis *all);
bool has_finding(const xent_diagnosis *all, const char *id);
/* Whether a mistake was found that changes what the agreement of all rows says. */
bool hides_agreement(const xent_diagnosis *all);
/* Whether the loss and the confidence are those of a model that knows nothing, and agreement is far
 * from full skill. */
bool knows_nothing(const xent_diagnosis *all);

/* "return refuse(error, status, ...)" */
xent_status refuse(xent_error *error, xent_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- steps of begin ---- */

/* Whether shapes and types fit; if not, adds the finding that says why. */
bool judge_fit(xent_diagnosis *all);
/* Reads the labels into codes; which are ignored, the options say. */
void read_codes(xent_diagnosis *all, const xent_tensor *labels, const xent_options *options);

/* ---- steps of add ---- */

xent_status scan_part(xent_diagnosis *all, const xent_tensor *part, xent_error *error);
xent_status make_scan(xent_diagnosis *all);
bool is_sampled(const xent_diagnosis *all, int64_t row);
void add_sample(xent_diagnosis *all, int64_t row, const float *logits);
xent_status make_sample(xent_diagnosis *all);
void finish_sample(xent_diagnosis *all);

/* ---- steps of finish ---- */

/* An array, zeroed; NULL if there is no memory or the size overflows. At least one element. */
void *take_array(int64_t count, size_t size);

/* The level of each test. */
double test_level(void);
/* A0: how often independent labels and predictions of the same class frequencies agree. */
double expected_agreement(const xent_diagnosis *all);

xent_status find_duplicates(xent_diagnosis *all);
void judge_labels(xent_diagnosis *all);           /* outside [0, C), marks, none counted */
void judge_values(xent_diagnosis *all);           /* NaN, overflow, constant rows, sums of 1 */
void judge_training(xent_diagnosis *all);         /* a model that knows nothing */
xent_status judge_repeats(xent_diagnosis *all);   /* labels repeated to fit */
xent_status judge_order(xent_diagnosis *all);     /* other labellings of the rows */
xent_status judge_agreement(xent_diagnosis *all); /* shuffled, untrained, leakage */
xent_status judge_padding(xent_diagnosis *all);   /* a class that marks rows to leave out */
void judge_duplicates(xent_diagnosis *all);       /* equal rows, other labels */
void judge_classes(xent_diagnosis *all);          /* never predicted, never present */
void judge_temperature(xent_diagnosis *all);

#endif
