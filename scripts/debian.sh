#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# debian.sh: builds the Debian packages of what is committed, in build/debian, and runs lintian on them.
# debian.sh check: then also installs them, runs debian/tests/consumers and removes them again; as root.
# Needs the packages debhelper and lintian and those of Build-Depends in debian/control.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n '1s/xent (\(.*\)-.*/\1/p' debian/changelog)
out=build/debian
export LC_ALL=C.UTF-8

rm -rf $out && mkdir -p $out
git archive --prefix="xent-$version/" HEAD -- . ':(exclude)debian' | gzip -9n >"$out/xent_$version.orig.tar.gz"
tar -x -z -f "$out/xent_$version.orig.tar.gz" -C $out
git archive HEAD debian | tar -x -C "$out/xent-$version"
(cd "$out/xent-$version" && dpkg-buildpackage -us -uc)
lintian --fail-on error,warning --info $out/*.changes
ls -l $out/*.deb

if [ "${1:-}" = check ]; then
    packages="libxent0 libxent-dev xent"
    dpkg -i $out/libxent0_*.deb $out/libxent-dev_*.deb $out/xent_*.deb
    trap 'dpkg -P $packages' EXIT # words on purpose
    (cd "$out/xent-$version" && debian/tests/consumers)
fi
