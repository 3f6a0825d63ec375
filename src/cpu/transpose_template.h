/* SPDX-License-Identifier: MIT
 * A lane each of WIDTH rows as a vector, and back, once per lane type: four classes at a time and
 * in whole vectors, since a vector is slow to read right after its parts were written. A tile holds
 * such vectors ACROSS lanes apart.
 *
 * Where WIDTH is a multiple of 4 (FOURS), v_load_fours(p, i) reads four lanes at p[0] + i, four
 * at p[4] + i, and so on; v_store_fours writes them there; v_exchange_fours takes every four
 * lanes of four vectors as a matrix and exchanges its rows and columns. */

/* Lanes [0, n) of the rows that begin at from[0 .. WIDTH) into a tile whose vectors lie `pitch`
 * lanes apart. The last four may overlap those before them; of fewer than four, four are read and
 * written. */
static inline void rows_to_tile(const LANE *const *from, int64_t n, int64_t pitch, LANE *tile) {
#ifdef FOURS
    for (int64_t c = 0; c < n; c += 4) {
        int64_t at = c + 4 <= n || n < 4 ? c : n - 4;
        vec fours[4];
        for (int i = 0; i < 4; i++)
            fours[i] = v_load_fours(from + i, at);
        v_exchange_fours(&fours[0], &fours[1], &fours[2], &fours[3]);
        for (int i = 0; i < 4; i++)
            v_store(tile + (at + i) * pitch, fours[i]);
    }
#else
    for (int row = 0; row < WIDTH; row++)
        for (int64_t c = 0; c < n; c++)
            memcpy(tile + c * pitch + row, from[row] + c, sizeof(LANE));
#endif
}

/* And back. */
static inline void tile_to_rows(const LANE *tile, int64_t n, LANE *const *to) {
#ifdef FOURS
    for (int64_t c = 0; c < n; c += 4) {
        int64_t at = c + 4 <= n || n < 4 ? c : n - 4;
        vec fours[4];
        for (int i = 0; i < 4; i++)
            fours[i] = v_load(tile + (at + i) * ACROSS);
        v_exchange_fours(&fours[0], &fours[1], &fours[2], &fours[3]);
        for (int i = 0; i < 4; i++)
            v_store_fours(to + i, at, fours[i]);
    }
#else
    for (int row = 0; row < WIDTH; row++)
        for (int64_t c = 0; c < n; c++)
            to[row][c] = tile[c * ACROSS + row];
#endif
}
