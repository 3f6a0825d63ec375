# SPDX-License-Identifier: MIT
"""A drop-in for PyTorch's cross-entropy.

    from xent.torch import cross_entropy      # instead of torch.nn.functional.cross_entropy
    from xent.torch import CrossEntropyLoss   # instead of torch.nn.CrossEntropyLoss

Class indices on the CPU are computed by xent, everything else by PyTorch's own function.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor
from torch.nn import _reduction as _legacy
from torch.overrides import handle_torch_function, has_torch_function_variadic

if not hasattr(torch.library, "register_vmap"):
    raise ImportError(f"xent.torch needs PyTorch 2.5 or later, this is {torch.__version__}.")

from .._errors import ArgumentError, ArgumentTypeError, DtypeError
from .._library import MAX_NDIM, ON_BAD_LABEL
from .._options import choice, denominator_of, integer, real
from .._total import Total
from . import _eager, _formula, _kernel, _operators
from ._spec import NONE, REDUCTION, Inputs, Rows

__all__ = ["CrossEntropyLoss", "cross_entropy"]


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
    if size_average is not None or reduce is not None:
        reduction = _legacy.legacy_get_string(size_average, reduce)
    plain = (
        z_loss == 0.0 and softcap == 0.0 and logit_scale == 1.0 and row_weight is None
        and denominator is None and on_bad_label == "error" and not return_total
        and reduction != "row_mean"
    )  # fmt: skip
    if not _are_tensors(input, target, weight, row_weight):
        raise _no_tensor(input, target, weight, row_weight)
    if not _is_ours(input, target, weight) or (plain and _eager.is_transformed()):
        if not plain:
            raise _not_ours(input, target, weight)
        return torch.nn.functional.cross_entropy(
            input, target, weight, None, ignore_index, None, reduction, label_smoothing
        )
    if input.dtype not in _WIDE and torch.is_autocast_enabled("cpu"):
        input = input.float()  # as PyTorch's own function does
    if plain and _are_floats(label_smoothing, z_loss, softcap, logit_scale):
        rows, divisor = Rows(_ignored(ignore_index), 0, label_smoothing), 0.0
    else:
        _check_numbers(label_smoothing, z_loss, softcap, logit_scale, denominator)
        rows = Rows(
            _ignored(ignore_index),
            choice("on_bad_label", on_bad_label, ON_BAD_LABEL),
            real("label_smoothing", label_smoothing),
            real("z_loss", z_loss),
            real("softcap", softcap),
            real("logit_scale", logit_scale),
        )
        divisor = denominator_of(denominator)
    number = choice("reduction", reduction, REDUCTION)
    inputs = (input, target, _kernel.wide(weight), _kernel.wide(row_weight))
    if return_total or divisor or row_weight is not None:
        _check_extras(inputs, number, divisor, return_total)
    return _computed(inputs, rows, number, divisor, return_total)


def _are_floats(one: object, two: object, three: object, four: object) -> bool:
    return type(one) is type(two) is type(three) is type(four) is float


def _are_tensors(input: object, target: object, *weights: object) -> bool:
    for weight in weights:
        if weight is not None and not isinstance(weight, Tensor):
            return False
    return isinstance(input, Tensor) and isinstance(target, Tensor)


def _no_tensor(*given: object) -> Exception:
    """About the first of these that should be a tensor and is none."""
    name, value = next(
        (name, value)
        for name, value in zip(("input", "target", "weight", "row_weight"), given)
        if not isinstance(value, Tensor) and (value is not None or name in ("input", "target"))
    )
    return ArgumentTypeError(
        f"{name} is a {type(value).__name__} but must be a torch.Tensor: pass torch.as_tensor of "
        f"it, or call xent.cross_entropy for arrays."
    )


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


def _check_extras(inputs: Inputs, reduction: int, divisor: float, return_total: bool) -> None:
    weight, row_weight = inputs[2:]
    if row_weight is not None and not _is_numbers(row_weight):
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


_WIDE = (torch.float32, torch.float64)


def _is_numbers(tensor: Tensor) -> bool:
    return tensor.is_cpu and tensor.layout is torch.strided


def _is_ours(input: Tensor, target: Tensor, weight: Optional[Tensor]) -> bool:
    """Whether xent computes it: class indices and logits in the CPU's memory. A weight that
    requires a gradient gets one from PyTorch, if label smoothing is on."""
    return (
        input.dtype in _kernel.LOGITS
        and input.dim() <= MAX_NDIM
        and target.dtype in _kernel.LABELS
        and _is_numbers(input)
        and _is_numbers(target)
        and (
            weight is None
            or (weight.is_floating_point() and not weight.requires_grad and _is_numbers(weight))
        )
    )


def _not_ours(input: Tensor, target: Tensor, weight: Optional[Tensor]) -> Exception:
    if input.is_cpu and target.is_cpu and target.is_floating_point():
        return DtypeError(
            f"target has dtype {target.dtype}, class probabilities, which PyTorch's own function "
            f"computes; it knows nothing of z_loss, softcap, logit_scale, row_weight, denominator, "
            f"on_bad_label, return_total and reduction='row_mean'. Leave these out, or pass class "
            f"indices."
        )
    return ArgumentError(
        f"input is {input.dtype} of {input.dim()} axes on {input.device} and target {target.dtype} "
        f"on {target.device}: z_loss, softcap, logit_scale, row_weight, denominator, on_bad_label, "
        f"return_total and reduction='row_mean' need floating-point logits of at most {MAX_NDIM} "
        f"axes and class indices on the CPU, and a weight there that requires no gradient."
    )


def _computed(inputs: Inputs, rows: Rows, reduction: int, divisor: float, total: bool) -> Any:
    compiling, transformed = torch.compiler.is_compiling(), _eager.is_transformed()
    if total and (compiling or transformed):
        raise ArgumentError(
            "return_total=True gives a Python object, which torch.compile, torch.func and forward "
            "mode cannot see through: leave it out there."
        )
    if transformed:
        return _formula.loss(inputs, rows, reduction, divisor)
    if compiling:
        return _by_operators(inputs, rows, reduction, divisor)[0]
    if _eager.is_plain(*inputs):
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
    if reduction == NONE:
        loss, total = _operators.by_row(*inputs, *rows)
        return loss, total
    with_grad = inputs[0].requires_grad and torch.is_grad_enabled()
    loss, _, total = _operators.reduced(*inputs, *rows, reduction, divisor, with_grad)
    return loss, total


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
