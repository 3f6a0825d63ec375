#!/bin/sh
# SPDX-License-Identifier: MIT
# need.sh build|demo|test|emulate|bench: looks for the tools of a goal; installs the Debian packages of those that are
# missing, as root or through sudo, or prints their names and stops.
set -eu

missing=

# need PACKAGE COMMAND...: the package is missing if the command fails.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
program() { command -v "$1"; }
header() { echo "#include <$1>" | cc -E -x c -; }
builds() { echo 'int main(void) { return 0; }' | "$@" -x c -o /dev/null -; }

need gcc program cc
need libc6-dev builds cc
need cmake program cmake
need pkg-config program pkg-config
need libjansson-dev header jansson.h
need libzip-dev header zip.h
need zlib1g-dev header zlib.h
if [ "${1:-}" = demo ] || [ "${1:-}" = test ]; then
    need dataset-fashion-mnist test -d /usr/share/datasets/fashion-mnist
fi
if [ "${1:-}" = test ]; then
    need g++ program g++
    need clang builds clang
    need clang-format program clang-format
    need clang-tidy program clang-tidy
    need libcmocka-dev header cmocka.h
    need libmpfr-dev header mpfr.h
    need binutils program readelf
    need valgrind program valgrind
    need gcc-aarch64-linux-gnu program aarch64-linux-gnu-gcc
    need libc6-dev-arm64-cross builds aarch64-linux-gnu-gcc -static
    need qemu-user program qemu-aarch64
    need python3 program python3
    need python3-venv python3 -c 'import ensurepip, venv'
    need gzip program gzip
fi
if [ "${1:-}" = emulate ]; then
    need bochs program bochs-bin
    need bochs-term test -e /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so
    need busybox-static sh -c '/bin/busybox true && ! ldd /bin/busybox'
    need isolinux test -e /usr/lib/ISOLINUX/isolinux.bin
    need syslinux-common test -e /usr/lib/syslinux/modules/bios/ldlinux.c32
    need xorriso program xorriso
    need cpio program cpio
fi
if [ "${1:-}" = bench ]; then
    need g++ program g++
    need python3 program python3
    need python3-venv python3 -c 'import ensurepip, venv'
    need libopenblas0-pthread python3 -c 'import ctypes; ctypes.CDLL("libopenblas.so.0")'
    need python3-dev python3 -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")'
fi
[ -n "$missing" ] || exit 0

echo "missing Debian packages:$missing"
if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here: please install their counterparts, then run the command again." >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null; then
    sudo=sudo
else
    echo "Please run as root: apt-get install$missing" >&2
    exit 1
fi
set -x
$sudo apt-get update -q
# The names are words on purpose.
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
