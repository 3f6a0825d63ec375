#!/bin/sh
# SPDX-License-Identifier: MIT
# uninstall.sh MANIFEST: removes the files that an installation wrote down in its manifest, below $DESTDIR if that is
# set, and those folders of its own that this leaves empty.
set -eu

manifest=$1
if [ ! -f "$manifest" ]; then
    echo "There is no $manifest, which lists what was installed: install once more, the same way, then uninstall." >&2
    exit 1
fi

# each_file COMMAND...: runs the command on every file of the manifest, whose last line may lack its end.
each_file() {
    while IFS= read -r file || [ -n "$file" ]; do
        "$@" "$file"
    done <"$manifest"
}

remove() { rm -f -- "${DESTDIR:-}$1"; }

# Removes the folders above the file, innermost first, that belong to xent alone.
remove_folders() {
    folder=$(dirname "$1")
    while case "$folder/" in */doc/xent/* | */cmake/xent/*) ;; *) false ;; esac do
        [ ! -d "${DESTDIR:-}$folder" ] || rmdir --ignore-fail-on-non-empty -- "${DESTDIR:-}$folder"
        folder=$(dirname "$folder")
    done
}

each_file remove
each_file remove_folders
echo "removed $(each_file echo | wc -l) files"
rm -f -- "$manifest"
