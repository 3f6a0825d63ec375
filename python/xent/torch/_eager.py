# SPDX-License-Identifier: MIT
"""The short way for plain tensors in eager mode: past PyTorch's dispatcher, whose detour for an
operator written in Python takes several times as long as the loss of a small batch. The derivatives
are the operators'."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor
from torch.autograd import forward_ad

from . import _kernel, _operators
from ._spec import Rows


def _keys(tensor: Tensor) -> int:
    return int(torch._C._dispatch_keys(tensor).raw_repr())


def _plain_keys() -> frozenset[int]:
    dtypes = (*_kernel.LOGITS, *_kernel.LABELS)
    found = {_keys(torch.empty(0, dtype=dtype)) for dtype in dtypes}
    with torch.inference_mode():
        found |= {_keys(torch.empty(0, dtype=dtype)) for dtype in dtypes}
    return frozenset(found)


# What a tensor is that nothing wraps, negates lazily or keeps in another layout.
_PLAIN = _plain_keys()


def forward_mode() -> bool:
    """Whether forward-mode differentiation is on."""
    return bool(forward_ad._current_level >= 0)


def is_plain(logits: Tensor, labels: Tensor, *weights: Optional[Tensor]) -> bool:
    """Whether nothing but autograd watches this call."""
    return (
        _keys(logits) in _PLAIN
        and _keys(labels) in _PLAIN
        and not torch._C._len_torch_dispatch_stack()
        and not torch._C._are_functorch_transforms_active()
        and torch._C._get_tracing_state() is None
        and all(weight is None or _keys(weight) in _PLAIN for weight in weights)
    )


Options = tuple[Rows, int, float]  # reduction, denominator


class _Reduced(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        k: Any,
        w: Any,
        options: Options,
        total: list[bytes],
    ) -> Any:
        ctx.rows, ctx.reduction, ctx.denominator = options
        ctx.has_grad = True
        ctx.set_materialize_grads(False)
        rows, reduction, denominator = options
        loss, grad, found = _kernel.reduced(
            (logits, labels, k, w), rows, reduction, denominator, True
        )
        total.append(found)
        ctx.save_for_backward(logits, labels, k, w, grad)
        return loss, grad

    @staticmethod
    def backward(ctx: Any, upstream: Any, of_grad: Any) -> Any:
        return _operators.reduced_backward(ctx, upstream, of_grad), None, None, None, None, None


class _ByRow(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, k: Any, w: Any, rows: Rows, total: list[bytes]
    ) -> Tensor:
        ctx.rows = rows
        losses, found = _kernel.by_row((logits, labels, k, w), rows)
        total.append(found)
        ctx.save_for_backward(logits, labels, k, w)
        return losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        if torch.is_grad_enabled() or not is_plain(upstream, *ctx.saved_tensors):
            grad = _operators.by_row_backward(upstream, *ctx.saved_tensors, *ctx.rows)
        else:
            grad = _kernel.by_row_backward(upstream, ctx.saved_tensors, ctx.rows)
        return grad, None, None, None, None, None


def _differentiated(logits: Tensor) -> bool:
    return logits.requires_grad and torch.is_grad_enabled()


def reduced(inputs: Any, rows: Rows, reduction: int, denominator: float) -> tuple[Tensor, bytes]:
    """The reduced loss, and its total."""
    if _differentiated(inputs[0]):
        total: list[bytes] = []
        return _Reduced.apply(*inputs, (rows, reduction, denominator), total)[0], total[0]
    loss, _, found = _kernel.reduced(inputs, rows, reduction, denominator, False)
    return loss, found


def by_row(inputs: Any, rows: Rows) -> tuple[Tensor, bytes]:
    """The losses of the rows, and their total."""
    if _differentiated(inputs[0]):
        total: list[bytes] = []
        return _ByRow.apply(*inputs, rows, total), total[0]
    return _kernel.by_row(inputs, rows)
