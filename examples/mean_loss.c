/* SPDX-License-Identifier: MIT
 * The shortest use of xent: the mean loss of four rows of three logits. Prints 0.9058165. */
#include <stdio.h>
#include <xent.h>

int main(void) {
    float logits[4][3] = {{1.2f, .8f, -.5f}, {-.2f, 1.5f, .1f}, {.9f, -.7f, 1.1f}, {-1, .3f, -.1f}};
    int64_t labels[4] = {0, 1, 2, 0};
    double loss;
    xent_error error;

    if (xent_mean_loss_f32(&logits[0][0], labels, 4, 3, NULL, &loss, &error) != XENT_OK)
        return fprintf(stderr, "%s\n", error.message), 1;
    printf("%.7f\n", loss);
    return 0;
}
