#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [--quick] [PYTEST-ARGUMENTS...]: builds the wheel, installs it into an environment without the sources, and runs
# the tests of the Python package from there. --quick leaves out other frameworks than PyTorch, the check of types, and
# what takes long; it adds to the environment of the other tests instead of making one in build/test/python.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/build/test/python
venv=$out/venv quick=
[ "${1:-}" != --quick ] || { quick=1 venv=$PWD/build/test/venv && shift; }
python=$venv/bin/python

refuse() { echo "python: FAILED: $*" >&2 && exit 1; }

# install WHAT...
install() { "$python" -m pip install -q --disable-pip-version-check "$@"; }

# has MODULE...
has() { "$python" -c "import $(echo "$*" | tr ' ' ,)" 2>/dev/null; }

environment() {
    if [ -n "$quick" ]; then
        tests/venv.sh "$venv"
        has torch || install torch==2.13.0
        has hypothesis pytest vermin || install hypothesis pytest vermin
    else
        [ -x "$python" ] || python3 -m venv "$venv"
        has torch || install torch==2.13.0
        install -r tests/python/requirements.txt -r tests/python/requirements-frameworks.txt
    fi
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
    install --no-deps --force-reinstall "$built"
}

# The oldest Python that syntax, library and metadata allow.
oldest() {
    "$venv/bin/vermin" -q --no-tips -t=3.9- --eval-annotations --violations python/xent ||
        refuse "Python 3.9 would not run this"
    "$python" - "$out"/dist/*.whl <<'END' || refuse "the metadata"
import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
metadata = next(wheel.read(name).decode() for name in wheel.namelist() if name.endswith("METADATA"))
assert "xent/py.typed" in wheel.namelist(), wheel.namelist()
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
    export XENT_CASES=${XENT_CASES:-1000}
    "$python" -m pytest -m "not slow" \
        tests/python/test_{library,numpy,linear,arrays,pages,total,log_loss,check,classifier,torch,torch_refusals,torch_linear,differential}.py "$@"
else
    types
    "$python" -m pytest tests/python "$@"
fi
