# SPDX-License-Identifier: MIT
"""The loss of features times weight, whose logits are never held, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Optional, overload

import numpy as np

from . import _call
from ._arrays import (
    dtype_of,
    floats_view,
    labels_view,
    new_array,
    output_view,
    own_view,
    rows_like,
)
from ._call import View
from ._errors import ArgumentError, ShapeError
from ._functions import Array, Loss, put_weights, reduced_settings
from ._options import Options, choice, settings_of
from ._total import Total

if TYPE_CHECKING:
    from typing_extensions import Unpack


class LinearGradients(NamedTuple):
    """The gradients of a linear form; None: not asked for."""

    features: Optional[Array] = None
    weight: Optional[Array] = None
    bias: Optional[Array] = None


_PLACES = {
    "features": _call.GRAD_FEATURES,
    "weight": _call.GRAD_WEIGHT,
    "bias": _call.GRAD_BIAS,
}


class _Views(NamedTuple):
    features: View
    weight: View
    bias: Optional[View]
    labels: View


def _views_of(features: Any, weight: Any, labels: Any, bias: Any) -> _Views:
    return _Views(
        floats_view(features, "features", "have"),
        floats_view(weight, "weight"),
        None if bias is None else floats_view(bias, "bias"),
        labels_view(labels),
    )


def _put_inputs(call: _call.Call, views: _Views, options: Any) -> None:
    call.view(_call.FEATURES, views.features)
    call.view(_call.WEIGHT, views.weight)
    if views.bias is not None:
        call.view(_call.BIAS, views.bias)
    call.view(_call.LABELS, views.labels)
    put_weights(call, options)


def _names(gradients: Optional[Iterable[str]], views: _Views) -> list[str]:
    """Which gradients are wanted; None: of all that is given."""
    if gradients is None:
        return ["features", "weight"] + ["bias"] * (views.bias is not None)
    several = (gradients,) if isinstance(gradients, str) else gradients
    return [name for name in several if choice("gradients", name, _PLACES) is not None]


def _new_gradient(name: str, views: _Views, weight_dtype: Any) -> Array:
    weight = views.weight
    dtype = dtype_of(weight.dtype) if weight_dtype is None else np.dtype(weight_dtype)
    if name == "features":
        return new_array(views.features.shape, dtype_of(views.features.dtype))
    if name == "weight":
        return new_array(weight.shape, dtype)
    if not weight.shape:
        raise ShapeError("weight is a single number: it must have shape [C, D], a row per class.")
    return np.empty(weight.shape[:1], dtype)


def _gradients(
    views: _Views, names: list[str], weight_dtype: Any, out: Mapping[str, Array]
) -> dict[str, Array]:
    """Arrays for the gradients by name: those of out, else new ones."""
    for name in out:
        if name not in names:
            raise ArgumentError(
                f"out has an array for {name!r}, which is no gradient that is wanted here: they "
                f"are {', '.join(map(repr, names)) or 'none'}."
            )
    return {
        name: out[name] if name in out else _new_gradient(name, views, weight_dtype)
        for name in names
    }


def _evaluate(views: _Views, gradients: Mapping[str, Array], options: Any) -> tuple[Loss, bytes]:
    """Loss and total; gradients are written into the arrays."""
    settings, by_row = reduced_settings(options)
    rows = rows_like(views.labels, views.features) if by_row else None
    with _call.take() as call:
        _put_inputs(call, views, options)
        if rows is not None:
            call.view(_call.LOSS, own_view(rows))
        for name, array in gradients.items():
            call.view(_PLACES[name], output_view(array, f"out[{name!r}]"))
        call.run_linear(settings)
        return (call.loss() if rows is None else rows), call.total()


@overload
def linear_cross_entropy(
    features: Any, weight: Any, labels: Any, bias: Any = None, **options: Unpack[Options]
) -> Loss: ...
@overload
def linear_cross_entropy(
    features: Any,
    weight: Any,
    labels: Any,
    bias: Any = None,
    *,
    return_total: Literal[True],
    **options: Unpack[Options],
) -> tuple[Loss, Total]: ...
def linear_cross_entropy(
    features: Any,
    weight: Any,
    labels: Any,
    bias: Any = None,
    *,
    return_total: bool = False,
    **options: Any,
) -> Any:
    """The loss of a batch whose logits are features @ weight.T + bias, without ever holding more
    than some rows of them (32 MB).

    features  floats of shape [..., D], of the types and sources that `cross_entropy` takes
    weight    the same type, [C, D]: a row for each class
    labels    integers, the shape of the features without the last axis
    bias      None or [C], the same type; beside float16 and bfloat16 also float32
    options   see xent.Options; the classes are the rows of the weight, so that class_axis and
              logits_are stay as they are

    Logits of float16 and bfloat16 are float32. return_total=True returns (loss, xent.Total).
    """
    loss, total = _evaluate(_views_of(features, weight, labels, bias), {}, options)
    return (loss, Total(total)) if return_total else loss


@overload
def linear_cross_entropy_with_grad(
    features: Any,
    weight: Any,
    labels: Any,
    bias: Any = None,
    *,
    gradients: Optional[Iterable[str]] = None,
    grad_weight_dtype: Any = None,
    out: Optional[Mapping[str, Array]] = None,
    **options: Unpack[Options],
) -> tuple[Loss, LinearGradients]: ...
@overload
def linear_cross_entropy_with_grad(
    features: Any,
    weight: Any,
    labels: Any,
    bias: Any = None,
    *,
    gradients: Optional[Iterable[str]] = None,
    grad_weight_dtype: Any = None,
    out: Optional[Mapping[str, Array]] = None,
    return_total: Literal[True],
    **options: Unpack[Options],
) -> tuple[Loss, LinearGradients, Total]: ...
def linear_cross_entropy_with_grad(
    features: Any,
    weight: Any,
    labels: Any,
    bias: Any = None,
    *,
    gradients: Optional[Iterable[str]] = None,
    grad_weight_dtype: Any = None,
    out: Optional[Mapping[str, Array]] = None,
    return_total: bool = False,
    **options: Any,
) -> Any:
    """The loss of `linear_cross_entropy` and its gradients (with reduction="none" those of the
    sum), as an xent.LinearGradients.

    gradients          which of "features", "weight" and "bias" are wanted; by default of all that
                       is given. Each costs about as much as the loss
    grad_weight_dtype  of the gradients of weight and bias, which are sums over all rows: that of
                       the weight, or a wider one of float32 and float64
    out                arrays to write gradients into, by name; the others are new
    """
    views = _views_of(features, weight, labels, bias)
    made = _gradients(views, _names(gradients, views), grad_weight_dtype, out or {})
    loss, total = _evaluate(views, made, options)
    found = LinearGradients(**made)
    return (loss, found, Total(total)) if return_total else (loss, found)


def linear_rows(name: str, features: Array, weight: Array, bias: Array, threads: int) -> Array:
    """The "logits" [N, C], each the chain of fma that the library has for it, or the "prediction"
    [N], the index of the largest, for which none are held."""
    rows = len(features)
    labels = labels_view(np.zeros(rows, np.int8))
    views = _Views(own_view(features), own_view(weight), own_view(bias), labels)
    logits = name == "logits"
    found: Array = (
        np.empty((rows, len(weight)), weight.dtype) if logits else np.empty(rows, np.int64)
    )
    with _call.take() as call:
        _put_inputs(call, views, {})
        call.view(_call.LINEAR_LOGITS if logits else _call.PREDICTION, own_view(found))
        call.run_linear(settings_of({"threads": threads}))
    return found
