#!/bin/sh
# SPDX-License-Identifier: MIT
# venv.sh FOLDER: makes a Python environment with the libraries whose files the tests read, unless it is there already.
set -eu
here=$(dirname "$0")
complete() { "$1/bin/python" -c 'import ml_dtypes, numpy, safetensors, sklearn'; }

if ! complete "$1" 2>/dev/null; then
    python3 -m venv --clear "$1"
    "$1/bin/pip" install -q -r "$here/cli/requirements.txt"
    complete "$1"
fi
"$1/bin/pip" list 2>/dev/null | grep -E '^(ml_dtypes|numpy|safetensors|scikit-learn) ' | tr -s ' ' | paste -s -d ';'
