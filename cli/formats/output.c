/* SPDX-License-Identifier: MIT
 * Output files: whole or not at all. */
#define _POSIX_C_SOURCE 200809L
#include "output.h"
#include "../complain.h"
#include "../terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
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

/* ---- interruption ---------------------------------------------------------------------------- */

/* What a signal handler has to remove. Signals are held while it changes, and while a file is made
 * or moved. */
enum { MOST_OUTPUTS = 4 };
static const char *volatile temporaries[MOST_OUTPUTS];
static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof *SIGNALS };

static sigset_t hold_signals(void) {
    sigset_t these, kept;
    sigemptyset(&these);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        sigaddset(&these, SIGNALS[i]);
    sigprocmask(SIG_BLOCK, &these, &kept);
    return kept;
}

static void release_signals(sigset_t kept) {
    sigprocmask(SIG_SETMASK, &kept, NULL);
}

/* Puts `name` in the place of `instead_of`; NULL is an empty place. */
static void note_temporary(const char *instead_of, const char *name) {
    for (int i = 0; i < MOST_OUTPUTS; i++) {
        if (temporaries[i] == instead_of) {
            temporaries[i] = name;
            return;
        }
    }
}

static void stop(int signal_number) {
    wipe_line();
    for (int i = 0; i < MOST_OUTPUTS; i++) {
        if (temporaries[i])
            unlink(temporaries[i]);
    }
    _exit(128 + signal_number);
}

/* A signal that the parent has ignored (nohup, a background job of sh) stays ignored, but for
 * SIGPIPE: whoever closes the pipe has read enough, and hears no complaint. */
void clean_up_on_signals(void) {
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction now, act = {.sa_handler = stop};
        sigfillset(&act.sa_mask);
        if (sigaction(SIGNALS[i], NULL, &now) == 0 &&
            (now.sa_handler != SIG_IGN || SIGNALS[i] == SIGPIPE))
            sigaction(SIGNALS[i], &act, NULL);
    }
}

/* What has come while somebody wanted to end in their own way; a second one ends at once. Calls of
 * the system that it interrupts go on. */
static volatile sig_atomic_t deferred;

static void defer(int signal_number) {
    if (deferred)
        stop(signal_number);
    deferred = signal_number;
}

void defer_signals(void) {
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction now, act = {.sa_handler = defer, .sa_flags = SA_RESTART};
        sigfillset(&act.sa_mask);
        if (SIGNALS[i] != SIGPIPE && sigaction(SIGNALS[i], NULL, &now) == 0 &&
            now.sa_handler == stop)
            sigaction(SIGNALS[i], &act, NULL);
    }
}

int deferred_signal(void) {
    return deferred;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Opens a new file beside path, under a name nobody has; its name comes in new memory, or is NULL
 * if there is none. */
static char *create_beside(const char *path, int *descriptor) {
    enum { TRIES = 1000 };
    char name[64], *temporary = NULL;
    errno = EEXIST;
    for (int i = 0; i < TRIES && !temporary && errno == EEXIST; i++) {
        snprintf(name, sizeof name, ".xent-%ld-%d", (long)getpid(), i);
        temporary = beside(path, name);
        *descriptor =
            temporary ? open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
        if (*descriptor < 0) {
            int reason = errno;
            free(temporary);
            temporary = NULL;
            errno = reason;
        }
    }
    return temporary;
}

static int cannot_write(const output *file, int reason) {
    return complain(EX_IOERR, file->path, "cannot write the file: %s", strerror(reason));
}

int begin_output(const char *path, int64_t size, output *file) {
    *file = (output){.path = path, .descriptor = -1};
    sigset_t kept = hold_signals();
    file->temporary = create_beside(path, &file->descriptor);
    int reason = errno, code = EX_OK;
    if (file->temporary)
        note_temporary(NULL, file->temporary);
    release_signals(kept);
    if (!file->temporary)
        code = complain(EX_CANTCREAT, path, "cannot create a file in this folder: %s",
                        strerror(reason));
    else if (ftruncate(file->descriptor, size) != 0)
        code = cannot_write(file, errno);
    if (code != EX_OK)
        drop_output(file);
    return code;
}

int write_output(const output *file, int64_t offset, const void *data, int64_t size) {
    const char *from = data;
    while (size > 0) {
        ssize_t written =
            pwrite(file->descriptor, from, size < SSIZE_MAX ? (size_t)size : SSIZE_MAX, offset);
        if (written < 0 && errno != EINTR)
            return cannot_write(file, errno);
        if (written > 0) {
            from += written;
            offset += written;
            size -= written;
        }
    }
    return EX_OK;
}

static int flush_output(output *file) {
    int reason = fsync(file->descriptor) == 0 ? 0 : errno;
    if (close(file->descriptor) != 0 && reason == 0)
        reason = errno;
    file->descriptor = -1;
    return reason == 0 ? EX_OK : cannot_write(file, reason);
}

/* The file is no longer ours to remove. */
static void forget_output(output *file) {
    note_temporary(file->temporary, NULL);
    free(file->temporary);
    *file = (output){.path = NULL, .descriptor = -1};
}

int finish_output(output *file) {
    if (!file->path)
        return EX_OK;
    int code = flush_output(file);
    sigset_t kept = hold_signals();
    if (code == EX_OK && rename(file->temporary, file->path) == 0)
        forget_output(file);
    else if (code == EX_OK)
        code = complain(EX_CANTCREAT, file->path, "cannot create the file: %s", strerror(errno));
    release_signals(kept);
    if (code != EX_OK)
        drop_output(file);
    return code;
}

void drop_output(output *file) {
    if (!file->path)
        return;
    if (file->descriptor >= 0)
        close(file->descriptor);
    sigset_t kept = hold_signals();
    if (file->temporary) {
        unlink(file->temporary);
        forget_output(file);
    }
    file->path = NULL;
    release_signals(kept);
}
