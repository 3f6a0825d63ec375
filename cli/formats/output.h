/* SPDX-License-Identifier: MIT
 * Output files: whole or not at all. */
#ifndef XENT_CLI_FORMATS_OUTPUT_H
#define XENT_CLI_FORMATS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether two paths lead to the same file, which need not exist yet. */
bool same_file(const char *path, const char *other);

/* Refuses (EX_CANTCREAT) to replace what is not a regular file: a folder, a device, a symbolic
 * link. */
int check_output(const char *path);

/* Writes head and then data to a temporary file in the same folder, onto the disk, and gives it its
 * name at the end. EX_OK, or says what is wrong and returns EX_CANTCREAT or EX_IOERR; the file at
 * path is then as it was. */
int write_file(const char *path, const void *head, size_t head_size, const void *data, size_t size);

#endif
