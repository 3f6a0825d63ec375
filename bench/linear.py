#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the linear form beside OpenBLAS: linear.py [--quick | --smoke] [--threads N] [--shape N D C] LIBXENT.SO > linear.json

The library and OpenBLAS compute the same products from the same f32 matrices, and take turns. `logits`, `sgemm`: the
product alone; `loss`: product and loss, no logits kept; `all`: loss and the gradients of features, weight and bias,
`sgemm_all`: the three products of these; `train`: loss and the gradients of weight and bias, `sgemm_train`: two products.
A ratio is the median of those of each turn. Memory is what a call of `all` takes beyond its inputs and outputs.
"""
import argparse
import datetime
import json
import os
import subprocess
import sys
import time

import numpy as np

from library import Library

# Rows, features, classes, turns.
SHAPES = [(4096, 768, 32768, 5), (1024, 768, 32768, 9), (4096, 64, 50257, 9), (8192, 1024, 1000, 21), (60000, 784, 10, 21)]
TINY_SHAPES = [(300, 20, 10, 3), (40, 30, 1100, 3)]
RATIOS = {"logits": ("sgemm",), "loss": ("sgemm",), "all": ("sgemm_all",), "train": ("sgemm_train",)}
ROWS_TRIED = 8


def log(*words):
    print(*words, sep=", ", file=sys.stderr, flush=True)


class Batch:
    def __init__(self, rows, features, classes):
        random = np.random.default_rng(7)
        self.features = random.standard_normal((rows, features), np.float32)
        self.weight = random.standard_normal((classes, features), np.float32) / np.float32(np.sqrt(features))
        self.labels = random.integers(0, classes, rows, np.int64)
        self.grad_features, self.grad_weight = np.ones_like(self.features), np.ones_like(self.weight)
        self.grad_bias = np.ones(classes, np.float32)

    def training(self):
        return {"grad_weight": self.grad_weight, "grad_bias": self.grad_bias}

    def gradients(self):
        return {"grad_features": self.grad_features, **self.training()}


def row_losses(batch, count):
    """The losses of the first rows, by the formula in double."""
    z = batch.features[:count].astype(np.float64) @ batch.weight.T.astype(np.float64)
    top = z.max(axis=1)
    return np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - z[np.arange(len(z)), batch.labels[:count]]


def check(library, batch):
    """The first rows must be right before anything is timed."""
    part = Batch(1, 1, 1)
    part.features, part.labels = batch.features[:ROWS_TRIED], batch.labels[:ROWS_TRIED]
    loss = np.zeros(len(part.labels), np.float32)
    library.linear(part.features, batch.weight, part.labels, {"loss": loss})()
    off = np.abs(loss - row_losses(batch, ROWS_TRIED)).max()
    if not off < 1e-4:
        sys.exit(f"the losses of the linear form are off by {off}")


def contenders(library, blas, batch, logits):
    """Functions by name; the arrays must outlive them."""
    def call(wanted, total=True):
        return library.linear(batch.features, batch.weight, batch.labels, wanted, total)
    made = {"logits": call({"logits": logits}, False), "loss": call({}), "all": call(batch.gradients()),
            "train": call(batch.training())}
    if blas:
        product = blas.product(batch.features, batch.weight.T, logits)
        for_features = blas.product(logits, batch.weight, batch.grad_features)
        for_weight = blas.product(logits.T, batch.features, batch.grad_weight)
        made |= {"sgemm": product, "sgemm_train": lambda: (product(), for_weight()),
                 "sgemm_all": lambda: (product(), for_features(), for_weight())}
    return made


def quartiles(times):
    return [float(value) for value in np.quantile(times, (0.25, 0.5, 0.75))]


def measure(library, blas, shape, turns, clock):
    batch = Batch(*shape)
    check(library, batch)
    logits = np.ones((shape[0], shape[2]), np.float32)
    calls = contenders(library, blas, batch, logits)
    times = {name: [] for name in calls}
    for turn in range(turns + 1):  # the first is for warming up
        for name in sorted(calls, reverse=turn % 2 == 0):
            begun = clock()
            calls[name]()
            times[name] += [clock() - begun] * (turn > 0)
    ratios = {name: float(np.median(np.array(times[name]) / np.array(times[other])))
              for name, (other,) in RATIOS.items() if other in times}
    log(" x ".join(map(str, shape)), *(f"{name} {ratio:.3f}" for name, ratio in ratios.items()),
        *(f"{name} {np.median(spent):.4g} s" for name, spent in times.items()))
    return {"shape": list(shape), "seconds": {name: quartiles(spent) for name, spent in times.items()}, "ratios": ratios}


def peak():
    """Bytes of memory that this process has had at most, since it was told to forget."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))


def extra_memory(library, shape):
    """Of one call in a process of its own, whose inputs and outputs are there before."""
    batch = Batch(*shape)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    before = peak()
    library.linear(batch.features, batch.weight, batch.labels, batch.gradients())()
    return peak() - before


def ask_memory(path, shape):
    done = subprocess.run([sys.executable, __file__, "--memory", "--shape", *map(str, shape), path], capture_output=True,
                          text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None


def load_blas(threads):
    from blas import OpenBLAS
    try:
        return OpenBLAS(threads), None
    except (ImportError, OSError, AttributeError) as error:
        return None, str(error)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=os.path.abspath)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--shape", type=int, nargs=3, help="this one instead of all")
    parser.add_argument("--turns", type=int, default=9, help="of that shape")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main():
    options = parse()
    library = Library(options.shared)
    if options.memory:
        print(extra_memory(library, options.shape))
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads:])
    # On one thread, what other programs take does not count.
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    blas, missing = load_blas(options.threads)
    shapes = TINY_SHAPES if options.smoke else [(*options.shape, options.turns)] if options.shape else SHAPES
    cases = []
    for *shape, turns in shapes:
        cases.append(measure(library, blas, tuple(shape), max(3, turns // 3) if options.quick else turns, clock))
        cases[-1]["memory"] = ask_memory(options.shared, shape)
    print(json.dumps({"date": datetime.date.today().isoformat(), "threads": options.threads, "version": library.version,
                      "isa": library.isa, "openblas": blas.version if blas else None, "missing": missing, "cases": cases}))


if __name__ == "__main__":
    main()
