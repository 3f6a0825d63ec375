#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds xent and shows it at work on real data.
set -euo pipefail
cd "$(dirname "$0")/.."
xent=build/release/xent
digits=examples/digits
fashion=/usr/share/datasets/fashion-mnist
out=build/demo

say() { printf '\n== %s\n' "$1"; }
show() { # prints the command as one would type it, then its output, indented
    printf '   $ %s\n' "$*"
    "$@" 2>&1 | sed 's/^/     /'
}

# learn FEATURES LABELS HELD_OUT HELD_OUT_LABELS NAME FLAGS...: trains on the one, scores and checks the other. Arrays
# that need flags are given as "FILE --dtype u8 ..".
learn() {
    local model=$out/$5.safetensors logits=$out/$5_logits.npy
    # shellcheck disable=SC2086
    show $xent train $1 $2 --model $model --quiet "${@:6}"
    # shellcheck disable=SC2086
    show $xent predict $model $3 --logits -o $logits
    # shellcheck disable=SC2086
    show $xent loss $logits $4
    # shellcheck disable=SC2086
    show $xent check $logits $4
}

say "Building the library, the tool and the examples (build/release)"
rm -rf $out
mkdir -p $out
if ! { cmake -S . -B build/release && cmake --build build/release -j "$(nproc)"; } >build/demo.log 2>&1; then
    cat build/demo.log
    exit 1
fi
show $xent info

say "1,797 handwritten digits, scored by a classifier that had not seen them: loss, accuracy"
show $xent loss $digits/logits.npy $digits/labels.npy

say "The same as JSON, and the gradient of the mean loss into a file"
show $xent loss $digits/logits.npy $digits/labels.npy --json --grad build/digits_grad.npy
show ls -l build/digits_grad.npy

say "A mismatch is refused: the labels of the first 1,000 digits do not fit 1,797 rows of logits"
{
    printf '\x93NUMPY\x01\x00\x76\x00'
    printf '%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': (1000,), }"
    head -c $((128 + 8000)) $digits/labels.npy | tail -c 8000
} >build/thousand_labels.npy
if show $xent loss $digits/logits.npy build/thousand_labels.npy; then
    echo "It was not refused." >&2
    exit 1
fi

say "A mistake that fits in shape: the labels moved by one row. A loss function gives a number, xent check says what is wrong"
{
    head -c 128 $digits/labels.npy
    tail -c 8 $digits/labels.npy
    tail -c +129 $digits/labels.npy | head -c -8
} >build/moved_labels.npy
if show $xent check $digits/logits.npy build/moved_labels.npy; then
    echo "It was not found." >&2
    exit 1
fi

say "The shortest program: the mean loss of four rows (examples/mean_loss.c)"
show build/release/examples/mean_loss

say "Why repeating labels to fit is wrong (examples/alignment.c)"
show build/release/examples/alignment

say "A batch in parts: the same gradient, the same mean (examples/accumulate.c)"
show build/release/examples/accumulate

say "Training a softmax classifier on the digits (examples/train_digits.c)"
show build/release/examples/train_digits $digits

say "The same from the shell, with L-BFGS: a model of 1,297 digits, scored on the 500 that it has not seen"
head -c $((128 + 1297 * 64)) $digits/features.npy | tail -c $((1297 * 64)) >$out/x.bin
head -c $((128 + 1297 * 8)) $digits/labels.npy | tail -c $((1297 * 8)) >$out/y.bin
tail -c $((500 * 64)) $digits/features.npy >$out/held_out_x.bin
tail -c $((500 * 8)) $digits/labels.npy >$out/held_out_y.bin
learn $out/x.bin "$out/y.bin --dtype u8 --shape 1297,64 --labels-dtype i64 --labels-shape 1297" \
    "$out/held_out_x.bin --dtype u8 --shape 500,64" "$out/held_out_y.bin --labels-dtype i64 --labels-shape 500" digits \
    --scale 1/16 --l2 0.001

say "60,000 pictures of clothes (Fashion-MNIST), read out of their packed files, and the 10,000 for testing"
if [ -d $fashion ] || { scripts/need.sh demo && [ -d $fashion ]; }; then
    learn $fashion/train-images-idx3-ubyte.gz $fashion/train-labels-idx1-ubyte.gz \
        $fashion/t10k-images-idx3-ubyte.gz $fashion/t10k-labels-idx1-ubyte.gz fashion \
        --scale 1/255 --l2 1e-4 --tolerance 1e-4
else
    echo "   They come with Debian's package dataset-fashion-mnist, which cannot be had here: left out."
fi

say "Everything worked. Next: make test, README.md, build/release/xent help"
