# SPDX-License-Identifier: MIT
"""What both forms ask of their arguments."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from .._errors import ArgumentError, ArgumentTypeError
from .._library import ON_BAD_LABEL
from .._options import choice, denominator_of, integer, real
from . import _kernel
from ._spec import NONE, Inputs, Rows

BEYOND = (
    "z_loss, softcap, logit_scale, row_weight, denominator, on_bad_label, return_total and "
    "reduction='row_mean'"
)


def are_tensors(one: object, two: object, *others: object) -> bool:
    """Whether the first two are tensors, and the others too unless they are None."""
    for other in others:
        if other is not None and not isinstance(other, Tensor):
            return False
    return isinstance(one, Tensor) and isinstance(two, Tensor)


def no_tensor(function: str, needed: tuple[str, ...], **given: object) -> Exception:
    """About the first of these that should be a tensor and is none."""
    name, value = next(
        (name, value)
        for name, value in given.items()
        if not isinstance(value, Tensor) and (value is not None or name in needed)
    )
    return ArgumentTypeError(
        f"{name} is a {type(value).__name__} but must be a torch.Tensor: pass torch.as_tensor of "
        f"it, or call {function} for arrays."
    )


def are_floats(one: object, two: object, three: object, four: object) -> bool:
    """Whether these are numbers that need no conversion."""
    return type(one) is type(two) is type(three) is type(four) is float


def _check_numbers(*given: Any) -> None:
    """Of numbers that are given as tensors."""
    names = ("label_smoothing", "z_loss", "softcap", "logit_scale", "denominator")
    for name, value in zip(names, given):
        if isinstance(value, Tensor) and value.requires_grad and torch.is_grad_enabled():
            raise ArgumentError(
                f"{name} requires a gradient, which it has none of here: pass {name}.item() if it "
                f"is not to be learnt."
            )


def _ignored(ignore_index: Any) -> int:
    if type(ignore_index) is int and -(1 << 63) <= ignore_index < 1 << 63:
        return ignore_index
    return integer("ignore_index", ignore_index, 64)


def rows_of(
    ignore_index: Any,
    on_bad_label: Any,
    label_smoothing: Any,
    z_loss: Any,
    softcap: Any,
    logit_scale: Any,
    denominator: Any,
) -> tuple[Rows, float]:
    """What a row's loss depends on, and what replaces D (0: nothing does)."""
    if (
        on_bad_label == "error"
        and denominator is None
        and are_floats(label_smoothing, z_loss, softcap, logit_scale)
    ):
        ignored = _ignored(ignore_index)
        return Rows(ignored, 0, label_smoothing, z_loss, softcap, logit_scale), 0.0
    _check_numbers(label_smoothing, z_loss, softcap, logit_scale, denominator)
    rows = Rows(
        _ignored(ignore_index),
        choice("on_bad_label", on_bad_label, ON_BAD_LABEL),
        real("label_smoothing", label_smoothing),
        real("z_loss", z_loss),
        real("softcap", softcap),
        real("logit_scale", logit_scale),
    )
    return rows, denominator_of(denominator)


def check_extras(inputs: Inputs, reduction: int, divisor: float, return_total: bool) -> None:
    """Refuses what PyTorch has not, where it does not go with the rest."""
    weight, row_weight = inputs[-2:]
    if row_weight is not None and not is_numbers(row_weight):
        raise ArgumentError(
            f"row_weight is {row_weight.layout} on {row_weight.device}: it must be a plain tensor "
            f"on the CPU, as input and target are."
        )
    if row_weight is not None and row_weight.requires_grad and torch.is_grad_enabled():
        raise ArgumentError(
            "row_weight requires a gradient, which it has none of here: multiply the losses of "
            "reduction='none' by it instead, or pass row_weight.detach()."
        )
    if return_total and _kernel.is_odd(weight):
        raise ArgumentError(
            "weight has entries that are negative or not finite, which PyTorch computes with and "
            "xent.Total does not: leave out return_total, or make them finite and >= 0."
        )
    if reduction == NONE and divisor:
        raise ArgumentError(
            "denominator divides a sum, which reduction='none' does not form: divide the losses "
            "yourself, or use reduction='sum'."
        )


def is_numbers(tensor: Tensor) -> bool:
    """Whether these are plain numbers on the CPU."""
    return tensor.is_cpu and tensor.layout is torch.strided


def are_classes(target: Tensor, weight: Optional[Tensor]) -> bool:
    """Whether labels and class weights are such as xent computes with. A weight that requires a
    gradient gets one from PyTorch, if label smoothing is on."""
    return (
        target.dtype in _kernel.LABELS
        and is_numbers(target)
        and (
            weight is None
            or (weight.is_floating_point() and not weight.requires_grad and is_numbers(weight))
        )
    )
