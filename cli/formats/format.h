/* SPDX-License-Identifier: MIT
 * What a file format has to offer, and the formats there are. A format joins with one file and one
 * row in formats.c. */
#ifndef XENT_CLI_FORMATS_FORMAT_H
#define XENT_CLI_FORMATS_FORMAT_H

#include "../suggest.h"
#include "source.h"
#include "xent.h"

#include <stdbool.h>

/* Where the elements of an array lie, and what they are. The file comes from a stranger: whoever
 * fills this in has checked that all elements lie within the source. */
typedef struct contents {
    int32_t dtype, ndim;
    int64_t shape[XENT_MAX_NDIM];
    bool fortran_order; /* the first axis changes fastest */
    bool swapped;       /* the other byte order than the machine's */
    int64_t offset;     /* of the first element, in bytes */
    /* A Python expression that loads the same array from sys.argv[1], the file, and sys.argv[3],
     * the member, if one was asked for; NULL: none that every NumPy understands. */
    const char *python;
} contents;

/* What is asked for in a file. */
typedef struct sought {
    const char *member; /* of an archive: "name" in "file.npz:name"; NULL: its only one */
    bool reals;         /* text without points or exponents is floating-point all the same */
    bool unpacked;      /* it comes out of another file: not what the path leads to */
    const char *path; /* the word of the command that names it, and the command, for what can be */
    const command_line *typed; /* typed instead; NULL: nothing is suggested */
} sought;

typedef struct format {
    const char *name; /* as sentences call it: ".npy" */
    bool has_members; /* `sought->member` means something */
    bool unpacks;     /* puts a spool in the place of the file, once: packages in packages, which
                         may be endless, are refused */
    /* By the first bytes of the file: size of them, at most FORMAT_HEAD. */
    bool (*recognise)(const unsigned char *head, size_t size);
    /* Fills *found. May put what it unpacked, a spool, in the place of *file. EX_OK, or says what
     * is wrong: EX_DATAERR, or what functions of source.h return. */
    int (*read)(source *file, const sought *what, contents *found);
} format;

enum { FORMAT_HEAD = 512 };

extern const format NPY_FORMAT, NPZ_FORMAT, GZ_FORMAT, SAFETENSORS_FORMAT, IDX_FORMAT, CSV_FORMAT;

/* Recognises the file's format and reads it; also for what a format has unpacked. */
int read_elements(source *file, const sought *what, contents *found);

/* Bytes of the elements of a shape, whose lengths are >= 0, into *size; false if a file cannot hold
 * as many. An axis of length 0 does not excuse the others. */
bool elements_size(int ndim, const int64_t *shape, int64_t element_size, int64_t *size);

/* Refuses elements that do not end where the file does: they lie at found->offset, of what the
 * format calls `type`. `otherwise`: what is wrong then; NULL: the file. EX_OK or EX_DATAERR. */
int check_elements_end(const source *file, const contents *found, const char *type,
                       const char *otherwise);

/* Refuses what is known and not read, "an HDF5 file"; returns EX_DATAERR. */
int refuse_foreign(const source *file, const char *kind);

#endif
