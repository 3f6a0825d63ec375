# SPDX-License-Identifier: MIT
"""torch.ops.xent: the library as operators that PyTorch can trace, compile and differentiate twice.

cross_entropy                 reduced loss, its gradients (empty unless wanted), struct xent_total
cross_entropy_rows            losses of the rows, struct xent_total
cross_entropy_rows_backward   the gradients of sum(upstream * losses of the rows)

and linear_cross_entropy.. the same, with gradients of features, weight and bias instead of the
logits'. Schemas have no defaults: PyTorch would leave out arguments that equal theirs, and looking
them up again takes longer than the loss of a small batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

import torch
from torch import Tensor

from . import _chain, _kernel
from ._chain import Gradients
from ._spec import Inputs, Rows, is_linear, loss_dtype

_ROWS = (
    "int ignore_index, int on_bad_label, "
    "float label_smoothing, float z_loss, float softcap, float logit_scale"
)
_TOTAL_LENGTH = 16

_keeps_graph = torch._C._autograd._get_current_graph_task_keep_graph
_library = torch.library.Library("xent", "DEF")


def _total_tensor(total: bytes) -> Tensor:
    return torch.frombuffer(bytearray(total), dtype=torch.int64)


def _is_one(upstream: Tensor) -> bool:
    return (
        _kernel.is_in_memory(upstream)
        and not torch._C._len_torch_dispatch_stack()
        and upstream.item() == 1.0
    )


def scaled(grads: Gradients, upstream: Tensor) -> Gradients:
    """upstream*grad of each: the gradients computed in forward themselves if upstream is 1 and
    nobody will read them again, else new tensors."""
    if (
        not torch.compiler.is_compiling()
        and not torch.is_grad_enabled()
        and _is_one(upstream)
        and not _keeps_graph()
    ):
        return grads
    return tuple([None if grad is None else grad * upstream for grad in grads])


def _sums(one: Gradients, other: Gradients) -> Gradients:
    return tuple(b if a is None else a if b is None else a + b for a, b in zip(one, other))


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


class Form:
    """The three operators of a form, with the tensors that are differentiated as their first."""

    def __init__(self, name: str, **differentiated: str) -> None:
        self.name, self.count = name, len(differentiated)
        tensors = ", ".join(f"{kind} {each}" for each, kind in differentiated.items())
        inputs = f"{tensors}, Tensor labels, Tensor? class_weight, Tensor? row_weight, {_ROWS}"
        wanted = ", ".join(f"bool with_{each}" for each in differentiated)
        grads = ", ".join(["Tensor"] * self.count)
        self.reduced = self._define(
            "",
            f"({inputs}, int reduction, float denominator, {wanted}) -> (Tensor, {grads}, Tensor)",
            (self._reduced, self._reduced_fake, self._save_reduced, self._reduced_backward),
        )
        self.by_row = self._define(
            "_rows",
            f"({inputs}) -> (Tensor, Tensor)",
            (self._by_row, self._by_row_fake, self._save_by_row, self._by_row_backward),
        )
        self.by_row_backward = self._define(
            "_rows_backward",
            f"(Tensor upstream, {inputs}, {wanted}) -> ({grads})",
            (self._grads, self._grads_fake, self._save_grads, self._grads_backward),
        )

    def _define(self, suffix: str, schema: str, functions: Sequence[Callable[..., Any]]) -> Any:
        name = f"xent::{self.name}{suffix}"
        cpu, fake, save, backward = functions
        _library.define(f"{self.name}{suffix}{schema}")
        _library.impl(f"{self.name}{suffix}", cpu, "CPU")
        torch.library.register_fake(name, fake, lib=_library)
        torch.library.register_autograd(name, backward, setup_context=save, lib=_library)
        operator = getattr(torch.ops.xent, f"{self.name}{suffix}").default
        torch.library.register_vmap(name, _by_slices(operator), lib=_library)
        return operator

    # ---- arguments and results ----
    def _parts(self, args: Sequence[Any]) -> tuple[Inputs, Rows, Sequence[Any]]:
        """Inputs, rows, and what follows these."""
        end = self.count + 3
        return tuple(args[:end]), Rows(*args[end : end + 6]), args[end + 6 :]

    def _filled(self, grads: Gradients, inputs: Inputs) -> list[Tensor]:
        """Empty tensors where none is wanted."""
        padded = (*grads, *(None,) * (self.count - len(grads)))
        return [inputs[0].new_empty(0) if grad is None else grad for grad in padded]

    def _shared(self, results: Sequence[Any]) -> Any:
        """Several results as a tuple, a single one by itself."""
        return tuple(results) if self.count > 1 else results[0]

    def _padded(self, grads: Sequence[Any], more: int) -> tuple[Any, ...]:
        """As what backward gives: nothing for the other inputs, the rows and more."""
        return (*grads, *(None,) * (9 + more))

    # ---- the reduced loss ----
    def _reduced(self, *args: Any) -> tuple[Tensor, ...]:
        inputs, rows, (reduction, denominator, *wanted) = self._parts(args)
        loss, grads, total = _kernel.reduced(inputs, rows, reduction, denominator, wanted, True)
        return (loss, *self._filled(grads, inputs), _total_tensor(total))

    def _reduced_fake(self, *args: Any) -> tuple[Tensor, ...]:
        inputs, _, (_, _, *wanted) = self._parts(args)
        loss = inputs[0].new_empty((), dtype=loss_dtype(inputs))
        return (loss, *self._empty_grads(inputs, wanted), self._empty_total(inputs))

    def _empty_total(self, inputs: Inputs) -> Tensor:
        total: Tensor = inputs[0].new_empty(_TOTAL_LENGTH, dtype=torch.int64)
        return total

    def _empty_grads(self, inputs: Inputs, wanted: Sequence[bool]) -> list[Tensor]:
        return self._filled(
            tuple(torch.empty_like(one) if want else None for one, want in zip(inputs, wanted)),
            inputs,
        )

    def _save_reduced(self, ctx: Any, inputs: Any, output: Any) -> None:
        tensors, ctx.rows, (ctx.reduction, ctx.denominator, *ctx.wanted) = self._parts(inputs)
        ctx.save_for_backward(*tensors, *output[1:-1])
        ctx.set_materialize_grads(False)

    def _reduced_backward(self, ctx: Any, upstream: Any, *of: Any) -> Any:
        saved = ctx.saved_tensors
        inputs, grads = saved[: -self.count], saved[-self.count :]
        needed = ctx.needs_input_grad[: self.count]
        options = ctx.rows, ctx.reduction, ctx.denominator
        result: Gradients = (None,) * self.count
        if upstream is not None:
            if any(need and not there for need, there in zip(needed, ctx.wanted)):
                grads = self.reduced(*inputs, *ctx.rows, *options[1:], *needed)[1:-1]
            kept = [grad if need else None for grad, need in zip(grads, needed)]
            result = scaled(tuple(kept), upstream)
        v = [grad if there else None for grad, there in zip(of, ctx.wanted)]
        if any(grad is not None for grad in v):
            result = _sums(result, _chain.hessian_times(v, inputs, *options))
        return self._padded(result, 2 + self.count)

    # ---- the losses of rows ----
    def _by_row(self, *args: Any) -> tuple[Tensor, Tensor]:
        inputs, rows, _ = self._parts(args)
        losses, total = _kernel.by_row(inputs, rows)
        return losses, _total_tensor(total)

    def _by_row_fake(self, *args: Any) -> tuple[Tensor, Tensor]:
        inputs, _, _ = self._parts(args)
        losses = inputs[0].new_empty(inputs[-3].shape, dtype=loss_dtype(inputs))
        return losses, self._empty_total(inputs)

    def _save_by_row(self, ctx: Any, inputs: Any, output: Any) -> None:
        tensors, ctx.rows, _ = self._parts(inputs)
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)

    def _by_row_backward(self, ctx: Any, upstream: Any, of_total: Any) -> Any:
        grads: Gradients = (None,) * self.count
        if upstream is not None:
            wanted = ctx.needs_input_grad[: self.count]
            grads = self.gradients(upstream, ctx.saved_tensors, ctx.rows, wanted)
        return self._padded(grads, 0)

    def gradients(
        self, upstream: Tensor, inputs: Inputs, rows: Rows, wanted: Sequence[bool]
    ) -> Gradients:
        """by_row_backward with None where nothing is wanted."""
        found = self.by_row_backward(upstream, *inputs, *rows, *wanted)
        grads = found if self.count > 1 else (found,)
        return tuple(grad if want else None for grad, want in zip(grads, wanted))

    # ---- their gradients ----
    def _grads(self, upstream: Tensor, *args: Any) -> Any:
        inputs, rows, wanted = self._parts(args)
        grads = _kernel.by_row_backward(upstream, inputs, rows, wanted)
        return self._shared(self._filled(grads, inputs))

    def _grads_fake(self, upstream: Tensor, *args: Any) -> Any:
        inputs, _, wanted = self._parts(args)
        return self._shared(self._empty_grads(inputs, wanted))

    def _save_grads(self, ctx: Any, inputs: Any, output: Any) -> None:
        tensors, ctx.rows, ctx.wanted = self._parts(inputs[1:])
        ctx.save_for_backward(inputs[0], *tensors)
        ctx.set_materialize_grads(False)

    def _grads_backward(self, ctx: Any, *of: Any) -> Any:
        upstream, *inputs = ctx.saved_tensors
        v = [grad if there else None for grad, there in zip(of, ctx.wanted)]
        if all(grad is None for grad in v):
            return (None, *self._padded((None,) * self.count, self.count))
        grads, to_upstream = _chain.of_rows_gradient(v, upstream, tuple(inputs), ctx.rows)
        return (to_upstream.to(upstream.dtype), *self._padded(grads, self.count))


plain = Form("cross_entropy", logits="Tensor")
linear = Form("linear_cross_entropy", features="Tensor", weight="Tensor", bias="Tensor?")


def of(inputs: Inputs) -> Form:
    """The form that has these inputs."""
    return linear if is_linear(inputs) else plain
