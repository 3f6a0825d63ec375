# SPDX-License-Identifier: MIT
"""Samples, targets and weights as scikit-learn's estimators take them, refused in its words.

scikit-learn itself is never imported here: whoever has loaded it gets its exceptions and warnings,
others those that they are made of."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Optional

import numpy as np

from ._errors import ArgumentError, DtypeError, ShapeError

Array = np.ndarray[Any, Any]
_FLOATS = ("float32", "float64", "uint8")


def _of_sklearn(name: str, otherwise: type) -> type:
    found: type = getattr(sys.modules.get("sklearn.exceptions"), name, otherwise)
    return found


class _NotFitted(ValueError, AttributeError):
    pass


def not_fitted(name: str) -> Exception:
    """About an estimator that is used before `fit`."""
    kind = _of_sklearn("NotFittedError", _NotFitted)
    found: Exception = kind(
        f"This {name} instance is not fitted yet: call 'fit' with samples and targets first."
    )
    return found


def warn(name: str, text: str) -> None:
    """With scikit-learn's category of this name."""
    warnings.warn(text, _of_sklearn(name, UserWarning), stacklevel=4)


# ---- samples ----
def names_of(X: Any) -> Optional[Array]:
    """Names of the columns, if all of them have strings for names."""
    columns = getattr(X, "columns", None)
    if columns is None or callable(columns):
        return None
    names = list(columns)
    if not names or not all(isinstance(name, str) for name in names):
        return None
    return np.array(names, dtype=object)


def check_names(fitted: Optional[Array], X: Any, estimator: str) -> None:
    """The columns of X against those that `fit` saw."""
    given = names_of(X)
    if given is None and fitted is not None:
        warn("", f"X does not have valid feature names, but {estimator} was fitted with them.")
    if given is not None and fitted is None:
        warn("", f"X has feature names, but {estimator} was fitted without feature names.")
    if given is None or fitted is None or list(given) == list(fitted):
        return
    raise ArgumentError(_other_names(list(fitted), list(given)))


def _other_names(fitted: list[str], given: list[str]) -> str:
    text = "The feature names should match those that were passed during fit.\n"
    unseen = sorted(set(given) - set(fitted))
    missing = sorted(set(fitted) - set(given))
    if unseen:
        text += "Feature names unseen at fit time:\n" + "".join(f"- {n}\n" for n in unseen[:5])
    if missing:
        text += "Feature names seen at fit time, yet now missing:\n"
        text += "".join(f"- {n}\n" for n in missing[:5])
    if not unseen and not missing:
        text += "Feature names must be in the same order as they were in fit.\n"
    return text


def _numbers(X: Any) -> Array:
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise DtypeError(
            "Sparse data was passed for X, but dense data is required: pass X.toarray()."
        )
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise ArgumentError(f"Complex data not supported: X has dtype {array.dtype}.")
    if array.dtype.kind in "USV":
        raise ArgumentError(f"X has dtype {array.dtype}: samples are rows of numbers.")
    if array.dtype.name in _FLOATS and array.dtype.isnative:
        return array
    return array.astype(np.float32 if array.dtype.name == "float16" else np.float64)


def samples(X: Any, estimator: str, features: Optional[int] = None) -> Array:
    """Rows of finite numbers [N, D]: float32, float64 or uint8. features: how many `fit` saw."""
    array = _numbers(X)
    if array.ndim != 2:
        raise ShapeError(
            f"Expected 2D array, got {array.ndim}D array of shape {list(array.shape)} instead. "
            f"Reshape your data: X.reshape(-1, 1) if it has a single feature, X.reshape(1, -1) if "
            f"it is a single sample."
        )
    if features is not None and array.shape[1] != features:
        raise ShapeError(
            f"X has {array.shape[1]} features, but {estimator} is expecting {features} features as "
            f"input: pass the columns that it was fitted with."
        )
    for axis, what in ((0, "sample"), (1, "feature")):
        if array.shape[axis] == 0:
            raise ShapeError(
                f"Found array with 0 {what}(s) (shape={array.shape}) while a minimum of 1 is "
                f"required."
            )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ArgumentError(
            f"X contains NaN or infinity, first {array[row, column]} at [{row}, {column}]: leave "
            f"such samples out, or impute them."
        )
    return array


# ---- targets ----
def targets(y: Any, rows: int, estimator: str) -> Array:
    """One class a sample."""
    if y is None:
        raise ArgumentError(
            f"{estimator} requires y to be passed, but the target y is None: pass a class for each "
            f"sample."
        )
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        warn(
            "DataConversionWarning",
            "A column-vector y was passed when a 1d array was expected. Please change the shape of "
            "y to (n_samples,), for example using ravel().",
        )
        array = array.ravel()
    if array.ndim == 2 and len(array) == rows:
        raise ShapeError(
            f"y has shape {list(array.shape)}, as if it were one-hot, but there is one class for "
            f"each of {rows} samples: pass y.argmax(axis=1) if it is."
        )
    if array.shape != (rows,):
        raise ShapeError(
            f"y has shape {list(array.shape)} but there are {rows} samples: y must have shape "
            f"[{rows}], a class for each."
        )
    if array.dtype.kind == "f":
        _check_float_targets(array)
    return array


def _check_float_targets(array: Array) -> None:
    if not np.isfinite(array).all():
        raise ArgumentError("Input y contains NaN or infinity: leave such samples out.")
    if (array != np.floor(array)).any():
        raise ArgumentError(
            f"Unknown label type: continuous, such as {array[array != np.floor(array)][0]}: y must "
            f"hold classes. For quantities a regressor is what fits."
        )


# ---- weights ----
def sample_weights(weights: Any, rows: int) -> Optional[Array]:
    """A number >= 0 for each sample, or None."""
    if weights is None:
        return None
    array = np.array(weights, np.float64)
    if array.ndim == 0:
        array = np.full(rows, array)
    if array.shape != (rows,):
        raise ShapeError(
            f"sample_weight has shape {list(array.shape)} but there are {rows} samples: it must "
            f"have shape [{rows}]."
        )
    for sample in np.flatnonzero(~((array >= 0) & (array <= 1e300)))[:1]:
        raise ArgumentError(
            f"sample_weight[{sample}] is {array[sample]:g}: weights must be finite and not "
            f"negative."
        )
    if not array.any():
        raise ArgumentError(
            f"sample_weight is zero for all {rows} samples: at least one weight must be above 0."
        )
    return array


def class_weights(given: Any, classes: Array, labels: Array, rows: Optional[Array]) -> Any:
    """A number for each class: of a dict by class (others 1), "balanced" N/(C*count) with counts
    by row weight, or None."""
    if given is None:
        return None
    if isinstance(given, str):
        if given != "balanced":
            raise ArgumentError(
                f"class_weight={given!r} is none of 'balanced', a dict of weights by class, None."
            )
        counts = np.bincount(labels, rows, len(classes)).astype(np.float64)
        return counts.sum() / (len(classes) * np.where(counts > 0, counts, np.inf))
    if not isinstance(given, dict):
        raise ArgumentError(
            f"class_weight is a {type(given).__name__}: it must be 'balanced', a dict of weights "
            f"by class, or None."
        )
    unknown = [name for name in given if name not in classes.tolist()]
    if unknown:
        raise ArgumentError(f"class_weight has a weight of {unknown[0]!r}, which is no class of y.")
    return np.array([given.get(name, 1.0) for name in classes.tolist()], np.float64)
