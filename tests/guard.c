/* SPDX-License-Identifier: MIT
 * Memory between pages that nobody may touch: one byte too far is a crash. */
#define _GNU_SOURCE
#include "guard.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t whole_pages(size_t bytes) {
    return (bytes + page_size() - 1) / page_size() * page_size();
}

/* The first byte of enough open pages, with a closed one on either side. */
static char *take_pages(size_t bytes) {
    size_t page = page_size(), open = whole_pages(bytes);
    char *map = mmap(NULL, open + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, open, PROT_READ | PROT_WRITE) != 0)
        abort();
    return map + page;
}

static void give_pages_back(char *open, size_t bytes) {
    size_t page = page_size();
    if (munmap(open - page, whole_pages(bytes) + 2 * page) != 0)
        abort();
}

static char *take_at_end(size_t bytes) {
    return take_pages(bytes) + whole_pages(bytes) - bytes;
}

static void give_back_end(char *block, size_t bytes) {
    give_pages_back(block + bytes - whole_pages(bytes), bytes);
}

const memory guard_after = {take_at_end, give_back_end};
const memory guard_before = {take_pages, give_pages_back};
