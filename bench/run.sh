#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh BUILD [PART...]: measures with what is built in the folder BUILD. Parts, by default all in this order:
#   core    xent beside memcpy, a read-only sweep and a plain loop
#   peers   xent beside PyTorch, JAX and oneDNN
#   check   `xent check` beside `xent loss`, on files
#   python  the Python functions beside NumPy and PyTorch, as they are called
#   linear  the linear form beside OpenBLAS' products
#   linear_torch  the linear form beside PyTorch's
#   report  the file in bench/results, docs/performance.md and its plots: with what was measured in this run, else from
#           the results that are there
# QUICK=1 in the environment takes a third of the time; THREADS=N measures on N cores instead of one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
[ $# -gt 0 ] || set -- core peers check python linear linear_torch report

out=build/bench
flags=(--threads "${THREADS:-1}")
command="make bench"
[ -z "${QUICK:-}" ] || flags+=(--quick) command+=" QUICK=1"
[ -z "${THREADS:-}" ] || command+=" THREADS=$THREADS"
measured=()
mkdir -p $out

for part in "$@"; do
    begun=$SECONDS
    case $part in
    core)
        "$build"/bench/xent_bench "${flags[@]}" >$out/core.json
        measured+=(--core $out/core.json)
        ;;
    peers)
        "$here"/venv.sh $out/venv
        $out/venv/bin/python "$here"/peers.py "${flags[@]}" "$build"/libxent.so >$out/peers.json ||
            echo "some peers could not be measured" >&2
        measured+=(--peers $out/peers.json)
        ;;
    check)
        "$here"/../tests/venv.sh build/test/venv >&2
        build/test/venv/bin/python "$here"/check.py "${flags[@]}" "$build"/xent >$out/check.json
        measured+=(--check $out/check.json)
        ;;
    python | linear_torch)
        script=$here/calls.py
        [ "$part" = python ] || script=$here/linear_torch.py
        "$here"/venv.sh $out/venv
        $out/venv/bin/pip install -q --force-reinstall --no-deps "$here"/..
        $out/venv/bin/python "$script" "${flags[@]}" >$out/$part.json
        measured+=("--$part" $out/$part.json)
        ;;
    linear)
        "$here"/../tests/venv.sh build/test/venv >&2
        build/test/venv/bin/python "$here"/linear.py "${flags[@]}" "$build"/libxent.so >$out/linear.json
        measured+=(--linear $out/linear.json)
        ;;
    report)
        python3 "$here"/report.py --command "$command" ${measured[@]+"${measured[@]}"}
        ;;
    *)
        echo "there is no part $part: they are core, peers, check, python, linear, linear_torch and report" >&2
        exit 2
        ;;
    esac
    echo "$part: $((SECONDS - begun)) s" >&2
done
