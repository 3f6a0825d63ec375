/* SPDX-License-Identifier: MIT
 * A valid call that uses every argument, edits of it, and the checks that an edited call is refused
 * with the right sentence and without writing anything. */
#ifndef XENT_TESTS_EDITS_H
#define XENT_TESTS_EDITS_H

#include <stdbool.h>
#include <stddef.h>
#include <xent.h>

enum { ROWS = 4, CLASSES = 3 };

/* What a call writes. Each buffer has twice the size it needs, so that edits can move within it. */
typedef struct written {
    float grad[2 * ROWS * CLASSES], probability[2 * ROWS * CLASSES];
    double loss[2 * ROWS], lse[2 * ROWS], label_probability[2 * ROWS], entropy[2 * ROWS];
    int64_t prediction[2 * ROWS];
    xent_total total;
} written;

/* A valid call that uses every argument; edits name its fields by their offsets. */
typedef struct call {
    written memory;
    float logits_memory[2 * ROWS * CLASSES], row_weight_memory[ROWS], class_weight_memory[ROWS];
    int64_t label_memory[ROWS], ignore_memory[2];
    xent_tensor logits, labels, class_weight, row_weight;
    xent_tensor grad, probability, loss, lse, prediction, label_probability, entropy;
    xent_executor executor;
    xent_options options;
    xent_outputs outputs;
} call;

void set_valid(call *c);
xent_status run_call(call *c, xent_error *error);

/* What is put into a field: a number of the field's type, NULL, or the address of another field. */
typedef enum kind { NONE, I32, I64, SIZE, F64, CLEARED, ADDRESS } kind;

typedef struct edit {
    kind kind;
    size_t field;
    double value; /* ADDRESS: the offset of what to point at */
} edit;

enum { EDITS = 6 };
/* Edits of a struct, which may be any other. */
void apply_edits(void *made, const edit edits[EDITS]);

/* What edits of a valid call lead to. */
typedef struct rule {
    edit edits[EDITS];
    xent_status status;
    const char *part;
} rule;

/* Whether the sentence contains the part, fits its buffer and ends like a sentence. */
bool sentence_says(const xent_error *error, const char *part);
/* Whether nothing that a call writes has been written. */
bool is_untouched(const call *c);
/* How many rules' edits are not refused with the rule's status and sentence, with and without a
 * place for the sentence, leaving everything untouched; says which on stderr. */
int count_unrefused(const rule *rules, size_t count);

#endif
