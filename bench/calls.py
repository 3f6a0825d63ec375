#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the Python functions, as they are called: calls.py [--quick | --smoke] [--threads N] > python.json

Needs the package xent installed. Mean loss and its gradient: of NumPy arrays beside the formula in five lines of NumPy,
and of tensors beside PyTorch's own function, forward and backward; who is compared takes turns. Then from how many rows on
the drop-in is the faster one, and how much memory a call takes at most besides the logits.
"""
import argparse
import datetime
import gc
import json
import math
import os
import subprocess
import sys
import time

import peers

SHAPES = [(32, 10), (512, 1000), (65536, 10), (8192, 1000), (512, 50257)]
TINY_SHAPES = [(3, 4), (300, 10)]
BREAK_EVEN_CLASSES, MOST_LOGITS = (10, 100, 1000), 2 ** 18
MEMORY_SHAPE, TINY_MEMORY_SHAPE = (2048, 50257), (256, 20000)
SAMPLE_SECONDS = 4e-4


def xent_numpy(batch):
    import xent
    kept = [None]

    def call():
        kept[0] = xent.cross_entropy_with_grad(batch.logits, batch.labels)[1]
    return call, lambda: kept[0]


def numpy_formula(batch):
    import numpy as np
    kept = [None]

    def call():
        x, rows = batch.logits.astype(np.float32, copy=False), np.arange(len(batch.labels))
        e = np.exp(x - x.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, batch.labels]).mean()
        p[rows, batch.labels] -= 1
        p /= len(rows)
        kept[0] = p.astype(batch.logits.dtype, copy=False)
        return loss
    return call, lambda: kept[0]


def xent_torch(batch):
    import xent.torch
    return peers.torch_steps(batch, xent.torch.cross_entropy)


def torch_eager(batch):
    return peers.torch_eager(batch)


PAIRS = {"numpy": [xent_numpy, numpy_formula], "torch": [xent_torch, torch_eager]}


def repeated(call, times):
    def calls():
        for _ in range(times):
            call()
    return call if times == 1 else calls


def once(call):
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def run_case(pair, shape, dtype, seconds, least):
    """Quartiles of the time of one call of each; small calls are taken many at a time."""
    batch = peers.Batch(*shape, dtype)
    calls = {contender.__name__: peers.make_ready(contender, batch)[0] for contender in PAIRS[pair]}
    times = math.ceil(SAMPLE_SECONDS / min(min(once(call) for _ in range(20)) for call in calls.values()))
    calls = {name: repeated(call, times) for name, call in calls.items()}
    samples = peers.take_turns(batch, calls, seconds, least)
    found = {name: [spent / times for spent in peers.quartiles([spent for spent, _ in taken])]
             for name, taken in samples.items()}
    peers.log(f"{pair} {dtype:4} {list(shape)}", ", ".join(f"{name} {1e6 * found[name][1]:.1f} us" for name in found))
    return {"pair": pair, "dtype": dtype, "shape": shape, "seconds": found}


def break_even(pair, classes, options):
    """Time of both from one row on, twice as many each time, until there are MOST_LOGITS."""
    ours, theirs = (contender.__name__ for contender in PAIRS[pair])
    points, rows = [], 1
    while rows * classes <= options.most_logits:
        seconds = run_case(pair, (rows, classes), "f32", options.seconds / 5, options.least)["seconds"]
        points.append({"rows": rows, "ratio": float(f"{seconds[ours][1] / seconds[theirs][1]:.3g}")})
        rows *= 2
    return {"pair": pair, "classes": classes, "points": points}


# ---- memory ----------------------------------------------------------------------------------------------------------


def status(name):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name + ":"))


def peak(contender, shape):
    """How much the resident memory grows above what was there before a call, gradient included."""
    import numpy as np
    small = peers.Batch(16, 10, "f32")
    contender(small)[0]()  # whatever is loaded or started once
    batch = peers.Batch(*shape, "f32")
    batch.overwritten = batch.buffer = np.zeros(0)
    call, _ = contender(batch)
    gc.collect()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak begins anew
    before = status("VmRSS")
    call()
    return (status("VmHWM") - before) / batch.logits.nbytes


def memory(options):
    """{name: most memory of a call, as a multiple of the logits}; each has a process of its own."""
    found = {}
    for name in (contender.__name__ for pair in PAIRS.values() for contender in pair):
        words = [sys.executable, __file__, "--peak", name, *["--smoke"] * options.smoke]
        found[name] = float(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
        peers.log(f"memory of {name}: {found[name]:.3f} times the logits")
    return {"shape": options.memory_shape, "times_logits": found}


# ---- all of it -------------------------------------------------------------------------------------------------------


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", metavar="CONTENDER", help="only print the memory of this one")
    options = parser.parse_args()
    options.least = 2 if options.smoke else 3 if options.quick else 7
    options.seconds = 0 if options.smoke else 0.5 if options.quick else 2
    options.shapes = TINY_SHAPES if options.smoke else SHAPES
    options.most_logits = 2 ** 11 if options.smoke else MOST_LOGITS
    options.memory_shape = TINY_MEMORY_SHAPE if options.smoke else MEMORY_SHAPE
    return options


def limit_threads(threads):
    """Everybody works on the last cores; must come before NumPy and PyTorch are imported."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


def main():
    options = read_options()
    limit_threads(options.threads)
    if options.peak:
        contender = next(each for pair in PAIRS.values() for each in pair if each.__name__ == options.peak)
        print(peak(contender, options.memory_shape))
        return
    import xent
    gc.disable()
    cases = [run_case(pair, shape, dtype, options.seconds, options.least)
             for pair in PAIRS for dtype in ("f32", "bf16") for shape in options.shapes]
    gc.enable()
    print(json.dumps({
        "date": datetime.date.today().isoformat(), "version": xent.version(), "isa": xent.isa(),
        "threads": options.threads, "versions": peers.versions(), "cases": cases,
        "break_even": [break_even(pair, classes, options) for pair in PAIRS for classes in BREAK_EVEN_CLASSES],
        "memory": memory(options)}, indent=1))


if __name__ == "__main__":
    main()
