/* SPDX-License-Identifier: MIT
 * Output files: whole or not at all. */
#ifndef XENT_CLI_FORMATS_OUTPUT_H
#define XENT_CLI_FORMATS_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

/* Whether two paths lead to the same file, which need not exist yet. */
bool same_file(const char *path, const char *other);

/* Refuses (EX_CANTCREAT) to replace what is not a regular file: a folder, a device, a symbolic
 * link. */
int check_output(const char *path);

/* A file that is being written: under a temporary name beside the path, until it is whole. */
typedef struct output {
    const char *path; /* NULL: not begun */
    char *temporary;
    int descriptor;
} output;

/* Creates the temporary file with room for size bytes. EX_OK, or says what is wrong and returns
 * EX_CANTCREAT or EX_IOERR; nothing is left then, as after the other two. */
int begin_output(const char *path, int64_t size, output *file);

/* Writes at an offset. EX_OK, or says what is wrong and returns EX_IOERR. */
int write_output(const output *file, int64_t offset, const void *data, int64_t size);

/* Brings the file onto the disk and gives it its name, or says what is wrong and returns EX_IOERR
 * or EX_CANTCREAT: the file at path is then as it was. */
int finish_output(output *file);

/* Removes the temporary file of an output that was begun and not finished. */
void drop_output(output *file);

/* Interrupted by SIGINT, SIGTERM, SIGHUP or SIGPIPE, the process removes its temporary files, wipes
 * the line of progress and exits with 128 + the signal's number. */
void clean_up_on_signals(void);

/* From here on the first SIGINT, SIGTERM or SIGHUP only makes deferred_signal say its number (0:
 * none has come), so that the process can end in its own way; the second does as above. */
void defer_signals(void);
int deferred_signal(void);

#endif
