/* SPDX-License-Identifier: MIT
 * Files that can be read at any place, and unnamed temporary files for what must be unpacked. */
#ifndef XENT_CLI_FORMATS_SOURCE_H
#define XENT_CLI_FORMATS_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/* What sentences call "-"; known by its very pointer. */
extern const char STANDARD_INPUT[];

typedef struct source {
    const char *path; /* as typed, for sentences; "-" is STANDARD_INPUT */
    int descriptor;   /* -1: not open */
    int64_t size;     /* bytes, when it was opened */
} source;

/* Opens a file for reading; "-" is standard input. Pipes and the like are copied to a temporary
 * file first. EX_OK, or says what is wrong and returns EX_NOINPUT (also EX_CANTCREAT, EX_IOERR for
 * the temporary file); the source is then closed. */
int open_source(const char *path, source *file);
void close_source(source *file);

/* Reads size bytes at offset, both within the file's size. EX_OK, or says what is wrong: EX_DATAERR
 * if the file has become shorter since it was opened, EX_NOINPUT if it cannot be read. */
int read_source(const source *file, int64_t offset, int64_t size, void *into);

/* Says that these bytes will be read soon, so that they come from the disk meanwhile. */
void expect_source(const source *file, int64_t offset, int64_t size);

/* An empty unnamed file in the folder TMPDIR (else /tmp), which goes when it is closed. path: of
 * the file that is unpacked into it. EX_OK, or says what is wrong and returns EX_CANTCREAT. */
int open_spool(const char *path, source *spool);

/* Appends to a spool. EX_OK, or says what is wrong and returns EX_IOERR. */
int write_spool(source *spool, const void *data, size_t size);

/* Takes the place of the file: closes it and moves the spool there. */
void replace_source(source *file, source *spool);

#endif
