/* SPDX-License-Identifier: MIT
 * Classes that lie a page or more apart give the same bits as classes side by side, in every
 * variant, in place or not, with gaps, backwards, and shared by tasks. */
#include "solve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Rows of a class: more than a page of the narrowest type, and no multiple of a stage. */
enum { OUTER = 2, INNER = 2100 };

static const arrangement FAR_APART[] = {
    {.class_first = 1},
    {.class_first = 1, .in_place = true, .threads = 3},
    {.class_first = 2, .in_place = true, .small_dtypes = true},
    {.class_first = 2, .reversed = 2},
    {.class_first = 1, .padding = 5, .reversed = 1, .misalignment = 1},
    {.class_first = 1, .gap = 1},
};
enum { ARRANGEMENTS = sizeof FAR_APART / sizeof *FAR_APART };

static void check_variant(int32_t dtype, int chosen, int64_t classes) {
    const recipe from = {.dtype = dtype,
                         .kind = MIXED,
                         .outer = OUTER,
                         .inner = INNER,
                         .classes = classes,
                         .variant = &variants[chosen]};
    problem made = make_problem(&from);
    const arrangement near = {.left_out = 1U << PROBABILITY};
    const char *what;
    int differs = find_difference(&made, &near, FAR_APART, ARRANGEMENTS, &what);
    if (differs >= 0)
        fail_msg("%s, %d classes, arrangement %d: different %s", variants[chosen].name,
                 (int)classes, differs, what);
    free_problem(&made);
}

static void all_variants(void **state) {
    (void)state;
    const int step = getenv("XENT_SHORT") ? 4 : 1; /* as under sanitizers */
    for (int chosen = step / 2; chosen < variant_count; chosen += step)
        check_variant(XENT_F32, chosen, 19);
}

static void all_dtypes(void **state) {
    (void)state;
    const int64_t classes[] = {9, 33, 64};
    for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++)
        for (int i = 0; i < 3; i++)
            check_variant(dtype, (dtype * 3 + i) % variant_count, classes[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variants),
        cmocka_unit_test(all_dtypes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
