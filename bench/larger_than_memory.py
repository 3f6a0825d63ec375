#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains a classifier on more data than memory: larger_than_memory.py XENT [--rows N] [--limit MB] ..

Writes features and labels into a temporary folder (TMPDIR), then runs `xent train` in a control group whose memory, page
cache included, is smaller than the features; where none can be made, under a limit of its address space. Prints JSON: the
limit, the most memory that was resident, the time of a pass, and what 1.28 million rows would take. Needs NumPy.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

GROUPS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
LARGE = 1.28e6  # rows; as many passes of the time that one has taken here, whatever the disk would add
LIMITS = ("memory.limit_in_bytes", "memory.max")


def save_data(folder, rows, width, classes):
    """Classes that overlap: the centre of each, and noise. Written block by block."""
    dice = np.random.default_rng(4)
    labels = dice.integers(0, classes, rows).astype(np.int32)
    centres = dice.normal(size=(classes, width)).astype(np.float32) / 32
    np.save(os.path.join(folder, "y.npy"), labels)
    with open(os.path.join(folder, "x.npy"), "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, width)})
        for at in range(0, rows, 10000):
            part = labels[at:at + 10000]
            noise = dice.standard_normal((len(part), width), np.float32)
            file.write((centres[part] + noise).tobytes())
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_group(limit):
    """A control group with this limit, and the file that says it; None where none can be made."""
    for folder, name in zip(GROUPS, LIMITS):
        group = os.path.join(folder, f"xent-{os.getpid()}")
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(os.path.join(group, name), "w", encoding="ascii") as file:
                file.write(str(limit))
            return group
        except OSError:
            os.rmdir(group)
    return None


def limiter(group, limit):
    """What the child does before it begins."""
    def join():
        with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
    return join if group else lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def train(command, folder, before):
    """Runs it; returns its JSON, and the most kilobytes that were its own."""
    peak = 0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, preexec_fn=before) as process:
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:
                    sizes = dict(line.split(":", 1) for line in status)
                peak = max(peak, int(sizes.get("RssAnon", "0").split()[0]))
            except OSError:
                pass
            time.sleep(0.05)
        out = process.stdout.read()
    if process.returncode != 0:
        sys.exit(f"xent train ended with {process.returncode}")
    return json.loads(out), peak


def pass_seconds(folder):
    with open(os.path.join(folder, "log/log.jsonl"), encoding="utf-8") as file:
        times = [json.loads(line)["seconds"] for line in file]
    return float(np.median(np.diff(times)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("xent")
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--features", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--limit", type=int, default=300, help="megabytes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--flags", default="--l2 1e-4 --tolerance 1e-4")
    asked = parser.parse_args()
    limit = asked.limit * 10**6
    with tempfile.TemporaryDirectory() as folder:
        save_data(folder, asked.rows, asked.features, asked.classes)
        size = os.path.getsize(os.path.join(folder, "x.npy"))
        if size <= limit:
            sys.exit(f"the features are {size} bytes, no more than the limit: ask for more --rows")
        group = make_group(limit)
        command = [os.path.abspath(asked.xent), "train", "x.npy", "y.npy", "--model", "m.safetensors", "--log", "log",
                   "--json", "--quiet", "--threads", str(asked.threads), *asked.flags.split()]
        found, peak = train(command, folder, limiter(group, limit))
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        worked = usage.ru_utime + usage.ru_stime
        each = pass_seconds(folder)
        if group:
            os.rmdir(group)
    print(json.dumps({
        "command": " ".join(["xent", *command[1:]]), "rows": asked.rows, "features": asked.features,
        "classes": asked.classes, "file_megabytes": size / 1e6, "limit_megabytes": asked.limit,
        "limited_by": "control group" if group else "address space", "own_megabytes": peak * 1024 / 1e6,
        "seconds": found["seconds"], "processor_seconds": worked, "passes": found["passes"], "seconds_per_pass": each,
        "ended": found["ended"],
        "loss": found["loss"], "accuracy": found["accuracy"], "gradient": found["gradient"],
        "hours_for_1_28_million_rows": found["passes"] * each * LARGE / asked.rows / 3600,
        "processor_hours_for_1_28_million_rows": worked * LARGE / asked.rows / 3600}, indent=2))


if __name__ == "__main__":
    main()
