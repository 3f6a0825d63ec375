# SPDX-License-Identifier: MIT
"""The way that a call takes: past the dispatcher, by the operators, or composed of PyTorch's own
operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._errors import ArgumentError
from .._total import Total
from . import _chain, _eager, _operators
from ._spec import NONE, Inputs, Rows


def computed(inputs: Inputs, rows: Rows, reduction: int, divisor: float, total: bool) -> Any:
    """The loss of either form, with its xent.Total if that is wanted."""
    compiling, transformed = torch.compiler.is_compiling(), _eager.is_transformed()
    if total and (compiling or transformed):
        raise ArgumentError(
            "return_total=True gives a Python object, which torch.compile, torch.func and forward "
            "mode cannot see through: leave it out there."
        )
    if transformed:
        return _chain.loss(inputs, rows, reduction, divisor)
    if compiling:
        return _by_operators(inputs, rows, reduction, divisor)[0]
    if _eager.is_plain(inputs[0], *inputs[-3:], *inputs[1:-3]):
        if reduction == NONE:
            loss, sums = _eager.by_row(inputs, rows)
        else:
            loss, sums = _eager.reduced(inputs, rows, reduction, divisor, total)
        return (loss, Total(sums)) if total else loss
    loss, found = _by_operators(inputs, rows, reduction, divisor)
    return (loss, Total(bytes(found.numpy()))) if total else loss


def _by_operators(
    inputs: Inputs, rows: Rows, reduction: int, divisor: float
) -> tuple[Tensor, Tensor]:
    form = _operators.of(inputs)
    if reduction == NONE:
        loss, total = form.by_row(*inputs, *rows)
        return loss, total
    learns = torch.is_grad_enabled()
    wanted = [one is not None and learns and one.requires_grad for one in inputs[:-3]]
    loss, *_, total = form.reduced(*inputs, *rows, reduction, divisor, *wanted)
    return loss, total
