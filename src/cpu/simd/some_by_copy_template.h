/* SPDX-License-Identifier: MIT
 * The words for a vector of which only the first n lanes are in memory, where an instruction set
 * has none: through a copy. Once per element type, with SOME(word), which puts the type's name after
 * a word, and its ELEM, VEC and WIDTH defined. */

/* Lanes from n on are `fill`. */
static inline VEC SOME(load_some)(const void *p, int64_t n, ELEM fill) {
    ELEM part[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        part[i] = fill;
    memcpy(part, p, (size_t)n * sizeof(ELEM));
    return SOME(load)(part);
}

/* Memory from n on stays as it is. */
static inline void SOME(store_some)(void *p, int64_t n, VEC a) {
    ELEM part[WIDTH];
    SOME(store)(part, a);
    memcpy(p, part, (size_t)n * sizeof(ELEM));
}

#undef SOME
#undef ELEM
#undef VEC
#undef WIDTH
