/* SPDX-License-Identifier: MIT
 * `xent bench`: how fast the library is on this machine. */
#include "bench.h"
#include "complain.h"
#include "json.h"
#include "tensors.h"
#include "terminal.h"
#include "timing.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct bench_request {
    int32_t rows, classes, dtype, threads, json, quiet;
    double seconds;
} bench_request;

/* The words of the choice stand in the order of the library's numbers, which begin at 1. */
static const flag_row FLAGS[] = {
    {FLAG_WHOLE, "--classes", "C", offsetof(bench_request, classes),
     .help = "one shape, of C classes, instead of several", .lowest = 1, .highest = INT32_MAX},
    {FLAG_WHOLE, "--rows", "N", offsetof(bench_request, rows),
     .help = "its rows (default: for 2^24 logits)", .lowest = 1, .highest = INT32_MAX},
    {FLAG_CHOICE, "--dtype", "f32|f64|bf16|f16", offsetof(bench_request, dtype),
     .help = "type of the logits (default: f32)"},
    {FLAG_WHOLE, "--threads", "N", offsetof(bench_request, threads),
     .help = "at most N threads of the library (default: 1; -1: all)", .lowest = -1.0,
     .highest = INT32_MAX},
    {FLAG_REAL, "--seconds", "S", offsetof(bench_request, seconds),
     .help = "time for each shape, in [0, 3600] (default: 0.5)", .lowest = 0.0, .highest = 3600.0},
    {FLAG_SWITCH, "--json", NULL, offsetof(bench_request, json), .help = "print JSON", .value = 1},
    {FLAG_SWITCH, "--quiet", NULL, offsetof(bench_request, quiet),
     .help = "show no progress on stderr", .value = 1, .letter = 'q'},
};

static const example EXAMPLES[] = {
    {"xent bench --seconds 0.1", "A handful of shapes."},
    {"xent bench --rows 64 --classes 32000 --dtype bf16 --json", "One shape, as JSON."},
};

const command BENCH_COMMAND = {
    .name = "bench",
    .operands = "",
    .brief = "how fast this machine is at it",
    .summary = "Times loss, and loss with gradient in place, of random logits on this machine, "
               "beside memcpy of the same logits.",
    .description =
        "The three take turns, and medians are shown. Bytes are those that must move: the logits "
        "read, and as many written by memcpy and for the gradient. So where logits do not fit the "
        "caches, the time of memcpy, which has one thread, is about the least that loss and "
        "gradient can take on one.",
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof *FLAGS,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

static const char *const NAMES[] = {"memcpy", "loss", "loss_and_gradient"};

/* ---- figures --------------------------------------------------------------------------------- */

typedef struct figures {
    double seconds, bandwidth, rate, copies; /* bytes and elements per nanosecond */
} figures;

static figures derive(const timing_request *asked, const timings *found, timed what) {
    const double elements = (double)asked->rows * (double)asked->classes;
    const double passes = what == TIMED_LOSS ? 1.0 : 2.0, seconds = found->seconds[what];
    return (figures){
        .seconds = seconds,
        .bandwidth = 1e-9 * passes * elements * (double)type_size(asked->dtype) / seconds,
        .rate = 1e-9 * elements / seconds,
        .copies = seconds / found->seconds[TIMED_MEMCPY],
    };
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_head(const bench_request *request) {
    printf("xent %s, %s, %" PRId32 " thread%s, %s\n\n", xent_version(), xent_isa(),
           request->threads, request->threads == 1 ? "" : "s", type_name(request->dtype));
    printf("%-20s%-16s%10s%8s%13s%10s\n", "rows x classes", "", "time", "GB/s", "logits/ns",
           "x memcpy");
}

static void write_time(char *text, size_t size, double seconds) {
    if (seconds < 1e-6)
        snprintf(text, size, "%.0f ns", 1e9 * seconds);
    else if (seconds < 1e-3)
        snprintf(text, size, "%.1f us", 1e6 * seconds);
    else
        snprintf(text, size, "%.2f ms", 1e3 * seconds);
}

static void print_shape(const timing_request *asked, const timings *found) {
    static const char *const SHOWN[] = {"memcpy", "loss", "loss, gradient"};
    char shape[64], time[32];
    snprintf(shape, sizeof shape, "%" PRId64 " x %" PRId64, asked->rows, asked->classes);
    for (timed what = 0; what < TIMED_COUNT; what++) {
        const figures of = derive(asked, found, what);
        write_time(time, sizeof time, of.seconds);
        printf("%-20s%-16s%10s%8.2f%13.3f%10.2f\n", what == 0 ? shape : "", SHOWN[what], time,
               of.bandwidth, of.rate, of.copies);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *json_figures(const timing_request *asked, const timings *found, timed what) {
    const figures of = derive(asked, found, what);
    const json_field fields[] = {
        {"seconds", json_number(of.seconds)},
        {"gigabytes_per_second", json_number(of.bandwidth)},
        {"logits_per_nanosecond", json_number(of.rate)},
        {"times_memcpy", json_number(of.copies)},
    };
    return json_of(fields, sizeof fields / sizeof *fields);
}

static json_t *json_shape(const timing_request *asked, const timings *found) {
    const json_field fields[] = {
        {"rows", json_integer(asked->rows)},
        {"classes", json_integer(asked->classes)},
        {"repetitions", json_integer(found->repetitions)},
        {NAMES[TIMED_MEMCPY], json_figures(asked, found, TIMED_MEMCPY)},
        {NAMES[TIMED_LOSS], json_figures(asked, found, TIMED_LOSS)},
        {NAMES[TIMED_GRADIENT], json_figures(asked, found, TIMED_GRADIENT)},
    };
    return json_of(fields, sizeof fields / sizeof *fields);
}

static int print_json(const bench_request *request, json_t *shapes) {
    const json_field fields[] = {
        {"version", json_string(xent_version())},
        {"isa", json_string(xent_isa())},
        {"threads", json_integer(request->threads)},
        {"dtype", json_string(type_name(request->dtype))},
        {"shapes", shapes},
    };
    return print_and_free(json_of(fields, sizeof fields / sizeof *fields));
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int read_bench_request(int argc, char **argv, bench_request *request) {
    *request = (bench_request){.threads = 1, .seconds = 0.5};
    int code = parse_flags(&BENCH_COMMAND, argc, argv, request, NULL);
    if (code == EX_OK && request->rows && !request->classes)
        return complain(EX_USAGE, "--rows", "needs a number of classes as well: --classes 1000");
    request->dtype += XENT_F32;
    if (request->threads < 0)
        request->threads = xent_thread_count();
    return code;
}

/* Measures a shape and prints it (under the head, if it is the first), or adds it to the JSON. */
static int run_shape(const bench_request *request, int64_t rows, int64_t classes, bool is_first,
                     json_t *shapes) {
    const timing_request asked = {rows, classes, request->dtype, request->threads,
                                  request->seconds};
    timings found;
    char line[64];
    if (!request->quiet && is_screen()) {
        snprintf(line, sizeof line, "%" PRId64 " x %" PRId64 " ..", rows, classes);
        show_line(line);
    }
    int code = time_batch(&asked, &found);
    wipe_line();
    if (code != EX_OK)
        return code;
    if (!request->json && is_first)
        print_head(request);
    if (!request->json)
        print_shape(&asked, &found);
    else if (json_array_append_new(shapes, json_shape(&asked, &found)) != 0)
        return complain(EX_SOFTWARE, NULL, "not enough memory");
    return EX_OK;
}

static int run_shapes(const bench_request *request, json_t *shapes) {
    static const int32_t SHAPES[][2] = {
        {1, 10}, {65536, 10}, {8192, 1000}, {512, 50257}, {256, 131072}};
    const int64_t elements = 1 << 24;
    if (request->classes) {
        int64_t rows = elements / request->classes;
        rows = request->rows ? request->rows : rows ? rows : 1;
        return run_shape(request, rows, request->classes, true, shapes);
    }
    int code = EX_OK;
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES && code == EX_OK; i++)
        code = run_shape(request, SHAPES[i][0], SHAPES[i][1], i == 0, shapes);
    return code;
}

int run_bench(int argc, char **argv) {
    bench_request request;
    int code = read_bench_request(argc, argv, &request);
    if (code != EX_OK)
        return code;
    json_t *shapes = json_array();
    code = run_shapes(&request, shapes);
    if (code == EX_OK && request.json)
        return print_json(&request, shapes);
    json_decref(shapes);
    return code;
}
