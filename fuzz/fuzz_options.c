/* SPDX-License-Identifier: MIT
 * Fuzzes the parser of `xent loss`: lines of the input are words of the command. */
#include "options.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 64 };

/* Cuts the text into words, which follow "xent loss"; returns how many there are with these. */
static int cut(char *text, char *words[MOST_WORDS]) {
    int count = 2;
    for (char *rest = text; rest && count < MOST_WORDS - 1; count++) {
        words[count] = rest;
        rest = strchr(rest, '\n');
        if (rest)
            *rest++ = '\0';
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char program[] = "xent", verb[] = "loss", *words[MOST_WORDS] = {program, verb};
    char *text = calloc(size + 1, 1);
    loss_request request = {.json = 0};
    if (!text)
        return 0;
    memcpy(text, data, size);
    int count = cut(text, words);
    int code = read_request(&LOSS_COMMAND, count, words, &request);
    if (code == 0 && (!request.files[0] || !request.files[1]))
        abort();
    free(request.ignore.values);
    free(text);
    return 0;
}
