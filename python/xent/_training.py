# SPDX-License-Identifier: MIT
"""Training of a linear classifier by the library: include/xent_train.h on arrays in memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _library
from ._arrays import any_view, own_view
from ._call import View
from ._errors import of_status

Array = np.ndarray[Any, Any]


# Features, labels and row weights of a block of rows.
Rows = tuple[View, View, Optional[View]]


class Parameters(NamedTuple):
    """A classifier of prepared features, (features - mean)*scale; None: 0 and 1."""

    weight: Array
    bias: Array
    mean: Optional[Array]
    scale: Optional[Array]


class Outcome(NamedTuple):
    """Parameters, how many iterations (epochs) they took, why there were no more, and the largest
    entry of the gradient in the end."""

    parameters: Parameters
    iterations: int
    ended: int
    gradient: float


def tensor_of(view: Optional[View]) -> Optional[_library.Tensor]:
    """struct xent_tensor of a view, which has to outlive it."""
    if view is None:
        return None
    tensor = _library.Tensor(view.address, view.dtype, len(view.shape))
    tensor.shape[: len(view.shape)] = view.shape
    tensor.stride[: len(view.stride)] = view.stride
    return tensor


def _pointer(tensor: Optional[ctypes.Structure]) -> Any:
    return None if tensor is None else ctypes.byref(tensor)


def _check(status: int, error: _library.Error) -> None:
    if status:
        raise of_status(status, error.message.decode(errors="replace"))


def _centred(array: Array) -> Array:
    """Without what is common to all classes: softmax does not see it, and the least objective has
    none in the weight. Rounding leaves some of it."""
    wide = array.astype(np.float64)
    if not np.isfinite(wide).all():
        return array
    centred: Array = (wide - wide.mean(axis=0)).astype(array.dtype)
    return centred


def _copied(tensor: _library.Tensor) -> Optional[Array]:
    if not tensor.data:
        return None
    shape = tuple(tensor.shape[: tensor.ndim])
    kind = ctypes.c_double if tensor.dtype == _library.F64 else ctypes.c_float
    found = np.ctypeslib.as_array(ctypes.cast(tensor.data, ctypes.POINTER(kind)), shape)
    return np.array(found)


class _Training:
    """struct xent_training, freed at the end of the `with`."""

    def __init__(self, classes: int, features: int, options: _library.TrainingOptions) -> None:
        self._error = _library.Error()
        self._training = ctypes.c_void_p()
        status = _library.training_begin(
            classes, features, ctypes.byref(options), ctypes.byref(self._training),
            ctypes.byref(self._error),
        )  # fmt: skip
        _check(status, self._error)

    def __enter__(self) -> _Training:
        return self

    def __exit__(self, *exception: object) -> None:
        _library.training_free(self._training)

    def start(self, weight: View, bias: View) -> None:
        """Parameters to begin with."""
        tensors = tensor_of(weight), tensor_of(bias)
        error = ctypes.byref(self._error)
        _check(_library.training_set(self._training, *map(_pointer, tensors), error), self._error)

    def one_pass(self, blocks: Iterable[Rows]) -> _library.TrainingReport:
        """Shows all rows once."""
        report, error = _library.TrainingReport(), ctypes.byref(self._error)
        for rows in blocks:
            tensors = [tensor_of(view) for view in rows]
            status = _library.training_add(self._training, *map(_pointer, tensors), error)
            _check(status, self._error)
        status = _library.training_step(self._training, ctypes.byref(report), error)
        _check(status, self._error)
        return report

    def parameters(self) -> Parameters:
        """The best there are so far."""
        found, error = _library.TrainingParameters(), ctypes.byref(self._error)
        status = _library.training_model(self._training, ctypes.byref(found), error)
        _check(status, self._error)
        weight, bias = _copied(found.weight), _copied(found.bias)
        assert weight is not None and bias is not None
        return Parameters(
            _centred(weight), _centred(bias), _copied(found.mean), _copied(found.scale)
        )


def train(
    passes: Iterator[list[Rows]],
    classes: int,
    features: int,
    class_weight: Optional[View],
    start: Optional[tuple[View, View]],
    **options: Any,
) -> Outcome:
    """Fits a classifier to the same rows pass after pass; options by the names of struct
    xent_training_options."""
    weights = tensor_of(class_weight)
    given = _library.TrainingOptions(
        struct_size=ctypes.sizeof(_library.TrainingOptions), history=10, scale=1.0, rate_decay=1.0,
        class_weight=None if weights is None else ctypes.addressof(weights), **options,
    )  # fmt: skip
    with _Training(classes, features, given) as training:
        if start is not None:
            training.start(*start)
        for blocks in passes:
            report = training.one_pass(blocks)
            if report.ended:
                break
        return Outcome(
            training.parameters(), int(report.iterations), int(report.ended), report.gradient
        )


def prepared(features: Array, mean: Optional[Array], scale: Optional[Array], dtype: Any) -> Array:
    """(features - mean)*scale, rounded once."""
    found: Array = np.empty(features.shape, dtype)
    given, into = any_view(features, "X"), own_view(found)
    vectors = [None if one is None else tensor_of(own_view(one)) for one in (mean, scale)]
    tensors = (tensor_of(given), *vectors, tensor_of(into))
    error = _library.Error()
    _check(_library.prepare_features(*map(_pointer, tensors), ctypes.byref(error)), error)
    return found
