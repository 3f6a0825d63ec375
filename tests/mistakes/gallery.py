#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `xent check` prints, for the gallery of docs/mistakes.md: gallery.py XENT [--check]

Makes each mistake in a batch of digits, runs the command and writes its words between the page's markers; --check
compares instead, and fails where the page is out of date. Then numbers may differ, since other versions of NumPy and
scikit-learn draw and train a little differently.
"""
from __future__ import annotations

import argparse
import ast
import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import batches
    import mistakes
    import models
    import page
except ImportError as missing:
    print(f"{missing}: needs the packages of tests/cli/requirements.txt")
    sys.exit(77)

ROWS = 1000
# Of each finding the mistake that is shown; of marks of rows to leave out besides the one that is a class.
SHOWN: dict[str, str] = {
    "batch-mismatch": "half of the labels",
    "one-hot-labels": "one-hot, float",
    "float-labels": "labels as float32 or float64",
    "swapped-arguments": "the two arguments exchanged",
    "classes-first": "[C, N] or [B, C, T] for [N, C] or [B, T, C]",
    "label-out-of-range": "a model that has one class too few",
    "labels-one-based": "counted from 1, the last class not in the batch",
    "undeclared-ignore": "15 % of the labels are -100",
    "labels-repeated": "half of the labels, concatenated twice",
    "labels-shifted": "np.roll by -3 to 3",
    "halves-swapped": "the halves of the labels exchanged",
    "labels-shuffled": "labels shuffled, logits not",
    "class-ids-permuted": "two class ids exchanged",
    "probabilities-as-logits": "softmax(z), f32",
    "softmax-twice": "softmax(softmax(z))",
    "log-probabilities-as-logits": "log softmax(z)",
    "overconfident": "logits 1.5 to 10 times too large",
    "underconfident": "logits 1.5 to 10 times too small",
    "nonfinite-rows": "5 % of the rows hold a NaN",
    "overflow": "f16: logits beyond 65504 became inf",
    "constant-logits": "the same row of logits everywhere",
    "class-never-predicted": "a class whose bias is -1e4",
    "class-never-present": "no row of one class",
    "conflicting-duplicates": "a tenth of the rows twice, with another label",
    "untrained": "a network before training",
    "worse-than-chance": "logits negated",
    "leakage": "the label among the model's features",
}


def example(finding: str, name: str) -> batches.Batch:
    mistake = next(one for one in mistakes.LIST if (one.finding, one.name) == (finding, name))
    source = models.load("digits-network" if finding == "leakage" else "digits-linear", models.CACHE)
    order = np.random.default_rng(5).permutation(len(source.labels))[:ROWS]
    return mistake.make(batches.take(source, order), np.random.default_rng(6))


def transcript(xent: str, batch: batches.Batch) -> str:
    """The command line and what it prints; without the line of the time, which is never the same."""
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.basename(name) for name in batches.write(batch, Path(folder))]
        words = ["check", *names, *batch.flags]
        done = subprocess.run([xent, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("time ")]
    return "\n".join(["```", f"$ xent {' '.join(words)}", *lines, "```"])


def without_numbers(text: str) -> str:
    return re.sub(r"-?\d[\d.]*(e[-+]?\d+)?", "#", text)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("xent", type=os.path.abspath)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    before = page.PAGE.read_text()
    text = page.put(before, "clean batch", transcript(options.xent, clean_batch()))
    for finding, name in SHOWN.items():
        text = page.put(text, f"output of {finding}", transcript(options.xent, example(finding, name)))
    text = page.put(text, "output of undeclared-ignore, 0", transcript(options.xent, example(
        "undeclared-ignore", "20 % of the labels are unknown and stored as 0")))
    for snippet in re.findall(r"```python\n(.*?)```", text, re.S):
        ast.parse(snippet)
    if options.check and without_numbers(text) != without_numbers(before):
        print("".join(difflib.unified_diff(before.splitlines(True), text.splitlines(True), "docs/mistakes.md", "now", n=0)))
        print("docs/mistakes.md is out of date: run tests/mistakes/gallery.py")
        return 1
    if not options.check:
        page.PAGE.write_text(text)
    return 0


def clean_batch() -> batches.Batch:
    return batches.take(models.load("digits-linear", models.CACHE), np.arange(1797))


if __name__ == "__main__":
    sys.exit(main())
