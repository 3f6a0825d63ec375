/* SPDX-License-Identifier: MIT
 * One fixed list of calls gives the bytes that are written down here, whatever machine,
 * instruction set and compiler.
 *
 *     test_hashes           compares; exit 1 if anything differs
 *     test_hashes --print   prints the table, to be pasted here when a change of bits is meant
 *     test_hashes --calls   prints the hash of every call, to see where two machines differ */
#include "hash.h"
#include "solve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the list -------------------------------------------------------------------------------- */

/* Row counts shrink as rows grow; both kernels that go across rows get full and partial groups. */
static const struct {
    int64_t classes, outer, inner;
} sizes[] = {
    {1, 3, 7},  {2, 3, 7},    {3, 3, 7},    {10, 5, 7},   {19, 3, 7},   {63, 2, 9},   {64, 2, 9},
    {65, 2, 9}, {1000, 1, 9}, {1023, 3, 3}, {1024, 3, 3}, {1025, 3, 3}, {3000, 1, 9}, {50257, 1, 2},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Every kind of logits up to 65 classes, then two of them in turn; from 10,000 classes on for
 * one variant of four. */
static bool listed(int size, int kind, int chosen) {
    if (sizes[size].classes < 100)
        return true;
    if (sizes[size].classes > 10000)
        return kind == (chosen / 4) % 2 * MIXED && chosen % 4 == 1;
    return kind == MIXED || kind == (size + chosen) % MIXED;
}

static uint64_t hash_answer(uint64_t hash, const answer *found) {
    hash = hash_bytes(hash, &found->status, sizeof found->status);
    hash = hash_bytes(hash, &found->total, sizeof found->total);
    for (int output = 0; output < OUTPUTS; output++)
        if (found->data[output])
            hash = hash_bytes(hash, found->data[output],
                              (size_t)found->rows * found->row_bytes[output]);
    return hash;
}

/* The class axis last and then first; an answer that strayed changes the hash. */
static uint64_t hash_call(uint64_t hash, const recipe *from, bool print) {
    static const arrangement layouts[] = {{0},
                                          {.class_first = 2, .small_dtypes = true, .threads = 2}};
    problem made = make_problem(from);
    for (int layout = 0; layout < 2; layout++) {
        answer found = solve(&made, &layouts[layout]);
        hash = hash_answer(hash ^ found.strayed, &found);
        if (print)
            printf("%s %s kind %d classes %" PRId64 " layout %d: %016" PRIx64 "\n",
                   logit_dtype_name(from->dtype), from->variant->name, from->kind, from->classes,
                   layout, hash_answer(HASH_START, &found));
        free_answer(&found);
    }
    free_problem(&made);
    return hash;
}

static uint64_t hash_group(int32_t dtype, int chosen, bool print) {
    uint64_t hash = HASH_START;
    for (int size = 0; size < SIZES; size++)
        for (int kind = 0; kind < KINDS; kind++)
            if (listed(size, kind, chosen)) {
                const recipe from = {.dtype = dtype,
                                     .kind = kind,
                                     .outer = sizes[size].outer,
                                     .inner = sizes[size].inner,
                                     .classes = sizes[size].classes,
                                     .variant = &variants[chosen]};
                hash = hash_call(hash, &from, print);
            }
    return hash;
}

/* ---- what comes out -------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name;
    uint64_t f32, f64, bf16, f16;
} golden[] = {
};
/* clang-format on */

static void print_table(void) {
    for (int chosen = 0; chosen < variant_count; chosen++) {
        printf("    {\"%s\",\n     ", variants[chosen].name);
        for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++)
            printf("UINT64_C(0x%016" PRIx64 ")%s", hash_group(dtype, chosen, false),
                   dtype == XENT_F64   ? ",\n     "
                   : dtype == XENT_F16 ? "},\n"
                                       : ", ");
    }
}

static void print_calls(void) {
    for (int chosen = 0; chosen < variant_count; chosen++)
        for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++)
            hash_group(dtype, chosen, true);
}

/* How many of the variant's four hashes differ from what is written down. */
static int compare(int chosen) {
    const uint64_t expected[] = {0, golden[chosen].f32, golden[chosen].f64, golden[chosen].bf16,
                                 golden[chosen].f16};
    int different = 0;
    for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++) {
        uint64_t hash = hash_group(dtype, chosen, false);
        if (hash == expected[dtype])
            continue;
        different++;
        printf("%s %s: %016" PRIx64 ", expected %016" PRIx64 "\n", logit_dtype_name(dtype),
               variants[chosen].name, hash, expected[dtype]);
    }
    return different;
}

static int compare_all(void) {
    const int listed_variants = (int)(sizeof golden / sizeof *golden);
    if (listed_variants != variant_count) {
        printf("%d variants, but hashes of %d\n", variant_count, listed_variants);
        return 1;
    }
    int different = 0;
    for (int chosen = 0; chosen < variant_count; chosen++)
        if (strcmp(golden[chosen].name, variants[chosen].name) == 0)
            different += compare(chosen);
        else
            different += 4;
    printf("%s: %d of %d hashes differ\n", xent_isa(), different, 4 * variant_count);
    return different ? 1 : 0;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "--print") == 0)
        return print_table(), 0;
    if (count == 2 && strcmp(arguments[1], "--calls") == 0)
        return print_calls(), 0;
    return compare_all();
}
