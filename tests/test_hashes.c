/* SPDX-License-Identifier: MIT
 * One fixed list of calls gives the bytes that are written down here, whatever machine,
 * instruction set and compiler.
 *
 *     test_hashes           compares; exit 1 if anything differs
 *     test_hashes --print   prints the table, to be pasted here when a change of bits is meant
 *     test_hashes --calls   prints the hash of every call, to see where two machines differ
 *
 * With XENT_SHORT set, as under sanitizers, one variant in four is compared, in all dtypes. */
#include "hash.h"
#include "solve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
    {"plain",
     UINT64_C(0xe69f392df03474b6), UINT64_C(0x203bd690e21adf44),
     UINT64_C(0xad429003c42a2ae9), UINT64_C(0x769eaa503e8165d4)},
    {"row-mean",
     UINT64_C(0x22bb985466d74b05), UINT64_C(0xbe9811b040546ed8),
     UINT64_C(0x89b7f30b148c8109), UINT64_C(0xd655e3b0dd0bfb47)},
    {"denominator",
     UINT64_C(0x424ee47829d25071), UINT64_C(0xc83ea1e1e4273c67),
     UINT64_C(0xaa5fcb8c0f1c418b), UINT64_C(0x44425b362d84ad0c)},
    {"smoothing",
     UINT64_C(0xc7f536ae9c46beb7), UINT64_C(0x30deb88661fc4223),
     UINT64_C(0x40c22f751305339a), UINT64_C(0x65a791f83041590e)},
    {"only-smoothing",
     UINT64_C(0x2960e7e3f2e0899b), UINT64_C(0xdb8b85fa10afce69),
     UINT64_C(0xb15cb0b0e7547b48), UINT64_C(0x5a711379237e5f1e)},
    {"class-weight",
     UINT64_C(0x72ab207fab1402e0), UINT64_C(0x7807bacef7ba33d1),
     UINT64_C(0xc5b924bae7892471), UINT64_C(0xc0a4d1b102cd2969)},
    {"smoothing-class-weight",
     UINT64_C(0x3734744a28af5039), UINT64_C(0xb03f659963b4bd38),
     UINT64_C(0x2cbf5efb141bb20d), UINT64_C(0x9627153dfe4ca6b0)},
    {"row-weight",
     UINT64_C(0xd5f53a80dda0ff92), UINT64_C(0xc4a9f06ad6ac6577),
     UINT64_C(0x8d91da297165eb44), UINT64_C(0x6f14c07fad7d6ffc)},
    {"wide-row-weight",
     UINT64_C(0x9c5435ec41119c85), UINT64_C(0xe943502789aac24c),
     UINT64_C(0xd6ef9f99416d49f2), UINT64_C(0xab0b12069b1221b8)},
    {"backward",
     UINT64_C(0xdb6672e4f7f326b4), UINT64_C(0xc40a18fa1c26e9da),
     UINT64_C(0xb5ade70802fb25ed), UINT64_C(0x1aafa5ec69ec34b7)},
    {"z-loss",
     UINT64_C(0xc5c26675343f554d), UINT64_C(0x88b0a6773e552dbc),
     UINT64_C(0xded58936b3c57c83), UINT64_C(0x61dc1939761d24ab)},
    {"scale",
     UINT64_C(0xb576044fa3704495), UINT64_C(0x1288c3e296e43f8e),
     UINT64_C(0x305a8bd4497d1ab0), UINT64_C(0xbe5211eec819ee20)},
    {"softcap",
     UINT64_C(0xca0e9b4131f24282), UINT64_C(0xad1f96ef98a0311e),
     UINT64_C(0x4f8641f51cf91f5e), UINT64_C(0x9a5e17b178beb73e)},
    {"softcap-smoothing",
     UINT64_C(0x531a8bdcbdb1f6d6), UINT64_C(0x45fe364d80e9e79f),
     UINT64_C(0x97926023ec047ba9), UINT64_C(0xb4e0411c4ba310f1)},
    {"everything",
     UINT64_C(0xfd992c98ea7c69ab), UINT64_C(0x64c84c9aeb44f991),
     UINT64_C(0x6d023e0b7bed0802), UINT64_C(0x4e6a41d7af5190c9)},
    {"bad-ignored",
     UINT64_C(0xeba61c53f22a67ed), UINT64_C(0x3e57d93a431c9e6d),
     UINT64_C(0x4cdd603628dfb2a0), UINT64_C(0xa12a7cdeb52322d1)},
    {"bad-nan",
     UINT64_C(0xd61b686a0a07a376), UINT64_C(0xc46329dc87348725),
     UINT64_C(0x5ea948cf51ae8357), UINT64_C(0x1fdb34d18ecd4493)},
    {"probabilities",
     UINT64_C(0xa2b3ea9b2a1fe92e), UINT64_C(0x0dc17620fc5d5534),
     UINT64_C(0xc621c871b7fb3a50), UINT64_C(0x157d97eb50aff66e)},
    {"log-probabilities",
     UINT64_C(0x46d741c41daa77df), UINT64_C(0x2c58336b5b48ca9f),
     UINT64_C(0x8e6cc72c4616e832), UINT64_C(0x61f474178e1cf0e1)},
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
    const int step = getenv("XENT_SHORT") ? 4 : 1;
    int different = 0, compared = 0;
    for (int chosen = step / 2; chosen < variant_count; chosen += step, compared += 4)
        if (strcmp(golden[chosen].name, variants[chosen].name) == 0)
            different += compare(chosen);
        else
            different += 4;
    printf("%s: %d of %d hashes differ\n", xent_isa(), different, compared);
    return different ? 1 : 0;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "--print") == 0)
        return print_table(), 0;
    if (count == 2 && strcmp(arguments[1], "--calls") == 0)
        return print_calls(), 0;
    return compare_all();
}
