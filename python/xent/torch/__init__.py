# SPDX-License-Identifier: MIT
"""A drop-in for PyTorch's cross-entropy.

    from xent.torch import cross_entropy      # instead of torch.nn.functional.cross_entropy
    from xent.torch import CrossEntropyLoss   # instead of torch.nn.CrossEntropyLoss

and of its loss of a linear layer, whose logits are never held: linear_cross_entropy and
LinearCrossEntropyLoss.

Class indices on the CPU are computed by xent, everything else by PyTorch's own function.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import _reduction as _legacy
from torch.overrides import handle_torch_function, has_torch_function_variadic

if not hasattr(torch.library, "register_vmap"):
    raise ImportError(f"xent.torch needs PyTorch 2.5 or later, this is {torch.__version__}.")

from .._errors import ArgumentError, DtypeError
from .._library import MAX_NDIM
from .._options import choice
from . import _eager, _kernel
from ._arguments import (
    BEYOND,
    are_classes,
    are_floats,
    are_tensors,
    check_extras,
    is_numbers,
    no_tensor,
    rows_of,
)
from ._linear import linear_cross_entropy
from ._spec import REDUCTION
from ._ways import computed

__all__ = ["CrossEntropyLoss", "cross_entropy", "linear_cross_entropy"]

if hasattr(torch.nn, "LinearCrossEntropyLoss"):  # PyTorch 2.13
    from ._linear_module import LinearCrossEntropyLoss  # noqa: F401

    __all__ += ["LinearCrossEntropyLoss"]


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Optional[Tensor] = None,
    size_average: Optional[bool] = None,
    ignore_index: int = -100,
    reduce: Optional[bool] = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    z_loss: float = 0.0,
    softcap: float = 0.0,
    logit_scale: float = 1.0,
    row_weight: Optional[Tensor] = None,
    denominator: Optional[float] = None,
    on_bad_label: str = "error",
    return_total: bool = False,
) -> Any:
    """torch.nn.functional.cross_entropy with the same arguments, defaults, shapes and NaN.

    input    logits [C], [N, C] or [N, C, d1, ...]: float32, float64, bfloat16 or float16
    target   class indices, the same shape without C, of any integer type

    Beyond PyTorch, by name:
    reduction      also "row_mean": divides by the number of counted rows whatever the weights are
    z_loss         adds z_loss * logsumexp^2 to each row's loss
    softcap        logits become softcap*tanh(input/softcap)
    logit_scale    multiplies the logits
    row_weight     multiplies each row's loss, and counts in the mean; shape of target
    denominator    what the sum of losses is divided by, instead of the mean's own: with the number
                   of counted rows of all parts, the gradients of parts add up to the whole's
    on_bad_label   "error", "ignore" or "nan"
    return_total   returns (loss, xent.Total)

    Floating-point targets, and tensors that are not on the CPU, go to PyTorch's own function.
    """
    if has_torch_function_variadic(input, target, weight, row_weight):
        return handle_torch_function(
            cross_entropy, (input, target, weight, row_weight), input, target, weight,
            size_average, ignore_index, reduce, reduction, label_smoothing, z_loss=z_loss,
            softcap=softcap, logit_scale=logit_scale, row_weight=row_weight,
            denominator=denominator, on_bad_label=on_bad_label, return_total=return_total,
        )  # fmt: skip
    if not is_compiling() and type(input) is type(target) is Tensor:
        given = (
            weight, size_average, reduce, reduction, label_smoothing, z_loss, softcap, logit_scale,
            row_weight, denominator, on_bad_label, return_total,
        )  # fmt: skip
        if given == _DEFAULTS and are_floats(label_smoothing, z_loss, softcap, logit_scale):
            loss = _eager.mean(input, target, ignore_index)
            if loss is not None:
                return loss
    if size_average is not None or reduce is not None:
        reduction = _legacy.legacy_get_string(size_average, reduce)
    plain = (
        z_loss == 0.0 and softcap == 0.0 and logit_scale == 1.0 and row_weight is None
        and denominator is None and on_bad_label == "error" and not return_total
        and reduction != "row_mean"
    )  # fmt: skip
    if not are_tensors(input, target, weight, row_weight):
        raise no_tensor(
            "xent.cross_entropy", ("input", "target"),
            input=input, target=target, weight=weight, row_weight=row_weight,
        )  # fmt: skip
    if not _is_ours(input, target, weight) or (plain and _eager.is_transformed()):
        if not plain:
            raise _not_ours(input, target, weight)
        return torch.nn.functional.cross_entropy(
            input, target, weight, None, ignore_index, None, reduction, label_smoothing
        )
    if input.dtype not in _WIDE and torch.is_autocast_enabled("cpu"):
        input = input.float()  # as PyTorch's own function does
    rows, divisor = rows_of(
        ignore_index, on_bad_label, label_smoothing, z_loss, softcap, logit_scale, denominator
    )
    number = choice("reduction", reduction, REDUCTION)
    inputs = (input, target, _kernel.wide(weight), _kernel.wide(row_weight))
    if return_total or divisor or row_weight is not None:
        check_extras(inputs, number, divisor, return_total)
    return computed(inputs, rows, number, divisor, return_total)


# What follows the target, ignore_index left out.
_DEFAULTS = (None, None, None, "mean", 0.0, 0.0, 0.0, 1.0, None, None, "error", False)
_WIDE = (torch.float32, torch.float64)


def _is_ours(input: Tensor, target: Tensor, weight: Optional[Tensor]) -> bool:
    """Whether xent computes it: class indices and logits in the CPU's memory."""
    return (
        input.dtype in _kernel.LOGITS
        and input.dim() <= MAX_NDIM
        and is_numbers(input)
        and are_classes(target, weight)
    )


def _not_ours(input: Tensor, target: Tensor, weight: Optional[Tensor]) -> Exception:
    if input.is_cpu and target.is_cpu and target.is_floating_point():
        return DtypeError(
            f"target has dtype {target.dtype}, class probabilities, which PyTorch's own function "
            f"computes; it knows nothing of {BEYOND}. Leave these out, or pass class indices."
        )
    return ArgumentError(
        f"input is {input.dtype} of {input.dim()} axes on {input.device} and target {target.dtype} "
        f"on {target.device}: {BEYOND} need floating-point logits of at most {MAX_NDIM} axes and "
        f"class indices on the CPU, and a weight there that requires no gradient."
    )


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """torch.nn.CrossEntropyLoss computed by xent; the keywords beyond PyTorch's are those of
    `cross_entropy`, except row_weight, which belongs to a batch: it is the third argument of the
    call."""

    def __init__(
        self,
        weight: Optional[Tensor] = None,
        size_average: Optional[bool] = None,
        ignore_index: int = -100,
        reduce: Optional[bool] = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        z_loss: float = 0.0,
        softcap: float = 0.0,
        logit_scale: float = 1.0,
        denominator: Optional[float] = None,
        on_bad_label: str = "error",
        return_total: bool = False,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        self.z_loss = z_loss
        self.softcap = softcap
        self.logit_scale = logit_scale
        self.denominator = denominator
        self.on_bad_label = on_bad_label
        self.return_total = return_total

    def forward(self, input: Tensor, target: Tensor, row_weight: Optional[Tensor] = None) -> Any:
        """The loss of a batch."""
        return cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing, z_loss=self.z_loss, softcap=self.softcap,
            logit_scale=self.logit_scale, row_weight=row_weight, denominator=self.denominator,
            on_bad_label=self.on_bad_label, return_total=self.return_total,
        )  # fmt: skip
