# SPDX-License-Identifier: MIT
"""Batches of held-out rows: drawn from a source, written into files, shown to `xent check`."""
from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from models import Source


@dataclass(frozen=True)
class Batch:
    """What is given to `xent check`. Texts have logits [B, T, C] and labels [B, T], all others [N, C] and [N]."""

    logits: np.ndarray
    labels: np.ndarray
    source: Source
    places: np.ndarray  # which rows of the source they are, in the shape of the labels
    flags: tuple[str, ...] = ()
    swapped: bool = False  # the two files change places on the command line
    shown: dict[str, float] = field(default_factory=dict)  # numbers that the finding of a mistake must show

    def but(self, **changes) -> Batch:
        return replace(self, **changes)

    @property
    def rows(self) -> int:
        return self.labels.size

    @property
    def classes(self) -> int:
        return self.source.classes

    @property
    def flat(self) -> np.ndarray:
        return self.labels.ravel()

    def labelled(self, flat: np.ndarray) -> Batch:
        return self.but(labels=flat.reshape(self.labels.shape))

    @property
    def hits(self) -> np.ndarray:
        return self.logits.argmax(-1).ravel() == self.flat


def take(source: Source, places: np.ndarray) -> Batch:
    return Batch(source.logits[places], source.labels[places], source, places)


def draw(source: Source, rows: int, random: np.random.Generator) -> Batch | None:
    """Different rows in random order; of a text, sequences that do not overlap. None if there are not enough."""
    if source.inputs is None:
        if rows > len(source.labels):
            return None
        return take(source, random.choice(len(source.labels), rows, replace=False))
    steps = 50 if rows % 50 == 0 else 32
    count = rows // steps
    spare = len(source.labels) - steps * count
    if count == 0 or spare < steps:
        return None
    starts = random.choice(len(source.labels) // steps - 1, count, replace=False) * steps + random.integers(steps)
    return take(source, starts[:, None] + np.arange(steps))


@dataclass
class Answer:
    """What `xent check --json` says; severity by id, in the order of the findings."""

    code: int
    findings: list[dict] = field(default_factory=list)
    trouble: str = ""  # what is no answer at all: a crash, something that is not JSON

    @property
    def ids(self) -> list[str]:
        return [finding["id"] for finding in self.findings]

    @property
    def alarms(self) -> list[str]:
        return [finding["id"] for finding in self.findings if finding["severity"] != "note"]


def write(batch: Batch, folder: Path) -> list[str]:
    """The files, and the words of the command line that name them."""
    names = [str(folder / "logits.npy"), str(folder / "labels.npy")]
    for name, array in zip(names, (batch.logits, batch.labels)):
        with open(name, "wb") as file:
            np.save(file, np.ascontiguousarray(array))
    return names[::-1] if batch.swapped else names


def check(batch: Batch, xent: str, folder: Path) -> Answer:
    words = [xent, "check", *write(batch, folder), "--json", "-q", "--threads", "1", *batch.flags]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    try:
        found = json.loads(done.stdout)["findings"]
    except (ValueError, KeyError) as error:
        return Answer(done.returncode, trouble=f"exit {done.returncode}, {error!r}: {done.stderr.strip()[:300]}")
    answer = Answer(done.returncode, found)
    if done.returncode not in (0, 1, 65) or (done.returncode == 0) != (not answer.alarms):
        answer.trouble = f"exit {done.returncode} with the findings {answer.ids}: {done.stderr.strip()[:300]}"
    return answer
