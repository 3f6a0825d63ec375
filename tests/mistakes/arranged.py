# SPDX-License-Identifier: MIT
"""More clean batches: rows that depend on one another, models with ties, labels nearly all of one class.

Where no classifier of models.py has such rows, its predictions are drawn: the logits are normal noise, and more for the
class that is predicted.
"""
from __future__ import annotations

from functools import lru_cache

import ml_dtypes
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from batches import Batch, take
from clean import Pick, bootstrap, family, is_text, some_count
from models import Source, log_share

# ---- predictions that are drawn --------------------------------------------------------------------------------------


def whole(name: str, logits: np.ndarray, labels: np.ndarray, flags: tuple[str, ...] = ()) -> Batch:
    """A batch of all rows of a source of its own."""
    source = Source(name, name, logits.reshape(-1, logits.shape[-1]), labels.ravel())
    return Batch(logits, labels, source, np.arange(labels.size).reshape(labels.shape), flags)


def drawn(predictions: np.ndarray, classes: int, random: np.random.Generator, sure: float | np.ndarray = 4.0,
          noise: float = 0.5) -> np.ndarray:
    logits = random.normal(0, noise, (*predictions.shape, classes)).astype(np.float32)
    logits += (sure * (np.arange(classes) == predictions[..., None])).astype(np.float32)
    return logits


def right_in(share, labels: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
    """Predictions of which that share (one for all, or one for each) is right, and the others are any class."""
    return np.where(random.random(labels.shape) < share, labels, random.integers(classes, size=labels.shape))


def sticky(rows: int, classes: int, stay: float, random: np.random.Generator) -> np.ndarray:
    """A Markov chain: at each step it stays, or goes to any class."""
    moved = np.maximum.accumulate(np.where(random.random(rows) < stay, 0, np.arange(rows)))
    return random.integers(classes, size=rows)[moved]


def put_object(labels: np.ndarray, predictions: np.ndarray, share: float, random: np.random.Generator) -> None:
    """A rectangle of one class, predicted within a pixel of where it is, and of that class or wholly of another."""
    size = labels.shape[0]
    high, wide = random.integers(size // 6, size // 3, 2)
    top, left = random.integers(1, size - size // 3 - 1, 2)
    down, right = random.integers(-1, 2, 2)
    label = random.integers(1, 21)
    labels[top:top + high, left:left + wide] = label
    named = label if random.random() < share else random.integers(1, 21)
    predictions[top + down:top + down + high, left + right:left + right + wide] = named


def segment(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits of 1 to 4 maps of 5 objects before a background of class 0."""
    count, size, share = int(random.integers(1, 5)), int(random.integers(24, 65)), random.uniform(0.6, 0.97)
    labels = np.zeros((count, size, size), np.int64)
    predictions = labels.copy()
    for image in range(count):
        for _ in range(5):
            put_object(labels[image], predictions[image], share, random)
    return labels, drawn(predictions, 21, random, random.uniform(4, 8))


@family("segmentation maps")
def segmentation(pick: Pick, random):
    labels, logits = segment(random)
    return whole("segmentation", logits, labels)


@family("segmentation maps, classes along axis 1")
def segmentation_axis(pick: Pick, random):
    labels, logits = segment(random)
    batch = whole("segmentation", logits, labels)
    return batch.but(logits=np.moveaxis(logits, -1, 1), flags=("--class-axis", "1"))


@family("tags, most of them of class 0")
def tagging(pick: Pick, random):
    """Runs of 1 to 3 tags between others of class 0, at both ends as well; some tags are missed."""
    labels, place = np.zeros(some_count(random, 400, 4000), np.int64), 60
    while place < len(labels) - 60:
        length = random.integers(1, 4)
        labels[place:place + length] = random.integers(1, 9)
        place += length + int(random.geometric(0.05))
    missed = (labels > 0) & (random.random(len(labels)) < random.uniform(0.05, 0.4))
    return whole("tagging", drawn(np.where(missed, 0, labels), 9, random, 6), labels)


@family("100 classes in turn, and a drift")
def balanced_sampler(pick: Pick, random):
    labels = np.arange(some_count(random, 300, 4000)) % 100
    share = np.linspace(random.uniform(0.9, 0.99), random.uniform(0.5, 0.8), len(labels))
    return whole("sampler", drawn(right_in(share, labels, 100, random), 100, random, 6), labels)


@family("logits averaged over the steps before")
def smoothed(pick: Pick, random):
    """A causal filter on labels that stay: after each change the model lags."""
    classes, rows = int(random.integers(2, 7)), some_count(random, 500, 5000)
    labels = sticky(rows, classes, random.uniform(0.9, 0.98), random)
    logits = random.normal(0, 1.2, (rows, classes)) + 2 * np.eye(classes)[labels]
    weights = np.exp(-np.arange(8) / random.uniform(0.5, 2.5))
    filtered = [np.convolve(column, weights / weights.sum())[:rows] for column in logits.T]
    return whole("smoothed", 2 * np.stack(filtered, 1).astype(np.float32), labels)


@family("borders one step late")
def late_borders(pick: Pick, random):
    """More than half of the changes of label are seen a step too late."""
    classes, rows = int(random.integers(3, 8)), some_count(random, 500, 8000)
    labels = sticky(rows, classes, random.uniform(0.9, 0.97), random)
    changes = 1 + np.flatnonzero(np.diff(labels))
    late = changes[random.random(len(changes)) < random.uniform(0.5, 0.7)]
    predictions = right_in(random.uniform(0.95, 0.99), labels, classes, random)
    predictions[late] = labels[late - 1]
    return whole("late", drawn(predictions, classes, random), labels)


@family("a forecast that says what was last")
def persistence(pick: Pick, random):
    rows = some_count(random, 500, 5000)
    labels = sticky(rows, 5, random.uniform(0.88, 0.97), random)
    last = np.concatenate([labels[:1], labels[:-1]])
    return whole("persistence", drawn(right_in(0.97, last, 5, random), 5, random), labels)


@family("99.9 % right")
def nearly_always(pick: Pick, random):
    classes = int(random.integers(2, 21))
    labels = random.integers(classes, size=some_count(random, 300, 3000))
    return whole("nearly", drawn(right_in(0.999, labels, classes, random), classes, random, 14, 0.8), labels)


@family("class 0 is all that is none of the others")
def other_class(pick: Pick, random):
    """The model is less sure of its rows, whatever it takes them for. Were it as sure as of any, nothing would tell
    them from rows whose label is unknown and stored as 0."""
    classes = int(random.integers(5, 21))
    labels = random.integers(classes, size=some_count(random, 300, 3000))
    labels[random.random(len(labels)) < random.uniform(0, 0.4)] = 0
    predictions = right_in(np.where(labels == 0, random.uniform(0.4, 0.6), 0.85), labels, classes, random)
    sure = np.where(labels == 0, random.uniform(1, 2), 4)[:, None]
    return whole("other", drawn(predictions, classes, random, sure), labels)


@family("positives first, a model with two answers")
def stump(pick: Pick, random):
    """Sorted by label, and a tree of two leaves: the last rows are all of class 0 and most of them equal."""
    half, share = some_count(random, 50, 1000), random.uniform(0.7, 0.97)
    labels = np.repeat([1, 0], half)
    leaf = np.where(random.random(2 * half) < share, labels, 1 - labels)
    table = np.log(np.array([[share, 1 - share], [1 - share, share]], np.float32)) + np.float32(random.uniform(-2, 2))
    return whole("stump", table[leaf], labels)


@family("yes or no, bf16 logits about 20")
def yes_or_no(pick: Pick, random):
    """As a language model's two columns: a step of the type is 1/8 there, and many rows have a tie."""
    labels = random.integers(2, size=some_count(random, 100, 3000))
    logits = 20 + random.normal(0, 2, (len(labels), 1)) + random.normal(0, 1, (len(labels), 2))
    logits += random.uniform(0.5, 1.5) * (2 * np.eye(2)[labels] - 1)
    batch = whole("yes-or-no", logits, labels)
    return batch.but(logits=logits.astype(ml_dtypes.bfloat16).view(np.uint16), flags=("--dtype", "bf16"))


@family("items against each other")
def contrastive(pick: Pick, random):
    """[N, N] of two views of N items: the label of row i is i."""
    count = int(random.integers(32, 300))
    first = random.normal(size=(count, 64))
    second = first + random.uniform(0.3, 1.5) * random.normal(size=first.shape)
    return whole("contrastive", (first @ second.T / 8).astype(np.float32), np.arange(count))


# ---- models of two classes with ties ---------------------------------------------------------------------------------


@lru_cache(maxsize=None)
def of_cancer(kind: str, size: int) -> Source:
    features, labels = load_breast_cancer(return_X_y=True)
    model = (KNeighborsClassifier(size) if kind == "neighbours"
             else RandomForestClassifier(size, random_state=0))
    shares = cross_val_predict(model, features, labels, method="predict_proba", cv=5)
    return Source(f"cancer-{kind}", kind, np.log(shares + 0.01).astype(np.float32), labels.astype(np.int64))


@family("two classes, nearest neighbours")
def tied_neighbours(pick: Pick, random):
    return bootstrap(of_cancer("neighbours", int(random.choice([2, 4, 10]))), random)


@family("two classes, a small forest")
def tied_forest(pick: Pick, random):
    return bootstrap(of_cancer("forest", int(random.choice([4, 10, 20]))), random)


# ---- rows of the classifiers -----------------------------------------------------------------------------------------


@family("rows and noisy views of them")
def views(pick: Pick, random):
    """Two or three views of the same rows, one view after another: the labels are tiled, and right. The first view is
    the plain one, the others are harder."""
    source = pick(lambda source: not is_text(source) and source.accuracy > 0.6)
    batch, times = bootstrap(source, random, 64, 1500), int(random.integers(2, 4))
    noise = random.normal(0, random.uniform(0.3, 1.0) * batch.logits.std(), (times, *batch.logits.shape))
    noise[0] = 0
    logits = (batch.logits + noise).astype(np.float32).reshape(-1, batch.classes)
    return take(source, np.tile(batch.places, times)).but(logits=logits)


def frames_of(source: Source, clips: int, random: np.random.Generator) -> Batch:
    places = np.repeat(random.integers(len(source.labels), size=clips), random.integers(2, 101))
    batch = take(source, places)
    noise = random.uniform(0.02, 0.3) * batch.logits.std() * random.normal(size=batch.logits.shape)
    return batch.but(logits=(batch.logits + noise).astype(np.float32))


@family("frames of clips")
def frames(pick: Pick, random):
    """8 to 40 rows, each 2 to 100 times with little noise: nearly equal rows, one behind another."""
    return frames_of(pick(lambda source: not is_text(source)), int(random.integers(8, 41)), random)


@family("frames of clips, 40 to 80 % right")
def weak_frames(pick: Pick, random):
    classes, clips = int(random.integers(5, 13)), int(random.integers(8, 41))
    labels = random.integers(classes, size=clips)
    predictions = right_in(random.uniform(0.35, 0.8), labels, classes, random)
    source = whole("clips", drawn(predictions, classes, random), labels)
    return frames_of(source.source, clips, random)


@family("f64 logits and 1e8 in each")
def far_from_zero(pick: Pick, random):
    batch = bootstrap(pick(), random)
    return batch.but(logits=batch.logits.astype(np.float64) + 1e8)


@family("very faint logits")
def faint(pick: Pick, random):
    batch = bootstrap(pick(), random)
    return batch.but(logits=(batch.logits * random.uniform(0.001, 0.05)).astype(np.float32))


def of_class(source: Source, random: np.random.Generator, share: float) -> Batch:
    """That share of the rows is of one class, the rest are any; the model is as sure of itself as it is or more so."""
    counts = np.bincount(source.labels, minlength=source.classes)
    label = random.choice(np.flatnonzero(counts >= 30))
    rows = np.flatnonzero(source.labels == label)
    count = some_count(random)
    any_row = random.random(count) >= share
    batch = take(source, np.where(any_row, random.integers(len(source.labels), size=count), random.choice(rows, count)))
    return batch.but(logits=(batch.logits * random.uniform(1, 6)).astype(np.float32))


@family("one class only")
def one_class(pick: Pick, random):
    return of_class(pick(), random, 1.0)


@family("97 % of one class")
def mostly_one_class(pick: Pick, random):
    return of_class(pick(), random, 0.97)


@family("class 0 is the hardest")
def hard_zero(pick: Pick, random):
    """In random order, or sorted so that class 0 comes last."""
    source = pick(lambda source: source.classes > 2 and not is_text(source))
    wrong = source.logits.argmax(1) != source.labels
    missed = np.bincount(source.labels[wrong], minlength=source.classes) / np.bincount(source.labels)
    order = np.argsort(-missed, kind="stable")
    renamed = Source(source.name, source.how, source.logits[:, order], np.argsort(order)[source.labels])
    batch = bootstrap(renamed, random)
    if random.random() < 0.5:
        return batch
    return take(renamed, batch.places[np.argsort(-batch.labels, kind="stable")])
