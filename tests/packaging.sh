#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs xent, builds and runs every program of examples/consume against it, moves it and builds them again, and
# uninstalls it; then the same bits and symbols from the two-file library. Prints what it checks.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD out=$PWD/build/test/packaging
build=$out/build destdir="$out/dest dir" # a blank in the name
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
rm -rf "$destdir" "$out/moved" "$out/consume" "$out/pc" && mkdir -p "$out/consume"

refuse() { echo "packaging: FAILED: $*" >&2 && exit 1; }

# is_right NAME PROGRAM: it must print the loss that every consumer prints.
is_right() {
    local said
    said=$("$2") || refuse "$1: $2 ends with $?"
    [ "$said" = 0.9058165 ] || refuse "$1: $2 says $said"
    echo "ok: $1"
}

# with_cmake NAME EXAMPLE CMAKE-ARGUMENTS...
with_cmake() {
    local name=$1 folder="$out/consume/$1"
    cmake -S "examples/consume/$2" -B "$folder" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "${@:3}" >"$folder.log" 2>&1 &&
        cmake --build "$folder" >>"$folder.log" 2>&1 || { cat "$folder.log" && refuse "$name"; }
    is_right "$name" "$folder/mean_loss"
}

# with_make NAME EXAMPLE MAKE-ARGUMENTS...: in a copy of the example's folder.
with_make() {
    local name=$1 folder="$out/consume/$1/consume/$2"
    mkdir -p "$folder"
    cp examples/mean_loss.c "$out/consume/$name" && cp "examples/consume/$2/Makefile" "$folder"
    make -C "$folder" --no-print-directory "${@:3}" >"$folder.log" 2>&1 || { cat "$folder.log" && refuse "$name"; }
    is_right "$name" "$folder/mean_loss"
}

# consume NAME PREFIX: by every way that uses an installation.
consume() {
    local -x PKG_CONFIG_PATH="$2/lib/pkgconfig" LD_LIBRARY_PATH="$2/lib"
    for library in xent xent_shared xent_static; do
        with_cmake "$1-$library" find_package -DCMAKE_PREFIX_PATH="$2" -DLIBRARY=xent::$library
    done
    with_cmake "$1-c++11" c++11 -DCMAKE_PREFIX_PATH="$2"
    with_make "$1-pkg-config" pkg-config "PKG_CONFIG=pkg-config --define-prefix"
    with_make "$1-pkg-config-static" pkg-config "PKG_CONFIG=pkg-config --define-prefix --static" LDFLAGS=-static
}

# What add_subdirectory must not do: set flags or a build type of the project around it, or build more than the library.
check_surroundings() {
    local folder="$out/consume/add_subdirectory"
    ! grep 'mean_loss.c' "$folder/compile_commands.json" | grep -E -- '-O|-W|-ffp|-std|-fvisibility' ||
        refuse "add_subdirectory changes the flags of the project around it"
    grep -q '^CMAKE_BUILD_TYPE:STRING=$' "$folder/CMakeCache.txt" || refuse "add_subdirectory sets a build type"
    ! grep -q '/cli/\|/examples/accumulate' "$folder/compile_commands.json" || refuse "add_subdirectory builds too much"
    ! DESTDIR="$out/nothing" cmake --install "$folder" | grep Installing || refuse "add_subdirectory installs files"
}

# pc_says PATTERN CMAKE-ARGUMENTS...: a line of the xent.pc that these arguments make.
pc_says() {
    cmake -S . -B "$out/pc" -DXENT_CLI=OFF -DXENT_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX=/opt/xent "${@:2}" >"$out/pc.log"
    grep -qx -- "$1" "$out/pc/xent.pc" || { cat "$out/pc/xent.pc" && refuse "xent.pc has no line $1"; }
}

check_installed() {
    local wanted found
    wanted="bin/xent include/xent.h include/xent_diagnose.h include/xent_train.h lib/libxent.a lib/libxent.so lib/libxent.so.0 lib/pkgconfig/xent.pc
        lib/cmake/xent/xent-config.cmake lib/cmake/xent/xent-config-version.cmake lib/cmake/xent/xent-targets.cmake
        share/doc/xent/LICENSE share/doc/xent/README.md share/doc/xent/docs/install.md"
    for file in $wanted; do
        [ -e "$destdir/opt/xent/$file" ] || refuse "$file is not installed"
    done
    found=$(cd "$destdir" && find . ! -type d | sed 's/^\.//' | sort)
    [ "$found" = "$( (cat "$build/install_manifest.txt" && echo) | sort)" ] || refuse "the manifest is not what is there"
    ! grep -rlF "$root" "$destdir" || refuse "files name the folder they were built in"
    [ "$("$destdir/opt/xent/bin/xent" --version)" = "xent $(sed -n 's/^Version: //p' "$build/xent.pc")" ] ||
        refuse "the command and xent.pc have different versions"
    echo "ok: installed $(wc -l <<<"$found") files"
}

in_build() { make --no-print-directory BUILD="$build" PREFIX=/opt/xent DESTDIR="$destdir" "$@"; }

check_installation() {
    in_build install >"$out/install.log" 2>&1 || { tail -n 20 "$out/install.log" && refuse install; }
    check_installed
    consume installed "$destdir/opt/xent"
    with_cmake build-tree find_package -Dxent_DIR="$build"
    mv "$destdir/opt/xent" "$out/moved"
    consume moved "$out/moved"
    mv "$out/moved" "$destdir/opt/xent"
    touch "$destdir/opt/xent/lib/another"
    in_build uninstall
    found=$(cd "$destdir" && find . ! -type d -o -name 'xent*' ! -path ./opt/xent)
    [ "$found" = ./opt/xent/lib/another ] || refuse "uninstalling leaves or takes too much: $found"
    echo "ok: uninstalled"
}

check_subdirectory() {
    with_cmake add_subdirectory add_subdirectory
    check_surroundings
    with_cmake add_subdirectory-static add_subdirectory -DXENT_SHARED=OFF
    ! ldd "$out/consume/add_subdirectory-static/mean_loss" | grep xent || refuse "XENT_SHARED=OFF links a shared library"
    pc_says 'libdir=${prefix}/lib64' -DCMAKE_INSTALL_LIBDIR=lib64
    pc_says 'libdir=/usr/lib/there' -DCMAKE_INSTALL_LIBDIR=/usr/lib/there
    pc_says 'Libs.private: -lm -lpthread'
    pc_says 'Libs: -L${libdir} -lxent -lm -lpthread' -DXENT_SHARED=OFF
    echo "ok: xent.pc"
}

# The command that is linked with the shared library finds it beside itself, also once both were moved.
check_shared_command() {
    cmake -S . -B "$out/shared" -DXENT_CLI_SHARED=ON -DXENT_EXAMPLES=OFF -DXENT_WERROR=ON -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O0 \
        -DCMAKE_INSTALL_PREFIX="$out/shared-command" >"$out/shared.log" && cmake --build "$out/shared" >>"$out/shared.log" && cmake --install "$out/shared" >>"$out/shared.log"
    rm -rf "$out/moved" && mv "$out/shared-command" "$out/moved"
    "$out/moved/bin/xent" --version >/dev/null || refuse "the command does not find the library beside it"
    mv "$out/moved/lib" "$out/moved/elsewhere"
    ! "$out/moved/bin/xent" --version 2>/dev/null || refuse "the command is not linked with the shared library"
    rm -rf "$out/moved"
    echo "ok: a command linked with the shared library"
}

exported() { nm --dynamic --defined-only --format=posix "$1" | cut -d ' ' -f 1 | sort; }

# runs ISA: whether this machine has it.
runs() {
    case $1 in
    avx2) grep -qw avx2 /proc/cpuinfo ;;
    avx512) grep -qw avx512vl /proc/cpuinfo ;;
    esac
}

# hashes COMPILER LEVEL RUNNER ISAS FLAGS: the two files and the golden hashes, on each instruction set.
hashes() {
    local program=$out/amalgamation/hashes-$1 run=$3 support said
    support=$(find tests -maxdepth 1 -name '*.c' ! -name 'test_*' ! -name faults.c ! -name findings.c ! -name habits.c) # of what is not in it
    # shellcheck disable=SC2086
    "$1" -std=c11 "$2" -ffp-contract=off -Wall -Wextra -Wpedantic -Werror -I"$out/amalgamation" -Itests $5 \
        "$out/amalgamation/xent.c" tests/test_hashes.c $support -o "$program" -lm -lpthread
    for isa in $4; do
        # shellcheck disable=SC2086
        XENT_ISA=$isa $run "$program" >"$program.log" || { cat "$program.log" && refuse "amalgamation: $1, $isa"; }
        said=$(tail -n 1 "$program.log")
        case $said in
        "$isa: "*) echo "ok: amalgamation, $1 $2, $said" ;;
        *) ! runs "$isa" || refuse "amalgamation, $1 $2: $isa was asked for, and $said"
            echo "skipped: amalgamation, $1 $2, $isa: this machine runs ${said%%:*}" ;;
        esac
    done
}

check_amalgamation() {
    scripts/amalgamate.py "$out/amalgamation"
    hashes gcc -O2 "" "scalar avx2 avx512" "" & one=$!
    hashes clang -O1 "" "scalar avx2 avx512" "" & two=$!
    hashes aarch64-linux-gnu-gcc -O1 qemu-aarch64 neon -static
    wait $one && wait $two
    cc -shared -fPIC -O0 "$out/amalgamation/xent.c" -o "$out/amalgamation/libxent.so" -lm -lpthread
    [ "$(exported "$out/amalgamation/libxent.so")" = "$(exported "$build/libxent.so" | grep -Ev 'xent_(diagnos|training_|prepare_features)')" ] ||
        refuse "the two files export other symbols than the library"
    with_make amalgamation amalgamation AMALGAMATE="$root/scripts/amalgamate.py" CFLAGS="-std=c11 -O0"
}

check_installation
check_subdirectory
check_shared_command
check_amalgamation
echo "packaging: everything fits"
