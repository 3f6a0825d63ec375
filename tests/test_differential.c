/* SPDX-License-Identifier: MIT
 * Random calls against the reference. XENT_CASES says how many (10000), XENT_SEED the seed of the
 * first (1); the next case has the next seed, so that one case alone is replayed by its own seed
 * and XENT_CASES=1. */
#define _POSIX_C_SOURCE 200809L
#include "compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CASES_SHOWN = 5, DIFFERENCES_SHOWN = 5 };

static uint64_t number_from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void show_progress(uint64_t done, uint64_t cases) {
    static time_t last;
    const time_t now = time(NULL);
    if (last == 0)
        last = now;
    if (now - last < 5 || !isatty(STDERR_FILENO))
        return;
    last = now;
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " cases\n", done, cases);
}

int main(void) {
    const uint64_t cases = number_from_environment("XENT_CASES", 10000);
    const uint64_t seed = number_from_environment("XENT_SEED", 1);
    uint64_t wrong = 0, shared = 0;
    if (!reference_is_precise())
        printf("long double is no wider than double here: memory is judged, numbers are not\n");
    for (uint64_t i = 0; i < cases; i++) {
        test_case *call = make_case(seed + i);
        wrong += compare_case(call, wrong < CASES_SHOWN ? DIFFERENCES_SHOWN : 0) > 0;
        shared += call->on_executor.tasks > 1;
        free_case(call);
        show_progress(i + 1, cases);
    }
    printf("%s: %" PRIu64 " random calls from seed %" PRIu64 ", %" PRIu64
           " of them in several tasks of an executor, %" PRIu64 " with differences\n",
           xent_isa(), cases, seed, shared, wrong);
    return wrong > 0 || (cases >= 1000 && shared == 0);
}
