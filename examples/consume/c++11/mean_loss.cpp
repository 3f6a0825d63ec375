/* SPDX-License-Identifier: MIT
 * xent from C++11: the mean loss of four rows of three logits in vectors. Prints 0.9058165. */
#include <cstdio>
#include <stdexcept>
#include <vector>
#include <xent.h>

static double mean_loss(std::vector<float> &logits, std::vector<int64_t> &labels, int64_t classes) {
    const int64_t rows = static_cast<int64_t>(logits.size()) / classes;
    const xent_tensor x = xent_matrix(logits.data(), XENT_F32, rows, classes);
    const xent_tensor y =
        xent_vector(labels.data(), XENT_I64, static_cast<int64_t>(labels.size()));
    xent_total total = xent_total();
    xent_error error;
    if (xent_cross_entropy(&x, &y, nullptr, nullptr, &total, &error) != XENT_OK)
        throw std::invalid_argument(error.message);
    return xent_total_loss(&total, nullptr);
}

int main() {
    std::vector<float> logits = {1.2f, .8f, -.5f, -.2f, 1.5f, .1f, .9f, -.7f, 1.1f, -1, .3f, -.1f};
    std::vector<int64_t> labels = {0, 1, 2, 0};
    std::printf("%.7f\n", mean_loss(logits, labels, 3));
}
