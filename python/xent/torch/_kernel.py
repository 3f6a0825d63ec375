# SPDX-License-Identifier: MIT
"""Plain tensors in the CPU's memory through the library: numbers in, numbers out, no autograd."""

from __future__ import annotations

import re
from ctypes import byref, c_double
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Optional

import torch
from torch import Tensor

from .. import _call, _library
from .._errors import ArgumentError, XentError
from .._pages import prefer_huge, used_again
from . import _chain
from ._chain import Gradients
from ._spec import NONE, SUM, Inputs, Rows, class_axis, is_linear, loss_dtype

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


# Whatever torch.set_default_device says. A word would be looked up in each call.
CPU = torch.device("cpu")
_keys = torch._C._dispatch_keys


def _keys_in_memory() -> frozenset[int]:
    found = {_keys(torch.empty(0, dtype=dtype, device=CPU)).raw_repr() for dtype in LOGITS}
    with torch.inference_mode():
        again = {_keys(torch.empty(0, dtype=dtype, device=CPU)).raw_repr() for dtype in LOGITS}
    return frozenset(found | again)


_IN_MEMORY = _keys_in_memory()


def is_in_memory(tensor: Tensor) -> bool:
    """Whether this tensor is numbers in memory, which nothing wraps or negates lazily. Its type and
    properties do not tell: a batch of upstreams has those of one."""
    return _keys(tensor).raw_repr() in _IN_MEMORY


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


_PLACES = {
    False: (_call.LOGITS, _call.LABELS, _call.CLASS_WEIGHT, _call.ROW_WEIGHT),
    True: (
        _call.FEATURES,
        _call.WEIGHT,
        _call.BIAS,
        _call.LABELS,
        _call.CLASS_WEIGHT,
        _call.ROW_WEIGHT,
    ),
}
_GRADIENTS = {
    False: (_call.GRAD,),
    True: (_call.GRAD_FEATURES, _call.GRAD_WEIGHT, _call.GRAD_BIAS),
}


def _put(call: _call.Call, places: tuple[int, ...], tensors: Iterable[Optional[Tensor]]) -> None:
    for place, tensor in zip(places, tensors):
        if tensor is not None:
            code = _CODE[tensor.dtype]
            call.tensor(place, tensor.data_ptr(), code, tensor.shape, tensor.stride())


def _in_pytorch(message: str, linear: bool) -> str:
    """A sentence of the library with arguments as they are called here."""
    message = message.replace("ignore=", "ignore_index=")
    return re.sub(r"\b(weight|bias)\b", r"linear_\1", message) if linear else message


def _run(call: _call.Call, inputs: Inputs, rows: Rows, reduction: int, denominator: float) -> None:
    """With the outputs that are in the call already."""
    linear = is_linear(inputs)
    _put(call, _PLACES[linear], inputs)
    axis = -1 if linear else class_axis(inputs[0].dim())
    settings = _settings(rows, reduction, denominator, axis, torch.get_num_threads())
    try:
        if linear:
            call.run_linear(settings)
        else:
            call.run(settings)
    except XentError as refusal:
        raise type(refusal)(_in_pytorch(str(refusal), linear)) from None


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
    *others, _, row_weight = inputs
    reduced((*others, None, row_weight), rows, SUM, 0.0, (), False)


def _buffer(tensor: Tensor, place: int) -> Tensor:
    """Memory for a gradient: that of 16-bit weights is a sum over all rows, held wider."""
    wide = place != _call.GRAD and tensor.dtype.itemsize == 2
    dtype = torch.float32 if wide else tensor.dtype
    if tensor.is_contiguous():
        buffer = used_again(tensor.numel() * dtype.itemsize)
        if buffer is not None:
            return torch.frombuffer(buffer, dtype=dtype).resize_(tensor.shape)  # no view
    made = torch.empty_like(tensor, dtype=dtype)
    prefer_huge(made.data_ptr(), made.numel() * made.itemsize)
    return made


def _with_gradients(
    call: _call.Call,
    inputs: Inputs,
    rows: Rows,
    reduction: int,
    denominator: float,
    wanted: Sequence[bool],
) -> Gradients:
    """Runs the call, and gives what is wanted of the gradients."""
    places = _GRADIENTS[is_linear(inputs)]
    grads = [
        _buffer(tensor, place) if want else None
        for tensor, place, want in zip(inputs, places, wanted)
    ]
    _put(call, places, grads)
    _run(call, inputs, rows, reduction, denominator)
    return tuple(
        [
            grad if grad is None or grad.dtype is given.dtype else grad.to(given.dtype)
            for grad, given in zip(grads, inputs)
        ]
    )


def _composed(
    inputs: Inputs, rows: Rows, reduction: int, denominator: float, wanted: Sequence[bool]
) -> Gradients:
    """The same gradients in PyTorch's operations."""
    found = _chain.gradient(inputs, rows, reduction, denominator)
    return tuple(
        torch.empty_like(given).copy_(grad) if want and grad is not None else None
        for given, grad, want in zip(inputs, found, wanted)
    )


def mean(
    logits: Tensor, labels: Tensor, ignore_index: int, wanted: bool
) -> Optional[tuple[Tensor, Gradients, bytes]]:
    """As `reduced` for C-ordered f32 logits [rows, C] and i64 labels by the shortest way; None if
    they are something else, or to be refused, or some rows are to be ignored."""
    if logits.dim() != 2 or labels.dim() != 1:
        return None
    rows, classes = logits.shape
    if (
        labels.numel() != rows
        or not 0 < rows * classes <= _library.SMALL
        or 0 <= ignore_index < classes
        or not (logits.is_contiguous() and labels.is_contiguous())
    ):
        return None
    grad = torch.empty_like(logits) if wanted else None
    loss = c_double()
    if _library.mean_loss_f32(
        logits.data_ptr(),
        labels.data_ptr(),
        rows,
        classes,
        None if grad is None else grad.data_ptr(),
        byref(loss),
        None,
    ):
        return None
    return torch.scalar_tensor(loss.value, dtype=torch.float32, device=CPU), (grad,), b""


def reduced(
    inputs: Inputs,
    rows: Rows,
    reduction: int,
    denominator: float,
    wanted: Sequence[bool],
    with_total: bool,
) -> tuple[Tensor, Gradients, bytes]:
    """Reduced loss, those of its gradients that are wanted, and struct xent_total if it is."""
    try:
        with _call.take() as call:
            grads = _with_gradients(call, inputs, rows, reduction, denominator, wanted)
            loss = torch.scalar_tensor(call.loss(), dtype=loss_dtype(inputs), device=CPU)
            return loss, grads, call.total() if with_total else b""
    except ArgumentError:
        if not is_odd(inputs[-2]):
            raise
        _refuse_the_rest(inputs, rows)
        with torch.no_grad():
            loss = _chain.loss(inputs, rows, reduction, denominator)
            return loss, _composed(inputs, rows, reduction, denominator, wanted), _NO_TOTAL


def by_row(inputs: Inputs, rows: Rows) -> tuple[Tensor, bytes]:
    """The losses of the rows, and struct xent_total."""
    final = loss_dtype(inputs)
    dtype = torch.float64 if final == torch.float64 else torch.float32
    losses = torch.empty(inputs[-3].shape, dtype=dtype, device=CPU)
    try:
        with _call.take() as call:
            _put(call, (_call.LOSS,), (losses,))
            _run(call, inputs, rows, SUM, 0.0)
            return losses.to(final), call.total()
    except ArgumentError:
        if not is_odd(inputs[-2]):
            raise
        _refuse_the_rest(inputs, rows)
        return _chain.loss(inputs, rows, NONE, 0.0), _NO_TOTAL


def by_row_backward(
    upstream: Tensor, inputs: Inputs, rows: Rows, wanted: Sequence[bool]
) -> Gradients:
    """The gradients of sum(upstream * losses of the rows) that are wanted."""
    *others, weight = _chain.weighted(upstream, inputs)
    weighted = (*others, wide(weight))
    try:
        with _call.take() as call:
            return _with_gradients(call, weighted, rows, SUM, 0.0, wanted)
    except ArgumentError:
        if not is_odd(inputs[-2]):
            raise
        return _composed(weighted, rows, SUM, 0.0, wanted)
