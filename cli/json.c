/* SPDX-License-Identifier: MIT
 * JSON as the tool prints it: 17 digits, NaN and infinities as strings. */
#include "json.h"
#include "complain.h"

#include <math.h>
#include <stdio.h>

json_t *json_number(double value) {
    if (isnan(value))
        return json_string("NaN");
    if (isinf(value))
        return json_string(value > 0.0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

json_t *json_of(const json_field *fields, size_t count) {
    json_t *object = json_object();
    int failed = 0;
    for (size_t i = 0; i < count; i++)
        failed |= json_object_set_new(object, fields[i].name, fields[i].value);
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

int print_and_free(json_t *document) {
    int failed = json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(document);
    putchar('\n');
    return failed && !ferror(stdout) ? complain(EX_SOFTWARE, NULL, "not enough memory") : EX_OK;
}
