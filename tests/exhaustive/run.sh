#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [PART...]: sweeps over all inputs of these parts (none named: of every part), on every instruction set of this
# machine, whose bits must be the same; on the first of them errors are measured. On x86-64 every NEON_STRIDE-th input
# (251; 0: none) is also given to NEON in an emulator. What was stopped goes on where it was; finished parts only report.
# Chunks of results are kept in build/exhaustive under the hash of the program that found them.
set -euo pipefail
cd "$(dirname "$0")/../.."
shopt -s inherit_errexit

out=build/exhaustive
native=$out/native/tests/sweep
emulated=$out/aarch64/tests/sweep
neon_stride=${NEON_STRIDE:-251}
failed=0

# build FOLDER CMAKE-ARGUMENTS...
build() {
    local folder=$out/$1
    shift
    cmake -S . -B "$folder" -DXENT_TESTS=ON -DXENT_CLI=OFF -DXENT_EXAMPLES=OFF "$@" >"$out/build.log" 2>&1 &&
        cmake --build "$folder" -j "$(nproc)" --target sweep >>"$out/build.log" 2>&1 || {
        cat "$out/build.log"
        exit 1
    }
}

# results PROGRAM PART STRIDE ISA MODE: the file of its chunks.
results() {
    local folder
    folder=$out/results/$(sha256sum "$1" | cut -c 1-16)
    mkdir -p "$folder"
    echo "$folder/$2-$3-$4-$5"
}

# same PART FILE FILE: whether each chunk of both has the same results.
same() {
    local differing
    differing=$(diff <(cut -d ' ' -f 1-3 "$2" | sort -n) <(cut -d ' ' -f 1-3 "$3" | sort -n)) || {
        echo "FAILED: $1 has other bits in these chunks:" "$2" "$3"
        echo "$differing" | head -n 20
        failed=1
    }
}

# sweep_natively PART: the first instruction set that is there measures errors; the others are compared with it.
sweep_natively() {
    local part=$1 isa mode=errors file first= status
    for isa in $isas; do
        file=$(results $native "$part" 1 "$isa" $mode)
        status=0
        XENT_ISA=$isa $native "$part" 1 $mode "$file" || status=$?
        [ $status != 77 ] || continue
        [ $status = 0 ] || failed=1
        [ -z "$first" ] || same "$part" "$first" "$file"
        first=${first:-$file}
        mode=bits
    done
}

sweep_emulated() {
    local part=$1 here there
    here=$(results $native "$part" "$neon_stride" best bits)
    there=$(results $emulated "$part" "$neon_stride" neon bits)
    $native "$part" "$neon_stride" bits "$here" >/dev/null || failed=1
    qemu-aarch64 $emulated "$part" "$neon_stride" bits "$there" || failed=1
    same "$part" "$here" "$there"
}

mkdir -p $out
build native
isas="avx512 avx2 scalar"
if [ "$(uname -m)" != x86_64 ]; then
    isas="neon scalar" neon_stride=0
elif [ "$neon_stride" != 0 ]; then
    build aarch64 -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
        -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_EXE_LINKER_FLAGS=-static
fi
mapfile -t parts < <($native list)
for part in "$@"; do
    [[ " ${parts[*]} " = *" $part "* ]] || {
        echo "there is no part $part; there are ${parts[*]}"
        exit 64
    }
done
for part in "${@:-${parts[@]}}"; do
    sweep_natively "$part"
    [ "$neon_stride" = 0 ] || sweep_emulated "$part"
done
[ $failed = 0 ] && echo "every result is right" || echo "FAILED: see above"
exit $failed
