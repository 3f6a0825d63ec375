# SPDX-License-Identifier: MIT
"""log_loss with scikit-learn's semantics: labels of any kind, probabilities of sorted classes."""

from __future__ import annotations

import warnings
from typing import Any, Optional

import numpy as np

from ._errors import ArgumentError, DtypeError, LabelError, ShapeError
from ._functions import cross_entropy

Array = np.ndarray[Any, Any]


def log_loss(
    y_true: Any,
    y_pred: Any,
    *,
    normalize: bool = True,
    sample_weight: Any = None,
    labels: Any = None,
) -> float:
    """The log loss of predicted probabilities, as sklearn.metrics.log_loss defines it.

    y_true          the classes themselves: numbers or strings [n], or a one-hot matrix [n, classes]
    y_pred          probabilities [n, classes], the classes sorted; or [n], of the second of two
    normalize       the mean, by sample_weight if given; False: the sum
    labels          all classes, if y_true may lack some

    Probabilities are clipped to [eps, 1 - eps] of their type; rows that do not add up to 1 cause a
    warning.
    """
    probability = _probabilities(y_pred)
    classes, label = _numbered(np.asarray(y_true), labels)
    _check_shapes(probability, label, classes, labels is not None)
    eps = float(np.finfo(probability.dtype).eps)
    _warn_of_sums(probability, eps)
    loss = cross_entropy(
        np.clip(probability, eps, 1 - eps),
        label,
        logits_are="probabilities",
        reduction="mean" if normalize else "sum",
        row_weight=sample_weight,
    )
    return float(loss)


def _probabilities(y_pred: Any) -> Array:
    given = np.asarray(y_pred)
    if given.dtype not in (np.float32, np.float64, np.float16):
        try:
            given = given.astype(np.float64)
        except (TypeError, ValueError) as refusal:
            raise DtypeError(f"y_pred must be probabilities: {refusal}.") from refusal
    if given.ndim not in (1, 2):
        raise ShapeError(
            f"y_pred has shape {given.shape} but must be [n, classes], or [n] for two classes."
        )
    with np.errstate(invalid="ignore"):
        wrong = ~((given >= 0) & (given <= 1))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ArgumentError(
            f"y_pred{list(place)} is {given[place]!s}, which is no probability: if these are "
            f"logits, use xent.cross_entropy, or apply a softmax first."
        )
    if given.ndim == 1:
        given = given[:, np.newaxis]
    return np.hstack([1 - given, given]) if given.shape[1] == 1 else given


def _numbered(y_true: Array, labels: Any) -> tuple[Array, Array]:
    """The sorted classes, and each row's place among them."""
    if y_true.ndim == 2 and y_true.shape[1] > 1:
        return _of_one_hot(y_true)
    flat = y_true.reshape(-1)
    classes = np.unique(flat if labels is None else np.asarray(labels))
    if len(classes) < 2:
        what = "y_true has" if labels is None else "labels names"
        raise LabelError(
            f"{what} only the classes {classes.tolist()}: a loss needs two at least; name all of "
            f"them with labels=."
        )
    place = np.searchsorted(classes, flat).clip(max=len(classes) - 1)
    strange = classes[place] != flat
    if np.any(strange):
        row = int(np.argmax(strange))
        raise LabelError(
            f"y_true[{row}] is {flat[row]!r}, which is none of labels={classes.tolist()}."
        )
    return classes, place.astype(np.int64)


def _of_one_hot(y_true: Array) -> tuple[Array, Array]:
    is_one = y_true == 1
    wrong = (is_one.sum(1) != 1) | ((y_true != 0) & ~is_one).any(1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise LabelError(
            f"row {row} of y_true is {y_true[row].tolist()}: a matrix must be one-hot, a single 1 "
            f"in each row of zeros. Pass classes [n] otherwise."
        )
    return np.arange(y_true.shape[1]), is_one.argmax(1).astype(np.int64)


def _check_shapes(probability: Array, label: Array, classes: Array, named: bool) -> None:
    if len(label) != len(probability):
        raise ShapeError(
            f"y_true has {len(label)} rows and y_pred {len(probability)}: each row needs one class."
        )
    if len(classes) != probability.shape[1]:
        whose = "labels names" if named else "y_true has"
        advice = "" if named else " Name all classes with labels=."
        raise ShapeError(
            f"{whose} {len(classes)} classes, {_shown(classes)}, but y_pred has "
            f"{probability.shape[1]} columns.{advice}"
        )


def _shown(classes: Array) -> str:
    listed: Optional[list[Any]] = classes.tolist() if len(classes) <= 10 else None
    return str(listed or f"{classes[0]!r} to {classes[-1]!r}")


def _warn_of_sums(probability: Array, eps: float) -> None:
    sums = probability.sum(1)
    wrong = ~np.isclose(sums, 1.0, rtol=eps**0.5)
    if wrong.any():
        row = int(np.argmax(wrong))
        warnings.warn(
            f"the probabilities of row {row} of y_pred add up to {sums[row]:.9g}, not to 1: are "
            f"they scores, or is a class missing?",
            UserWarning,
            stacklevel=3,
        )
