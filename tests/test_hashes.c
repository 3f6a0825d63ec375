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
    {"plain",
     UINT64_C(0x2350f1e784953c83), UINT64_C(0x67773dc2ab555c90),
     UINT64_C(0x86e9462ee0ee63e9), UINT64_C(0xc6679c1de43bf6eb)},
    {"row-mean",
     UINT64_C(0x27a4ea872fd764c0), UINT64_C(0x153a20ab859307ac),
     UINT64_C(0xda93e829a956201c), UINT64_C(0x6f02408e8dd612d9)},
    {"denominator",
     UINT64_C(0xe6a576b69651303d), UINT64_C(0xbe4d7ca8bd278c95),
     UINT64_C(0xd6c16dfa9df534ae), UINT64_C(0xeb12b137be270803)},
    {"smoothing",
     UINT64_C(0x1a02e9618d31f06f), UINT64_C(0x38b9624dd87b128e),
     UINT64_C(0x8a7e04fa6070c2bd), UINT64_C(0x9c6dfcdc702cc11d)},
    {"only-smoothing",
     UINT64_C(0x7100338775adbcb2), UINT64_C(0x9909b1b206be93b7),
     UINT64_C(0x1fbb4e16acedb754), UINT64_C(0x3f798c5fc4c3255f)},
    {"class-weight",
     UINT64_C(0xa2e67a9fb971ca2f), UINT64_C(0x914a6a09808134db),
     UINT64_C(0x9075d68f7d52df2c), UINT64_C(0x0490b610c9ff3969)},
    {"smoothing-class-weight",
     UINT64_C(0xe3543d4955b2e148), UINT64_C(0x74544aa4239892cd),
     UINT64_C(0xc42936715965d995), UINT64_C(0x36507c2a2e75872e)},
    {"row-weight",
     UINT64_C(0x574e564b54dc7952), UINT64_C(0xf934b8b1c25113cf),
     UINT64_C(0x4d7a87827067c093), UINT64_C(0x141ac6f27ddce75d)},
    {"wide-row-weight",
     UINT64_C(0x131a4bb4f1d49072), UINT64_C(0xaf7947a1232b2e94),
     UINT64_C(0x0a6a7614e848a30b), UINT64_C(0x6139330c97014c87)},
    {"backward",
     UINT64_C(0xcdbfd8686be1f91c), UINT64_C(0x14fcec0d23ecb63a),
     UINT64_C(0x54b5ce90b157cf4d), UINT64_C(0x2bb4a875aaf38d04)},
    {"z-loss",
     UINT64_C(0xe7eed85c4f2f6dfa), UINT64_C(0x0fbc19506ea97676),
     UINT64_C(0x935ef2411a0d4638), UINT64_C(0x6b9c6ffba884f86c)},
    {"scale",
     UINT64_C(0x40c65df81278da46), UINT64_C(0x97769df76a2afc98),
     UINT64_C(0x38407ad4ed4d620f), UINT64_C(0x30dd6a160701a90b)},
    {"softcap",
     UINT64_C(0x4789a43ff726446d), UINT64_C(0x15df4de91b658d57),
     UINT64_C(0xb77efa9041cba354), UINT64_C(0xe30f045d5bacdef5)},
    {"softcap-smoothing",
     UINT64_C(0xe29829e0a6efc0f8), UINT64_C(0x640c8d9abd745979),
     UINT64_C(0xb7a4b6c0dcd6e22d), UINT64_C(0x5f47e426ebfe01b9)},
    {"everything",
     UINT64_C(0x05a6dc314255fbbd), UINT64_C(0x6d74eb8dc910bcb3),
     UINT64_C(0x11f84bcc73987540), UINT64_C(0x91b879816bba4137)},
    {"bad-ignored",
     UINT64_C(0x06b725e6d85c5e03), UINT64_C(0xdf910145b7f935dd),
     UINT64_C(0xa91697abede38936), UINT64_C(0xd1b6ae21520abfa8)},
    {"bad-nan",
     UINT64_C(0x058664ced8dd1f10), UINT64_C(0x9f28bd309fd30197),
     UINT64_C(0xd33b474b436a3614), UINT64_C(0xd803072102efe06d)},
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
