/* SPDX-License-Identifier: MIT
 * Symmetric positive matrices as L*L^T, row by row, and equations with them. */
#include "cholesky.h"

#include "vectors.h"

#include <math.h>

void factor(double *matrix, int64_t edge) {
    for (int64_t i = 0; i < edge; i++) {
        double *row = matrix + i * edge, given = row[i];
        for (int64_t j = 0; j < i; j++) {
            const double *other = matrix + j * edge;
            row[j] = (row[j] - dot(row, other, j)) / other[j];
        }
        double pivot = given - dot(row, row, i);
        row[i] = sqrt(pivot > 1e-12 * given ? pivot : given > 0 ? given : 1);
    }
}

void solve_one(const float *lower, int64_t edge, double *vector) {
    for (int64_t i = 0; i < edge; i++) {
        const float *row = lower + i * edge;
        vector[i] = (vector[i] - dot_floats(row, vector, i)) / (double)row[i];
    }
    for (int64_t i = edge - 1; i >= 0; i--) {
        const float *row = lower + i * edge;
        vector[i] /= (double)row[i];
        add_scaled_floats(vector, -vector[i], row, i);
    }
}

static void subtract(double *restrict to, const double *restrict from, float factor_of) {
    for (int k = 0; k < CHOLESKY_COLUMNS; k++)
        to[k] -= (double)factor_of * from[k];
}

static void divide(double *columns, float pivot) {
    for (int k = 0; k < CHOLESKY_COLUMNS; k++)
        columns[k] /= (double)pivot;
}

void solve_columns(const float *lower, int64_t edge, double *columns) {
    const int64_t width = CHOLESKY_COLUMNS;
    for (int64_t i = 0; i < edge; i++) {
        const float *row = lower + i * edge;
        for (int64_t j = 0; j < i; j++)
            subtract(columns + i * width, columns + j * width, row[j]);
        divide(columns + i * width, row[i]);
    }
    for (int64_t i = edge - 1; i >= 0; i--) {
        const float *row = lower + i * edge;
        divide(columns + i * width, row[i]);
        for (int64_t j = 0; j < i; j++)
            subtract(columns + j * width, columns + i * width, row[j]);
    }
}
