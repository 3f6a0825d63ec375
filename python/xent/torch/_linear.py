# SPDX-License-Identifier: MIT
"""The drop-in for torch.nn.functional.linear_cross_entropy."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function_variadic

from .._errors import ArgumentError, DtypeError
from .._library import MAX_NDIM
from .._options import choice
from . import _eager, _kernel
from ._arguments import (
    BEYOND,
    are_classes,
    are_tensors,
    check_extras,
    is_numbers,
    no_tensor,
    rows_of,
)
from ._spec import REDUCTION
from ._ways import computed


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Optional[Tensor] = None,
    weight: Optional[Tensor] = None,
    reduction: str = "mean",
    ignore_index: Optional[int] = None,
    label_smoothing: float = 0.0,
    options: Any = None,
    z_loss: float = 0.0,
    softcap: float = 0.0,
    logit_scale: float = 1.0,
    row_weight: Optional[Tensor] = None,
    denominator: Optional[float] = None,
    on_bad_label: str = "error",
    return_total: bool = False,
) -> Any:
    """torch.nn.functional.linear_cross_entropy (PyTorch 2.13) with the same arguments and defaults:
    the loss of the logits linear(input, linear_weight, linear_bias), of which no more than 32 MB
    are ever held, in forward and in backward.

    input          features [D] or [N, D], and beyond PyTorch [..., D]: float32, float64, bfloat16
                   or float16, whose logits are float32
    linear_weight  [C, D], the same type
    target         class indices, the shape of input without D, of any integer type
    linear_bias    [C], the same type; beside 16 bits also float32
    options        how PyTorch parts the batch; nothing depends on it here

    Keywords beyond PyTorch are those of `cross_entropy`. The gradients of float16 are computed in
    backward, those of other types in forward.

    Floating-point targets, weights [C, d1, ..., D] and tensors that are not on the CPU go to
    PyTorch's own function.
    """
    tensors = (input, linear_weight, target, linear_bias, weight, row_weight)
    if has_torch_function_variadic(*tensors):
        return handle_torch_function(
            linear_cross_entropy, tensors, input, linear_weight, target, linear_bias=linear_bias,
            weight=weight, reduction=reduction, ignore_index=ignore_index,
            label_smoothing=label_smoothing, options=options, z_loss=z_loss, softcap=softcap,
            logit_scale=logit_scale, row_weight=row_weight, denominator=denominator,
            on_bad_label=on_bad_label, return_total=return_total,
        )  # fmt: skip
    if not are_tensors(input, target, *tensors[1:2], *tensors[3:]) or linear_weight is None:
        raise no_tensor(
            "xent.linear_cross_entropy", ("input", "linear_weight", "target"), input=input,
            linear_weight=linear_weight, target=target, linear_bias=linear_bias, weight=weight,
            row_weight=row_weight,
        )  # fmt: skip
    plain = (
        z_loss == 0.0 and softcap == 0.0 and logit_scale == 1.0 and row_weight is None
        and denominator is None and on_bad_label == "error" and not return_total
        and reduction != "row_mean"
    )  # fmt: skip
    features = (input, linear_weight, linear_bias)
    if not _are_ours(*features, target, weight):
        if not plain:
            raise _not_ours(*features, target)
        return _by_pytorch(
            *features, target, weight, reduction, ignore_index, label_smoothing, options
        )
    if plain and _eager.is_transformed() and input.dim() <= 2:
        return _by_pytorch(
            *features, target, weight, reduction, ignore_index, label_smoothing, None
        )
    casts = torch.is_autocast_enabled("cpu")
    rows, divisor = rows_of(
        -100 if ignore_index is None else ignore_index,
        on_bad_label, label_smoothing, z_loss, softcap, logit_scale, denominator,
    )  # fmt: skip
    number = choice("reduction", reduction, REDUCTION)
    cast = map(_cast, features) if casts else features
    inputs = (*cast, target, _kernel.wide(weight), _kernel.wide(row_weight))
    check_extras(inputs, number, divisor, return_total)
    found = computed(inputs, rows, number, divisor, return_total)
    if casts or input.dtype.itemsize > 2:
        return found
    return (found[0].to(input.dtype), found[1]) if return_total else found.to(input.dtype)


def _cast(tensor: Optional[Tensor]) -> Optional[Tensor]:
    """As torch.nn.functional.linear does under autocast; the loss is float32 then, as the one of
    torch.nn.functional.cross_entropy."""
    if tensor is None or tensor.dtype is torch.float64:
        return tensor
    return tensor.to(torch.get_autocast_dtype("cpu"))


def _are_ours(
    input: Tensor,
    linear_weight: Tensor,
    linear_bias: Optional[Tensor],
    target: Tensor,
    weight: Optional[Tensor],
) -> bool:
    """Whether xent computes it: class indices, and features of one classifier, in the CPU's
    memory."""
    return (
        1 <= input.dim() <= MAX_NDIM
        and linear_weight.dim() == 2
        and all(
            tensor is None or (tensor.dtype in _kernel.LOGITS and is_numbers(tensor))
            for tensor in (input, linear_weight, linear_bias)
        )
        and are_classes(target, weight)
    )


def _not_ours(
    input: Tensor, linear_weight: Tensor, linear_bias: Optional[Tensor], target: Tensor
) -> Exception:
    if input.is_cpu and target.is_cpu and target.is_floating_point():
        return DtypeError(
            f"target has dtype {target.dtype}, class probabilities, which PyTorch's own function "
            f"computes; it knows nothing of {BEYOND}. Leave these out, or pass class indices."
        )
    return ArgumentError(
        f"input is {input.dtype} {list(input.shape)} on {input.device}, linear_weight "
        f"{linear_weight.dtype} {list(linear_weight.shape)} on {linear_weight.device} and target "
        f"{target.dtype} on {target.device}: {BEYOND} need floating-point features of at most "
        f"{MAX_NDIM} axes, a linear_weight [C, D], class indices, and a weight that requires no "
        f"gradient, all on the CPU."
    )


def _by_pytorch(
    input: Tensor,
    linear_weight: Tensor,
    linear_bias: Optional[Tensor],
    target: Tensor,
    weight: Optional[Tensor],
    reduction: str,
    ignore_index: Optional[int],
    label_smoothing: float,
    options: Any,
) -> Tensor:
    """PyTorch's own function, or before PyTorch 2.13 what it stands for."""
    if hasattr(functional, "linear_cross_entropy"):
        return functional.linear_cross_entropy(
            input, linear_weight, target, linear_bias=linear_bias, weight=weight,
            reduction=reduction, ignore_index=ignore_index, label_smoothing=label_smoothing,
            options=options,
        )  # fmt: skip
    return functional.cross_entropy(
        functional.linear(input, linear_weight, linear_bias), target, weight,
        ignore_index=-100 if ignore_index is None else ignore_index, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip
