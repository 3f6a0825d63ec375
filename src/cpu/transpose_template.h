/* SPDX-License-Identifier: MIT
 * A lane each of WIDTH rows as a vector, and back, once per lane type: four classes at a time and
 * in whole vectors, since a vector is slow to read right after its parts were written. A tile holds
 * such vectors a pitch of lanes apart.
 *
 * Where WIDTH is a multiple of 4 (FOURS), v_load_fours(p, i) reads four elements from element i on
 * of what begins at p[0], four of p[4], and so on; v_store_fours writes them there;
 * v_exchange_fours takes every four lanes of four vectors as a matrix and exchanges its rows and
 * columns. The last four of a row may overlap those before them. */
#ifdef FOURS

typedef vec load_fours(const void *const *p, int64_t i);
typedef void store_fours(void *const *p, int64_t i, vec a);

/* Elements [0, n), n >= 4, of the rows that begin at from[0 .. WIDTH) into a tile. */
static inline __attribute__((always_inline)) void
fours_to_tile(const void *const *from, int64_t n, load_fours *load, LANE *tile, int64_t pitch) {
    for (int64_t c = 0; c < n; c += 4) {
        int64_t at = c + 4 <= n ? c : n - 4;
        vec fours[4];
        for (int i = 0; i < 4; i++)
            fours[i] = load(from + i, at);
        v_exchange_fours(&fours[0], &fours[1], &fours[2], &fours[3]);
        for (int i = 0; i < 4; i++)
            v_store(tile + (at + i) * pitch, fours[i]);
    }
}

static inline void rows_to_tile(const void *const *from, int64_t n, LANE *tile, int64_t pitch) {
    fours_to_tile(from, n, v_load_fours, tile, pitch);
}

#else

/* Lanes [0, n) of the rows that begin at from[0 .. WIDTH) into a tile. */
static inline void rows_to_tile(const void *const *from, int64_t n, LANE *tile, int64_t pitch) {
    for (int row = 0; row < WIDTH; row++)
        for (int64_t c = 0; c < n; c++)
            memcpy(tile + c * pitch + row, (const LANE *)from[row] + c, sizeof(LANE));
}

#endif
