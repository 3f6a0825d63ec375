# SPDX-License-Identifier: MIT
"""torch.ops.xent: the library as operators that PyTorch can trace, compile and differentiate twice.

cross_entropy                 reduced loss, its gradient (empty unless wanted), struct xent_total
cross_entropy_rows            losses of the rows, struct xent_total
cross_entropy_rows_backward   the gradient of sum(upstream * losses of the rows)

Schemas have no defaults: PyTorch would leave out arguments that equal theirs, and looking them up
again takes longer than the loss of a small batch."""

from __future__ import annotations

from typing import Any, Callable, Optional

import torch
from torch import Tensor

from . import _formula, _kernel
from ._spec import Rows

_INPUTS = "Tensor logits, Tensor labels, Tensor? class_weight, Tensor? row_weight"
_ROWS = (
    "int ignore_index, int on_bad_label, "
    "float label_smoothing, float z_loss, float softcap, float logit_scale"
)
_TOTAL_LENGTH = 16

_library = torch.library.Library("xent", "DEF")
_library.define(
    f"cross_entropy({_INPUTS}, {_ROWS}, int reduction, float denominator, bool with_grad)"
    " -> (Tensor, Tensor, Tensor)"
)
_library.define(f"cross_entropy_rows({_INPUTS}, {_ROWS}) -> (Tensor, Tensor)")
_library.define(f"cross_entropy_rows_backward(Tensor upstream, {_INPUTS}, {_ROWS}) -> Tensor")

reduced = torch.ops.xent.cross_entropy.default
by_row = torch.ops.xent.cross_entropy_rows.default
by_row_backward = torch.ops.xent.cross_entropy_rows_backward.default


# ---- on the CPU ----
def _total_tensor(total: bytes) -> Tensor:
    return torch.frombuffer(bytearray(total), dtype=torch.int64)


def _reduced_cpu(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    reduction, denominator, with_grad = args[10:]
    rows = Rows(*args[4:10])
    loss, grad, total = _kernel.reduced(args[:4], rows, reduction, denominator, with_grad, True)
    return loss, args[0].new_empty(0) if grad is None else grad, _total_tensor(total)


def _by_row_cpu(*args: Any) -> tuple[Tensor, Tensor]:
    losses, total = _kernel.by_row(args[:4], Rows(*args[4:]))
    return losses, _total_tensor(total)


def _by_row_backward_cpu(upstream: Tensor, *args: Any) -> Tensor:
    return _kernel.by_row_backward(upstream, args[:4], Rows(*args[4:]))


_library.impl("cross_entropy", _reduced_cpu, "CPU")
_library.impl("cross_entropy_rows", _by_row_cpu, "CPU")
_library.impl("cross_entropy_rows_backward", _by_row_backward_cpu, "CPU")


# ---- shapes and dtypes alone ----
def _empty_total(logits: Tensor) -> Tensor:
    return logits.new_empty(_TOTAL_LENGTH, dtype=torch.int64)


def _reduced_fake(logits: Tensor, *args: Any) -> tuple[Tensor, Tensor, Tensor]:
    grad = torch.empty_like(logits) if args[-1] else logits.new_empty(0)
    return logits.new_empty(()), grad, _empty_total(logits)


def _by_row_fake(logits: Tensor, labels: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    return logits.new_empty(labels.shape), _empty_total(logits)


def _by_row_backward_fake(upstream: Tensor, logits: Tensor, *args: Any) -> Tensor:
    return torch.empty_like(logits)


torch.library.register_fake("xent::cross_entropy", _reduced_fake, lib=_library)
torch.library.register_fake("xent::cross_entropy_rows", _by_row_fake, lib=_library)
torch.library.register_fake(
    "xent::cross_entropy_rows_backward", _by_row_backward_fake, lib=_library
)


# ---- derivatives ----
def _is_one(upstream: Tensor) -> bool:
    return (
        _kernel.is_in_memory(upstream)
        and not torch._C._len_torch_dispatch_stack()
        and upstream.item() == 1.0
    )


def scaled(grad: Tensor, upstream: Tensor) -> Tensor:
    """upstream*grad: the gradient computed in forward itself if upstream is 1 and nobody will read
    it again, else a new tensor."""
    if (
        not torch.compiler.is_compiling()
        and not torch.is_grad_enabled()
        and _is_one(upstream)
        and not torch._C._autograd._get_current_graph_task_keep_graph()
    ):
        return grad
    return grad * upstream


def _save_reduced(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs[:4], output[1])
    ctx.rows = Rows(*inputs[4:10])
    ctx.reduction, ctx.denominator, ctx.has_grad = inputs[10:]
    ctx.set_materialize_grads(False)


def _reduced_backward(ctx: Any, upstream: Any, of_grad: Any, of_total: Any) -> Any:
    saved = ctx.saved_tensors
    inputs, grad = saved[:4], saved[4]
    if not ctx.has_grad:
        grad = reduced(*inputs, *ctx.rows, ctx.reduction, ctx.denominator, True)[1]
    result = None if upstream is None else scaled(grad, upstream)
    if of_grad is not None and ctx.has_grad:
        second = _formula.hessian_times(of_grad, inputs, ctx.rows, ctx.reduction, ctx.denominator)
        result = second if result is None else result + second
    return (result, *(None,) * 12)


def _save_by_row(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.rows = Rows(*inputs[4:])
    ctx.set_materialize_grads(False)


def _by_row_backward(ctx: Any, upstream: Any, of_total: Any) -> Any:
    grad = None if upstream is None else by_row_backward(upstream, *ctx.saved_tensors, *ctx.rows)
    return (grad, *(None,) * 9)


def _save_by_row_backward(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs[:5])
    ctx.rows = Rows(*inputs[5:])


def _by_row_backward_backward(ctx: Any, of_grad: Tensor) -> Any:
    upstream, *inputs = ctx.saved_tensors
    to_logits, to_upstream = _formula.of_rows_gradient(of_grad, upstream, tuple(inputs), ctx.rows)
    return (to_upstream.to(upstream.dtype), to_logits, *(None,) * 9)


torch.library.register_autograd(
    "xent::cross_entropy", _reduced_backward, setup_context=_save_reduced, lib=_library
)
torch.library.register_autograd(
    "xent::cross_entropy_rows", _by_row_backward, setup_context=_save_by_row, lib=_library
)
torch.library.register_autograd(
    "xent::cross_entropy_rows_backward",
    _by_row_backward_backward,
    setup_context=_save_by_row_backward,
    lib=_library,
)


# ---- torch.vmap ----
def _by_slices(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The batches of a vmap one after the other."""

    def rule(info: Any, in_dims: tuple[Optional[int], ...], *args: Any) -> Any:
        results = [
            operator(*[a if d is None else a.select(d, i) for a, d in zip(args, in_dims)])
            for i in range(info.batch_size)
        ]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results))), (0,) * len(results[0])

    return rule


for _name, _operator in (
    ("cross_entropy", reduced),
    ("cross_entropy_rows", by_row),
    ("cross_entropy_rows_backward", by_row_backward),
):
    torch.library.register_vmap(f"xent::{_name}", _by_slices(_operator), lib=_library)
