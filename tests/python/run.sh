#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [--quick] [PYTEST-ARGUMENTS...]: builds the wheel, installs it into an environment without the sources, and runs
# the tests of the Python package from there. --quick leaves out other frameworks than PyTorch, the check of types, and
# what takes long. The environment is kept in build/test/python and completed where something is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/build/test/python
python=$out/venv/bin/python
quick=
[ "${1:-}" != --quick ] || { quick=1 && shift; }

refuse() { echo "python: FAILED: $*" >&2 && exit 1; }

# install WHAT...
install() { "$python" -m pip install -q --disable-pip-version-check "$@"; }

# has MODULE...
has() { "$python" -c "import $(echo "$*" | tr ' ' ,)" 2>/dev/null; }

environment() {
    [ -x "$python" ] || python3 -m venv "$out/venv"
    has torch || install torch==2.13.0
    has hypothesis ml_dtypes mypy numpy pytest sklearn vermin || install -r tests/python/requirements.txt
    [ -n "$quick" ] || [ ! -e tests/python/requirements-frameworks.txt ] ||
        install -r tests/python/requirements-frameworks.txt
}

# A wheel of every Python: the library beside modules, less than 1 MB, and nothing else.
wheel() {
    rm -rf "$out/dist"
    "$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$out/dist" .
    local built
    built=$(echo "$out"/dist/*.whl)
    case $built in
    */xent-*-py3-none-linux_*.whl) ;;
    *) refuse "the wheel is called ${built##*/}" ;;
    esac
    [ "$(stat -c %s "$built")" -lt 1000000 ] || refuse "$built is larger than 1 MB"
    "$python" -m zipfile -l "$built" | grep -q ' *xent/py.typed' || refuse "$built lacks py.typed"
    install --no-deps --force-reinstall "$built"
}

# The oldest Python that syntax, library and metadata allow.
oldest() {
    "$out/venv/bin/vermin" -q --no-tips -t=3.9- --eval-annotations --violations python/xent ||
        refuse "Python 3.9 would not run this"
    "$python" - "$out"/dist/*.whl <<'END' || refuse "the metadata"
import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
metadata = next(wheel.read(name).decode() for name in wheel.namelist() if name.endswith("METADATA"))
assert "Requires-Python: >=3.9" in metadata, metadata
assert "Requires-Dist: numpy" in metadata, metadata
END
}

types() {
    local config=$PWD/pyproject.toml
    (cd "$out" && "$python" -m mypy --config-file "$config" -p xent) || refuse "mypy"
}

environment
wheel
oldest
if [ -n "$quick" ]; then
    "$python" -m pytest -m "not slow" tests/python/test_{library,numpy,arrays,total,log_loss,check,torch}.py "$@"
else
    types
    "$python" -m pytest tests/python "$@"
fi
