/* SPDX-License-Identifier: MIT
 * Rows of numbers or words that a verb writes: a .npy file, a file of text, or lines on stdout. */
#ifndef XENT_CLI_TABLE_H
#define XENT_CLI_TABLE_H

#include "formats/npy_output.h"
#include "xent.h"

#include <stdbool.h>

typedef struct table {
    const char *path; /* NULL: stdout */
    bool is_npy;
    npy_output npy;  /* of a .npy file; of text its file alone */
    int64_t written; /* bytes */
    char *line;      /* from malloc; NULL: not begun */
    size_t used, room;
} table;

/* Whether a name ends so that a file of text is written: .csv, .tsv or .txt. */
bool is_text_name(const char *path);

/* Begins a table at path (NULL: stdout) that will hold a tensor of this dtype and shape, rows along
 * its first axis. EX_OK, or says what is wrong and returns as begin_output. */
int begin_table(const char *path, const xent_tensor *whole, table *begun);

/* Writes the next rows, contiguous [n] or [n, columns] of F32, F64 or I64. EX_OK, or as
 * write_output. */
int add_rows(table *to, const xent_tensor *rows);

/* Writes a line of text with one word, in quotes where a comma would part it. */
int add_word(table *to, const char *word);

/* Gives the file its name. EX_OK or as finish_output. */
int finish_table(table *done);

/* Frees memory, and removes what was not finished. */
void drop_table(table *begun);

#endif
