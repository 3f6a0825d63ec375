/* SPDX-License-Identifier: MIT
 * Nothing outside of a call's arguments is touched: every tensor and every struct lies right before
 * a page that nobody may touch, then right after one. One byte too far ends this program.
 *
 * Under valgrind, whose fma is not always right, memory is judged and numbers are not. */
#include "guard.h"
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong;

static void expect(bool holds, const char *what, int64_t number) {
    if (holds)
        return;
    printf("%s (%d)\n", what, (int)number);
    wrong++;
}

/* ---- tensors --------------------------------------------------------------------------------- */

static const arrangement layouts[] = {
    {0},
    {.class_first = 1},
    {.class_first = 2},
    {.axis_rotation = 2},
    {.padding = 3, .in_place = true},
    {.gap = 1, .reversed = 7},
    {.misalignment = 1},
    {.small_dtypes = true, .in_place = true, .reversed = 5, .threads = 2},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static void check_layouts(const recipe *from) {
    static const arrangement plainest = {0};
    problem what = make_problem(from);
    answer expected = solve(&what, &plainest);
    expect(expected.status == XENT_OK, expected.message, 0);
    for (int i = 0; i < LAYOUTS; i++)
        for (int side = 0; side < 2; side++) {
            arrangement how = layouts[i];
            how.memory = side ? &guard_before : &guard_after;
            answer found = solve(&what, &how);
            const char *differs = difference(&expected, &found);
            expect(!differs || !reference_is_precise(), differs, i);
            expect(!found.strayed, "a byte outside of the outputs", i);
            free_answer(&found);
        }
    free_answer(&expected);
    free_problem(&what);
}

static void check_tensors(void) {
    static const int64_t class_counts[] = {1,  2,  3,  5,  8,   10,   15,   16,   17,   31,
                                           33, 63, 64, 65, 100, 1000, 1023, 1024, 1025, 2500};
    static const int64_t row_counts[] = {1, 3, 15, 16, 17, 33};
    int turn = 0;
    for (int32_t dtype = XENT_F32; dtype <= XENT_F16; dtype++)
        for (int size = 0; size < 20; size++)
            for (int rows = 0; rows < (class_counts[size] < 1000 ? 6 : 2); rows++, turn++) {
                const recipe from = {.dtype = dtype,
                                     .kind = turn % KINDS,
                                     .outer = 1 + turn % 2,
                                     .inner = row_counts[rows],
                                     .classes = class_counts[size],
                                     .variant = &variants[turn % variant_count]};
                check_layouts(&from);
            }
}

/* ---- structs --------------------------------------------------------------------------------- */

/* Blocks of guarded memory, given back together. */
enum { MOST_LENT = 64 };
typedef struct lender {
    const memory *memory;
    int count;
    char *blocks[MOST_LENT];
    size_t bytes[MOST_LENT];
} lender;

/* A guarded copy of so many bytes. */
static void *lend(lender *from, const void *what, size_t bytes) {
    if (from->count == MOST_LENT)
        abort();
    char *block = from->memory->take(bytes);
    from->blocks[from->count] = block;
    from->bytes[from->count++] = bytes;
    return memcpy(block, what, bytes);
}

static void take_back(lender *from) {
    while (from->count-- > 0)
        from->memory->give_back(from->blocks[from->count], from->bytes[from->count]);
}

enum { ROWS = 6, MOST_CLASSES = 80 };

/* A contiguous tensor whose shape array, data and struct are guarded. */
static const xent_tensor *lend_tensor(lender *from, const void *data, int dtype, int ndim,
                                      const int64_t *shape) {
    size_t bytes = element_size(dtype);
    for (int axis = 0; axis < ndim; axis++)
        bytes *= (size_t)shape[axis];
    const int64_t *guarded = lend(from, shape, (size_t)ndim * sizeof *shape);
    const xent_tensor made = xent_ndarray(lend(from, data, bytes), dtype, ndim, guarded);
    return lend(from, &made, sizeof made);
}

static const xent_tensor *lend_rows(lender *from, const void *data, int dtype) {
    const int64_t shape[] = {2, ROWS / 2};
    return lend_tensor(from, data, dtype, 2, shape);
}

static const xent_tensor *lend_logits(lender *from, const void *data, int64_t classes) {
    const int64_t shape[] = {2, ROWS / 2, classes};
    return lend_tensor(from, data, XENT_F32, 3, shape);
}

static void run_in_order(void *context, void (*task)(void *data, int64_t i), void *data,
                         int64_t count) {
    (void)context;
    for (int64_t i = 0; i < count; i++)
        task(data, i);
}

/* Inputs of a call that uses every argument. */
static float numbers[ROWS * MOST_CLASSES];
static const int64_t labels[ROWS] = {0, 1, -100, 0, 1, -7}, ignored[] = {-100, -7};

static void fill_numbers(void) {
    for (int i = 0; i < ROWS * MOST_CLASSES; i++)
        numbers[i] = (float)(i * 37 % 101) / 64;
}

static xent_options lend_options(lender *from, int64_t classes) {
    const xent_executor executor = {.width = 3, .run = run_in_order};
    xent_options made = XENT_OPTIONS_INIT;
    made.label_smoothing = 0.1;
    made.ignore = lend(from, ignored, sizeof ignored);
    made.ignore_count = 2;
    made.class_weight = lend_tensor(from, numbers + 1, XENT_F32, 1, &classes);
    made.row_weight = lend_rows(from, numbers + 1, XENT_F32);
    made.executor = lend(from, &executor, sizeof executor);
    return made;
}

static xent_outputs lend_outputs(lender *from, int64_t classes) {
    return (xent_outputs){sizeof(xent_outputs),
                          lend_rows(from, numbers, XENT_F64),
                          lend_rows(from, numbers, XENT_F64),
                          lend_rows(from, numbers, XENT_I64),
                          lend_rows(from, numbers, XENT_F32),
                          lend_rows(from, numbers, XENT_F32),
                          lend_logits(from, numbers, classes),
                          lend_logits(from, numbers, classes)};
}

/* What a call returns when its two structs are cut after so many bytes, or have zeros after their
 * end. */
static xent_status call_with_structs(const memory *where, int64_t classes, size_t options_size,
                                     size_t outputs_size) {
    struct {
        xent_options known;
        char unknown[32];
    } options = {.known = XENT_OPTIONS_INIT};
    struct {
        xent_outputs known;
        char unknown[32];
    } outputs = {.known = XENT_OUTPUTS_INIT};
    lender all = {.memory = where};
    xent_total *total = lend(&all, &(xent_total)XENT_TOTAL_INIT, sizeof *total);
    xent_error *error = lend(&all, &(xent_error){{0}}, sizeof *error);
    options.known = lend_options(&all, classes);
    outputs.known = lend_outputs(&all, classes);
    options.known.struct_size = options_size;
    outputs.known.struct_size = outputs_size;
    xent_status status = xent_cross_entropy(
        lend_logits(&all, numbers, classes), lend_rows(&all, labels, XENT_I64),
        lend(&all, &options, options_size), lend(&all, &outputs, outputs_size), total, error);
    expect(status != XENT_OK || total->rows == ROWS, "rows of the total", total->rows);
    expect((status == XENT_OK) == (error->message[0] == 0), error->message, status);
    take_back(&all);
    return status;
}

/* Structs of every size that a program of another version may pass. */
static void check_structs(const memory *where) {
    const size_t whole = sizeof(xent_options), outputs = sizeof(xent_outputs);
    const size_t with_ignore = offsetof(xent_options, class_weight);
    for (int64_t classes = 1; classes <= MOST_CLASSES; classes++) {
        xent_status expected = classes > 1 ? XENT_OK : XENT_BAD_LABEL;
        expect(call_with_structs(where, classes, whole, outputs) == expected, "whole", classes);
        for (size_t size = with_ignore; size <= whole + 32; size += sizeof(void *))
            expect(call_with_structs(where, classes, size, outputs) == expected, "options",
                   (int64_t)size);
        for (size_t size = sizeof(size_t); size <= outputs + 32; size += sizeof(void *))
            expect(call_with_structs(where, classes, whole, size) == expected, "outputs",
                   (int64_t)size);
    }
}

/* ---- the other functions --------------------------------------------------------------------- */

static void check_mean_loss(const memory *where) {
    for (int64_t classes = 2; classes <= MOST_CLASSES; classes++) {
        static const int64_t plain_labels[ROWS] = {0, 1, 1, 0, 1, 0};
        const size_t bytes = ROWS * (size_t)classes * sizeof(float);
        const double none = 0;
        lender all = {.memory = where};
        double *loss = lend(&all, &none, sizeof none);
        xent_error *error = lend(&all, &(xent_error){{0}}, sizeof *error);
        const float *logits = lend(&all, numbers, bytes);
        const int64_t *lent = lend(&all, plain_labels, sizeof plain_labels);
        float *grad = lend(&all, numbers, bytes);
        expect(xent_mean_loss_f32(logits, lent, ROWS, classes, grad, loss, error) == XENT_OK,
               error->message, classes);
        expect(*loss > 0, "mean loss", classes);
        take_back(&all);
    }
}

static void check_counts(const memory *where) {
    lender all = {.memory = where};
    const xent_options options = lend_options(&all, 3);
    const xent_total none = XENT_TOTAL_INIT;
    xent_total *total = lend(&all, &none, sizeof none), *sum = lend(&all, &none, sizeof none);
    const xent_options *lent = lend(&all, &options, sizeof options);
    xent_error *error = lend(&all, &(xent_error){{0}}, sizeof *error);
    expect(xent_count_labels(lend_rows(&all, labels, XENT_I64), 3, lent, total, error) == XENT_OK,
           error->message, 0);
    xent_total_merge(sum, total);
    expect(sum->counted == ROWS - 2, "merged count", sum->counted);
    expect(xent_total_loss(sum, lent) == 0, "loss of labels alone", 0);
    take_back(&all);
}

int main(void) {
    const memory *const sides[] = {&guard_after, &guard_before};
    fill_numbers();
    check_tensors();
    for (int side = 0; side < 2; side++) {
        check_structs(sides[side]);
        check_mean_loss(sides[side]);
        check_counts(sides[side]);
    }
    printf("%s: %d guarded calls went wrong\n", xent_isa(), wrong);
    return wrong > 0;
}
