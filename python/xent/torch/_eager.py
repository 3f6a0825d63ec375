# SPDX-License-Identifier: MIT
"""The short way for plain tensors in eager mode: past PyTorch's dispatcher, whose detour for an
operator written in Python takes several times as long as the loss of a small batch. The derivatives
are the operators'."""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .._total import Total
from . import _kernel, _operators
from ._spec import MEAN, ROW_MEAN, SUM, Inputs, Rows


def is_transformed() -> bool:
    """Whether forward-mode differentiation or a transform of torch.func is on, which operators with
    derivatives of their own do not go through."""
    return bool(forward_ad._current_level >= 0 or torch._C._are_functorch_transforms_active())


def is_plain(tensor: Tensor, labels: Tensor, *weights: Optional[Tensor]) -> bool:
    """Whether these are numbers in memory, and nothing but autograd watches."""
    for weight in weights:
        if weight is not None and not _kernel.is_in_memory(weight):
            return False
    return (
        _kernel.is_in_memory(tensor)
        and type(labels) is Tensor
        and not labels.is_neg()
        and not torch._C._len_torch_dispatch_stack()
        and not torch._C._is_tracing()
        and not torch._C._dispatch_tls_is_dispatch_key_included(torch._C.DispatchKey.PreDispatch)
    )


def _unchanged(ctx: Any) -> Tensor:
    """The logits of forward, for second derivatives. The first does not need them any more, and
    saved among the tensors it reads they would have to be unchanged for it as well."""
    if ctx.logits._version != ctx.version:
        raise RuntimeError(
            f"one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: the logits are at version {ctx.logits._version}, expected {ctx.version}. "
            f"With create_graph=True they must stay as they were when the loss was computed."
        )
    logits: Tensor = ctx.logits
    return logits


def _divisor(options: tuple[Rows, int, float], total: bytes) -> float:
    """D of a batch; 0 where nothing is to be had of it."""
    _, reduction, denominator = options
    if denominator:
        return denominator
    if reduction in (MEAN, ROW_MEAN):
        found = Total(total)
        return found.weight_sum if reduction == MEAN else float(found.counted)
    return 1.0


def _narrow(
    inputs: Inputs, grad: Tensor, upstream: Tensor, rows: Rows, divisor: float
) -> tuple[Tensor, Tensor]:
    """A gradient and what is left to multiply it by. In float16 what D makes too small is lost
    before an upstream, such as the scale of a loss, could lift it: it has to go into D."""
    if not is_plain(upstream, inputs[1]):
        return grad, upstream
    by = upstream.item()
    if by in (0.0, 1.0) or not math.isfinite(by):
        return grad, upstream
    lifted = _kernel.reduced(inputs, rows, SUM, divisor / abs(by), True, False)[1]
    assert lifted is not None
    return lifted, upstream.new_tensor(math.copysign(1.0, by))


class _Reduced(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        class_weight: Any,
        row_weight: Any,
        options: tuple[Rows, int, float],
        total: Optional[list[bytes]],
    ) -> Tensor:
        inputs = (logits, labels, class_weight, row_weight)
        narrow = logits.dtype is torch.float16
        loss, grad, found = _kernel.reduced(inputs, *options, True, narrow or total is not None)
        if total is not None:
            total.append(found)
        ctx.options = options
        ctx.divisor = _divisor(options, found) if narrow else 0.0
        ctx.logits, ctx.version = logits, logits._version
        hooked = torch._C._autograd._top_saved_tensors_default_hooks(False) is not None
        if hooked:  # checkpointing, or keeping elsewhere what is saved
            ctx.logits = None
        ctx.save_for_backward(labels, class_weight, row_weight, grad, logits if hooked else None)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        labels, class_weight, row_weight, grad, logits = ctx.saved_tensors
        if torch.is_grad_enabled():  # then the gradient has to know what it depends on
            logits = _unchanged(ctx) if logits is None else logits
            inputs = (logits, labels, class_weight, row_weight)
            rows, reduction, denominator = ctx.options
            grad = _operators.reduced(*inputs, *rows, reduction, denominator, True)[1]
        elif ctx.divisor:
            logits = ctx.logits if logits is None else logits
            if ctx.logits is None or logits._version == ctx.version:
                inputs = (logits, labels, class_weight, row_weight)
                grad, upstream = _narrow(inputs, grad, upstream, ctx.options[0], ctx.divisor)
        if not torch._C._autograd._get_current_graph_task_keep_graph():
            ctx.logits = None  # freed as what is saved is
        return _operators.scaled(grad, upstream), None, None, None, None, None


class _ByRow(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        class_weight: Any,
        row_weight: Any,
        rows: Rows,
        total: list[bytes],
    ) -> Tensor:
        ctx.rows = rows
        inputs = (logits, labels, class_weight, row_weight)
        losses, found = _kernel.by_row(inputs, rows)
        total.append(found)
        ctx.save_for_backward(*inputs)
        return losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled() or not is_plain(upstream, *inputs[1:]):
            grad = _operators.by_row_backward(upstream, *inputs, *ctx.rows)
        else:
            grad = _kernel.by_row_backward(upstream, inputs, ctx.rows)
        return grad, None, None, None, None, None


# Function.apply without what it does for functorch, which is_plain excludes.
_apply_reduced: Any = super(torch.autograd.Function, _Reduced).apply
_apply_by_row: Any = super(torch.autograd.Function, _ByRow).apply


def _differentiated(logits: Tensor) -> bool:
    return logits.requires_grad and torch.is_grad_enabled()


def reduced(
    inputs: Inputs, rows: Rows, reduction: int, denominator: float, with_total: bool
) -> tuple[Tensor, bytes]:
    """The reduced loss and, if wanted, its total."""
    if not _differentiated(inputs[0]):
        loss, _, found = _kernel.reduced(inputs, rows, reduction, denominator, False, with_total)
        return loss, found
    options = (rows, reduction, denominator)
    if not with_total:
        return _apply_reduced(*inputs, options, None), b""
    total: list[bytes] = []
    return _apply_reduced(*inputs, options, total), total[0]


def by_row(inputs: Inputs, rows: Rows) -> tuple[Tensor, bytes]:
    """The losses of the rows, and their total."""
    if not _differentiated(inputs[0]):
        return _kernel.by_row(inputs, rows)
    total: list[bytes] = []
    return _apply_by_row(*inputs, rows, total), total[0]
