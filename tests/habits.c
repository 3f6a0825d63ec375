/* SPDX-License-Identifier: MIT
 * Right batches of models with habits that look like mistakes. */
#include "draw.h"
#include "faults.h"

#include <math.h>

/* Right but for this part of the rows, which another class wins. */
static void mislead(struct batch *b, int first, int last, int percent) {
    for (int i = first; i < last; i++) {
        int64_t winner = chance(&b->dice, percent) ? draw(&b->dice, CLASSES) : b->label[i];
        b->logits[i * CLASSES + winner] += 20;
    }
}
/* A map that begins and ends in its background, which is harder at the one end. */
static void background(struct batch *b) {
    for (int i = 0; i < ROWS; i++)
        b->label[i] = i < 200 || i >= 800 ? 0 : b->label[i];
    for (int i = 0; i < 200; i++)
        b->logits[i * CLASSES + (chance(&b->dice, 50) ? 3 : 0)] += 20;
}
/* Other views of the same rows, of which fewer are right. */
static void harder_views(struct batch *b) {
    for (int i = HALF; i < ROWS; i++)
        b->label[i] = b->label[i - HALF];
    mislead(b, 0, HALF, 5);
    mislead(b, HALF, ROWS, 60);
}
/* Labels that mostly stay, and logits that follow them one row late now and then. */
static void lag(struct batch *b) {
    for (int i = 1; i < ROWS; i++)
        b->label[i] = chance(&b->dice, 90) ? b->label[i - 1] : b->label[i];
    for (int i = 1; i < ROWS; i++)
        b->logits[i * CLASSES + b->label[chance(&b->dice, 90) ? i - 1 : i]] += 20;
}
/* One class, of which two thirds of the rows are right. */
static void one_class(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        b->label[i] = 6;
        b->logits[i * CLASSES + (chance(&b->dice, 66) ? 6 : draw(&b->dice, CLASSES))] += 20;
    }
}
/* Equal rows of class 0, which comes last. */
static void leaves(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        b->label[i] = i < HALF;
        for (int c = 0; c < CLASSES; c++)
            b->logits[i * CLASSES + c] = -9;
        b->logits[i * CLASSES + (b->label[i] != chance(&b->dice, 5))] = 4;
    }
    for (int i = ROWS - 40; i < ROWS; i++)
        b->logits[i * CLASSES] = 4, b->logits[i * CLASSES + 1] = -9;
}
/* Two classes, of which a few rows get as many votes. */
static void ties(struct batch *b) {
    b->x = xent_matrix(b->logits, XENT_F32, ROWS, 2);
    for (int i = 0; i < ROWS; i++) {
        b->label[i] %= 2;
        b->logits[2 * i] = 1;
        b->logits[2 * i + 1] = i % 25 == 0                           ? 1.0f
                               : b->label[i] != chance(&b->dice, 10) ? 2.0f
                                                                     : 0.0f;
    }
}
/* f64 far from 0, where a float tells none of them apart. */
static void far_off(struct batch *b) {
    static double far[ROWS * CLASSES];
    for (int i = 0; i < ROWS * CLASSES; i++)
        far[i] = (double)b->logits[i] + 1e9;
    b->x = xent_matrix(far, XENT_F64, ROWS, CLASSES);
}
/* Clips of 100 frames, half of which are taken for another class but for a few frames. */
static void clips(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        b->label[i] = i / 100;
        int64_t taken = b->label[i] % 2 ? (b->label[i] + 4) % CLASSES : b->label[i];
        b->logits[i * CLASSES + (chance(&b->dice, 90) ? taken : draw(&b->dice, CLASSES))] += 20;
    }
}
/* Ten clips of 100 frames, one of which is right. */
static void hard_clips(struct batch *b) {
    for (int i = 0; i < ROWS; i++) {
        int clip = i / 100;
        b->label[i] = clip * 3 % CLASSES;
        int64_t taken = (b->label[i] + 1 + clip % 5) % CLASSES;
        b->logits[i * CLASSES + (clip == 4 ? b->label[i] : taken)] += 20;
    }
}
/* Two maps of objects of 5 rows and 5 columns, of which some are taken wholly for another class. */
static void maps(struct batch *b) {
    const int64_t shape[] = {2, 20, 25, CLASSES};
    for (int i = 0; i < ROWS; i++) {
        int object = i / 125 * 5 + i % 25 / 5;
        b->label[i] = object % CLASSES;
        bool taken = b->label[i] % 2 && object / CLASSES != b->label[i] / 2 % 4;
        int64_t winner = taken ? (b->label[i] + 4) % CLASSES : b->label[i];
        b->logits[i * CLASSES + winner] += 20;
    }
    b->x = xent_ndarray(b->logits, XENT_F32, 4, shape);
    b->y = xent_ndarray(b->label, XENT_I64, 3, shape);
}
/* Two classes, and a model that knows little of them and says so. */
static void say_little(struct batch *b) {
    b->x = xent_matrix(b->logits, XENT_F32, ROWS, 2);
    for (int i = 0; i < ROWS; i++) {
        double z = draw_normal(&b->dice, 0.4);
        b->logits[2 * i] = 0;
        b->logits[2 * i + 1] = (float)z;
        b->label[i] = draw_real(&b->dice, 0, 1) < 1 / (1 + exp(-z));
    }
}

void (*const HABITS[HABIT_COUNT])(struct batch *b) = {
    background, harder_views, lag,        one_class, leaves,    ties,
    far_off,    clips,        hard_clips, maps,      say_little};
