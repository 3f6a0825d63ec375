# SPDX-License-Identifier: MIT
"""Plain tensors in the CPU's memory through the library: numbers in, numbers out, no autograd."""

from __future__ import annotations

from functools import lru_cache
from typing import Optional

import torch
from torch import Tensor

from .. import _call, _library
from .._errors import ArgumentError, XentError
from . import _formula
from ._spec import NONE, SUM, Inputs, Rows, class_axis

LOGITS = {
    torch.float32: _library.F32,
    torch.float64: _library.F64,
    torch.bfloat16: _library.BF16,
    torch.float16: _library.F16,
}
LABELS = {
    torch.int64: _library.I64,
    torch.int32: _library.I32,
    torch.int16: _library.I16,
    torch.int8: _library.I8,
    torch.uint8: _library.U8,
}
_CODE = {**LOGITS, **LABELS}


def _keys(tensor: Tensor) -> int:
    return int(torch._C._dispatch_keys(tensor).raw_repr())


def _keys_in_memory() -> frozenset[int]:
    """On the CPU, whatever torch.set_default_device says."""
    found = {_keys(torch.empty(0, dtype=dtype, device="cpu")) for dtype in LOGITS}
    with torch.inference_mode():
        again = {_keys(torch.empty(0, dtype=dtype, device="cpu")) for dtype in LOGITS}
    return frozenset(found | again)


_IN_MEMORY = _keys_in_memory()


def is_in_memory(tensor: Tensor) -> bool:
    """Whether this tensor is numbers in memory, which nothing wraps or negates lazily."""
    return _keys(tensor) in _IN_MEMORY


@lru_cache(maxsize=256)
def _settings(
    rows: Rows, reduction: int, denominator: float, axis: int, threads: int
) -> _call.Settings:
    return _call.Settings(
        class_axis=axis,
        reduction=reduction,
        on_bad_label=rows.on_bad_label,
        on_nothing_counted=_library.ON_NOTHING_COUNTED["nan"],
        threads=threads,
        denominator=denominator,
        label_smoothing=rows.label_smoothing,
        z_loss=rows.z_loss,
        softcap=rows.softcap,
        logit_scale=rows.logit_scale,
        ignore=(rows.ignore_index,),
    )


def _put(call: _call.Call, place: int, tensor: Tensor) -> None:
    call.tensor(place, tensor.data_ptr(), _CODE[tensor.dtype], tensor.shape, tensor.stride())


def _run(call: _call.Call, inputs: Inputs, rows: Rows, reduction: int, denominator: float) -> None:
    """With the outputs that are in the call already."""
    logits, labels, class_weight, row_weight = inputs
    _put(call, _call.LOGITS, logits)
    _put(call, _call.LABELS, labels)
    if class_weight is not None:
        _put(call, _call.CLASS_WEIGHT, class_weight)
    if row_weight is not None:
        _put(call, _call.ROW_WEIGHT, row_weight)
    axis = class_axis(logits.dim())
    try:
        call.run(_settings(rows, reduction, denominator, axis, torch.get_num_threads()))
    except XentError as refusal:
        raise type(refusal)(str(refusal).replace("ignore=", "ignore_index=")) from None


def wide(weight: Optional[Tensor]) -> Optional[Tensor]:
    """Weights as f32 or f64, which the library takes; 16 bits fit f32."""
    if weight is None or weight.dtype in (torch.float32, torch.float64):
        return weight
    return weight.to(torch.float32 if weight.is_floating_point() else torch.float64)


def is_odd(class_weight: Optional[Tensor]) -> bool:
    """Whether these are class weights that the library refuses and PyTorch computes with: negative
    or not finite."""
    return class_weight is not None and not bool(
        ((class_weight >= 0) & (class_weight < torch.inf)).all()
    )


# struct xent_total of a batch that the library did not see.
_NO_TOTAL = bytes(128)


def _refuse_the_rest(inputs: Inputs, rows: Rows) -> None:
    """Raises what the library refuses besides odd class weights."""
    logits, labels, _, row_weight = inputs
    reduced((logits, labels, None, row_weight), rows, SUM, 0.0, False, False)


def reduced(
    inputs: Inputs,
    rows: Rows,
    reduction: int,
    denominator: float,
    with_grad: bool,
    with_total: bool,
) -> tuple[Tensor, Optional[Tensor], bytes]:
    """Reduced loss, its gradient and struct xent_total, the last two if they are wanted."""
    logits = inputs[0]
    grad = None
    try:
        with _call.take() as call:
            if with_grad:
                grad = torch.empty_like(logits)
                _put(call, _call.GRAD, grad)
            _run(call, inputs, rows, reduction, denominator)
            loss = torch.scalar_tensor(call.loss(), dtype=logits.dtype, device="cpu")
            return loss, grad, call.total() if with_total else b""
    except ArgumentError:
        if not is_odd(inputs[2]):
            raise
        _refuse_the_rest(inputs, rows)
        loss = _formula.loss(inputs, rows, reduction, denominator)
        if grad is not None:
            grad.copy_(_formula.gradient(inputs, rows, reduction, denominator))
        return loss, grad, _NO_TOTAL


def by_row(inputs: Inputs, rows: Rows) -> tuple[Tensor, bytes]:
    """The losses of the rows, and struct xent_total."""
    logits, labels = inputs[:2]
    dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
    losses = torch.empty(labels.shape, dtype=dtype, device="cpu")
    try:
        with _call.take() as call:
            _put(call, _call.LOSS, losses)
            _run(call, inputs, rows, SUM, 0.0)
            return losses.to(logits.dtype), call.total()
    except ArgumentError:
        if not is_odd(inputs[2]):
            raise
        _refuse_the_rest(inputs, rows)
        return _formula.loss(inputs, rows, NONE, 0.0), _NO_TOTAL


def by_row_backward(upstream: Tensor, inputs: Inputs, rows: Rows) -> Tensor:
    """The gradient of sum(upstream * losses of the rows)."""
    logits, labels, class_weight, row_weight = inputs
    weight = wide(upstream if row_weight is None else row_weight * upstream)
    weighted = (logits, labels, class_weight, weight)
    grad = torch.empty_like(logits)
    try:
        with _call.take() as call:
            _put(call, _call.GRAD, grad)
            _run(call, weighted, rows, SUM, 0.0)
            return grad
    except ArgumentError:
        if not is_odd(class_weight):
            raise
        return grad.copy_(_formula.gradient(weighted, rows, SUM, 0.0))
