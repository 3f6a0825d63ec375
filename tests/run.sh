#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [--all | lint]: builds and runs every test; the last line is `N passed, N failed`.
# --all runs 100,000 differential cases on each instruction set and compiler, more under emulation and valgrind, every
# value of every byte of hostile files, and a file and calls of 6 GB; lint only reads the sources, as deeply as --all.
set -uo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
out=build/test
mkdir -p $out/logs
passed=0 failed=0 begun=$SECONDS waiting=()

cases=4000 best_cases=10000 emulated_cases=120 short_cases=250
analyzed_nodes=75000                    # of 225,000 by default, in each function
emulates_all= not_emulated='[.]scalar$' # the C of everywhere
repeated='test_bits[.]scalar$'          # compares calls with each other; gcc's build does so, too
valgrind_tests=(train_calls robust train diagnose_calls linear diagnose edge_cases differential check refusals tails
    overlap labels total abi search) # what takes longest begins first
if [ "${1:-}" = --all ]; then
    cases=100000 emulated_cases=10000 emulates_all=1 not_emulated=none repeated=none
    valgrind_tests+=(layout count threads guard bits edge_shapes edge_totals edge_probabilities linear_check
        linear_forward linear_slopes)
    export XENT_LARGE=1
fi
[ -z "${1:-}" ] || analyzed_nodes=225000

# report ok|skip|FAILED NAME TEXT
report() {
    printf '%4d s  %-6s  %-22s %s\n' $((SECONDS - begun)) "$1" "$2" "$3"
}

# run NAME COMMAND...: with its output in a log; the status is also kept beside it.
run() {
    local log=$out/logs/$1.log status=0
    shift
    "$@" >"$log" 2>&1 </dev/null || status=$?
    echo $status >"${log%.log}.status"
}

# judge NAME: counts what run left, unless the status is 77 (skipped); returns whether it passed.
judge() {
    local name=$1 log=$out/logs/$1.log status
    status=$(cat "${log%.log}.status")
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
        report ok "$name" "$(tail -n 1 "$log" | cut -c 1-90)"
    elif [ "$status" = 77 ]; then
        report skip "$name" "$(tail -n 1 "$log" | cut -c 1-90)"
    else
        failed=$((failed + 1))
        report FAILED "$name" "log: $log"
        grep -a 'error\|warning:\|columns\|says\|FAILED' "$log" | head -n 20 | grep . || tail -n 20 "$log"
        return 1
    fi
}

# step NAME COMMAND...: does both, and returns whether it passed.
step() {
    run "$@"
    judge "$1"
}

# beside NAME COMMAND...: a step that takes one core; as many are under way as there are cores, until together waits
# for all of them and judges them in order.
beside() {
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    run "$@" &
    waiting+=("$1 $!")
}
together() {
    local pair
    for pair in "${waiting[@]}"; do
        wait "${pair#* }"
        judge "${pair% *}"
    done
    waiting=()
}

# suite NAME CASES CTEST-ARGUMENTS...: counts each test of the build of that name, or one failure if none ran. One more
# than there are cores, since some wait for a disk or a terminal.
suite() {
    local name=$1 log=$out/logs/$1.log ran bad skipped good
    local -x XENT_CASES=$2
    shift 2
    (cd "$out/$name" && ctest -j $((jobs + 1)) --no-tests=error --output-on-failure "$@") >"$log" 2>&1 </dev/null
    ran=$(sed -n 's/.*tests failed out of \([0-9]*\)$/\1/p' "$log")
    bad=$(sed -n 's/.* \([0-9]*\) tests failed out of .*/\1/p' "$log")
    skipped=$(grep -c '\*\*\*Skipped' "$log")
    good=$((${ran:-1} - ${bad:-1} - skipped))
    passed=$((passed + good))
    failed=$((failed + ${bad:-1}))
    if [ "${bad:-1}" = 0 ]; then
        report ok "$name" "$good passed, $skipped skipped"
    else
        report FAILED "$name" "$good passed, ${bad:-1} failed, log: $log"
        sed -n '/tests failed out of/,$p' "$log"
    fi
}

# configure NAME CMAKE-ARGUMENTS...: builds everything in the folder of that name, warnings being errors.
configure() {
    local folder=$out/$1
    shift
    cmake -S . -B "$folder" -DXENT_TESTS=ON -DXENT_WERROR=ON -DXENT_PYTHON="$PWD/$out/venv/bin/python" "$@" &&
        cmake --build "$folder" -j "$jobs"
}

c_files() { find include src diagnose train cli tests fuzz examples bench -name '*.[ch]' "$@"; }

check_format() { c_files -print0 | xargs -0 clang-format --dry-run -Werror; }

# Large files first, so that no core waits for the last.
check_tidy() {
    c_files -name '*.c' ! -path 'tests/header/*' -printf '%s %p\n' | sort -rn | cut -d ' ' -f 2 |
        xargs -n 1 -P "$jobs" clang-tidy -p $out/gcc --quiet --extra-arg=-Xclang --extra-arg=-analyzer-config \
            --extra-arg=-Xclang --extra-arg=max-nodes=$analyzed_nodes
}

# check_header COMPILER LANGUAGE STANDARD
check_header() {
    "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Werror -Iinclude -o $out/header-"$3" \
        tests/header/header.c -x none $out/gcc/libxent.a -lm -lpthread && $out/header-"$3"
}

# on_isa ISA PROGRAM...: says "skipped" and returns 77 where the machine does not have it.
on_isa() { XENT_ISA=$1 $out/gcc/tests/on_isa "$@"; }

# plain_build NAME COMPILER FLAGS...: the library and the hashes by one command, on every instruction set there is. Without
# the flag that forbids it, and with an instruction set that has it, compilers contract a*b + c: the bits must be the same.
plain_build() {
    local program=$out/$1 support isa
    shift
    support=$(find tests -maxdepth 1 -name '*.c' ! -name 'test_*' ! -name findings.c) # the core's
    # shellcheck disable=SC2086
    "$@" -Iinclude -Isrc src/*.c src/cpu/*.c tests/test_hashes.c $support -o "$program" -lm -lpthread || return
    for isa in scalar avx2 avx512; do
        on_isa $isa "$program" || [ $? = 77 ] || return
    done
}

more_cases() { XENT_CASES=$best_cases XENT_SEED=1000000 $out/gcc/tests/test_differential; }

# under_valgrind COMMAND...: on AVX2, the widest that it knows. Children of a fork leave the stacks of the other threads
# behind, which it takes for possible leaks.
under_valgrind() {
    local -x XENT_CASES=$short_cases XENT_SHORT=1 XENT_SHARED_LIBRARY=$PWD/$out/gcc/libxent.so
    on_isa avx2 valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --error-exitcode=99 "$@"
}

lint() {
    step format check_format
    step tidy check_tidy
    step structure python3 tests/structure.py $out/gcc/libxent.so
    step header-c99 check_header gcc c c99
    step header-c++11 check_header g++ c++ c++11
}

# Large gradients go past the caches here, as else with AVX-512 alone. The thread sanitizer sees the tests that start
# threads, on the best instruction set; hashes, products, the stage and test_past_caches only repeat what these do, and
# guard is about memory.
sanitizers() {
    local -x XENT_SHORT=1
    local -x ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1:die_after_fork=0
    step build-asan configure asan -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_C_FLAGS="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -DXENT_ALWAYS_PAST_CACHES" &&
        suite asan $short_cases -LE slow
    step build-tsan configure tsan -DXENT_CLI=OFF -DXENT_EXAMPLES=OFF -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_C_FLAGS="-O1 -g1 -fsanitize=thread -DXENT_ALWAYS_PAST_CACHES" &&
        suite tsan $short_cases -L threads -E 'hashes|product|stage|past_caches|guard|[.]scalar$'
}

# Shortened unless everything was asked for; the hashes of NEON all come from the two-file library besides.
emulated() {
    [ -z "$emulates_all" ] && local -x XENT_SHORT=1
    step build-aarch64 configure aarch64 -DXENT_CLI=OFF -DXENT_EXAMPLES=OFF \
        -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
        -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_EXE_LINKER_FLAGS=-static \
        -DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64 &&
        suite aarch64 $emulated_cases -E "$not_emulated"
}

memory() {
    for test in "${valgrind_tests[@]}"; do
        beside valgrind-$test under_valgrind $out/gcc/tests/test_$test
    done
    for example in train_digits mean_loss alignment accumulate; do
        beside valgrind-$example under_valgrind $out/gcc/examples/$example
    done
    for verb in loss check; do
        beside valgrind-xent-$verb under_valgrind $out/gcc/xent $verb examples/digits/logits.npy examples/digits/labels.npy
    done
    together
}

# What takes longest begins first. One command without contraction is what packaging builds from the two files.
singles() {
    beside packaging tests/packaging.sh
    beside python-package tests/python/run.sh --quick
    beside contracting-clang plain_build contracting-clang clang -std=gnu11 -O1 -march=native -ffp-contract=fast
    beside contracting-gcc plain_build contracting-gcc gcc -std=gnu11 -O2 -march=native
    beside differential more_cases
    together
}

beside python tests/venv.sh $out/venv
beside build-gcc configure gcc -DCMAKE_C_COMPILER=gcc
together
lint
if [ "${1:-}" != lint ]; then
    suite gcc $cases
    step build-clang configure clang -DCMAKE_C_COMPILER=clang &&
        step structure-clang python3 tests/structure.py $out/clang/libxent.so &&
        suite clang $cases -LE 'slow|tool' -E "$repeated"
    singles
    emulated
    [ "${1:-}" != --all ] || step avx512 tests/bochs/tests.sh --all
    sanitizers
    memory
fi

echo "$passed passed, $failed failed" | tee $out/result
[ $failed = 0 ]
