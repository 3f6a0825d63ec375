/* SPDX-License-Identifier: MIT
 * The loss of a training as a curve, an SVG picture. */
#ifndef XENT_CLI_CURVE_H
#define XENT_CLI_CURVE_H

#include "history.h"

/* Writes the picture, whole or not at all. `title`, plain words, stands above it. EX_OK or as
 * begin_output. */
int draw_curve(const char *path, const history *held, const char *title);

#endif
