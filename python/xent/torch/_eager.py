# SPDX-License-Identifier: MIT
"""The short way for plain tensors in eager mode: past PyTorch's dispatcher, whose detour for an
operator written in Python takes several times as long as the loss of a small batch. The derivatives
are the operators'."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Callable, Optional

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .._total import Total
from . import _kernel, _operators
from ._chain import Gradients
from ._spec import MEAN, ROW_MEAN, SUM, Inputs, Rows, is_linear

_dispatch_modes = torch._C._len_torch_dispatch_stack
_functorch_is_active: Callable[[], bool] = torch._C._are_functorch_transforms_active
_is_included = torch._C._dispatch_tls_is_dispatch_key_included
_is_tracing = torch._C._is_tracing
_keeps_graph = torch._C._autograd._get_current_graph_task_keep_graph
# PyTorch 2.5 does not tell whether there are hooks for saved tensors, to which inputs then do not
# go.
_top_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: None)
_PRE_DISPATCH = torch._C.DispatchKey.PreDispatch


def is_transformed() -> bool:
    """Whether forward-mode differentiation or a transform of torch.func is on, which operators with
    derivatives of their own do not go through."""
    return forward_ad._current_level >= 0 or _functorch_is_active()


def is_plain(tensor: Tensor, labels: Tensor, *weights: Optional[Tensor]) -> bool:
    """Whether these are numbers in memory, and nothing but autograd watches."""
    for weight in weights:
        if weight is not None and not _kernel.is_in_memory(weight):
            return False
    return (
        _kernel.is_in_memory(tensor)
        and type(labels) is Tensor
        and not labels.is_neg()
        and not _dispatch_modes()
        and not _is_tracing()
        and not _is_included(_PRE_DISPATCH)
    )


def _versions(inputs: Inputs) -> list[Optional[int]]:
    """Those that count changes: tensors made in inference mode do not."""
    return [
        None if tensor is None or tensor.is_inference() else tensor._version for tensor in inputs
    ]


def _check_unchanged(inputs: Inputs, versions: list[Optional[int]]) -> None:
    """For second derivatives. The first does not need inputs any more, and saved among the tensors
    it reads they would have to be unchanged for it as well."""
    for tensor, version in zip(inputs, versions):
        if version is not None and tensor._version != version:
            raise RuntimeError(
                f"one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: a tensor of shape {list(tensor.shape)} is at version "
                f"{tensor._version}, expected {version}. With create_graph=True, what the loss was "
                f"computed from must stay as it was."
            )


def _divisor(options: tuple[Rows, int, float], total: bytes) -> float:
    """D of a batch; 0 where nothing is to be had of it."""
    _, reduction, denominator = options
    if denominator:
        return denominator
    if reduction in (MEAN, ROW_MEAN):
        found = Total(total)
        return found.weight_sum if reduction == MEAN else float(found.counted)
    return 1.0


_Scaled = tuple[Gradients, Tensor]


def _narrow(how: _How, inputs: Inputs, grads: Gradients, upstream: Tensor) -> _Scaled:
    """Gradients and what is left to multiply them by. In float16 what D makes too small is lost
    before an upstream, such as the scale of a loss, could lift it: it has to go into D."""
    (rows, reduction, denominator), wanted, _, divisor = how
    by = upstream.item() if is_plain(upstream, inputs[-3]) else 1.0
    if by not in (0.0, 1.0) and math.isfinite(by) and divisor:
        left = upstream.new_tensor(math.copysign(1.0, by))
        return _kernel.reduced(inputs, rows, SUM, divisor / abs(by), wanted, False)[1], left
    if not grads:
        grads = _kernel.reduced(inputs, rows, reduction, denominator, wanted, False)[1]
    return grads, upstream


# What a reduced loss was computed from: rows, reduction and denominator; which gradients are
# wanted; versions of the inputs; D if the logits are float16.
_How = tuple[tuple[Rows, int, float], tuple[bool, ...], list[Optional[int]], Optional[float]]
# What was found: the loss, those of its gradients that are wanted, and struct xent_total.
_Found = tuple[Tensor, Gradients, bytes]


class _Reduced(torch.autograd.Function):
    """Ties a loss to what it is differentiated with respect to."""

    @staticmethod
    def forward(ctx: Any, how: _How, inputs: Inputs, found: _Found, *differentiated: Any) -> Tensor:
        loss, grads, _ = found
        ctx.how = how
        # With hooks (checkpointing, or keeping elsewhere what is saved) inputs are to be saved too;
        # and if the gradients are still to be found.
        if grads and _top_hooks(False) is None:
            ctx.inputs = inputs
            ctx.save_for_backward(*grads)
        else:
            ctx.inputs = None
            ctx.save_for_backward(*grads, *inputs)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        grads, inputs, how = ctx.saved_tensors, ctx.inputs, ctx.how
        options, wanted, versions, divisor = how
        is_saved = inputs is None  # where autograd looks for changes
        if is_saved:
            grads, inputs = grads[: -len(versions)], grads[-len(versions) :]
        if torch.is_grad_enabled():  # then the gradient has to know what it depends on
            if not is_saved:
                _check_unchanged(inputs, versions)
            rows, *reduction = options
            found = _operators.of(inputs).reduced(*inputs, *rows, *reduction, *wanted)[1:-1]
            grads = tuple([grad if want else None for grad, want in zip(found, wanted)])
        elif divisor is not None and (is_saved or _versions(inputs) == versions):
            grads, upstream = _narrow(how, inputs, grads, upstream)
        if not _keeps_graph():
            ctx.inputs = None  # freed as what is saved is
        return (None, None, None, *_operators.scaled(grads, upstream))


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


def _wanted(inputs: Inputs) -> tuple[bool, ...]:
    """Which gradients autograd will ask for; () if none."""
    if not torch.is_grad_enabled():
        return ()
    wanted = tuple([one is not None and one.requires_grad for one in inputs[:-3]])
    return wanted if True in wanted else ()


def mean(logits: Tensor, labels: Tensor, ignore_index: Any) -> Optional[Tensor]:
    """The mean loss of a small batch by the shortest way; None if it has to take the general one,
    because of what it is or because it is to be refused."""
    if not (
        logits.dtype is torch.float32
        and labels.dtype is torch.int64
        and type(ignore_index) is int
        and _kernel.is_in_memory(labels)
        and is_plain(logits, labels)
        and not is_transformed()
    ):
        return None
    wanted = logits.requires_grad and torch.is_grad_enabled()
    found = _kernel.mean(logits, labels, ignore_index, wanted)
    if found is None or not wanted:
        return None if found is None else found[0]
    inputs = (logits, labels, None, None)
    how = (_mean_options(ignore_index), (True,), _versions(inputs), None)
    tied: Tensor = _apply_reduced(how, inputs, found, logits)
    return tied


@lru_cache(maxsize=64)
def _mean_options(ignore_index: int) -> tuple[Rows, int, float]:
    return Rows(ignore_index), MEAN, 0.0


def reduced(
    inputs: Inputs, rows: Rows, reduction: int, denominator: float, with_total: bool
) -> tuple[Tensor, bytes]:
    """The reduced loss and, if wanted, its total."""
    wanted = _wanted(inputs)
    if not wanted:
        loss, _, total = _kernel.reduced(inputs, rows, reduction, denominator, (), with_total)
        return loss, total
    narrow = inputs[0].dtype is torch.float16
    # A float16 loss is usually scaled, for which products would have to be made again.
    at_once = () if narrow and is_linear(inputs) else wanted
    found = _kernel.reduced(inputs, rows, reduction, denominator, at_once, narrow or with_total)
    options = rows, reduction, denominator
    divisor = _divisor(options, found[2]) if narrow else None
    how = options, wanted, _versions(inputs), divisor
    return _apply_reduced(how, inputs, found, *inputs[:-3]), found[2]


def by_row(inputs: Inputs, rows: Rows) -> tuple[Tensor, bytes]:
    """The losses of the rows, and their total."""
    if not _wanted(inputs):
        return _kernel.by_row(inputs, rows)
    total: list[bytes] = []
    return _apply_by_row(rows, total, *inputs), total[0]
