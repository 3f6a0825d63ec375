/* SPDX-License-Identifier: MIT
 * A valid call that uses every argument, and what is expected of edits of it. */
#include "edits.h"

#include <stdio.h>
#include <string.h>

/* Fills what a call writes before it runs. */
enum { UNTOUCHED = 0xA5 };

static void run_in_order(void *context, void (*task)(void *data, int64_t i), void *data,
                         int64_t count) {
    (void)context;
    for (int64_t i = 0; i < count; i++)
        task(data, i);
}

static void set_tensors(call *c) {
    c->logits = xent_matrix(c->logits_memory, XENT_F32, ROWS, CLASSES);
    c->labels = xent_vector(c->label_memory, XENT_I64, ROWS);
    c->class_weight = xent_vector(c->class_weight_memory, XENT_F32, CLASSES);
    c->row_weight = xent_vector(c->row_weight_memory, XENT_F32, ROWS);
    c->grad = xent_matrix(c->memory.grad, XENT_F32, ROWS, CLASSES);
    c->probability = xent_matrix(c->memory.probability, XENT_F32, ROWS, CLASSES);
    c->loss = xent_vector(c->memory.loss, XENT_F64, ROWS);
    c->lse = xent_vector(c->memory.lse, XENT_F64, ROWS);
    c->prediction = xent_vector(c->memory.prediction, XENT_I64, ROWS);
    c->label_probability = xent_vector(c->memory.label_probability, XENT_F64, ROWS);
    c->entropy = xent_vector(c->memory.entropy, XENT_F64, ROWS);
}

void set_valid(call *c) {
    memset(c, 0, sizeof *c);
    memset(&c->memory, UNTOUCHED, sizeof c->memory);
    for (int i = 0; i < ROWS; i++) {
        c->label_memory[i] = i % CLASSES;
        c->row_weight_memory[i] = c->class_weight_memory[i] = 1.0f;
    }
    set_tensors(c);
    c->executor = (xent_executor){NULL, 1, run_in_order};
    c->options = (xent_options)XENT_OPTIONS_INIT;
    c->options.ignore = c->ignore_memory;
    c->options.ignore_count = 1;
    c->ignore_memory[0] = -100;
    c->options.class_weight = &c->class_weight;
    c->options.row_weight = &c->row_weight;
    c->options.executor = &c->executor;
    c->outputs = (xent_outputs){sizeof(xent_outputs),  &c->loss,    &c->lse,  &c->prediction,
                                &c->label_probability, &c->entropy, &c->grad, &c->probability};
}

xent_status run_call(call *c, xent_error *error) {
    return xent_cross_entropy(&c->logits, &c->labels, &c->options, &c->outputs, &c->memory.total,
                              error);
}

static void apply(unsigned char *made, const edit *e) {
    unsigned char *field = made + e->field;
    const int32_t i32 = e->kind == I32 ? (int32_t)e->value : 0;
    const int64_t i64 = e->kind == I64 ? (int64_t)e->value : 0;
    const size_t size = e->kind == SIZE || e->kind == ADDRESS ? (size_t)e->value : 0;
    const void *address = e->kind == ADDRESS ? made + size : NULL;
    if (e->kind == I32)
        memcpy(field, &i32, sizeof i32);
    if (e->kind == I64)
        memcpy(field, &i64, sizeof i64);
    if (e->kind == SIZE)
        memcpy(field, &size, sizeof size);
    if (e->kind == F64)
        memcpy(field, &e->value, sizeof e->value);
    if (e->kind == CLEARED || e->kind == ADDRESS)
        memcpy(field, &address, sizeof address);
}

void apply_edits(void *made, const edit edits[EDITS]) {
    for (int i = 0; i < EDITS; i++)
        apply(made, &edits[i]);
}

bool sentence_says(const xent_error *error, const char *part) {
    size_t length = strlen(error->message);
    return strstr(error->message, part) && length < sizeof error->message - 1 &&
           (length == 0 || strchr(".;?", error->message[length - 1]));
}

bool is_untouched(const call *c) {
    const unsigned char *bytes = (const unsigned char *)&c->memory;
    for (size_t i = 0; i < sizeof c->memory; i++)
        if (bytes[i] != UNTOUCHED)
            return false;
    return true;
}

int count_unrefused(const rule *rules, size_t count) {
    int unrefused = 0;
    call c;
    for (size_t i = 0; i < count; i++) {
        xent_error error = {"(no sentence)"};
        set_valid(&c);
        apply_edits(&c, rules[i].edits);
        if (run_call(&c, NULL) == rules[i].status && run_call(&c, &error) == rules[i].status &&
            sentence_says(&error, rules[i].part) && is_untouched(&c))
            continue;
        fprintf(stderr, "not refused as it should be with \"%s\": %s\n", rules[i].part,
                error.message);
        unrefused++;
    }
    return unrefused;
}
