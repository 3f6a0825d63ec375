#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tests.sh [--all]: builds the tests of AVX-512 for the emulated processor of run.sh, and runs them there; --all takes
# more of them.
# Exits with 77 on a machine that has AVX-512 itself, where the other tests have used it.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/test/avx512
programs=(on_isa ticks instructions sweep test_train_hashes test_plain_calls test_differential test_linear)
commands=('on_isa avx512 true' test_train_hashes test_plain_calls 'XENT_CASES=50 test_differential'
    'sweep load 1 bits' 'sweep store 65537 bits' 'sweep narrow 65537 bits')
if [ "${1:-}" = --all ]; then
    programs+=(test_hashes test_train test_linear_forward test_stage test_product test_past_caches)
    commands+=('same test_hashes' 'XENT_CASES=500 test_differential' 'XENT_CASES=200 test_linear'
        'XENT_CASES=100 test_product' 'XENT_SHORT=1 test_train' test_linear_forward test_stage
        test_past_caches)
fi

if [ "$(uname -m)" != x86_64 ]; then
    echo "skipped: AVX-512 is emulated on x86-64 alone"
    exit 77
elif grep -q avx512vl /proc/cpuinfo; then
    echo "skipped: this machine has AVX-512 itself"
    exit 77
fi
cmake -S . -B $out -DXENT_TESTS=ON -DXENT_WERROR=ON -DXENT_CLI=OFF -DXENT_EXAMPLES=OFF \
    -DCMAKE_C_FLAGS="-I$PWD/tests/bochs/include"
cmake --build $out -j "$(nproc)" --target "${programs[@]}"
tests/bochs/run.sh $out/tests "${commands[@]}"
