/* SPDX-License-Identifier: MIT
 * two_halves ROWS CLASSES LOGITS.npy LABELS.npy: scores the mapped bf16 logits and i32 labels as
 * two batches, merges their totals and prints "loss_sum weight_sum rows counted correct
 * nonfinite". */
#define _POSIX_C_SOURCE 200809L
#include "xent.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The elements of a version 1 .npy file, or the end of the program. */
static char *map_elements(const char *path) {
    int descriptor = open(path, O_RDONLY);
    struct stat facts;
    if (descriptor < 0 || fstat(descriptor, &facts) != 0)
        exit(2);
    unsigned char *map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (map == MAP_FAILED)
        exit(2);
    return (char *)map + 10 + map[8] + 256 * map[9];
}

static xent_total score(char *logits, char *labels, int64_t rows, int64_t classes) {
    xent_tensor x = xent_matrix(logits, XENT_BF16, rows, classes);
    xent_tensor y = xent_vector(labels, XENT_I32, rows);
    xent_options options = XENT_OPTIONS_INIT;
    xent_total total;
    xent_error error;
    options.threads = -1;
    if (xent_cross_entropy(&x, &y, &options, NULL, &total, &error) == XENT_OK)
        return total;
    fprintf(stderr, "%s\n", error.message);
    exit(1);
}

int main(int count, char **arguments) {
    if (count != 5)
        return 64;
    int64_t rows = strtoll(arguments[1], NULL, 10), classes = strtoll(arguments[2], NULL, 10),
            half = rows / 2;
    char *logits = map_elements(arguments[3]), *labels = map_elements(arguments[4]);
    xent_total total = score(logits, labels, half, classes);
    xent_total rest = score(logits + 2 * half * classes, labels + 4 * half, rows - half, classes);
    xent_total_merge(&total, &rest);
    printf("%.17g %.17g %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", total.loss_sum,
           total.weight_sum, total.rows, total.counted, total.correct, total.nonfinite);
    return 0;
}
