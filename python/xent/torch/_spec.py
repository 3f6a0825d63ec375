# SPDX-License-Identifier: MIT
"""The tensors and options of one call for PyTorch, as the operators take them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

MEAN, ROW_MEAN, SUM = 0, 1, 2
NONE = 3  # losses of rows: operators of their own
REDUCTION = {"mean": MEAN, "row_mean": ROW_MEAN, "sum": SUM, "none": NONE}

# What is differentiated, then labels, class weights, row weights. The plain form differentiates
# logits, the linear form features, weight and bias. Each is a tensor; some may be None.
Inputs = tuple[Any, ...]


class Rows(NamedTuple):
    """What a row's loss depends on besides its logits, label and weights."""

    ignore_index: int = -100
    on_bad_label: int = 0
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    softcap: float = 0.0
    logit_scale: float = 1.0


def is_linear(inputs: Inputs) -> bool:
    """Whether these are the inputs of the linear form."""
    return len(inputs) == 6


def class_axis(ndim: int) -> int:
    """Where PyTorch has the classes: [C], [N, C], [N, C, d1, ...]."""
    return 1 if ndim > 1 else 0


def loss_dtype(inputs: Inputs) -> torch.dtype:
    """Of a loss: that of the logits, which those of 16-bit features have as float32."""
    dtype: torch.dtype = inputs[0].dtype
    return torch.float32 if is_linear(inputs) and dtype.itemsize == 2 else dtype
