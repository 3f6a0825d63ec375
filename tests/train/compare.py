#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Training beside scikit-learn on Fashion-MNIST: compare.py TRAIN_FILE FOLDER

Both minimise the same objective on one core; both objectives are evaluated here, in float64. What must hold: xent's is
not larger, in at most a fifth of the processor time, with the same test accuracy within 0.1 points and at least 0.84;
and one model, bit for bit, for 1, 2, 4 threads and every instruction set. FOLDER is for files of some 50 MB; what
scikit-learn took and found is kept there, so that a second run takes half the time.
"""
import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

DATA = Path("/usr/share/datasets/fashion-mnist")
CLASSES, WIDTH, L2 = 10, 28 * 28, 1e-4
SKIPPED = 77


def read_idx(name, axes):
    with gzip.open(DATA / f"{name}-idx{axes}-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=4 * (axes + 1))


def read_part(part):
    return read_idx(f"{part}-images", 3).reshape(-1, WIDTH), read_idx(f"{part}-labels", 1)


def objective(weight, bias, features, labels):
    logits = features.astype(np.float64) / 255 @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return losses.mean() + L2 / 2 * (weight**2).sum()


def accuracy(weight, bias, features, labels):
    return ((features / 255 @ weight.T + bias).argmax(axis=1) == labels).mean()


def run_sklearn(folder, features, labels):
    """Weight, bias and processor seconds of LogisticRegression with the same objective."""
    from sklearn.linear_model import LogisticRegression

    kept = folder / "sklearn.npz"
    if not kept.exists():
        scaled = features / 255
        before = time.process_time()
        model = LogisticRegression(C=1 / (L2 * len(labels)), tol=1e-5, max_iter=100000).fit(scaled, labels)
        seconds = time.process_time() - before
        np.savez(kept, weight=model.coef_, bias=model.intercept_, seconds=seconds, iterations=model.n_iter_)
    with np.load(kept) as found:
        return {name: found[name] for name in found}


def run_xent(program, folder, threads, isa):
    """Weight, bias and the last line of the log."""
    model = folder / "model.f32"
    command = [program, folder / "features.u8", folder / "labels.i32", str(CLASSES), str(WIDTH), model,
               f"threads={threads}", f"l2={L2}", f"scale={1 / 255:.17g}"]
    environment = os.environ | ({"XENT_ISA": isa} if isa else {})
    log = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    numbers = model.read_bytes()
    parameters = np.frombuffer(numbers, np.float32).astype(np.float64)
    weight, bias = parameters[: CLASSES * WIDTH].reshape(CLASSES, WIDTH), parameters[CLASSES * WIDTH :]
    return weight, bias, json.loads(log.splitlines()[-1]), hashlib.sha256(numbers).hexdigest()[:16]


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    if not DATA.exists():
        print(f"{DATA} is not there: apt-get install dataset-fashion-mnist")
        return SKIPPED
    folder.mkdir(parents=True, exist_ok=True)
    features, labels = read_part("train")
    tests = read_part("t10k")
    features.tofile(folder / "features.u8")
    labels.astype(np.int32).tofile(folder / "labels.i32")

    theirs = run_sklearn(folder, features, labels)
    their_objective = objective(theirs["weight"], theirs["bias"], features, labels)
    their_accuracy = accuracy(theirs["weight"], theirs["bias"], *tests)
    print(f"scikit-learn: {theirs['seconds']:.1f} s, {theirs['iterations'].max()} iterations, objective "
          f"{their_objective:.10f}, test accuracy {their_accuracy:.4f}")

    weight, bias, last, bits = run_xent(program, folder, 1, None)
    own_objective, own_accuracy = objective(weight, bias, features, labels), accuracy(weight, bias, *tests)
    share = last["all_seconds"] / theirs["seconds"]
    print(f"xent:         {last['all_seconds']:.1f} s, {last['iterations']} iterations, objective {own_objective:.10f}, "
          f"test accuracy {own_accuracy:.4f}; 1/{1 / share:.1f} of the time")
    others = {f"{threads} threads": run_xent(program, folder, threads, None)[3] for threads in (2, 4)}
    others |= {isa: run_xent(program, folder, 1, isa)[3] for isa in ("scalar", "avx2", "avx512")}
    print(f"bits: {bits}; " + ", ".join(f"{name} {other}" for name, other in others.items()))

    rules = {
        "the objective is scikit-learn's or less": own_objective <= their_objective,
        "at most 1/5 of its time": share <= 1 / 5,
        "test accuracy within 0.1 points": abs(own_accuracy - their_accuracy) <= 0.001 and own_accuracy >= 0.84,
        "the same bits": set(others.values()) == {bits},
    }
    for rule, holds in rules.items():
        print(("holds:  " if holds else "FAILED: ") + rule)
    return 0 if all(rules.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
