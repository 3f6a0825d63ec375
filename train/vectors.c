/* SPDX-License-Identifier: MIT
 * Vectors of doubles, and of floats beside them: entry i of a sum belongs to partial sum i % 16, so
 * that compilers may take entries side by side in any vector width without changing a bit. */
#include "vectors.h"

#include <math.h>

enum { LANES = 16 };

static double fold(double *partial) {
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            partial[i] += partial[i + half];
    return partial[0];
}

double dot(const double *a, const double *b, int64_t count) {
    double partial[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            partial[k] += a[i + k] * b[i + k];
    for (int k = 0; i + k < count; k++)
        partial[k] += a[i + k] * b[i + k];
    return fold(partial);
}

double dot_floats(const float *a, const double *b, int64_t count) {
    double partial[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            partial[k] += (double)a[i + k] * b[i + k];
    for (int k = 0; i + k < count; k++)
        partial[k] += (double)a[i + k] * b[i + k];
    return fold(partial);
}

void add_scaled(double *restrict to, double factor, const double *restrict from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += factor * from[i];
}

void add_scaled_floats(double *restrict to, double factor, const float *restrict from,
                       int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += factor * (double)from[i];
}

void scale_by(double *vector, double factor, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        vector[i] *= factor;
}

double largest(const double *vector, int64_t count) {
    double most = 0, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double size = fabs(vector[i]);
        most = size > most ? size : most;
        sum += size;
    }
    return sum == sum ? most : (double)NAN;
}
