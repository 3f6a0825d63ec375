/* SPDX-License-Identifier: MIT
 * Flags as data: a verb lists its own in one table, from which both parsing and --help are made. */
#ifndef XENT_CLI_FLAGS_H
#define XENT_CLI_FLAGS_H

#include "xent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum flag_kind {
    FLAG_HEADING, /* no flag: a line of --help */
    FLAG_SWITCH,  /* stores `value` in an int32_t; two switches of one field exclude each other */
    FLAG_CHOICE,  /* one of the words of `argument`; stores its number in an int32_t */
    FLAG_WHOLE,   /* a whole number in [lowest, highest]; stores an int32_t */
    FLAG_REAL,    /* a number in [lowest, highest]; stores a double */
    FLAG_INPUT,   /* a file that is read; stores a const char * */
    FLAG_OUTPUT,  /* a file that is written, so not "-"; stores a const char * */
    FLAG_LIST,    /* an int64_t, may be repeated; adds to a whole_list */
    FLAG_DTYPE,   /* "float32", "f32", ">f32"; stores a dtype_value */
    FLAG_SHAPE,   /* "4,3"; stores a shape_value */
    FLAG_OFFSET   /* a number of bytes; stores an int64_t */
} flag_kind;

typedef struct whole_list {
    int64_t *values; /* from malloc */
    size_t count;
} whole_list;

typedef struct dtype_value {
    int32_t dtype; /* 0: not given */
    char order;    /* '<' or '>', little or big endian; 0: not given */
} dtype_value;

typedef struct shape_value {
    bool given;
    int ndim;
    int64_t lengths[XENT_MAX_NDIM];
} shape_value;

typedef struct flag_row {
    flag_kind kind;
    const char *name;     /* "--grad" */
    const char *argument; /* as --help shows it: "OUT.npy", "mean|sum"; NULL: none */
    size_t offset;        /* of the field, in the verb's struct */
    const char *help;     /* of a FLAG_REAL: what the number is, with its range */
    double lowest, highest;
    int32_t value;
    char letter; /* 'q' if "-q" means the same; 0: none */
} flag_row;

typedef struct example {
    const char *line, *meaning; /* a command, and a sentence */
} example;

typedef enum operand_kind {
    OPERAND_FILE,
    OPERAND_VERB,
    OPERAND_WORD /* one of the words of `operands`, "bash|zsh|fish" */
} operand_kind;

/* A verb as its user sees it: help, manual and completion are made from this. */
typedef struct command {
    const char *name, *operands;
    operand_kind operand_kind;
    const char *brief;       /* a few words, for lists */
    const char *summary;     /* sentences */
    const char *description; /* what the manual says more: paragraphs, divided by "\n\n"; or NULL */
    const char *files;       /* what the manual says of files; or NULL */
    int least, most;         /* operands */
    const flag_row *flags;
    size_t flag_count;
    const example *examples;
    size_t example_count;
} command;

/* Reads what follows the verb, argv[2..argc), into the verb's struct and its operands; what is not
 * given stays as it was. A flag given again replaces the earlier one. EX_OK, or says what is wrong
 * and returns EX_USAGE. */
int parse_flags(const command *verb, int argc, char **argv, void *fields, const char **operands);

#endif
