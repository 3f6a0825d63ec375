/* SPDX-License-Identifier: MIT
 * The plain loop, once per element type: LOOP is its name, ELEMENT the type in memory, REAL the
 * one it computes in, with EXP and LOG of it; WIDEN and NARROW lead from one to the other. */

double LOOP(const plain_batch *batch, int64_t begin, int64_t end, void *scratch) {
    const int64_t classes = batch->classes, inner = batch->inner;
    const REAL share = 1 / (REAL)batch->rows;
    REAL *e = scratch;
    double loss = 0;
    for (int64_t row = begin; row < end; row++) {
        const int64_t first = row / inner * classes * inner + row % inner;
        const int64_t label = batch->labels[row];
        const ELEMENT *x = (const ELEMENT *)batch->logits + first;
        ELEMENT *gradient = (ELEMENT *)batch->gradient + first;
        REAL max = WIDEN(x[0]), sum = 0;
        for (int64_t c = 1; c < classes; c++)
            max = WIDEN(x[c * inner]) > max ? WIDEN(x[c * inner]) : max;
        for (int64_t c = 0; c < classes; c++) {
            e[c] = EXP(WIDEN(x[c * inner]) - max);
            sum += e[c];
        }
        loss += (double)(LOG(sum) + max - WIDEN(x[label * inner]));
        for (int64_t c = 0; c < classes; c++)
            gradient[c * inner] = NARROW(e[c] * (share / sum));
        gradient[label * inner] = NARROW((e[label] / sum - 1) * share);
    }
    return loss;
}

#undef LOOP
#undef ELEMENT
#undef REAL
#undef EXP
#undef LOG
#undef WIDEN
#undef NARROW
