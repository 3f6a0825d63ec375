/* SPDX-License-Identifier: MIT
 * ticks: prints the time-stamp counter, which Bochs advances by one with every instruction. */
#include <inttypes.h>
#include <stdio.h>
#include <x86intrin.h>

int main(void) {
    printf("%" PRIu64 "\n", (uint64_t)__rdtsc());
    return 0;
}
