/* SPDX-License-Identifier: MIT
 * What a mistyped word was meant to be. */
#ifndef XENT_CLI_NEAREST_H
#define XENT_CLI_NEAREST_H

#include <stddef.h>

/* The known word that is nearest to a typed one: `word` is NULL if none is near. */
typedef struct nearest {
    const char *typed;
    size_t length; /* of typed, up to a "=" */
    const char *word;
    int distance;
} nearest;

nearest look_for(const char *typed);

/* Remembers a known word if it is nearer than those before it. */
void consider(nearest *found, const char *word);

/* Writes " (did you mean WORD?)", or nothing, into text, which holds MEANT_TEXT bytes; returns
 * text. */
enum { MEANT_TEXT = 64 };
const char *write_meant(char *text, const nearest *found);

#endif
