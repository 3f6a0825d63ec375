/* SPDX-License-Identifier: MIT
 * Option and output structs of any size that a caller's version of the header may have. */
#include "structs.h"
#include "fail.h"

#include <stdbool.h>
#include <string.h>

/* No version's struct is larger; a larger size is a size that was never set. */
enum { STRUCT_LIMIT = 4096 };

/* The name of a struct's argument, its size in this library and the macro that sets it up. */
typedef struct known_struct {
    const char *name, *init;
    size_t size;
} known_struct;

/* Overwrites the defaults in `copy` with the fields that the caller's struct has. */
static xent_status read_struct(const void *given, known_struct known, void *copy,
                               xent_error *error) {
    size_t size;
    const unsigned char *bytes = given;
    memcpy(&size, given, sizeof size);
    bool splits_field = size < known.size && size % sizeof(int32_t) != 0;
    if (size < sizeof size || size > STRUCT_LIMIT || splits_field)
        return fail(error, XENT_BAD_ARGUMENT,
                    "%s.struct_size is %zu, which no version of the struct has (here: %zu): its "
                    "fields seem not to be set. Start from the defaults: xent_%s %s = %s;",
                    known.name, size, known.size, known.name, known.name, known.init);
    for (size_t i = known.size; i < size; i++)
        if (bytes[i] != 0)
            return fail(error, XENT_BAD_ARGUMENT,
                        "%s.struct_size is %zu and a field past byte %zu is set, which version %s "
                        "of the library does not know. Use the library that came with your xent.h, "
                        "or leave new fields 0.",
                        known.name, size, known.size, xent_version());
    memcpy(copy, given, size < known.size ? size : known.size);
    memcpy(copy, &known.size, sizeof known.size);
    return XENT_OK;
}

xent_status read_options(const xent_options *given, xent_options *options, xent_error *error) {
    const known_struct known = {"options", "XENT_OPTIONS_INIT", sizeof *options};
    *options = (xent_options)XENT_OPTIONS_INIT;
    return given ? read_struct(given, known, options, error) : XENT_OK;
}

xent_status read_outputs(const xent_outputs *given, xent_outputs *outputs, xent_error *error) {
    const known_struct known = {"outputs", "XENT_OUTPUTS_INIT", sizeof *outputs};
    *outputs = (xent_outputs)XENT_OUTPUTS_INIT;
    return given ? read_struct(given, known, outputs, error) : XENT_OK;
}

xent_status read_linear_outputs(const xent_linear_outputs *given, xent_linear_outputs *outputs,
                                xent_error *error) {
    const known_struct known = {"linear_outputs", "XENT_LINEAR_OUTPUTS_INIT", sizeof *outputs};
    *outputs = (xent_linear_outputs)XENT_LINEAR_OUTPUTS_INIT;
    return given ? read_struct(given, known, outputs, error) : XENT_OK;
}
