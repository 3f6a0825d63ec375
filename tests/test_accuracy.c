/* SPDX-License-Identifier: MIT
 * Every output of adversarial rows against MPFR: prints the largest errors seen and asserts the
 * bounds of docs/accuracy.md. */
#include "kernels.h"
#include "reference.h"
#include "row_kinds.h"
#include "xent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mpfr.h>

enum { PRECISION = 160, MOST_CLASSES = 300001 };

static double x[MOST_CLASSES], k[MOST_CLASSES], grad[MOST_CLASSES], probability[MOST_CLASSES];

/* ---- element types --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int digits, lowest;          /* bits of precision; exponent of the smallest subnormal */
    double largest, unit, flush; /* unit: of the bound; flush: below it terms may be 0 */
} types[] = {[XENT_F32] = {"f32", 24, -149, 3e38, 0x1p-23, 0x1p-125},
             [XENT_F64] = {"f64", 53, -1074, 1e308, 0x1p-53, 0x1p-1021},
             [XENT_BF16] = {"bf16", 8, -133, 3e38, 0x1p-23, 0x1p-125},
             [XENT_F16] = {"f16", 11, -24, 65504, 0x1p-23, 0x1p-125}};

/* One unit in the last place of the type at value. */
static double ulp(int dtype, double value) {
    int lowest = types[dtype].lowest;
    int exponent = value == 0 ? lowest : ilogb(value) - types[dtype].digits + 1;
    return ldexp(1, exponent < lowest ? lowest : exponent);
}

static double rounded(int dtype, double value) {
    double last = ulp(dtype, value);
    return isinf(value) ? value : rint(value / last) * last;
}

/* A number that BF16 or F16 holds exactly, as its bits. */
static uint16_t half_bits(int dtype, double value) {
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    uint32_t sign = bits >> 31 << 15, size = bits & 0x7fffffff;
    if (dtype == XENT_BF16)
        return (uint16_t)(bits >> 16);
    if (isinf(value))
        return (uint16_t)(sign | 0x7c00);
    if (fabs(value) < 0x1p-14)
        return (uint16_t)(sign | (uint32_t)(fabs(value) * 0x1p24));
    return (uint16_t)(sign | (size - (112u << 23)) >> 13);
}

static void put_element(int dtype, double value, void *data, int64_t i) {
    if (dtype == XENT_F64)
        ((double *)data)[i] = value;
    else if (dtype == XENT_F32)
        ((float *)data)[i] = (float)value;
    else
        ((uint16_t *)data)[i] = half_bits(dtype, value);
}

/* Fills x with a row of the kind, as the type rounds it, and returns the spike's class. */
static int64_t fill_row(int dtype, row_kind kind, int64_t classes, double offset) {
    int64_t at = draw_row_of(kind, classes, PARTS, x);
    for (int64_t c = 0; c < classes; c++)
        x[c] = rounded(dtype, x[c] + offset);
    return at;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* Options of a call. If `weighted`, class weights are 1/8, 2/8 .. 16/8 in turn. */
typedef struct setting {
    const char *name;
    double smoothing, z_loss, softcap, scale, row_weight, denominator;
    bool weighted;
} setting;

/* Those with the same softcap and scale stand together: they share the exact terms of a row. */
static const setting settings[] = {
    {"plain", 0, 0, 0, 1, 1, 1, false},       {"smoothing", 0.1, 0, 0, 1, 1, 3, false},
    {"weights", 0.25, 0, 0, 1, 0.7, 5, true}, {"all smoothing", 1, 0, 0, 1, 1, 1, true},
    {"z-loss", 0, 1e-4, 0, 1, 1, 7, false},   {"scale", 0, 0, 0, 0.0883, 1, 1, false},
    {"steep", 0, 0, 0, 1.7, 1, 1, false},     {"most", 0.1, 0.01, 0, 1.7, -3, 11, true},
    {"softcap", 0, 0, 30, 1, 1, 1, false},    {"all", 0.1, 0.01, 50, 1.7, 3, 11, true}};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* ---- errors ---------------------------------------------------------------------------------- */

typedef enum output_kind {
    LOSS,
    LSE,
    ENTROPY,
    LABEL_PROBABILITY,
    PROBABILITY,
    GRAD,
    QUANTITIES
} output_kind;

static const char *const quantity_names[QUANTITIES] = {
    "loss", "lse", "entropy", "label probability", "probability", "gradient"};

/* The row and the options at hand. */
static struct {
    int dtype;
    row_kind kind;
    int64_t classes, label;
    double offset;
    const setting *set;
} now;

/* Rows under softcap go through the kernels of doubles and are entered apart. */
enum { WITH_SOFTCAP = XENT_F16 + 1, GROUPS };

typedef struct largest_error {
    double error; /* in units */
    char row[128];
} largest_error;

static largest_error largest[QUANTITIES][GROUPS];
static int64_t failures, comparisons;

static bool in_doubles(void) {
    return now.dtype == XENT_F64 || now.set->softcap > 0;
}

static double unit(void) {
    return in_doubles() ? 0x1p-53 : 0x1p-23;
}

/* The bound in units. */
static double limit(void) {
    int64_t blocks = (now.classes + 1023) / 1024;
    return in_doubles() ? 16 + (double)blocks : 4;
}

/* Compares got with exact: all but `slack` of their difference counts, in units of the magnitude of
 * the terms added. */
static void compare(output_kind quantity, double got, long double exact, long double magnitude,
                    long double slack) {
    long double beyond = fabsl(exact - (long double)got) - slack;
    double error = beyond <= 0 ? 0 : (double)(beyond / magnitude) / unit();
    largest_error *worst = &largest[quantity][now.set->softcap > 0 ? WITH_SOFTCAP : now.dtype];
    bool fails = !(error <= limit());
    comparisons++;
    failures += fails;
    if (fails || error > worst->error) {
        worst->error = error;
        snprintf(worst->row, sizeof worst->row, "%s, %d classes, label %d, offset %g, %s",
                 kind_names[now.kind], (int)now.classes, (int)now.label, now.offset, now.set->name);
    }
    if (fails && failures <= 20)
        printf("FAILED: %s %s is %a, %g units off: %s\n", types[now.dtype].name,
               quantity_names[quantity], got, error, worst->row);
}

/* ---- a row, exactly -------------------------------------------------------------------------- */

/* What MPFR finds in 160 bits, rounded to the 64 or more of a long double: far below the errors in
 * question. terms hold exp(z - max), rest all of them but the first largest one. */
static struct {
    long double drop[MOST_CLASSES], term[MOST_CLASSES], slope[MOST_CLASSES]; /* max - z; dz/dx */
    long double max, rest, spread, sum, heat; /* spread: log1p(rest); heat: of term*drop */
    long double mass, gap;                    /* of k and k*drop */
    long double reach;                        /* the largest |z| */
    int64_t arg;
} row;

/* z = scale*x, or cap*tanh(scale*x/cap), whose slope is scale*sech(..)^2. */
static void find_z(mpfr_t z, mpfr_t slope, double logit, const setting *set) {
    mpfr_set_d(slope, set->scale, MPFR_RNDN);
    mpfr_mul_d(z, slope, logit, MPFR_RNDN);
    if (!(set->softcap > 0) || isinf(logit))
        return;
    mpfr_div_d(z, z, set->softcap, MPFR_RNDN);
    mpfr_sech(slope, z, MPFR_RNDN);
    mpfr_sqr(slope, slope, MPFR_RNDN);
    mpfr_mul_d(slope, slope, set->scale, MPFR_RNDN);
    mpfr_tanh(z, z, MPFR_RNDN);
    mpfr_mul_d(z, z, set->softcap, MPFR_RNDN);
}

/* Sets arg, reach and max. */
static void find_max(mpfr_t max, const setting *set) {
    mpfr_t z, slope;
    mpfr_inits2(PRECISION, z, slope, (mpfr_ptr)0);
    row.reach = 0;
    for (int64_t c = 0; c < now.classes; c++) {
        find_z(z, slope, x[c], set);
        if (c == 0 || mpfr_greater_p(z, max)) {
            mpfr_set(max, z, MPFR_RNDN);
            row.arg = c;
        }
        if (mpfr_number_p(z))
            row.reach = fmaxl(row.reach, fabsl(mpfr_get_ld(z, MPFR_RNDN)));
    }
    row.max = mpfr_get_ld(max, MPFR_RNDN);
    mpfr_clears(z, slope, (mpfr_ptr)0);
}

static void find_row(const setting *set) {
    mpfr_t max, z, slope, rest, heat;
    mpfr_inits2(PRECISION, max, z, slope, rest, heat, (mpfr_ptr)0);
    find_max(max, set);
    mpfr_set_zero(rest, 1);
    mpfr_set_zero(heat, 1);
    for (int64_t c = 0; c < now.classes; c++) {
        find_z(z, slope, x[c], set);
        row.slope[c] = mpfr_get_ld(slope, MPFR_RNDN);
        mpfr_sub(z, z, max, MPFR_RNDN);
        row.drop[c] = -mpfr_get_ld(z, MPFR_RNDN);
        mpfr_exp(slope, z, MPFR_RNDN);
        row.term[c] = mpfr_get_ld(slope, MPFR_RNDN);
        if (c != row.arg)
            mpfr_add(rest, rest, slope, MPFR_RNDN);
        mpfr_mul(slope, slope, z, MPFR_RNDN);
        if (mpfr_number_p(z))
            mpfr_sub(heat, heat, slope, MPFR_RNDN);
    }
    row.rest = mpfr_get_ld(rest, MPFR_RNDN);
    row.heat = mpfr_get_ld(heat, MPFR_RNDN);
    row.sum = 1 + row.rest;
    mpfr_log1p(rest, rest, MPFR_RNDN);
    row.spread = mpfr_get_ld(rest, MPFR_RNDN);
    mpfr_clears(max, z, slope, rest, heat, (mpfr_ptr)0);
}

/* Sets k, mass and gap. The two parts of gap keep its sum from drifting. */
static void weigh_classes(const setting *set) {
    long double gap = 0, part = 0;
    row.mass = 0;
    for (int64_t c = 0; c < now.classes; c++) {
        k[c] = set->weighted ? (double)(1 + c % 16) / 8 : 1;
        row.mass += (long double)k[c];
        part += (long double)k[c] * row.drop[c];
        if (c % 256 == 255) {
            gap += part;
            part = 0;
        }
    }
    row.gap = gap + part;
}

/* ---- comparing one call ---------------------------------------------------------------------- */

/* The exact numbers in the formula that are not the row's own, for the label at hand. */
typedef struct factors {
    long double hard, rate, soft;     /* (1-e)*k[y], e/C, (e/C)*K + 2*q*lse */
    long double lse, lse_size;        /* max + spread, |max| + spread */
    long double z_loss, weight, part; /* q, w, w/D */
    long double slack;                /* relative, of terms: what flushing and softcap may cost */
} factors;

/* Under softcap every z is off by up to 2*2^-52 of itself, so a difference of two by twice that,
 * and a term relatively by as much. */
static factors find_factors(void) {
    const setting *set = now.set;
    long double e = (long double)set->smoothing, q = (long double)set->z_loss;
    factors f = {.hard = (1 - e) * (long double)k[now.label],
                 .rate = e / (long double)now.classes,
                 .lse = row.max + row.spread,
                 .lse_size = fabsl(row.max) + row.spread,
                 .z_loss = q,
                 .weight = (long double)set->row_weight,
                 .part = (long double)set->row_weight / (long double)set->denominator,
                 .slack = (long double)now.classes * (long double)types[now.dtype].flush};
    f.soft = f.rate * row.mass + 2 * q * f.lse;
    if (set->softcap > 0)
        f.slack += 4 * 0x1p-52L * row.reach;
    return f;
}

static void compare_row(const double *got, const factors *f) {
    long double nll = row.drop[now.label] + row.spread, p = row.term[now.label] / row.sum;
    long double hard_part = f->hard == 0 ? 0 : f->hard * nll;
    long double soft_part = f->rate == 0 ? 0 : f->rate * (row.mass * row.spread + row.gap);
    long double loss = hard_part + soft_part + f->z_loss * f->lse * f->lse;
    long double size = hard_part + soft_part + f->z_loss * f->lse_size * f->lse_size;
    long double change = f->hard + f->rate * row.mass + 2 * f->z_loss * f->lse_size;
    long double warmth = row.heat / row.sum;
    compare(LOSS, got[LOSS], f->weight * loss, fabsl(f->weight) * size,
            fabsl(f->weight) * change * f->slack);
    compare(LSE, got[LSE], f->lse, f->lse_size, f->slack);
    compare(ENTROPY, got[ENTROPY], row.spread + warmth, row.spread + warmth,
            (800 + 2 * warmth) * f->slack);
    compare(LABEL_PROBABILITY, got[LABEL_PROBABILITY], p, p,
            (long double)types[now.dtype].flush + p * f->slack);
}

/* Class c of the gradient: part*slope*(soft*p + hard*(p - [c=y]) - rate*k), p - 1 being one
 * term. */
static void compare_grad(int64_t c, const factors *f) {
    long double p = row.term[c] / row.sum, pull = f->rate * (long double)k[c], slope = row.slope[c];
    long double others = c == row.arg ? row.rest / row.sum : (row.sum - row.term[c]) / row.sum;
    long double hard = c == now.label ? -f->hard * others : f->hard * p;
    long double soft_size = f->rate * row.mass + 2 * f->z_loss * f->lse_size;
    long double exact = f->part * slope * (f->soft * p + hard - pull);
    long double size = fabsl(f->part) * slope * (soft_size * p + fabsl(hard) + pull);
    long double scale = fabsl(f->part) * (f->hard + soft_size) * (long double)now.set->scale;
    long double slack = (long double)ulp(now.dtype, (double)exact) +
                        scale * (long double)types[now.dtype].flush + size * f->slack;
    if (now.set->softcap > 0) /* the slope is within 7 * 2^-53 of itself */
        slack += 7 * 0x1p-53L * size;
    compare(GRAD, grad[c], exact, size, slack);
}

static void compare_probability(int64_t c, const factors *f) {
    long double p = row.term[c] / row.sum;
    long double slack = (long double)(ulp(now.dtype, (double)p) + types[now.dtype].flush);
    compare(PROBABILITY, probability[c], p, p, slack + p * f->slack);
}

static void compare_call(const double *got) {
    factors f = find_factors();
    compare_row(got, &f);
    for (int64_t c = 0; c < now.classes; c++) {
        compare_grad(c, &f);
        compare_probability(c, &f);
    }
}

/* ---- calling the library --------------------------------------------------------------------- */

/* Scores the row at hand; the tensors hold the logits' dtype. */
static void score(const xent_tensor *logits, const xent_tensor *out_grad,
                  const xent_tensor *out_probability) {
    const setting *set = now.set;
    double got[QUANTITIES] = {0}, row_weight = set->row_weight;
    xent_tensor numbers[QUANTITIES];
    for (int i = 0; i < QUANTITIES; i++)
        numbers[i] = xent_vector(&got[i], XENT_F64, 1);
    xent_tensor labels = xent_vector(&now.label, XENT_I64, 1);
    xent_tensor weight = xent_vector(&row_weight, XENT_F64, 1);
    xent_tensor class_weight = xent_vector(k, XENT_F64, now.classes);
    xent_options options = XENT_OPTIONS_INIT;
    options.label_smoothing = set->smoothing;
    options.z_loss = set->z_loss;
    options.softcap = set->softcap;
    options.logit_scale = set->scale;
    options.denominator = set->denominator;
    options.row_weight = &weight;
    options.class_weight = set->weighted ? &class_weight : NULL;
    xent_outputs outputs = {
        sizeof outputs,    &numbers[LOSS], &numbers[LSE],  NULL, &numbers[LABEL_PROBABILITY],
        &numbers[ENTROPY], out_grad,       out_probability};
    xent_error error;
    if (xent_cross_entropy(logits, &labels, &options, &outputs, NULL, &error) != XENT_OK) {
        printf("FAILED: %s\n", error.message);
        failures++;
        return;
    }
    for (int64_t c = 0; c < now.classes; c++) {
        grad[c] = real_element(out_grad, c);
        probability[c] = real_element(out_probability, c);
    }
    compare_call(got);
}

/* Scores the row in x under settings [first, last), which share softcap and scale, for up to three
 * labels. */
static void score_labels(int first, int last, int64_t at) {
    static double memory[3][MOST_CLASSES]; /* room for elements of any type */
    xent_tensor tensors[3];
    for (int i = 0; i < 3; i++)
        tensors[i] = xent_matrix(memory[i], now.dtype, 1, now.classes);
    for (int64_t c = 0; c < now.classes; c++)
        put_element(now.dtype, x[c], tensors[0].data, c);
    find_row(&settings[first]);
    const int64_t labels[] = {row.arg, at, now.classes - 1};
    for (int i = first; i < last; i++) {
        now.set = &settings[i];
        weigh_classes(now.set);
        for (int j = 0; j < 3; j++) {
            now.label = labels[j];
            if (!isinf(x[now.label]) && (now.kind != MASKED || now.set->smoothing == 0))
                score(&tensors[0], &tensors[1], &tensors[2]);
        }
    }
}

static void name_row(int dtype, row_kind kind, int64_t classes, double offset) {
    now.dtype = dtype;
    now.kind = kind;
    now.classes = classes;
    now.offset = offset;
}

/* The row in x under the first `most` settings. */
static void score_filled(int most, int64_t at) {
    for (int first = 0, last; first < most; first = last) {
        last = first + 1;
        while (last < most && settings[last].softcap == settings[first].softcap &&
               settings[last].scale == settings[first].scale)
            last++;
        score_labels(first, last, at);
    }
}

static void score_settings(int dtype, row_kind kind, int64_t classes, double offset, int most) {
    name_row(dtype, kind, classes, offset);
    score_filled(most, fill_row(dtype, kind, classes, offset));
}

/* ---- the rows -------------------------------------------------------------------------------- */

static void score_short_rows(int dtype) {
    const int64_t sizes[] = {1, 2, 3, 10, 16, 17, 33, 63, 64, 65, 100, 1000, 1024, 1025, 3000};
    const double offsets[] = {0, 1e4, -1e6, 1e8};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (row_kind kind = EQUAL; kind < KINDS; kind++)
            for (int j = 0; j < 4; j++)
                if (fabs(offsets[j]) <= types[dtype].largest)
                    score_settings(dtype, kind, sizes[i], offsets[j],
                                   j == 0 || sizes[i] == 3000 ? SETTINGS : 1);
}

/* The worst rows known: nearly equal terms in every partial sum, beside a label whose own term is
 * rounded badly. */
static void score_hard_rows(void) {
    const double label = 0x1.558a88p+5, low = -0x1.0a2b24p+4, tiny = 0x1.fffep-25;
    name_row(XENT_F32, STAIRS, 1024, 0);
    for (int parts = 32; parts <= 512; parts *= 2) {
        for (int c = 0; c < 1024; c++)
            x[c] = c == 0 ? label : c <= parts ? tiny : low;
        score_filled(1, 1);
    }
}

/* Two blocks so far from 0 that each is shifted by its maximum, and a distance between them that a
 * double does not hold once it is scaled. */
static void score_shifted_blocks(void) {
    name_row(XENT_F64, MASKED, 2048, 1e8);
    for (int step = 0; step < 40; step++) {
        for (int c = 0; c < 2048; c++)
            x[c] = c == 0 ? 1e8 : c < 1024 || c > 1033 ? -INFINITY : 1e8 - 20 - 9.4375 * step;
        score_filled(SETTINGS, 1024);
    }
}

static void score_long_rows(int dtype) {
    for (row_kind kind = EQUAL; kind < KINDS; kind++)
        score_settings(dtype, kind, 20000, 0, 2);
    score_settings(dtype, EQUAL, MOST_CLASSES, 1e4, 1);
    score_settings(dtype, SPIKE_69, MOST_CLASSES, 0, 1);
    if (dtype == XENT_F32 || dtype == XENT_F64)
        score_settings(dtype, STAIRS, MOST_CLASSES, 0, 1);
}

static void print_largest(void) {
    for (int i = 0; i < QUANTITIES; i++)
        for (int group = XENT_F32; group < GROUPS; group++) {
            bool softcap = group == WITH_SOFTCAP, doubles = softcap || group == XENT_F64;
            printf("%-17s %-7s %8.4f * 2^-%d   %s\n", quantity_names[i],
                   softcap ? "softcap" : types[group].name, largest[i][group].error,
                   doubles ? 53 : 23, largest[i][group].row);
        }
}

int main(void) {
    for (int dtype = XENT_F32; dtype <= XENT_F16; dtype++) {
        score_short_rows(dtype);
        score_long_rows(dtype);
    }
    score_hard_rows();
    score_shifted_blocks();
    print_largest();
    mpfr_free_cache();
    printf("%lld comparisons, %lld failures\n", (long long)comparisons, (long long)failures);
    return failures != 0;
}
