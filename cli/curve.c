/* SPDX-License-Identifier: MIT
 * The loss of a training as a curve, an SVG picture. */
#include "curve.h"
#include "complain.h"
#include "formats/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The picture, and the place of the curves in it. */
enum { WIDTH = 760, HEIGHT = 420, LEFT = 76, RIGHT = 738, TOP = 62, BOTTOM = 366 };

typedef struct series {
    int column;
    const char *name, *colour;
} series;

static const series SERIES[] = {{PAST_LOSS, "training", "#2a6fb0"},
                                {PAST_HELD_OUT_LOSS, "held out", "#d2691e"}};
enum { SERIES_COUNT = sizeof SERIES / sizeof *SERIES };

typedef struct picture {
    const history *held;
    char *text; /* from malloc; NULL: there was no memory */
    size_t used, room;
    bool is_log;              /* of the loss */
    double least, most, last; /* the loss, or its logarithm; the last iteration */
} picture;

/* ---- text ------------------------------------------------------------------------------------ */

static void add_text(picture *to, const char *text, size_t length) {
    if (to->used + length > to->room) {
        size_t room = 2 * (to->used + length);
        char *larger = to->text ? realloc(to->text, room) : NULL;
        if (!larger)
            free(to->text);
        to->text = larger;
        to->room = larger ? room : 0;
    }
    if (to->text) {
        memcpy(to->text + to->used, text, length);
        to->used += length;
    }
}

static void put(picture *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(picture *to, const char *format, ...) {
    enum { LONGEST = 1024 };
    char text[LONGEST];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, LONGEST, format, arguments);
    va_end(arguments);
    add_text(to, text, length < LONGEST ? (size_t)length : LONGEST - 1);
}

/* ---- scales ---------------------------------------------------------------------------------- */

/* The loss of a pass that got somewhere, on the scale of the picture; NaN: there is none. */
static double height_of(const picture *of, int64_t i, int column) {
    double value = of->held->passes[i][column], pass = of->held->passes[i][PAST_PASS];
    if ((pass != XENT_PASS_ITERATION && pass != XENT_PASS_EPOCH) || !isfinite(value) ||
        (of->is_log && value <= 0.0))
        return NAN;
    return of->is_log ? log10(value) : value;
}

static void find_range(picture *of) {
    of->least = INFINITY;
    of->most = -INFINITY;
    of->last = 1.0;
    for (int64_t i = 0; i < of->held->count; i++) {
        for (int j = 0; j < SERIES_COUNT; j++) {
            double height = height_of(of, i, SERIES[j].column);
            of->least = fmin(of->least, height);
            of->most = fmax(of->most, height);
        }
        of->last = fmax(of->last, of->held->passes[i][PAST_ITERATION]);
    }
    if (!(of->least <= of->most))
        of->least = of->most = 0.0;
}

/* 1, 2 or 5 times a power of ten: about so many steps of it make the range. */
static double nice_step(double range, int steps) {
    double raw = range / steps, power = pow(10.0, floor(log10(raw))), rest = raw / power;
    return power * (rest <= 1.0 ? 1.0 : rest <= 2.0 ? 2.0 : rest <= 5.0 ? 5.0 : 10.0);
}

/* A loss that falls to a fifth or less is shown by its logarithm. */
static void choose_scale(picture *of) {
    find_range(of);
    of->is_log = of->least > 0.0 && of->most / of->least > 5.0;
    if (of->is_log)
        find_range(of);
    double room = of->most > of->least ? 0.05 * (of->most - of->least) : 0.5;
    of->least -= room;
    of->most += room;
}

static double x_of(const picture *of, double iteration) {
    return LEFT + (RIGHT - LEFT) * iteration / of->last;
}

static double y_of(const picture *of, double height) {
    return BOTTOM - (BOTTOM - TOP) * (height - of->least) / (of->most - of->least);
}

/* ---- axes ------------------------------------------------------------------------------------ */

static void draw_level(picture *to, double height, double shown) {
    double y = y_of(to, height);
    put(to,
        "<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' class='grid'/>"
        "<text x='%d' y='%.1f' text-anchor='end'>%.4g</text>\n",
        LEFT, RIGHT, y, y, LEFT - 10, y + 4.0, shown);
}

/* 1, 2 and 5 of every power of ten. */
static void draw_log_levels(picture *to) {
    static const double STEPS[] = {1.0, 2.0, 5.0};
    for (int power = (int)floor(to->least); power <= (int)to->most; power++) {
        for (int i = 0; i < 3; i++) {
            double height = power + log10(STEPS[i]);
            if (height >= to->least && height <= to->most)
                draw_level(to, height, STEPS[i] * pow(10.0, power));
        }
    }
}

static void draw_levels(picture *to) {
    if (to->is_log && to->most - to->least < 6.0) {
        draw_log_levels(to);
        return;
    }
    double step = nice_step(to->most - to->least, 5), first = ceil(to->least / step);
    for (int i = 0; (first + i) * step <= to->most; i++) {
        double level = (first + i) * step;
        draw_level(to, level, to->is_log ? pow(10.0, level) : level);
    }
}

static void draw_iterations(picture *to) {
    double step = fmax(1.0, nice_step(to->last, 8));
    for (int i = 0; i * step <= to->last; i++)
        put(to, "<text x='%.1f' y='%d' text-anchor='middle'>%.0f</text>\n", x_of(to, i * step),
            BOTTOM + 20, i * step);
    put(to, "<text x='%d' y='%d' text-anchor='middle'>%s</text>\n", (LEFT + RIGHT) / 2, BOTTOM + 42,
        last_pass(to->held) && last_pass(to->held)[PAST_PASS] == XENT_PASS_EPOCH ? "epoch"
                                                                                 : "iteration");
    put(to, "<text x='%d' y='%d'>loss%s</text>\n", 14, TOP - 14, to->is_log ? " (log)" : "");
    put(to, "<line x1='%d' x2='%d' y1='%d' y2='%d' class='axis'/>\n", LEFT, RIGHT, BOTTOM, BOTTOM);
}

/* ---- curves ---------------------------------------------------------------------------------- */

/* How many points there are. */
static int64_t draw_series(picture *to, const series *which) {
    int64_t count = 0;
    double x = 0.0, y = 0.0;
    for (int64_t i = 0; i < to->held->count; i++) {
        double height = height_of(to, i, which->column);
        if (isnan(height))
            continue;
        x = x_of(to, to->held->passes[i][PAST_ITERATION]);
        y = y_of(to, height);
        if (count++ == 0)
            put(to, "<polyline class='curve' stroke='%s' points='", which->colour);
        put(to, "%.1f,%.1f ", x, y);
    }
    if (count > 0)
        put(to, "'/><circle cx='%.1f' cy='%.1f' r='3.5' fill='%s'/>\n", x, y, which->colour);
    return count;
}

static void draw_best(picture *to) {
    const double *best = best_pass(to->held);
    if (!best || isnan(best[PAST_HELD_OUT_LOSS]))
        return;
    double x = x_of(to, best[PAST_ITERATION]);
    put(to,
        "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' class='best'/>"
        "<text x='%.1f' y='%d' text-anchor='%s' class='small'>best held out: %.4g</text>\n",
        x, x, TOP, BOTTOM, x + (x > (LEFT + RIGHT) / 2.0 ? -6.0 : 6.0), TOP + 12,
        x > (LEFT + RIGHT) / 2.0 ? "end" : "start", best[PAST_HELD_OUT_LOSS]);
}

static void draw_curves(picture *to) {
    int x = RIGHT;
    for (int j = SERIES_COUNT - 1; j >= 0; j--) {
        if (draw_series(to, &SERIES[j]) == 0)
            continue;
        put(to,
            "<text x='%d' y='%d' text-anchor='end'>%s</text>"
            "<line x1='%d' x2='%d' y1='%d' y2='%d' stroke='%s' stroke-width='2.5'/>\n",
            x, TOP - 14, SERIES[j].name, x - 84, x - 62, TOP - 18, TOP - 18, SERIES[j].colour);
        x -= 110;
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void draw(picture *to, const char *title) {
    put(to,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' "
        "font-family='system-ui, sans-serif' font-size='13' fill='#333'>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
    put(to, "<style>.grid{stroke:#e4e4e4}.axis{stroke:#888}.curve{fill:none;stroke-width:2;"
            "stroke-linejoin:round}.best{stroke:#d2691e;stroke-dasharray:3 4}"
            ".small{font-size:11px;fill:#8a4a14}.title{font-size:15px;font-weight:600}</style>\n");
    put(to,
        "<rect width='%d' height='%d' fill='#fff'/>\n<text x='14' y='24' class='title'>%s</text>\n",
        WIDTH, HEIGHT, title);
    draw_levels(to);
    draw_iterations(to);
    draw_best(to);
    draw_curves(to);
    put(to, "</svg>\n");
}

int draw_curve(const char *path, const history *held, const char *title) {
    picture drawn = {.held = held, .text = malloc(1), .room = 1};
    output file;
    choose_scale(&drawn);
    draw(&drawn, title);
    if (!drawn.text)
        return complain(EX_SOFTWARE, path, "not enough memory");
    int code = begin_output(path, 0, &file);
    if (code == EX_OK)
        code = write_output(&file, 0, drawn.text, (int64_t)drawn.used);
    if (code == EX_OK)
        code = finish_output(&file);
    drop_output(&file);
    free(drawn.text);
    return code;
}
