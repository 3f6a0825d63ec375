/* SPDX-License-Identifier: MIT
 * Output files: whole or not at all. */
#define _POSIX_C_SOURCE 200809L
#include "output.h"
#include "../complain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Characters of path up to and with the last slash. */
static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The folder of path followed by name, in new memory; NULL if there is none. */
static char *beside(const char *path, const char *name) {
    size_t length = folder_length(path);
    char *sibling = malloc(length + strlen(name) + 1);
    if (sibling) {
        memcpy(sibling, path, length);
        strcpy(sibling + length, name);
    }
    return sibling;
}

static bool same_place(const char *path, const char *other) {
    struct stat a, b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

bool same_file(const char *path, const char *other) {
    if (same_place(path, other))
        return true;
    if (strcmp(path + folder_length(path), other + folder_length(other)) != 0)
        return false;
    char *folder = beside(path, "."), *other_folder = beside(other, ".");
    bool same = folder && other_folder && same_place(folder, other_folder);
    free(folder);
    free(other_folder);
    return same;
}

int check_output(const char *path) {
    struct stat facts;
    if (lstat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
        return complain(EX_CANTCREAT, path,
                        "is not a regular file and will not be replaced: name another");
    return EX_OK;
}

static bool write_all(int descriptor, const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = write(descriptor, data, size);
        if (written < 0 && errno != EINTR)
            return false;
        data += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* Brings a written temporary file onto the disk and to its name, or removes it. */
static int finish(int descriptor, const char *temporary, const char *path, bool written) {
    written = written && fsync(descriptor) == 0;
    int reason = errno;
    if (close(descriptor) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (!written) {
        unlink(temporary);
        return complain(EX_IOERR, path, "cannot write the file: %s", strerror(reason));
    }
    if (rename(temporary, path) == 0)
        return EX_OK;
    reason = errno;
    unlink(temporary);
    return complain(EX_CANTCREAT, path, "cannot create the file: %s", strerror(reason));
}

/* Creates a new file beside path, under a name nobody has: *temporary, in new memory. */
static int create_beside(const char *path, char **temporary) {
    enum { TRIES = 1000 };
    char name[64];
    int descriptor = -1;
    errno = EEXIST;
    for (int i = 0; i < TRIES && descriptor < 0 && errno == EEXIST; i++) {
        snprintf(name, sizeof name, ".xent-%ld-%d", (long)getpid(), i);
        free(*temporary);
        *temporary = beside(path, name);
        if (*temporary)
            descriptor = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    return descriptor;
}

int write_file(const char *path, const void *head, size_t head_size, const void *data,
               size_t size) {
    char *temporary = NULL;
    int descriptor = create_beside(path, &temporary);
    int code;
    if (descriptor < 0) {
        code = complain(EX_CANTCREAT, path, "cannot create a file in this folder: %s",
                        strerror(errno));
    } else {
        bool written = write_all(descriptor, head, head_size) && write_all(descriptor, data, size);
        code = finish(descriptor, temporary, path, written);
    }
    free(temporary);
    return code;
}
