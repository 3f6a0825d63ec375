#!/bin/sh
# SPDX-License-Identifier: MIT
# venv.sh FOLDER: makes a Python environment with the libraries that xent is compared with, unless it is there already.
# One that cannot be installed is named, and left out: bench/peers.py reports it as missing.
set -eu
[ ! -e "$1/complete" ] || exit 0
python3 -m venv --clear "$1"

# The order matters: PyTorch first, so that nothing that depends on it brings another build of it.
for packages in torch==2.13.0 "numpy ml_dtypes" "jax optax" onednn-cpu-gomp==2023.2.0; do
    # The names are words on purpose.
    # shellcheck disable=SC2086
    "$1/bin/pip" install -q $packages || echo "could not be installed: $packages" >&2
done
touch "$1/complete"
