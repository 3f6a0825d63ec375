/* SPDX-License-Identifier: MIT
 * Opens a file as an array: maps it and asks the formats in turn. */
#define _GNU_SOURCE /* MAP_NORESERVE */
#include "array.h"
#include "../complain.h"
#include "format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const format *const FORMATS[] = {&NPY_FORMAT, NULL};

static int map_file(int descriptor, size_t size, file_bytes *file) {
    void *map = NULL;
    if (size > 0)
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
    if (map == MAP_FAILED)
        return complain(EX_NOINPUT, file->path, "cannot map the file: %s", strerror(errno));
    file->data = map;
    file->size = size;
    return EX_OK;
}

static int map_path(const char *path, file_bytes *file) {
    file->path = path;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return complain(EX_NOINPUT, path, "cannot open the file: %s", strerror(errno));
    struct stat facts;
    int code;
    if (fstat(descriptor, &facts) != 0)
        code = complain(EX_NOINPUT, path, "cannot open the file: %s", strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        code =
            complain(EX_NOINPUT, path, "is not a regular file: pipes and folders cannot be read");
    else
        code = map_file(descriptor, (size_t)facts.st_size, file);
    close(descriptor);
    return code;
}

static int read_bytes(const file_bytes *file, xent_tensor *tensor) {
    for (const format *const *known = FORMATS; *known; known++) {
        if ((*known)->recognise(file))
            return (*known)->read(file, tensor);
    }
    return complain(
        EX_DATAERR, file->path,
        file->size == 0
            ? "the file is empty"
            : "is not a .npy file (it does not begin with \\x93NUMPY): write it with numpy.save");
}

int open_array(const char *path, array *array_out) {
    file_bytes file = {0};
    int code = map_path(path, &file);
    array_out->path = path;
    array_out->map = file.data;
    array_out->map_size = file.size;
    return code == EX_OK ? read_bytes(&file, &array_out->tensor) : code;
}

void close_array(array *opened) {
    if (opened->map)
        munmap(opened->map, opened->map_size);
}
