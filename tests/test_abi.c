/* SPDX-License-Identifier: MIT
 * What programs compiled against another version of the header rely on: layouts, numbers, struct
 * sizes, XENT_ISA. */
#define _POSIX_C_SOURCE 200809L
#include "guard.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- layouts and numbers --------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset, expected;
} offsets[] = {
    {"xent_tensor.data", offsetof(xent_tensor, data), 0},
    {"xent_tensor.dtype", offsetof(xent_tensor, dtype), 8},
    {"xent_tensor.ndim", offsetof(xent_tensor, ndim), 12},
    {"xent_tensor.shape", offsetof(xent_tensor, shape), 16},
    {"xent_tensor.stride", offsetof(xent_tensor, stride), 80},
    {"xent_total.rows", offsetof(xent_total, rows), 0},
    {"xent_total.counted", offsetof(xent_total, counted), 8},
    {"xent_total.ignored", offsetof(xent_total, ignored), 16},
    {"xent_total.bad", offsetof(xent_total, bad), 24},
    {"xent_total.nonfinite", offsetof(xent_total, nonfinite), 32},
    {"xent_total.correct", offsetof(xent_total, correct), 40},
    {"xent_total.first_bad_row", offsetof(xent_total, first_bad_row), 48},
    {"xent_total.first_bad_label", offsetof(xent_total, first_bad_label), 56},
    {"xent_total.first_nonfinite_row", offsetof(xent_total, first_nonfinite_row), 64},
    {"xent_total.loss_sum", offsetof(xent_total, loss_sum), 72},
    {"xent_total.loss_sum_low", offsetof(xent_total, loss_sum_low), 80},
    {"xent_total.weight_sum", offsetof(xent_total, weight_sum), 88},
    {"xent_total.weight_sum_low", offsetof(xent_total, weight_sum_low), 96},
    {"xent_total.reserved", offsetof(xent_total, reserved), 104},
    {"xent_executor.context", offsetof(xent_executor, context), 0},
    {"xent_executor.width", offsetof(xent_executor, width), 8},
    {"xent_executor.run", offsetof(xent_executor, run), 16},
    {"xent_options.struct_size", offsetof(xent_options, struct_size), 0},
    {"xent_options.logits_are", offsetof(xent_options, logits_are), 8},
    {"xent_options.class_axis", offsetof(xent_options, class_axis), 12},
    {"xent_options.reduction", offsetof(xent_options, reduction), 16},
    {"xent_options.on_bad_label", offsetof(xent_options, on_bad_label), 20},
    {"xent_options.on_nothing_counted", offsetof(xent_options, on_nothing_counted), 24},
    {"xent_options.threads", offsetof(xent_options, threads), 28},
    {"xent_options.denominator", offsetof(xent_options, denominator), 32},
    {"xent_options.label_smoothing", offsetof(xent_options, label_smoothing), 40},
    {"xent_options.z_loss", offsetof(xent_options, z_loss), 48},
    {"xent_options.softcap", offsetof(xent_options, softcap), 56},
    {"xent_options.logit_scale", offsetof(xent_options, logit_scale), 64},
    {"xent_options.ignore", offsetof(xent_options, ignore), 72},
    {"xent_options.ignore_count", offsetof(xent_options, ignore_count), 80},
    {"xent_options.class_weight", offsetof(xent_options, class_weight), 88},
    {"xent_options.row_weight", offsetof(xent_options, row_weight), 96},
    {"xent_options.executor", offsetof(xent_options, executor), 104},
    {"xent_outputs.struct_size", offsetof(xent_outputs, struct_size), 0},
    {"xent_outputs.loss", offsetof(xent_outputs, loss), 8},
    {"xent_outputs.lse", offsetof(xent_outputs, lse), 16},
    {"xent_outputs.prediction", offsetof(xent_outputs, prediction), 24},
    {"xent_outputs.label_probability", offsetof(xent_outputs, label_probability), 32},
    {"xent_outputs.entropy", offsetof(xent_outputs, entropy), 40},
    {"xent_outputs.grad", offsetof(xent_outputs, grad), 48},
    {"xent_outputs.probability", offsetof(xent_outputs, probability), 56},
    {"xent_linear_outputs.struct_size", offsetof(xent_linear_outputs, struct_size), 0},
    {"xent_linear_outputs.loss", offsetof(xent_linear_outputs, loss), 8},
    {"xent_linear_outputs.lse", offsetof(xent_linear_outputs, lse), 16},
    {"xent_linear_outputs.prediction", offsetof(xent_linear_outputs, prediction), 24},
    {"xent_linear_outputs.label_probability", offsetof(xent_linear_outputs, label_probability), 32},
    {"xent_linear_outputs.entropy", offsetof(xent_linear_outputs, entropy), 40},
    {"xent_linear_outputs.grad_features", offsetof(xent_linear_outputs, grad_features), 48},
    {"xent_linear_outputs.grad_weight", offsetof(xent_linear_outputs, grad_weight), 56},
    {"xent_linear_outputs.grad_bias", offsetof(xent_linear_outputs, grad_bias), 64},
    {"xent_linear_outputs.logits", offsetof(xent_linear_outputs, logits), 72},
};

static void members_stay_where_they_are(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        if (offsets[i].offset != offsets[i].expected)
            fail_msg("%s is at %zu, not at %zu", offsets[i].name, offsets[i].offset,
                     offsets[i].expected);
}

static void structs_keep_their_sizes(void **state) {
    (void)state;
    assert_int_equal(sizeof(xent_tensor), 144);
    assert_int_equal(sizeof(xent_total), 128);
    assert_int_equal(sizeof(xent_error), 512);
    assert_int_equal(sizeof(xent_executor), 24);
    assert_in_range(sizeof(xent_options), 112, SIZE_MAX);
    assert_in_range(sizeof(xent_outputs), 64, SIZE_MAX);
}

static void numbers_stay_what_they_are(void **state) {
    (void)state;
    static const int numbers[] = {XENT_OK,        XENT_BAD_ARGUMENT, XENT_BAD_SHAPE,
                                  XENT_BAD_DTYPE, XENT_BAD_LABEL,    XENT_NOTHING_COUNTED,
                                  XENT_OVERLAP,   XENT_NO_MEMORY};
    static const int dtypes[] = {XENT_F32, XENT_F64, XENT_BF16, XENT_F16, XENT_I8,  XENT_U8,
                                 XENT_I16, XENT_U16, XENT_I32,  XENT_U32, XENT_I64, XENT_U64};
    static const int choices[][3] = {
        {XENT_LOGITS, XENT_PROBABILITIES, XENT_LOG_PROBABILITIES},
        {XENT_MEAN, XENT_ROW_MEAN, XENT_SUM},
        {XENT_BAD_LABEL_ERROR, XENT_BAD_LABEL_IGNORE, XENT_BAD_LABEL_NAN},
        {XENT_NOTHING_ERROR, XENT_NOTHING_NAN, XENT_NOTHING_ZERO}};
    for (int i = 0; i < 8; i++)
        assert_int_equal(numbers[i], i);
    for (int i = 0; i < 12; i++)
        assert_int_equal(dtypes[i], i + 1);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            assert_int_equal(choices[i][j], j);
    assert_int_equal(XENT_MAX_NDIM, 8);
}

static void status_names_are_the_identifiers(void **state) {
    (void)state;
    static const char *const names[] = {
        "XENT_OK",        "XENT_BAD_ARGUMENT",    "XENT_BAD_SHAPE", "XENT_BAD_DTYPE",
        "XENT_BAD_LABEL", "XENT_NOTHING_COUNTED", "XENT_OVERLAP",   "XENT_NO_MEMORY"};
    for (int i = 0; i < 8; i++)
        assert_string_equal(xent_status_name((xent_status)i), names[i]);
    assert_string_equal(xent_status_name((xent_status)8), "unknown status");
    assert_string_equal(xent_status_name((xent_status)-1), "unknown status");
}

static void version_is_the_headers(void **state) {
    (void)state;
    char expected[64];
    snprintf(expected, sizeof expected, "%d.%d.%d", XENT_VERSION_MAJOR, XENT_VERSION_MINOR,
             XENT_VERSION_PATCH);
    assert_string_equal(xent_version(), expected);
}

/* ---- struct_size ----------------------------------------------------------------------------- */

/* Four rows of three classes, and every output. */
typedef struct sample {
    float logits[12], grad[12], probability[12];
    int64_t labels[4], prediction[4];
    double loss[4], lse[4], label_probability[4], entropy[4];
    float class_weight[3], row_weight[4];
    xent_tensor
        tensors[10]; /* logits, labels, the two weights, then the outputs but one in order */
    xent_tensor probability_tensor;
    xent_total total;
    xent_error error;
} sample;

static sample *make_sample(void) {
    sample *made = zeroed(sizeof *made);
    const int64_t shape[] = {4, 3};
    for (int i = 0; i < 12; i++)
        made->logits[i] = (float)(i * i % 7) - 2.5F;
    for (int i = 0; i < 4; i++) {
        made->labels[i] = i % 3;
        made->row_weight[i] = (float)(i + 1);
    }
    made->class_weight[0] = made->class_weight[1] = made->class_weight[2] = 0.5F;
    made->tensors[0] = xent_ndarray(made->logits, XENT_F32, 2, shape);
    made->tensors[1] = xent_vector(made->labels, XENT_I64, 4);
    made->tensors[2] = xent_vector(made->class_weight, XENT_F32, 3);
    made->tensors[3] = xent_vector(made->row_weight, XENT_F32, 4);
    made->tensors[4] = xent_vector(made->loss, XENT_F64, 4);
    made->tensors[5] = xent_vector(made->lse, XENT_F64, 4);
    made->tensors[6] = xent_vector(made->prediction, XENT_I64, 4);
    made->tensors[7] = xent_vector(made->label_probability, XENT_F64, 4);
    made->tensors[8] = xent_vector(made->entropy, XENT_F64, 4);
    made->tensors[9] = xent_matrix(made->grad, XENT_F32, 4, 3);
    made->probability_tensor = xent_matrix(made->probability, XENT_F32, 4, 3);
    return made;
}

static void run_in_reverse(void *context, void (*task)(void *data, int64_t i), void *data,
                           int64_t count) {
    (void)context;
    while (count > 0)
        task(data, --count);
}

static const int64_t ignored_labels[] = {2};
static const xent_executor executor = {NULL, 4, run_in_reverse};

/* Every field differs from its default, and from what would make the call fail. */
static xent_options full_options(const sample *with) {
    return (xent_options){.struct_size = sizeof(xent_options),
                          .logits_are = XENT_LOGITS,
                          .class_axis = 1,
                          .reduction = XENT_SUM,
                          .on_bad_label = XENT_BAD_LABEL_NAN,
                          .on_nothing_counted = XENT_NOTHING_ZERO,
                          .threads = 2,
                          .denominator = 5,
                          .label_smoothing = 0.125,
                          .z_loss = 0.25,
                          .softcap = 3,
                          .logit_scale = 0.5,
                          .ignore = ignored_labels,
                          .ignore_count = 1,
                          .class_weight = &with->tensors[2],
                          .row_weight = &with->tensors[3],
                          .executor = &executor};
}

static xent_outputs full_outputs(const sample *with) {
    return (xent_outputs){sizeof(xent_outputs), &with->tensors[4],        &with->tensors[5],
                          &with->tensors[6],    &with->tensors[7],        &with->tensors[8],
                          &with->tensors[9],    &with->probability_tensor};
}

static xent_status call(sample *with, const xent_options *options, const xent_outputs *outputs) {
    return xent_cross_entropy(&with->tensors[0], &with->tensors[1], options, outputs, &with->total,
                              &with->error);
}

/* A struct of `size` bytes that ends at a closed page: fields past it would crash. */
static void *copy_to_edge(const void *from, size_t known, size_t size, char tail) {
    char *copy = guard_after.take(size);
    memset(copy, tail, size);
    memcpy(copy, from, size < known ? size : known);
    memcpy(copy, &size, sizeof size);
    return copy;
}

static bool same_results(const sample *one, const sample *other) {
    return memcmp(one->grad, other->grad, sizeof one->grad) == 0 &&
           memcmp(one->loss, other->loss, sizeof one->loss) == 0 &&
           memcmp(one->lse, other->lse, sizeof one->lse) == 0 &&
           memcmp(one->probability, other->probability, sizeof one->probability) == 0 &&
           memcmp(&one->total, &other->total, sizeof one->total) == 0;
}

/* An older program's options end before a field: it and the ones after it are as in
 * XENT_OPTIONS_INIT. */
static void check_shorter_options(size_t size) {
    sample *plain = make_sample(), *older = make_sample();
    xent_options expected = XENT_OPTIONS_INIT;
    const xent_options full = full_options(older);
    xent_outputs outputs = full_outputs(plain), older_outputs = full_outputs(older);
    memcpy(&expected, &full, size);
    expected.struct_size = sizeof expected;
    xent_options *shorter = copy_to_edge(&full, sizeof full, size, 0);
    assert_int_equal(call(plain, &expected, &outputs), call(older, shorter, &older_outputs));
    assert_true(same_results(plain, older));
    guard_after.give_back((char *)shorter, size);
    free(plain);
    free(older);
}

static void shorter_options_leave_the_rest_at_its_default(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        if (strncmp(offsets[i].name, "xent_options.", 13) == 0 && offsets[i].expected > 0)
            check_shorter_options(offsets[i].expected);
    check_shorter_options(sizeof(xent_options));
}

/* Whether the output that is number `index` has been written. */
static bool is_written(const sample *with, int index) {
    const void *first[] = {with->loss,    with->lse,  with->prediction, with->label_probability,
                           with->entropy, with->grad, with->probability};
    const double untouched = 0;
    return memcmp(first[index], &untouched, sizeof untouched) != 0;
}

static void shorter_outputs_leave_the_rest_alone(void **state) {
    (void)state;
    for (int count = 0; count <= 7; count++) {
        sample *with = make_sample();
        size_t size = sizeof(size_t) + (size_t)count * sizeof(xent_tensor *);
        const xent_outputs full = full_outputs(with);
        xent_outputs *shorter = copy_to_edge(&full, sizeof full, size, 0);
        assert_int_equal(call(with, NULL, shorter), XENT_OK);
        for (int index = 0; index < 7; index++)
            assert_int_equal(is_written(with, index), index < count);
        guard_after.give_back((char *)shorter, size);
        free(with);
    }
}

static void check_longer(size_t more, char tail, xent_status expected) {
    sample *with = make_sample();
    const xent_options options = full_options(with);
    const xent_outputs outputs = full_outputs(with);
    size_t options_size = sizeof options + more, outputs_size = sizeof outputs + more;
    xent_options *longer_options = copy_to_edge(&options, sizeof options, options_size, tail);
    xent_outputs *longer_outputs = copy_to_edge(&outputs, sizeof outputs, outputs_size, tail);
    assert_int_equal(call(with, longer_options, &outputs), expected);
    assert_int_equal(is_written(with, 0), expected == XENT_OK);
    assert_int_equal(call(with, &options, longer_outputs), expected);
    assert_int_equal(strlen(with->error.message) > 0, expected != XENT_OK);
    guard_after.give_back((char *)longer_options, options_size);
    guard_after.give_back((char *)longer_outputs, outputs_size);
    free(with);
}

static void longer_structs_may_end_in_zeros_alone(void **state) {
    (void)state;
    for (size_t more = 1; more < 100; more += 7) {
        check_longer(more, 0, XENT_OK);
        check_longer(more, 1, XENT_BAD_ARGUMENT);
    }
}

/* Only the very last of the unknown bytes is not 0. */
static void one_unknown_byte_is_enough_to_refuse(void **state) {
    (void)state;
    sample *with = make_sample();
    const xent_options options = full_options(with);
    size_t size = sizeof options + 64;
    char *longer = copy_to_edge(&options, sizeof options, size, 0);
    longer[size - 1] = 1;
    assert_int_equal(call(with, (xent_options *)longer, NULL), XENT_BAD_ARGUMENT);
    guard_after.give_back(longer, size);
    free(with);
}

static void a_size_of_zero_is_refused(void **state) {
    (void)state;
    sample *with = make_sample();
    xent_options options = full_options(with);
    xent_outputs outputs = full_outputs(with);
    options.struct_size = 0;
    assert_int_equal(call(with, &options, NULL), XENT_BAD_ARGUMENT);
    assert_non_null(strstr(with->error.message, "XENT_OPTIONS_INIT"));
    outputs.struct_size = 0;
    assert_int_equal(call(with, NULL, &outputs), XENT_BAD_ARGUMENT);
    assert_non_null(strstr(with->error.message, "XENT_OUTPUTS_INIT"));
    assert_false(is_written(with, 0));
    free(with);
}

/* ---- XENT_ISA -------------------------------------------------------------------------------- */

static char own_path[4096];

/* What xent_isa() says in a process with this XENT_ISA (NULL: none); the text is good until the
 * next call. */
static const char *isa_under(const char *value) {
    static char text[64];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        if (value ? setenv("XENT_ISA", value, 1) : unsetenv("XENT_ISA"))
            _exit(70);
        execl(own_path, own_path, "isa", (char *)NULL);
        _exit(70);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    text[length > 0 ? length : 0] = '\0';
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    return text;
}

/* Worst first. What another architecture has changes nothing here, like any word that means
 * nothing. */
#if defined(__aarch64__)
static const char *const isas[] = {"scalar", "neon"};
static const char *const other_words[] = {"avx2", "avx512", "", "NEON", "neon ", "best"};
#elif defined(__x86_64__)
static const char *const isas[] = {"scalar", "avx2", "avx512"};
static const char *const other_words[] = {"neon", "", "AVX2", "avx", "avx2 ", "avx5120", "best"};
#else
static const char *const isas[] = {"scalar"};
static const char *const other_words[] = {"avx2", "avx512", "neon", "", "best"};
#endif
enum { ISAS = sizeof isas / sizeof *isas, OTHER_WORDS = sizeof other_words / sizeof *other_words };

static int rank_of(const char *isa) {
    for (int rank = 0; rank < ISAS; rank++)
        if (strcmp(isa, isas[rank]) == 0)
            return rank;
    fail_msg("no instruction set of this machine: %s", isa);
    return 0;
}

static void xent_isa_obeys_the_environment(void **state) {
    (void)state;
    int best = rank_of(isa_under(NULL));
    for (int cap = 0; cap < ISAS; cap++)
        assert_string_equal(isa_under(isas[cap]), isas[cap < best ? cap : best]);
    for (int i = 0; i < OTHER_WORDS; i++)
        assert_string_equal(isa_under(other_words[i]), isas[best]);
}

int main(int count, char **arguments) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stay_where_they_are),
        cmocka_unit_test(structs_keep_their_sizes),
        cmocka_unit_test(numbers_stay_what_they_are),
        cmocka_unit_test(status_names_are_the_identifiers),
        cmocka_unit_test(version_is_the_headers),
        cmocka_unit_test(shorter_options_leave_the_rest_at_its_default),
        cmocka_unit_test(shorter_outputs_leave_the_rest_alone),
        cmocka_unit_test(longer_structs_may_end_in_zeros_alone),
        cmocka_unit_test(one_unknown_byte_is_enough_to_refuse),
        cmocka_unit_test(a_size_of_zero_is_refused),
        cmocka_unit_test(xent_isa_obeys_the_environment),
    };
    if (count == 2 && strcmp(arguments[1], "isa") == 0)
        return printf("%s", xent_isa()) < 0;
    snprintf(own_path, sizeof own_path, "%s", arguments[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
