/* SPDX-License-Identifier: MIT
 * Choosing one of several arrays in a file. */
#ifndef XENT_CLI_FORMATS_MEMBERS_H
#define XENT_CLI_FORMATS_MEMBERS_H

#include "format.h"

/* The names of a file's arrays, by number. */
typedef struct member_list {
    const char *format; /* of the file, ".npz" */
    int64_t count;
    const char *(*name)(const void *context, int64_t i); /* NULL: is none that can be chosen */
    const void *context;
    const char *ending; /* that may be left out of a name, ".npy"; "": none */
} member_list;

/* Finds the member that is sought, or the only one: *chosen is its number. EX_OK, or EX_DATAERR
 * after a sentence that lists what there is. */
int choose_member(const source *file, const sought *what, const member_list *list, int64_t *chosen);

#endif
