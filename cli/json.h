/* SPDX-License-Identifier: MIT
 * JSON as the tool prints it: 17 digits, NaN and infinities as strings. */
#ifndef XENT_CLI_JSON_H
#define XENT_CLI_JSON_H

#include <jansson.h>

/* A number; "NaN", "Infinity" or "-Infinity" where JSON has none. */
json_t *json_number(double value);

typedef struct json_field {
    const char *name;
    json_t *value;
} json_field;

/* An object of these fields in this order, which takes over their values; NULL if there is no
 * memory for it, or was none for a value. */
json_t *json_of(const json_field *fields, size_t count);

/* Prints a document (NULL: there was no memory to build it) to stdout and frees it. EX_OK or
 * EX_SOFTWARE; main looks after errors of stdout. */
int print_and_free(json_t *document);

#endif
