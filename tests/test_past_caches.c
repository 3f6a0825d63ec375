/* SPDX-License-Identifier: MIT
 * A gradient larger than any cache that lies elsewhere than the logits has the bits of one in their
 * place: E kept beside it or computed again, aligned or not, with gaps, shared by tasks. */
#include "solve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const arrangement ELSEWHERE[] = {
    {.threads = 1},
    {.threads = 3, .padding = 3},
    {.threads = 1, .misalignment = 1},
};
enum { ARRANGEMENTS = sizeof ELSEWHERE / sizeof *ELSEWHERE };

static void check_shape(const char *name, int32_t dtype, int64_t rows, int64_t classes) {
    recipe from = {.dtype = dtype, .kind = MIXED, .outer = rows, .inner = 1, .classes = classes};
    for (int i = 0; i < variant_count; i++)
        if (strcmp(variants[i].name, name) == 0)
            from.variant = &variants[i];
    assert_non_null(from.variant);
    problem made = make_problem(&from);
    const arrangement in_place = {.in_place = true, .left_out = 1U << PROBABILITY};
    const char *what;
    int differs = find_difference(&made, &in_place, ELSEWHERE, ARRANGEMENTS, &what);
    if (differs >= 0)
        fail_msg("%s, %d x %d, arrangement %d: different %s", name, (int)rows, (int)classes,
                 differs, what);
    free_problem(&made);
}

static void kept(void **state) {
    (void)state;
    check_shape("plain", XENT_F32, 8500, 1000);
    if (!getenv("XENT_SHORT")) /* as under sanitizers */
        check_shape("bad-ignored", XENT_F64, 1100, 4000);
}

static void computed_again(void **state) {
    (void)state;
    check_shape("scale", XENT_F32, 260, 33000);
    if (!getenv("XENT_SHORT"))
        check_shape("plain", XENT_F64, 1000, 4300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept),
        cmocka_unit_test(computed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
