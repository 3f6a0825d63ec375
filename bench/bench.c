/* SPDX-License-Identifier: MIT
 * xent_bench [--set table|classes|size] [--quick | --smoke] [--threads N] [--seconds S]: times the
 * library beside memcpy, a read-only sweep and a plain loop, and prints JSON; progress goes to
 * stderr. docs/performance.md tells how to read it. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"
#include "parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__clang__)
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

typedef struct request {
    const char *set; /* NULL: all */
    bool quick, smoke;
    int threads, least;
    double seconds; /* for each point */
} request;

/* ---- points ---------------------------------------------------------------------------------- */

enum { MOST_POINTS = 128 };

typedef struct points {
    int count;
    point list[MOST_POINTS];
} points;

static const int32_t DTYPES[] = {XENT_F32, XENT_BF16, XENT_F64, XENT_F16};

static void add_rows(points *all, const char *set, int32_t dtype, int64_t rows, int64_t classes) {
    all->list[all->count++] = (point){.set = set,
                                      .dtype = dtype,
                                      .ndim = 2,
                                      .class_axis = 1,
                                      .shape = {rows, classes},
                                      .plain = true};
}

static void add_images(points *all, int32_t dtype, int64_t size) {
    all->list[all->count++] = (point){.set = "table",
                                      .dtype = dtype,
                                      .ndim = 4,
                                      .class_axis = 1,
                                      .shape = {16, 19, size, size},
                                      .plain = true};
}

static void add_table(points *all, bool smoke) {
    static const int64_t ROWS[][2] = {{512, 50257}, {256, 131072}, {65536, 1000},
                                      {8192, 1000}, {65536, 10},   {1, 10}};
    for (size_t type = 0; type < sizeof DTYPES / sizeof *DTYPES; type++) {
        for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
            add_rows(all, "table", DTYPES[type], smoke ? ROWS[i][0] % 100 + 1 : ROWS[i][0],
                     ROWS[i][1]);
        add_images(all, DTYPES[type], smoke ? 5 : 512);
    }
}

/* Classes from 2 to 2^18, each batch of 2^25 elements. */
static void add_classes(points *all, bool smoke) {
    for (size_t type = 0; type < 2; type++) {
        for (int power = 1; power <= 18; power++)
            add_rows(all, "classes", DTYPES[type], (int64_t)1 << ((smoke ? 19 : 25) - power),
                     (int64_t)1 << power);
    }
}

/* Batches of 1e3 to 1e9 elements, each row of 1000. The plain loop would take minutes. */
static void add_sizes(points *all, const request *asked) {
    int64_t most = asked->smoke ? 10 : asked->quick ? 100000 : 1000000;
    for (int64_t rows = 1; rows <= most; rows *= 10) {
        for (int64_t part = 1; part <= 3 && part * rows <= most; part += 2) {
            add_rows(all, "size", XENT_F32, part * rows, 1000);
            all->list[all->count - 1].plain = false;
        }
    }
}

static void add_points(points *all, const request *asked) {
    add_table(all, asked->smoke);
    add_classes(all, asked->smoke);
    add_sizes(all, asked);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void print_shape(FILE *out, const point *of) {
    for (int axis = 0; axis < of->ndim; axis++)
        fprintf(out, "%s%" PRId64, axis ? ", " : "", of->shape[axis]);
}

static void print_point(const point *of) {
    printf("\"set\": \"%s\", \"dtype\": \"%s\", \"class_axis\": %d, \"shape\": [", of->set,
           dtype_name(of->dtype), of->class_axis);
    print_shape(stdout, of);
    printf("]");
}

static void print_figures(const point *of, const figures *found, bool is_first) {
    printf("%s\n    {", is_first ? "" : ",");
    print_point(of);
    printf(", \"repetitions\": %d, \"copies\": %" PRId64 ", \"seconds\": {", found->repetitions,
           found->copies);
    const char *comma = "";
    for (int i = 0; i < CONTENDERS; i++) {
        const quartiles *times = &found->times[i];
        if (!takes_part(&ALL_CONTENDERS[i], of))
            continue;
        printf("%s\"%s\": [%.4g, %.4g, %.4g]", comma, ALL_CONTENDERS[i].name, times->low,
               times->median, times->high);
        comma = ", ";
    }
    printf("}}");
}

static void print_head(const request *asked, int core) {
    char date[32];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    printf("{\n  \"date\": \"%s\",\n  \"version\": \"%s\",\n  \"isa\": \"%s\",\n"
           "  \"compiler\": \"%s\",\n  \"threads\": %d,\n  \"first_core\": %d,\n  \"points\": [",
           date, xent_version(), xent_isa(), COMPILER, asked->threads, core);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Memory that is free or can be made free; endless where the system does not tell. */
static double free_memory(void) {
    FILE *facts = fopen("/proc/meminfo", "r");
    char line[128];
    double kilobytes = 1e30;
    while (facts && fgets(line, sizeof line, facts)) {
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kilobytes = strtod(line + 13, NULL);
    }
    if (facts)
        fclose(facts);
    return 1024.0 * kilobytes;
}

static void show_progress(const point *of, const char *what) {
    fprintf(stderr, "%-8s %-5s [", of->set, dtype_name(of->dtype));
    print_shape(stderr, of);
    fprintf(stderr, "] %s\n", what);
}

/* Measures a point, or notes that it was left out. */
static bool run_point(const point *where, const request *asked, bool is_first) {
    char what[96];
    if (batch_memory(where) > 0.9 * free_memory()) {
        show_progress(where, "left out: it does not fit memory");
        return false;
    }
    figures found = measure_point(where, asked->threads, asked->seconds, asked->least);
    snprintf(what, sizeof what, "loss %.2f, in place %.2f, out of place %.2f of memcpy",
             found.times[2].median / found.times[0].median,
             found.times[3].median / found.times[0].median,
             found.times[4].median / found.times[0].median);
    show_progress(where, what);
    print_figures(where, &found, is_first);
    fflush(stdout);
    return true;
}

static void run_points(const points *all, const request *asked) {
    points left_out = {0};
    bool is_first = true;
    for (int i = 0; i < all->count; i++) {
        if (asked->set && strcmp(asked->set, all->list[i].set) != 0)
            continue;
        if (run_point(&all->list[i], asked, is_first))
            is_first = false;
        else
            left_out.list[left_out.count++] = all->list[i];
    }
    printf("\n  ],\n  \"left_out\": [");
    for (int i = 0; i < left_out.count; i++) {
        printf("%s\n    {", i ? "," : "");
        print_point(&left_out.list[i]);
        printf("}");
    }
    printf("]\n}\n");
}

static bool read_request(int argc, char **argv, request *asked) {
    bool seconds_given = false;
    *asked = (request){.threads = 1, .least = 5, .seconds = 1.0};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--quick") == 0) {
            asked->quick = true;
        } else if (strcmp(argv[i], "--smoke") == 0) {
            asked->smoke = true;
        } else if (strcmp(argv[i], "--set") == 0 && *value) {
            asked->set = argv[++i];
        } else if (strcmp(argv[i], "--threads") == 0 && *value) {
            asked->threads = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0 && *value) {
            asked->seconds = strtod(argv[++i], NULL);
            seconds_given = true;
        } else {
            return false;
        }
    }
    if (asked->quick || asked->smoke)
        asked->least = 3;
    if (!seconds_given && (asked->quick || asked->smoke))
        asked->seconds = asked->smoke ? 0.0 : 0.2;
    return asked->threads >= 1 && asked->threads <= MOST_PARTS;
}

int main(int argc, char **argv) {
    static points all;
    request asked;
    if (!read_request(argc, argv, &asked)) {
        fprintf(stderr, "usage: xent_bench [--set table|classes|size] [--quick | --smoke] "
                        "[--threads N] [--seconds S]\n");
        return 2;
    }
    int core = pin_cores(asked.threads);
    if (core < 0) {
        fprintf(stderr, "bench: there are no %d cores to pin to\n", asked.threads);
        return 1;
    }
    add_points(&all, &asked);
    print_head(&asked, core);
    run_points(&all, &asked);
    return 0;
}
