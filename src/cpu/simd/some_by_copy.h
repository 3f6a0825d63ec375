/* SPDX-License-Identifier: MIT
 * The words for a vector of which only the first n lanes are in memory, where an instruction set
 * has none: through a copy. Include after the vocabulary's loads and stores. */
#ifndef XENT_SOME_BY_COPY_H
#define XENT_SOME_BY_COPY_H

/* Defines load_some, whose lanes from n on are `fill`, and store_some, which leaves memory from n
 * on as it is. load, store: of WIDTH elements. */
/* NOLINTBEGIN(bugprone-macro-parentheses): names of types and functions */
#define SOME_BY_COPY(load_some, store_some, load, store, VEC, WIDTH, ELEM)                         \
    static inline VEC load_some(const void *p, int64_t n, ELEM fill) {                             \
        ELEM part[WIDTH];                                                                          \
        for (int i = 0; i < (WIDTH); i++)                                                          \
            part[i] = fill;                                                                        \
        memcpy(part, p, (size_t)n * sizeof(ELEM));                                                 \
        return load(part);                                                                         \
    }                                                                                              \
    static inline void store_some(void *p, int64_t n, VEC a) {                                     \
        ELEM part[WIDTH];                                                                          \
        store(part, a);                                                                            \
        memcpy(p, part, (size_t)n * sizeof(ELEM));                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
