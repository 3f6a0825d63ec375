/* SPDX-License-Identifier: MIT
 * replay FILE..: runs a fuzz target on kept inputs, without libFuzzer. */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>

enum { LARGEST = 1 << 20 };

static int replay(const char *path, uint8_t *data) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return perror(path), 1;
    size_t size = fread(data, 1, LARGEST, file);
    fclose(file);
    return LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv) {
    uint8_t *data = malloc(LARGEST);
    int code = argc > 1 && data ? 0 : 1;
    for (int i = 1; i < argc && code == 0; i++)
        code = replay(argv[i], data);
    free(data);
    printf("%d inputs\n", argc - 1);
    return code;
}
