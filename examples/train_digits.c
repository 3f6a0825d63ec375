/* SPDX-License-Identifier: MIT
 * Trains a softmax classifier on the UCI digits: logits = features x weight, gradient descent on
 * the mean loss. Usage: train_digits [folder of features.npy and labels.npy]. Fails below 90 %
 * on digits it has not seen. */
#include <stdio.h>
#include <stdlib.h>
#include <xent.h>

enum { ROWS = 1797, SEEN = 1347, PIXELS = 64, CLASSES = 10, EPOCHS = 200 };

static uint8_t features[ROWS][PIXELS]; /* 0..16 */
static int64_t labels[ROWS];
static float weight[PIXELS][CLASSES], logits[ROWS][CLASSES];

static void stop(const char *sentence) {
    fprintf(stderr, "train_digits: %s\n", sentence);
    exit(1);
}

/* Fills data from a .npy file of version 1: ten bytes, a text header of the length they tell,
 * the elements. */
static void read_npy(const char *folder, const char *name, void *data, size_t bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    unsigned char start[10];
    if (!file || fread(start, 1, sizeof start, file) != sizeof start)
        stop("cannot read features.npy and labels.npy: name their folder as the argument");
    if (fseek(file, start[8] + 256L * start[9], SEEK_CUR) != 0 ||
        fread(data, 1, bytes, file) != bytes)
        stop("a file is shorter than 1797 digits");
    fclose(file);
}

static void compute_logits(int first, int end) {
    for (int row = first; row < end; row++)
        for (int c = 0; c < CLASSES; c++) {
            float sum = 0;
            for (int pixel = 0; pixel < PIXELS; pixel++)
                sum += (float)features[row][pixel] * weight[pixel][c];
            logits[row][c] = sum;
        }
}

/* Scores rows [first, end); with learning, the gradient then takes the place of the logits. */
static xent_total score(int first, int end, int learning) {
    xent_tensor rows = xent_matrix(logits[first], XENT_F32, end - first, CLASSES);
    xent_tensor classes = xent_vector(&labels[first], XENT_I64, end - first);
    xent_outputs outputs = XENT_OUTPUTS_INIT;
    xent_total total = XENT_TOTAL_INIT;
    xent_error error;

    if (learning)
        outputs.grad = &rows;
    if (xent_cross_entropy(&rows, &classes, NULL, &outputs, &total, &error) != XENT_OK)
        stop(error.message);
    return total;
}

/* weight -= rate * transpose(features) x gradient */
static void descend(float rate) {
    for (int row = 0; row < SEEN; row++)
        for (int pixel = 0; pixel < PIXELS; pixel++)
            for (int c = 0; c < CLASSES; c++)
                weight[pixel][c] -= rate * (float)features[row][pixel] * logits[row][c];
}

static double accuracy(const xent_total *total) {
    return (double)total->correct / (double)total->counted;
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "examples/digits";
    read_npy(folder, "features.npy", features, sizeof features);
    read_npy(folder, "labels.npy", labels, sizeof labels);

    for (int epoch = 0; epoch <= EPOCHS; epoch++) {
        compute_logits(0, SEEN);
        xent_total total = score(0, SEEN, 1);
        if (epoch % 40 == 0)
            printf("epoch %3d  loss %.4f  accuracy %.4f\n", epoch, xent_total_loss(&total, NULL),
                   accuracy(&total));
        descend(0.02f);
    }

    compute_logits(SEEN, ROWS);
    xent_total unseen = score(SEEN, ROWS, 0);
    printf("unseen     loss %.4f  accuracy %.4f\n", xent_total_loss(&unseen, NULL),
           accuracy(&unseen));
    return accuracy(&unseen) < 0.9;
}
