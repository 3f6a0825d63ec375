# SPDX-License-Identifier: MIT
"""Clean batches: rows drawn with replacement from real classifiers, in the ways in which right data look suspicious."""
from __future__ import annotations

from typing import Callable

import ml_dtypes
import numpy as np

from batches import Batch, take
from mistakes import log_probabilities
from models import Source

Pick = Callable[..., Source]  # a random source of those that fulfil a condition
Maker = Callable[[Pick, np.random.Generator], Batch]
FAMILIES: dict[str, Maker] = {}


def family(name: str) -> Callable[[Maker], Maker]:
    def enter(make: Maker) -> Maker:
        FAMILIES[name] = make
        return make

    return enter


def some_count(random: np.random.Generator, least: int = 64, most: int = 3000) -> int:
    return int(np.exp(random.uniform(np.log(least), np.log(most))))


def bootstrap(source: Source, random: np.random.Generator, least: int = 64, most: int = 3000) -> Batch:
    return take(source, random.integers(len(source.labels), size=some_count(random, least, most)))


def arranged(batch: Batch, order: np.ndarray) -> Batch:
    return take(batch.source, batch.places[order])


def sequences(source: Source, random: np.random.Generator) -> Batch:
    steps, count = int(random.integers(16, 80)), int(random.integers(2, 40))
    starts = random.integers(len(source.labels) - steps, size=count)
    return take(source, starts[:, None] + np.arange(steps))


def is_text(source: Source) -> bool:
    return source.inputs is not None


@family("random order")
def in_random_order(pick: Pick, random):
    return bootstrap(pick(), random)


@family("1 to 63 rows")
def tiny(pick: Pick, random):
    return bootstrap(pick(), random, 1, 64)


@family("3,000 to 20,000 rows")
def large(pick: Pick, random):
    return bootstrap(pick(lambda source: not is_text(source)), random, 3000, 20_000)


LARGE = ("3,000 to 20,000 rows",)


@family("sorted by label")
def sorted_labels(pick: Pick, random):
    batch = bootstrap(pick(), random)
    return arranged(batch, np.argsort(batch.labels, kind="stable"))


@family("runs of one label")
def runs(pick: Pick, random):
    """Each run of 2 to 30 rows has rows of one class."""
    source, places, length = pick(), [], some_count(random)
    by_class = [np.flatnonzero(source.labels == label) for label in np.unique(source.labels)]
    while len(places) < length:
        rows = by_class[random.integers(len(by_class))]
        places.extend(random.choice(rows, random.integers(2, 31)))
    return take(source, np.array(places[:length]))


@family("classes in turn")
def in_turn(pick: Pick, random):
    """As balanced samplers give them: 0, 1, .., C-1, 0, 1, .. The labels are periodic, and right."""
    source = pick(lambda source: not is_text(source))
    wanted = np.arange(some_count(random)) % source.classes
    by_class = [np.flatnonzero(source.labels == label) for label in range(source.classes)]
    return take(source, np.array([random.choice(by_class[label]) for label in wanted]))


@family("classes in turn, easy rows first")
def easy_first(pick: Pick, random):
    """As a curriculum orders them: the share that is right falls along the batch."""
    batch = in_turn(pick, random)
    z = batch.logits.astype(np.float64)
    ease = z[np.arange(batch.rows), batch.labels] - np.logaddexp.reduce(z, -1)
    order = np.empty(batch.rows, np.int64)
    for label in range(batch.classes):
        rows = np.flatnonzero(batch.labels == label)
        order[rows] = rows[np.argsort(-ease[rows], kind="stable")]
    return arranged(batch, order)


@family("digits as they were collected")
def as_collected(pick: Pick, random):
    """The digits' own order, in which writers wrote 0 to 9 several times: nearly periodic."""
    source = pick(lambda source: source.data == "digits")
    length = some_count(random, 64, 1797)
    return take(source, random.integers(len(source.labels) - length + 1) + np.arange(length))


@family("imbalanced classes")
def imbalanced(pick: Pick, random):
    """Each class has half to a tenth of the rows of the one before, in random order of classes."""
    source = pick(lambda source: not is_text(source))
    share = random.uniform(0.1, 0.5) ** random.permutation(source.classes)
    weight = share[source.labels]
    return take(source, random.choice(len(source.labels), some_count(random), p=weight / weight.sum()))


@family("few of the classes")
def few_classes(pick: Pick, random):
    source = pick(lambda source: source.classes > 3)
    present = np.unique(source.labels)
    kept = random.choice(present, random.integers(1, max(2, len(present) // 2)), replace=False)
    return take(source, random.choice(np.flatnonzero(np.isin(source.labels, kept)), some_count(random)))


@family("rows left out by --ignore")
def ignored(pick: Pick, random):
    batch = bootstrap(pick(), random)
    value = int(random.choice([-100, -1, 255]))
    logits, labels = batch.logits.copy(), batch.labels.copy()
    rows = random.random(len(labels)) < random.uniform(0, 0.6)
    logits[rows], labels[rows] = random.normal(size=(rows.sum(), batch.classes)), value
    return batch.but(logits=logits, labels=labels, flags=("--ignore", str(value)))


@family("97 to 100 % right")
def near_perfect(pick: Pick, random):
    return bootstrap(pick(lambda source: source.accuracy > 0.965), random, 10)


@family("less than 60 % right")
def weak(pick: Pick, random):
    return bootstrap(pick(lambda source: source.accuracy < 0.6), random, 10)


@family("badly calibrated")
def miscalibrated(pick: Pick, random):
    scale = np.exp(random.uniform(np.log(0.1), np.log(10)))
    batch = bootstrap(pick(), random)
    return batch.but(logits=(batch.logits * scale).astype(np.float32))


@family("two classes")
def two_classes(pick: Pick, random):
    return bootstrap(pick(lambda source: source.classes == 2), random, 10)


@family("a model that knows pairs of classes only")
def pairs(pick: Pick, random):
    """Of two neighbours it cannot tell which: their logits are the mean of both, and a little noise."""
    batch = bootstrap(pick(lambda source: source.classes > 3 and not is_text(source)), random)
    even = batch.classes // 2 * 2
    logits = batch.logits.copy()
    both = logits[:, :even].reshape(batch.rows, -1, 2).mean(2)
    logits[:, :even] = np.repeat(both, 2, 1)
    return batch.but(logits=logits + random.normal(0, 0.01, logits.shape).astype(np.float32))


@family("as many steps as classes")
def square(pick: Pick, random):
    """[B, C, C], of which a transpose would have the same shape."""
    source, count = pick(), int(random.integers(1, 40))
    if is_text(source):
        starts = random.integers(len(source.labels) - source.classes, size=count)
        return take(source, starts[:, None] + np.arange(source.classes))
    return take(source, random.integers(len(source.labels), size=(count, source.classes)))


@family("text in sequences")
def text_sequences(pick: Pick, random):
    return sequences(pick(is_text), random)


@family("text in one run")
def text_run(pick: Pick, random):
    source, length = pick(is_text), some_count(random)
    return take(source, random.integers(len(source.labels) - length) + np.arange(length))


@family("few rows, many times")
def oversampled(pick: Pick, random):
    """As oversampling repeats them: 20 to 200 different rows, each with its own label."""
    source = pick()
    rows = random.integers(len(source.labels), size=random.integers(20, 200))
    return take(source, random.choice(rows, some_count(random, 200)))


@family("5 to 20 % of the labels wrong")
def noisy(pick: Pick, random):
    """Wrong at random, as crowds label; different rows, so that no row has two labels."""
    source = pick(lambda source: source.accuracy > 0.5 and not is_text(source))
    count = some_count(random, 64, min(1700, len(source.labels)))
    batch = take(source, random.choice(len(source.labels), count, replace=False))
    wrong = random.random(batch.rows) < random.uniform(0.05, 0.2)
    labels = np.where(wrong, random.integers(batch.classes, size=batch.rows), batch.labels)
    return batch.but(labels=labels)


@family("log-probabilities")
def log_probability(pick: Pick, random):
    return log_probabilities(bootstrap(pick(), random), random)


@family("other types")
def other_types(pick: Pick, random):
    batch = bootstrap(pick(), random)
    batch = batch.but(labels=batch.labels.astype(random.choice(["u1", "i1", "i2", "u4", "u8"])))
    kind = random.integers(3)
    if kind == 0:
        made = batch.logits.astype(ml_dtypes.bfloat16).view(np.uint16)
        return batch.but(logits=made, flags=("--dtype", "bf16"))
    return batch.but(logits=batch.logits.astype(["f2", "f8"][kind - 1]))


@family("classes along axis 1")
def other_axis(pick: Pick, random):
    batch = sequences(pick(is_text), random)
    return batch.but(logits=np.swapaxes(batch.logits, 1, 2), flags=("--class-axis", "1"))
