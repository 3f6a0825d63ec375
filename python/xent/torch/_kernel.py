# SPDX-License-Identifier: MIT
"""Plain tensors in the CPU's memory through the library: numbers in, numbers out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor

from .. import _call, _library
from .._errors import XentError
from ._spec import SUM, Rows, class_axis

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
_NAN = _library.ON_NOTHING_COUNTED["nan"]


def _put(call: _call.Call, place: int, tensor: Tensor) -> None:
    call.tensor(place, tensor.data_ptr(), _CODE[tensor.dtype], tensor.shape, tensor.stride())


def _run(
    call: _call.Call,
    tensors: Sequence[Optional[Tensor]],
    rows: Rows,
    reduction: int,
    denominator: float,
) -> None:
    """Logits, labels and weights, with the outputs that are in the call already."""
    logits, labels, class_weight, row_weight = tensors
    assert logits is not None and labels is not None
    _put(call, _call.LOGITS, logits)
    _put(call, _call.LABELS, labels)
    if class_weight is not None:
        _put(call, _call.CLASS_WEIGHT, class_weight)
    if row_weight is not None:
        _put(call, _call.ROW_WEIGHT, row_weight)
    ignore, on_bad_label, smoothing, z_loss, softcap, scale = rows
    threads = torch.get_num_threads()
    axis = class_axis(logits.dim())
    call.settings(
        _call.Settings(
            0, axis, reduction, on_bad_label, _NAN, threads,
            denominator, smoothing, z_loss, softcap, scale, (ignore,),
        )
    )  # fmt: skip
    try:
        call.run()
    except XentError as refusal:
        raise type(refusal)(str(refusal).replace("ignore=", "ignore_index=")) from None


def wide(weight: Optional[Tensor]) -> Optional[Tensor]:
    """Weights of 16 bits as f32, since the library takes f32 and f64; exact."""
    if weight is not None and weight.dtype not in (torch.float32, torch.float64):
        return weight.to(torch.float32)
    return weight


def reduced(
    tensors: Sequence[Optional[Tensor]],
    rows: Rows,
    reduction: int,
    denominator: float,
    with_grad: bool,
) -> tuple[Tensor, Optional[Tensor], bytes]:
    """Reduced loss, its gradient and the total."""
    logits = tensors[0]
    assert logits is not None
    grad = None
    call = _call.take()
    try:
        if with_grad:
            grad = torch.empty_like(logits)
            _put(call, _call.GRAD, grad)
        _run(call, tensors, rows, reduction, denominator)
        loss = torch.scalar_tensor(call.loss(), dtype=logits.dtype)
        return loss, grad, call.total()
    finally:
        _call.put_back(call)


def by_row(tensors: Sequence[Optional[Tensor]], rows: Rows) -> tuple[Tensor, bytes]:
    """The losses of the rows, and the total."""
    logits, labels = tensors[:2]
    assert logits is not None and labels is not None
    dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
    losses = torch.empty(labels.shape, dtype=dtype)
    call = _call.take()
    try:
        _put(call, _call.LOSS, losses)
        _run(call, tensors, rows, SUM, 0.0)
        return losses.to(logits.dtype), call.total()
    finally:
        _call.put_back(call)


def by_row_backward(upstream: Tensor, tensors: Sequence[Optional[Tensor]], rows: Rows) -> Tensor:
    """The gradient of sum(upstream * losses of the rows)."""
    logits, labels, class_weight, row_weight = tensors
    assert logits is not None
    weight = wide(upstream if row_weight is None else row_weight * upstream)
    grad = torch.empty_like(logits)
    call = _call.take()
    try:
        _put(call, _call.GRAD, grad)
        _run(call, (logits, labels, class_weight, weight), rows, SUM, 0.0)
        return grad
    finally:
        _call.put_back(call)
