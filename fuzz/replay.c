/* SPDX-License-Identifier: MIT
 * replay FILE..: runs a fuzz target on kept inputs, without libFuzzer. */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>

enum { LARGEST = 1 << 20 };

int main(int argc, char **argv) {
    uint8_t *data = malloc(LARGEST);
    for (int i = 1; i < argc && data; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file)
            return perror(argv[i]), 1;
        size_t size = fread(data, 1, LARGEST, file);
        fclose(file);
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    printf("%d inputs\n", argc - 1);
    return argc > 1 && data ? 0 : 1;
}
