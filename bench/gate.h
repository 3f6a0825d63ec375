/* SPDX-License-Identifier: MIT
 * What must be right before it is timed. */
#ifndef XENT_BENCH_GATE_H
#define XENT_BENCH_GATE_H

#include "contenders.h"

/* Runs every contender that takes part and compares losses and gradients of some rows of the first
 * copy with the formula in double. Ends the program with a sentence where they differ; leaves all
 * memory warm and the logits as they were. */
void pass_gate(batch *held, int threads);

#endif
