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
from ._chain import Gradients
from ._spec import MEAN, ROW_MEAN, SUM, Inputs, Rows, is_linear


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


def _unchanged(ctx: Any) -> Inputs:
    """What was differentiated in forward, for second derivatives. The first does not need it any
    more, and saved among the tensors it reads it would have to be unchanged for it as well."""
    for tensor, version in zip(ctx.differentiated, ctx.versions):
        if tensor is not None and tensor._version != version:
            raise RuntimeError(
                f"one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: a tensor of shape {list(tensor.shape)} is at version "
                f"{tensor._version}, expected {version}. With create_graph=True, logits, or "
                f"features and weight, must stay as they were when the loss was computed."
            )
    inputs: Inputs = ctx.differentiated
    return inputs


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
    ctx: Any, inputs: Inputs, grads: Gradients, upstream: Tensor
) -> tuple[Gradients, Tensor]:
    """Gradients and what is left to multiply them by. In float16 what D makes too small is lost
    before an upstream, such as the scale of a loss, could lift it: it has to go into D."""
    rows, reduction, denominator = ctx.options
    by = upstream.item() if is_plain(upstream, inputs[-3]) else 1.0
    if by not in (0.0, 1.0) and math.isfinite(by) and ctx.divisor:
        divisor, left = ctx.divisor / abs(by), upstream.new_tensor(math.copysign(1.0, by))
        return _kernel.reduced(inputs, rows, SUM, divisor, ctx.wanted, False)[1], left
    if ctx.late:
        grads = _kernel.reduced(inputs, rows, reduction, denominator, ctx.wanted, False)[1]
    return grads, upstream


class _Reduced(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, options: tuple[Rows, int, float], total: Optional[list[bytes]], *inputs: Any
    ) -> Tensor:
        differentiated = inputs[:-3]
        ctx.wanted = ctx.needs_input_grad[2:-3]
        ctx.narrow = inputs[0].dtype is torch.float16
        # A float16 loss is usually scaled, for which products would have to be made again.
        ctx.late = ctx.narrow and is_linear(inputs)
        wanted = () if ctx.late else ctx.wanted
        with_total = ctx.narrow or total is not None
        loss, grads, found = _kernel.reduced(inputs, *options, wanted, with_total)
        if total is not None:
            total.append(found)
        ctx.options = options
        ctx.divisor = _divisor(options, found) if ctx.narrow else 0.0
        ctx.versions = [None if one is None else one._version for one in differentiated]
        # With hooks (checkpointing, or keeping elsewhere what is saved) they are to be saved too.
        hooks = torch._C._autograd._top_saved_tensors_default_hooks(False)
        ctx.saved = ctx.late or hooks is not None
        ctx.differentiated = None if ctx.saved else differentiated
        ctx.count = len(differentiated)
        ctx.save_for_backward(*inputs[-3:], *(differentiated if ctx.saved else ()), *grads)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        saved = ctx.saved_tensors
        others, grads = saved[:3], saved[3:]
        differentiated = ctx.differentiated
        if ctx.saved:
            differentiated, grads = grads[: ctx.count], grads[ctx.count :]
        if torch.is_grad_enabled():  # then the gradient has to know what it depends on
            inputs = (*(differentiated if ctx.saved else _unchanged(ctx)), *others)
            rows, *reduction = ctx.options
            form = _operators.of(inputs)
            grads = form.reduced(*inputs, *rows, *reduction, *ctx.wanted)[1:-1]
            grads = [grad if want else None for grad, want in zip(grads, ctx.wanted)]
        elif ctx.narrow and (ctx.saved or _is_unchanged(ctx)):
            grads, upstream = _narrow(ctx, (*differentiated, *others), grads, upstream)
        if not torch._C._autograd._get_current_graph_task_keep_graph():
            ctx.differentiated = None  # freed as what is saved is
        return (None, None, *_operators.scaled(tuple(grads), upstream), None, None, None)


def _is_unchanged(ctx: Any) -> bool:
    return all(
        one is None or one._version == version
        for one, version in zip(ctx.differentiated, ctx.versions)
    )


class _ByRow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Rows, total: list[bytes], *inputs: Any) -> Tensor:
        ctx.rows, ctx.wanted = rows, ctx.needs_input_grad[2:-3]
        losses, found = _kernel.by_row(inputs, rows)
        total.append(found)
        ctx.save_for_backward(*inputs)
        return losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled() or not is_plain(upstream, *inputs[-3:], *inputs[1:-3]):
            form = _operators.of(inputs)
            grads = form.gradients(upstream, inputs, ctx.rows, ctx.wanted)
        else:
            grads = _kernel.by_row_backward(upstream, inputs, ctx.rows, ctx.wanted)
        return (None, None, *grads, None, None, None)


# Function.apply without what it does for functorch, which is_plain excludes.
_apply_reduced: Any = super(torch.autograd.Function, _Reduced).apply
_apply_by_row: Any = super(torch.autograd.Function, _ByRow).apply


def _is_differentiated(inputs: Inputs) -> bool:
    return torch.is_grad_enabled() and any(
        [one is not None and one.requires_grad for one in inputs[:-3]]
    )


def reduced(
    inputs: Inputs, rows: Rows, reduction: int, denominator: float, with_total: bool
) -> tuple[Tensor, bytes]:
    """The reduced loss and, if wanted, its total."""
    if not _is_differentiated(inputs):
        loss, _, found = _kernel.reduced(inputs, rows, reduction, denominator, (), with_total)
        return loss, found
    options = (rows, reduction, denominator)
    if not with_total:
        return _apply_reduced(options, None, *inputs), b""
    total: list[bytes] = []
    return _apply_reduced(options, total, *inputs), total[0]


def by_row(inputs: Inputs, rows: Rows) -> tuple[Tensor, bytes]:
    """The losses of the rows, and their total."""
    if not _is_differentiated(inputs):
        return _kernel.by_row(inputs, rows)
    total: list[bytes] = []
    return _apply_by_row(rows, total, *inputs), total[0]
