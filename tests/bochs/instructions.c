/* SPDX-License-Identifier: MIT
 * instructions [DTYPE CLASSES [first]]: how many instructions a call takes per row, on the
 * instruction set in use; first: with the class axis first instead of last. In Bochs, whose
 * time-stamp counter advances by one with every instruction; on a processor these are ticks of its
 * clock. One thread, contiguous logits, labels I64, losses F32; the gradient in place. Per row:
 * what twice the rows take more, so that what a call costs besides is left out; that is told beside
 * it. */
#include "draw.h"
#include "xent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

enum { REPETITIONS = 3, MOST_LOGITS = 1 << 17, MOST_ROWS = 1024 };

static const struct {
    const char *name;
    int dtype;
} dtypes[] = {{"f32", XENT_F32}, {"bf16", XENT_BF16}, {"f16", XENT_F16}, {"f64", XENT_F64}};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static const int64_t class_counts[] = {2, 3, 5, 10, 16, 19, 32, 64, 100, 256, 1000, 1024, 5000};
enum { CLASS_COUNTS = sizeof class_counts / sizeof *class_counts };

static double drawn[MOST_LOGITS], logits[MOST_LOGITS]; /* room for elements of any dtype */
static int64_t labels[2 * MOST_ROWS];
static float losses[2 * MOST_ROWS];

static void draw_batch(int dtype, int64_t rows, int64_t classes) {
    const xent_tensor x = xent_matrix(drawn, dtype, rows, classes);
    uint64_t dice = 1;
    for (int64_t i = 0; i < rows * classes; i++)
        store_real(&x, i, draw_normal(&dice, 3), &dice);
    for (int64_t i = 0; i < rows; i++)
        labels[i] = draw(&dice, classes);
}

/* The least of some calls: the others were interrupted. */
static double ticks_of_call(int dtype, int64_t rows, int64_t classes, bool first,
                            bool with_gradient) {
    const xent_tensor x = first ? xent_matrix(logits, dtype, classes, rows)
                                : xent_matrix(logits, dtype, rows, classes);
    xent_options options = XENT_OPTIONS_INIT;
    const xent_tensor y = xent_vector(labels, XENT_I64, rows);
    const xent_tensor loss = xent_vector(losses, XENT_F32, rows);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total;
    xent_error error;
    uint64_t least = UINT64_MAX;
    options.class_axis = first ? 0 : -1;
    outputs.loss = &loss;
    outputs.grad = with_gradient ? &x : NULL;
    for (int i = 0; i < REPETITIONS; i++) {
        memcpy(logits, drawn, sizeof logits);
        uint64_t begun = __rdtsc();
        xent_status status = xent_cross_entropy(&x, &y, &options, &outputs, &total, &error);
        uint64_t ticks = __rdtsc() - begun;
        if (status != XENT_OK) {
            fprintf(stderr, "%s\n", error.message);
            exit(1);
        }
        least = ticks < least ? ticks : least;
    }
    return (double)least;
}

static void measure(int dtype, int64_t classes, bool first) {
    int64_t rows = MOST_LOGITS / classes / 2 / 16 * 16;
    rows = rows > MOST_ROWS ? MOST_ROWS : rows < 1 ? 1 : rows;
    draw_batch(dtype, 2 * rows, classes);
    for (int with_gradient = 0; with_gradient < 2; with_gradient++) {
        double once = ticks_of_call(dtype, rows, classes, first, with_gradient);
        double twice = ticks_of_call(dtype, 2 * rows, classes, first, with_gradient);
        printf("%10.1f %8.0f", (twice - once) / (double)rows, 2 * once - twice);
    }
    puts("");
}

int main(int argc, char **argv) {
    const int64_t wanted = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
    const bool first = argc == 4 && strcmp(argv[3], "first") == 0;
    if (argc == 2 || argc > 3 + first || wanted < 0 || wanted > MOST_LOGITS / 2)
        return fprintf(stderr, "usage: instructions [f32|bf16|f16|f64 CLASSES [first]]\n"), 64;
    printf("%s: instructions per row and per call, loss; the same, loss and gradient\n",
           xent_isa());
    for (int d = 0; d < DTYPES; d++)
        for (int c = 0; c < (wanted ? 1 : CLASS_COUNTS); c++) {
            int64_t classes = wanted ? wanted : class_counts[c];
            if (wanted && strcmp(argv[1], dtypes[d].name) != 0)
                continue;
            printf("%-4s %6" PRId64, dtypes[d].name, classes);
            measure(dtypes[d].dtype, classes, first);
            fflush(stdout);
        }
    return 0;
}
