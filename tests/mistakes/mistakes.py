# SPDX-License-Identifier: MIT
"""The mistakes: how each is made from a clean batch, and what `xent check` should say first.

A mistake that a batch cannot show (two classes exchanged that occur in no row) is not made: `make` returns None.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import ml_dtypes
import numpy as np

from batches import Batch
from models import PAD

Maker = Callable[[Batch, np.random.Generator], "Batch | None"]

# What cannot be scored, whatever the numbers are.
UNSCORABLE, FOUND, NOTED = 65, 1, 0


@dataclass(frozen=True)
class Mistake:
    """finding: the id that must come first, with the exit code that belongs to it. for_two: accepted as well where
    there are two classes, since exchanged names and negated logits are the same numbers there. quiet: in which clean
    batches the finding may be a note, since they show the same without a mistake."""

    finding: str
    name: str
    make: Maker
    code: int = FOUND
    for_two: str = ""
    quiet: Callable[[Batch], bool] = lambda batch: False


LIST: list[Mistake] = []


def mistake(finding: str, name: str, code: int = FOUND, **more) -> Callable[[Maker], Maker]:
    def enter(make: Maker) -> Maker:
        LIST.append(Mistake(finding, name, make, code, **more))
        return make

    return enter


def is_text(batch: Batch) -> bool:
    return batch.source.inputs is not None


def some_rows(batch: Batch, share: float, random: np.random.Generator) -> np.ndarray:
    return random.choice(batch.rows, max(1, round(share * batch.rows)), replace=False)


def with_logits(batch: Batch, change: Callable[[np.ndarray], np.ndarray]) -> Batch:
    return batch.but(logits=change(batch.logits))


# ---- shapes and types ------------------------------------------------------------------------------------------------


@mistake("batch-mismatch", "half of the labels", UNSCORABLE)
def half_of_labels(batch: Batch, random):
    return batch.but(labels=batch.labels[:len(batch.labels) // 2])


@mistake("batch-mismatch", "one label too few", UNSCORABLE)
def label_missing(batch: Batch, random):
    return batch.but(labels=batch.labels[..., :-1])


@mistake("batch-mismatch", "one label too many", UNSCORABLE)
def label_too_many(batch: Batch, random):
    return batch.but(logits=batch.logits[:-1])


@mistake("one-hot-labels", "one-hot, float", UNSCORABLE)
def one_hot_floats(batch: Batch, random):
    return batch.but(labels=np.eye(batch.classes, dtype=np.float32)[batch.labels])


@mistake("one-hot-labels", "one-hot, integers", UNSCORABLE)
def one_hot_integers(batch: Batch, random):
    return batch.but(labels=np.eye(batch.classes, dtype=np.int64)[batch.labels])


@mistake("float-labels", "labels as float32 or float64", UNSCORABLE)
def float_labels(batch: Batch, random):
    return batch.but(labels=batch.labels.astype(random.choice(["f4", "f8"])))


@mistake("swapped-arguments", "the two arguments exchanged", UNSCORABLE)
def swapped(batch: Batch, random):
    return batch.but(swapped=True)


@mistake("classes-first", "[C, N] or [B, C, T] for [N, C] or [B, T, C]", UNSCORABLE)
def classes_first(batch: Batch, random):
    return with_logits(batch, lambda z: np.swapaxes(z, -1, -2))


@mistake("classes-first", "the same, where both axes have the length C")
def classes_first_square(batch: Batch, random):
    classes, count = batch.classes, batch.rows // batch.classes
    if count == 0:
        return None
    logits = batch.logits.reshape(-1, classes)[:count * classes].reshape(count, classes, classes)
    return batch.but(logits=np.swapaxes(logits, 1, 2), labels=batch.flat[:count * classes].reshape(count, classes))


# ---- values of labels ------------------------------------------------------------------------------------------------


@mistake("label-out-of-range", "a model that has one class too few", UNSCORABLE)
def class_missing(batch: Batch, random):
    last = batch.labels.max()
    return with_logits(batch, lambda z: z[..., :last]) if last > 1 and batch.labels.min() == 0 else None


@mistake("label-out-of-range", "1 % of the labels are nonsense", UNSCORABLE)
def nonsense_labels(batch: Batch, random):
    flat, rows = batch.flat.copy(), some_rows(batch, 0.01, random)
    flat[rows] = batch.classes + 1 + random.choice(10_000, len(rows), replace=False)
    return batch.labelled(flat)


@mistake("labels-one-based", "counted from 1", UNSCORABLE)
def one_based(batch: Batch, random):
    return batch.labelled(batch.flat + 1) if batch.flat.max() == batch.classes - 1 else None


@mistake("labels-one-based", "counted from 1, the last class not in the batch")
def one_based_in_range(batch: Batch, random):
    kept = batch.flat < batch.classes - 1
    if batch.classes == 2 or not kept.any():
        return None
    return Batch(batch.logits.reshape(-1, batch.classes)[kept], batch.flat[kept] + 1, batch.source,
                 batch.places.ravel()[kept])


def mark_rows(batch: Batch, value: int, random: np.random.Generator) -> Batch:
    """15 % of the rows: the ends of sequences, or any rows."""
    labels = batch.labels.copy()
    if is_text(batch):
        labels[:, -max(1, round(0.15 * labels.shape[1])):] = value
    else:
        labels[some_rows(batch, 0.15, random)] = value
    return batch.but(labels=labels)


for mark in (-100, -1, 255):
    mistake("undeclared-ignore", f"15 % of the labels are {mark}", UNSCORABLE)(
        lambda batch, random, mark=mark: mark_rows(batch, mark, random))


@mistake("undeclared-ignore", "15 % of the rows are padding, labelled 0")
def padding_zero(batch: Batch, random):
    """Empty images at the end of a batch; padding at the ends of sequences."""
    if batch.source.blank is None:
        return None
    logits, labels = batch.logits.copy(), batch.labels.copy()
    axis = labels.ndim - 1
    ends = (slice(None),) * axis + (slice(-max(1, round(0.15 * labels.shape[axis])), None),)
    logits[ends], labels[ends] = batch.source.blank, PAD
    return batch.but(logits=logits, labels=labels)


@mistake("undeclared-ignore", "20 % of the labels are unknown and stored as 0")
def unknown_as_zero(batch: Batch, random):
    flat = batch.flat.copy()
    flat[some_rows(batch, 0.2, random)] = 0
    return batch.labelled(flat)


# ---- labels of other rows --------------------------------------------------------------------------------------------


def repeat_part(name: str, share: float) -> None:
    @mistake("labels-repeated", name)
    def make(batch: Batch, random):
        period = int(share * batch.rows)
        return batch.labelled(np.resize(batch.flat[:period], batch.rows)).but(shown={"period": period})


repeat_part("half of the labels, concatenated twice", 0.5)
repeat_part("np.tile of a quarter", 0.25)
repeat_part("np.tile of a tenth", 0.1)
repeat_part("np.resize of 30 %", 0.3)
repeat_part("np.resize of 80 %", 0.8)


@mistake("labels-repeated", "np.repeat of half of the labels, or of a fifth")
def repeat_each(batch: Batch, random):
    times = int(random.choice([2, 5]))
    made = batch.labelled(np.repeat(batch.flat, times)[:batch.rows])
    return made.but(shown={"repeated_each": times, "period": batch.rows // times})


def any_shift(random: np.random.Generator) -> int:
    return int(random.choice([-3, -2, -1, 1, 2, 3]))


@mistake("labels-shifted", "np.roll by -3 to 3")
def rolled(batch: Batch, random):
    shift = any_shift(random)
    return batch.labelled(np.roll(batch.flat, shift)).but(shown={"shift": shift})


def faint(batch: Batch) -> Batch:
    return with_logits(batch, lambda z: (z * 0.01).astype(np.float32))


@mistake("labels-shifted", "np.roll by -3 to 3, logits 100 times too small")
def rolled_faint(batch: Batch, random):
    return rolled(faint(batch), random)


@mistake("labels-shifted", "cut: logits[:-k], labels[k:], k of -3 to 3")
def cut(batch: Batch, random):
    shift = any_shift(random)
    keep = (slice(None, -abs(shift)), slice(abs(shift), None))
    logits, labels = keep if shift > 0 else keep[::-1]
    shown = {"shift": -shift}  # the label of row i is that of row i - shift
    if is_text(batch):
        return batch.but(logits=batch.logits[:, logits], labels=batch.labels[:, labels], shown=shown)
    return batch.but(logits=batch.logits[logits], labels=batch.labels[labels], shown=shown)


@mistake("labels-shifted", "a causal model's inputs for its labels")
def causal(batch: Batch, random):
    if not batch.source.name.startswith(("text-lm", "text-bigram")):
        return None
    return batch.but(labels=batch.source.inputs[batch.places], shown={"shift": 1})


@mistake("halves-swapped", "the halves of the labels exchanged")
def halves(batch: Batch, random):
    return batch.labelled(np.roll(batch.flat, batch.rows // 2))


@mistake("labels-shuffled", "labels shuffled, logits not")
def shuffled(batch: Batch, random):
    return batch.labelled(random.permutation(batch.flat))


@mistake("labels-shuffled", "labels shuffled, 1,000 classes")
def shuffled_thousand(batch: Batch, random):
    """A row of three digits, of any three rows: their logits add up, as those of independent digits do."""
    if batch.source.data != "digits":
        return None
    first, second, third = ((batch.logits[order], batch.labels[order])
                            for order in (random.permutation(batch.rows) for _ in range(3)))
    logits = first[0][:, :, None, None] + second[0][:, None, :, None] + third[0][:, None, None, :]
    labels = 100 * first[1] + 10 * second[1] + third[1]
    return batch.but(logits=logits.reshape(batch.rows, 1000)).labelled(random.permutation(labels))


@mistake("labels-shuffled", "labels of another batch")
def another_batch(batch: Batch, random):
    other = random.integers(len(batch.source.labels) - batch.rows + 1) + np.arange(batch.rows)
    labels = batch.source.labels[other]
    return batch.labelled(labels if is_text(batch) else random.permutation(labels))


# ---- names of classes ------------------------------------------------------------------------------------------------

def rename(batch: Batch, names: np.ndarray) -> Batch:
    return batch.labelled(names[batch.flat])


def wide(batch: Batch) -> bool:
    return batch.classes > 2


@mistake("class-ids-permuted", "class ids in random order", for_two="worse-than-chance")
def permuted(batch: Batch, random):
    names = random.permutation(batch.classes)
    return rename(batch, names if (names != np.arange(batch.classes)).any() else names[::-1])


@mistake("class-ids-permuted", "class ids in random order, logits 100 times too small", for_two="worse-than-chance")
def permuted_faint(batch: Batch, random):
    return permuted(faint(batch), random)


@mistake("class-ids-permuted", "two class ids exchanged", for_two="worse-than-chance")
def exchanged(batch: Batch, random):
    """Two classes of 1 % of the rows at least, both right more often than not: an exchange of two that the model does
    not know shows nowhere."""
    counts = np.bincount(batch.flat, minlength=batch.classes)
    right = np.bincount(batch.flat[batch.hits], minlength=batch.classes)
    known = np.flatnonzero((counts >= max(5, 0.01 * batch.rows)) & (2 * right > counts))
    if len(known) < 2:
        return None
    names, pair = np.arange(batch.classes), random.choice(known, 2, replace=False)
    names[pair] = names[pair[::-1]]
    return rename(batch, names)


@mistake("class-ids-permuted", "class ids reversed", for_two="worse-than-chance")
def reversed_ids(batch: Batch, random):
    return rename(batch, np.arange(batch.classes)[::-1])


@mistake("class-ids-permuted", "class ids rotated by one", for_two="worse-than-chance")
def rotated_ids(batch: Batch, random):
    """With next to no rows of the last class it is counting from 1."""
    if np.mean(batch.flat == batch.classes - 1) < 0.01:
        return None
    return rename(batch, np.roll(np.arange(batch.classes), -1))


# ---- what the logits are ---------------------------------------------------------------------------------------------


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


@mistake("probabilities-as-logits", "softmax(z), f32")
def probabilities(batch: Batch, random):
    return with_logits(batch, softmax)


@mistake("probabilities-as-logits", "softmax(z), f16")
def half_probabilities(batch: Batch, random):
    return with_logits(batch, lambda z: softmax(z).astype(np.float16))


@mistake("softmax-twice", "softmax(softmax(z))")
def softmax_twice(batch: Batch, random):
    return with_logits(batch, lambda z: softmax(softmax(z)))


@mistake("log-probabilities-as-logits", "log softmax(z)", NOTED)
def log_probabilities(batch: Batch, random):
    return with_logits(batch, lambda z: (z - np.logaddexp.reduce(z.astype(np.float64), -1)[..., None]).astype("f4"))


def best_scale(batch: Batch) -> float:
    """The factor for the logits that gives the least loss, by a grid of 1 % steps; capped at 100."""
    scales = np.exp(np.arange(-460, 461) / 100)
    z = batch.logits.reshape(-1, batch.classes).astype(np.float64)[:1000]
    z -= z.max(-1, keepdims=True)
    right = z[np.arange(len(z)), batch.flat[:len(z)]]
    losses = [np.log(np.exp(scale * z).sum(-1)).sum() - scale * right.sum() for scale in scales[::10]]
    return float(scales[::10][int(np.argmin(losses))])


@mistake("overconfident", "logits 1.5 to 10 times too large", NOTED)
def too_large(batch: Batch, random):
    factor = np.exp(random.uniform(np.log(1.5), np.log(10))) * best_scale(batch)
    return with_logits(batch, lambda z: (z * factor).astype(np.float32)) if factor < 50 else None


@mistake("underconfident", "logits 1.5 to 10 times too small", NOTED)
def too_small(batch: Batch, random):
    factor = np.exp(-random.uniform(np.log(1.5), np.log(10))) * best_scale(batch)
    return with_logits(batch, lambda z: (z * factor).astype(np.float32))


# ---- numbers that are none -------------------------------------------------------------------------------------------


def spoil(batch: Batch, rows: np.ndarray, value: float, random: np.random.Generator) -> Batch:
    logits = batch.logits.reshape(-1, batch.classes).copy()
    logits[rows, random.integers(batch.classes, size=len(rows))] = value
    return batch.but(logits=logits.reshape(batch.logits.shape))


@mistake("nonfinite-rows", "one NaN")
def one_nan(batch: Batch, random):
    return spoil(batch, some_rows(batch, 0, random), np.nan, random)


@mistake("nonfinite-rows", "5 % of the rows hold a NaN")
def some_nan(batch: Batch, random):
    return spoil(batch, some_rows(batch, 0.05, random), np.nan, random)


@mistake("nonfinite-rows", "1 % of the rows hold +inf, f32")
def some_infinite(batch: Batch, random):
    return spoil(batch, some_rows(batch, 0.01, random), np.inf, random)


def blown_up(batch: Batch, limit: float) -> np.ndarray:
    """In double: the largest logit of one row in twenty passes the limit of the type."""
    z = batch.logits.astype(np.float64)
    return z * (limit / np.quantile(z.max(-1), 0.95))


@mistake("overflow", "f16: logits beyond 65504 became inf")
def half_infinite(batch: Batch, random):
    with np.errstate(over="ignore"):
        return with_logits(batch, lambda z: blown_up(batch, 65504).astype(np.float16))


@mistake("overflow", "f16: logits cut at 65504")
def half_saturated(batch: Batch, random):
    return with_logits(batch, lambda z: np.clip(blown_up(batch, 65504), -65504, 65504).astype(np.float16))


@mistake("overflow", "bf16: logits cut at 3.39e38")
def bfloat_saturated(batch: Batch, random):
    most = float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)
    made = np.clip(blown_up(batch, most), -most, most).astype(ml_dtypes.bfloat16)
    return batch.but(logits=made.view(np.uint16), flags=("--dtype", "bf16"))


# ---- what the model does ---------------------------------------------------------------------------------------------


@mistake("constant-logits", "all logits 0")
def all_zero(batch: Batch, random):
    return with_logits(batch, np.zeros_like)


@mistake("constant-logits", "the same row of logits everywhere")
def same_everywhere(batch: Batch, random):
    return with_logits(batch, lambda z: np.broadcast_to(z.mean(tuple(range(z.ndim - 1))), z.shape))


@mistake("constant-logits", "a third of the rows are constant")
def some_constant(batch: Batch, random):
    logits = batch.logits.reshape(-1, batch.classes).copy()
    logits[some_rows(batch, 1 / 3, random)] = 0
    return batch.but(logits=logits.reshape(batch.logits.shape))


@mistake("class-never-predicted", "a class whose bias is -1e4", NOTED)
def dead_class(batch: Batch, random):
    predicted = np.bincount(batch.logits.argmax(-1).ravel(), minlength=batch.classes)
    common = np.flatnonzero((predicted >= max(5, 0.03 * batch.rows)))
    if is_text(batch) or not wide(batch) or len(common) == 0:
        return None
    logits = batch.logits.copy()
    logits[..., random.choice(common)] -= 1e4
    return batch.but(logits=logits)


@mistake("class-never-present", "no row of one class", NOTED)
def absent_class(batch: Batch, random):
    if is_text(batch) or not wide(batch):
        return None
    kept = batch.labels != random.integers(batch.classes)
    return batch.but(logits=batch.logits[kept], labels=batch.labels[kept], places=batch.places[kept])


def rows_alike(batch: Batch) -> bool:
    """As many rows are like another one as the mistake adds: a tree's leaves, the neighbours' few shares."""
    return len(np.unique(batch.logits.reshape(-1, batch.classes), axis=0)) < 0.9 * batch.rows


@mistake("conflicting-duplicates", "a tenth of the rows twice, with another label", quiet=rows_alike)
def duplicates(batch: Batch, random):
    count = max(1, batch.rows // 10)
    logits, flat = batch.logits.reshape(-1, batch.classes).copy(), batch.flat.copy()
    logits[-count:] = logits[:count]
    flat[-count:] = (flat[:count] + random.integers(1, batch.classes, count)) % batch.classes
    return batch.but(logits=logits.reshape(batch.logits.shape)).labelled(flat)


@mistake("untrained", "a network before training")
def untrained(batch: Batch, random):
    return batch.but(logits=batch.source.untrained[batch.places])


@mistake("worse-than-chance", "logits negated", for_two="class-ids-permuted")
def negated(batch: Batch, random):
    return with_logits(batch, np.negative)


@mistake("worse-than-chance", "any label but the right one")
def wrong_on_purpose(batch: Batch, random):
    if not wide(batch):
        return None
    return batch.labelled((batch.flat + random.integers(1, batch.classes, batch.rows)) % batch.classes)


@mistake("leakage", "the label among the model's features", NOTED)
def leakage(batch: Batch, random):
    if batch.source.leaked is None:
        return None
    return batch.but(logits=batch.source.leaked[batch.places])
