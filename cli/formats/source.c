/* SPDX-License-Identifier: MIT
 * Files that can be read at any place, and unnamed temporary files for what must be unpacked. */
#define _POSIX_C_SOURCE 200809L
#include "source.h"
#include "../complain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char STANDARD_INPUT[] = "standard input";

/* ---- temporary files ------------------------------------------------------------------------- */

static const char *temporary_folder(void) {
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

int open_spool(const char *path, source *spool) {
    char name[PATH_MAX];
    int length = snprintf(name, sizeof name, "%s/xent-XXXXXX", temporary_folder());
    *spool = (source){.path = path, .descriptor = -1};
    if (length > 0 && (size_t)length < sizeof name)
        spool->descriptor = mkstemp(name);
    if (spool->descriptor < 0)
        return complain(EX_CANTCREAT, path,
                        "must be unpacked, but no temporary file can be made in %s: %s. Name "
                        "another folder in TMPDIR",
                        temporary_folder(), strerror(errno));
    unlink(name);
    fcntl(spool->descriptor, F_SETFD, FD_CLOEXEC);
    return EX_OK;
}

int write_spool(source *spool, const void *data, size_t size) {
    const char *from = data;
    while (size > 0) {
        ssize_t written = pwrite(spool->descriptor, from, size, spool->size);
        if (written < 0 && errno != EINTR)
            return complain(EX_IOERR, spool->path,
                            "cannot be unpacked into %s: %s. Name another folder in TMPDIR",
                            temporary_folder(), strerror(errno));
        if (written > 0) {
            from += written;
            size -= (size_t)written;
            spool->size += written;
        }
    }
    return EX_OK;
}

void replace_source(source *file, source *spool) {
    close_source(file);
    *file = *spool;
    spool->descriptor = -1;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int cannot_read(const source *file) {
    return complain(EX_NOINPUT, file->path, "cannot be read: %s", strerror(errno));
}

/* Copies what comes through a pipe until it ends. */
static int spool_pipe(source *pipe) {
    enum { PIECE = 65536 };
    char piece[PIECE];
    source spool;
    int code = open_spool(pipe->path, &spool);
    while (code == EX_OK) {
        ssize_t got = read(pipe->descriptor, piece, sizeof piece);
        if (got == 0)
            break;
        if (got > 0)
            code = write_spool(&spool, piece, (size_t)got);
        else if (errno != EINTR)
            code = cannot_read(pipe);
    }
    if (code == EX_OK)
        replace_source(pipe, &spool);
    else
        close_source(&spool);
    return code;
}

static int look_at_file(source *file) {
    struct stat facts;
    if (fstat(file->descriptor, &facts) != 0)
        return cannot_read(file);
    if (S_ISDIR(facts.st_mode))
        return complain(EX_NOINPUT, file->path, "is a folder, not a file");
    if (!S_ISREG(facts.st_mode))
        return spool_pipe(file);
    file->size = facts.st_size;
    return EX_OK;
}

int open_source(const char *path, source *file) {
    bool is_input = strcmp(path, "-") == 0;
    *file = (source){.path = is_input ? STANDARD_INPUT : path};
    file->descriptor =
        is_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (file->descriptor < 0)
        return complain(EX_NOINPUT, file->path, "cannot open the file: %s", strerror(errno));
    int code = look_at_file(file);
    if (code != EX_OK)
        close_source(file);
    return code;
}

void close_source(source *file) {
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
}

int read_source(const source *file, int64_t offset, int64_t size, void *into) {
    char *to = into;
    while (size > 0) {
        ssize_t got =
            pread(file->descriptor, to, size < SSIZE_MAX ? (size_t)size : SSIZE_MAX, offset);
        if (got == 0)
            return complain(EX_DATAERR, file->path,
                            "has become shorter while it was read: is something still writing it?");
        if (got < 0 && errno != EINTR)
            return cannot_read(file);
        if (got > 0) {
            to += got;
            offset += got;
            size -= got;
        }
    }
    return EX_OK;
}

void expect_source(const source *file, int64_t offset, int64_t size) {
    posix_fadvise(file->descriptor, offset, size, POSIX_FADV_WILLNEED);
}
