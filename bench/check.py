#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times `xent check` beside `xent loss` on the same files: check.py [--quick | --smoke] [--threads N] XENT > check.json

The two take turns, and which one begins changes; a time is that of the whole process. The files lie in TMPDIR, else
/tmp, are read once before anything is timed, and are removed at the end: 2.4 GB at most at a time. A shuffled case has
its labels in another order: check ends with 1 there, and has looked for every other labelling in vain.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

# Rows, classes, type, repetitions, whether shuffled. bf16 is stored as uint16.
CASES = [(1797, 10, "f32", 101, False), (1_000_000, 100, "f32", 11, False), (20_000, 50_000, "bf16", 7, False),
         (20_000, 1000, "f32", 11, True)]
TINY_CASES = [(300, 10, "f32", 3, False), (200, 1000, "bf16", 3, False), (300, 10, "f32", 3, True)]
BLOCK_BYTES = 64 << 20


def log(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def stored(logits: np.ndarray, dtype: str) -> np.ndarray:
    """bf16 is the upper half of f32 here: cut, not rounded, which costs the same to read."""
    return (logits.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bf16" else logits


def make_files(folder: str, rows: int, classes: int, dtype: str) -> list[str]:
    """Logits about normal with deviation 2, in which the label's is larger, so that some 80 % are right and no row is
    like another: what check has most to do with."""
    random = np.random.default_rng(7)
    labels = random.integers(0, classes, rows, np.int64)
    paths = [os.path.join(folder, name) for name in ("logits.npy", "labels.npy")]
    np.save(paths[1], labels)
    file = np.lib.format.open_memmap(paths[0], "w+", np.uint16 if dtype == "bf16" else np.float32, (rows, classes))
    step = max(1, BLOCK_BYTES // (4 * classes))
    drawn = 2 * random.standard_normal((min(step, rows), classes), np.float32)
    lead = np.float32(2 * np.sqrt(2 * np.log(classes)) + 1)
    for first in range(0, rows, step):
        part = np.roll(drawn[:min(step, rows - first)], random.integers(classes), 1)
        part *= np.float32(random.uniform(0.9, 1.1))
        part[np.arange(len(part)), labels[first:first + len(part)]] += lead
        file[first:first + len(part)] = stored(part, dtype)
    file.flush()
    return paths


def shuffle_labels(path: str) -> None:
    np.save(path, np.random.default_rng(8).permutation(np.load(path)))


def run(words: list[str], wanted: int = 0) -> float:
    begun = time.perf_counter()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - begun
    if done.returncode != wanted:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}: {done.stdout[:500]}{done.stderr[:500]}")
    return spent


def quartiles(times: list[float]) -> list[float]:
    return [float(value) for value in np.quantile(times, (0.25, 0.5, 0.75))]


def measure(xent: str, threads: int, rows: int, classes: int, dtype: str, repetitions: int, shuffled: bool) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(folder, rows, classes, dtype)
        if shuffled:
            shuffle_labels(files[1])
        ends = {"loss": 0, "check": int(shuffled)}
        flags = ["--json", "-q", "--threads", str(threads)] + ["--dtype", "bf16"] * (dtype == "bf16")
        times: dict[str, list[float]] = {"loss": [], "check": []}
        for verb in times:
            run([xent, verb, *files, *flags], ends[verb])
        for repetition in range(repetitions):
            for verb in sorted(times, reverse=repetition % 2 == 0):
                times[verb].append(run([xent, verb, *files, *flags], ends[verb]))
    seconds = {verb: quartiles(spent) for verb, spent in times.items()}
    ratio = float(np.median(np.array(times["check"]) / np.array(times["loss"])))
    log(f"{rows} x {classes} {dtype}{', shuffled' * shuffled}: loss {seconds['loss'][1]:.4g} s, "
        f"check {seconds['check'][1]:.4g} s, ratio {ratio:.2f}")
    return {"shape": [rows, classes], "dtype": dtype, "shuffled": shuffled, "seconds": seconds, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("xent", type=os.path.abspath)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads:])
    share = 3 if options.quick else 1
    cases = [measure(options.xent, options.threads, rows, classes, dtype, max(3, times // share), shuffled)
             for rows, classes, dtype, times, shuffled in (TINY_CASES if options.smoke else CASES)]
    version = subprocess.run([options.xent, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    print(json.dumps({"date": datetime.date.today().isoformat(), "threads": options.threads, "version": version,
                      "cases": cases}))


if __name__ == "__main__":
    main()
