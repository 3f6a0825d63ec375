# SPDX-License-Identifier: MIT
"""The loss of NumPy arrays, and of whatever else keeps numbers in memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Optional, Union, overload

import numpy as np

from . import _call, _library
from ._arrays import (
    LOGITS,
    dtype_of,
    gradient_view,
    labels_view,
    logits_view,
    new_array,
    own_view,
    rows_like,
    weight_view,
)
from ._call import Settings, View
from ._errors import ArgumentError
from ._options import PLAIN, Options, choice, integer, settings_of
from ._total import Total

if TYPE_CHECKING:
    from typing_extensions import Unpack

Array = np.ndarray[Any, Any]
Loss = Union[float, Array]

_I64 = np.dtype(np.int64)
_Bytes = ctypes.c_char * 0
_memory_of: Any = _Bytes.from_buffer
_address = ctypes.addressof


def _plain(logits: Array, labels: Array, with_grad: bool) -> Optional[tuple[float, Array]]:
    """Mean loss and gradient of a small batch, C-ordered logits [rows, C] and i64 labels, by the
    shortest way; None if they are something else, or to be refused."""
    dtype, shape = logits.dtype, logits.shape
    code = LOGITS.get(dtype)
    if code is None or labels.dtype is not _I64:
        return None
    if (
        len(shape) != 2
        or labels.shape != shape[:1]
        or not 0 < shape[0] * shape[1] <= _library.SMALL
    ):
        return None
    grad: Array = np.empty(shape if with_grad else 0, dtype)
    into = grad
    if code == _library.BF16:  # of a type that it does not know NumPy gives no buffer
        logits, into = logits.view(np.uint16), grad.view(np.uint16)
    try:
        x, y = _memory_of(logits), _memory_of(labels)
    except (TypeError, ValueError):  # read-only, or not in C order
        return None
    dx = _memory_of(into) if with_grad else None
    if code != _library.F32:
        return _plain_call(code, shape, (x, y, dx)), grad
    loss = ctypes.c_double()
    if _library.mean_loss_f32(x, y, shape[0], shape[1], dx, ctypes.byref(loss), None):
        return None
    return loss.value, grad


def _plain_call(code: int, shape: tuple[int, ...], memory: tuple[Any, Any, Any]) -> float:
    """Mean loss of logits and labels in memory, whose gradient goes to the last of it."""
    x, y, dx = memory
    with _call.take() as call:
        call.tensor(_call.LOGITS, _address(x), code, shape, (shape[1], 1))
        call.tensor(_call.LABELS, _address(y), _library.I64, shape[:1], (1,))
        if dx is not None:
            call.tensor(_call.GRAD, _address(dx), code, shape, (shape[1], 1))
        call.run(PLAIN)
        return call.loss()


def _put_inputs(call: _call.Call, logits: View, labels: View, options: Any) -> None:
    call.view(_call.LOGITS, logits)
    call.view(_call.LABELS, labels)
    put_weights(call, options)


def reduced_settings(options: Any) -> tuple[Settings, bool]:
    """The options of a loss, and whether it is wanted of each row."""
    settings = settings_of(options)
    by_row = options.get("reduction") == "none"
    if by_row and settings.denominator:
        raise ArgumentError(
            "denominator divides a sum, which reduction='none' does not form: divide the rows' "
            "losses, or use reduction='sum'."
        )
    return settings, by_row


def put_weights(call: _call.Call, options: Any) -> None:
    """The tensors among the options."""
    for place, name in ((_call.CLASS_WEIGHT, "class_weight"), (_call.ROW_WEIGHT, "row_weight")):
        if options.get(name) is not None:
            call.view(place, weight_view(options[name], name))


def _evaluate(
    logits: Any, labels: Any, with_grad: bool, out: Any, options: Any
) -> tuple[Loss, Optional[Array], bytes]:
    """Loss, gradient and total by the general way: any arrays, all options."""
    settings, by_row = reduced_settings(options)
    x, y = logits_view(logits), labels_view(labels)
    rows = rows_like(y, x) if by_row else None
    grad: Optional[Array] = out
    if with_grad and out is None:
        grad = new_array(x.shape, dtype_of(x.dtype))
    with _call.take() as call:
        _put_inputs(call, x, y, options)
        if rows is not None:
            call.view(_call.LOSS, own_view(rows))
        if grad is not None:
            call.view(_call.GRAD, own_view(grad) if out is None else gradient_view(out, x))
        call.run(settings)
        return (call.loss() if rows is None else rows), grad, call.total()


@overload
def cross_entropy(logits: Any, labels: Any, **options: Unpack[Options]) -> Loss: ...
@overload
def cross_entropy(
    logits: Any, labels: Any, *, return_total: Literal[True], **options: Unpack[Options]
) -> tuple[Loss, Total]: ...
def cross_entropy(logits: Any, labels: Any, *, return_total: bool = False, **options: Any) -> Any:
    """The loss of a batch.

    logits   floats of shape [..., C]: float32, float64, float16 or ml_dtypes.bfloat16, as a NumPy
             array or anything with `__dlpack__` or the array interface (read without a copy), or
             nested sequences
    labels   integers, the same shape without the class axis: the index of each row's true class
    options  see xent.Options; the formula is in include/xent.h. reduction="none" gives an array of
             the rows' losses, the others a float

    return_total=True returns (loss, xent.Total): its sums and counts merge with other batches'.
    """
    if not options and not return_total and type(logits) is type(labels) is np.ndarray:
        plain = _plain(logits, labels, False)
        if plain is not None:
            return plain[0]
    loss, _, total = _evaluate(logits, labels, False, None, options)
    return (loss, Total(total)) if return_total else loss


@overload
def cross_entropy_with_grad(
    logits: Any, labels: Any, *, out: Optional[Array] = None, **options: Unpack[Options]
) -> tuple[Loss, Array]: ...
@overload
def cross_entropy_with_grad(
    logits: Any,
    labels: Any,
    *,
    out: Optional[Array] = None,
    return_total: Literal[True],
    **options: Unpack[Options],
) -> tuple[Loss, Array, Total]: ...
def cross_entropy_with_grad(
    logits: Any, labels: Any, *, out: Any = None, return_total: bool = False, **options: Any
) -> Any:
    """The loss of a batch and its gradient with respect to the logits (with reduction="none" that
    of the sum).

    The gradient is a new array like the logits, or `out`, which may be the logits themselves; they
    are then overwritten. The rest is as for `cross_entropy`.
    """
    if (
        not options
        and out is None
        and not return_total
        and type(logits) is type(labels) is np.ndarray
    ):
        plain = _plain(logits, labels, True)
        if plain is not None:
            return plain
    loss, grad, total = _evaluate(logits, labels, True, out, options)
    return (loss, grad, Total(total)) if return_total else (loss, grad)


def count_labels(labels: Any, classes: int, **options: Unpack[Options]) -> Total:
    """What the labels and weights of a batch say before any logit is there: rows, counted, ignored,
    bad and weight_sum.

    For a batch in parts: count all its labels, then give each part `denominator=total.weight_sum`
    (for the row mean `total.counted`). The parts' losses then add up to the whole batch's, and
    their gradients are the whole batch's, bit for bit.
    """
    given: Any = options
    with _call.take() as call:
        call.view(_call.LABELS, labels_view(labels))
        put_weights(call, given)
        call.count(integer("classes", classes, 64), settings_of(given))
        return Total(call.total())


_OUTPUTS = {
    "loss": _call.LOSS,
    "lse": _call.LSE,
    "prediction": _call.PREDICTION,
    "label_probability": _call.LABEL_PROBABILITY,
    "entropy": _call.ENTROPY,
    "probability": _call.PROBABILITY,
}


def _new_output(name: str, logits: View, labels: View) -> Array:
    if name == "prediction":
        return np.empty(labels.shape, np.int64)
    if name == "probability":
        return new_array(logits.shape, dtype_of(logits.dtype))
    return rows_like(labels, logits)


def row_outputs(
    logits: Any,
    labels: Any,
    outputs: Iterable[str] = ("loss", "lse", "prediction", "label_probability", "entropy"),
    **options: Unpack[Options],
) -> dict[str, Array]:
    """What there is to know of each row, by name:

    loss                its loss, never divided
    lse                 log of the sum of exp(logit)
    prediction          index of the largest logit, the lowest on ties; -1: none
    label_probability   the softmax at the label
    entropy             of the softmax
    probability         the softmax itself, an array like the logits

    Ignored rows have 0, prediction -1. Rows of f64 logits are float64, others float32.
    """
    given: Any = options
    x, y = logits_view(logits), labels_view(labels)
    found: dict[str, Array] = {}
    with _call.take() as call:
        _put_inputs(call, x, y, given)
        for name in (outputs,) if isinstance(outputs, str) else outputs:
            place = choice("outputs", name, _OUTPUTS)
            found[name] = _new_output(name, x, y)
            call.view(place, own_view(found[name]))
        # No mean is wanted, so there is none to refuse.
        call.run(settings_of({"on_nothing_counted": "nan", **given}))
        return found
