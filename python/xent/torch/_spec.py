# SPDX-License-Identifier: MIT
"""The options of one call for PyTorch, as the operators take them."""

from __future__ import annotations

from typing import NamedTuple, Optional

from torch import Tensor

MEAN, ROW_MEAN, SUM = 0, 1, 2
NONE = 3  # losses of rows: operators of their own
REDUCTION = {"mean": MEAN, "row_mean": ROW_MEAN, "sum": SUM, "none": NONE}


# logits, labels, class weights, row weights
Inputs = tuple[Tensor, Tensor, Optional[Tensor], Optional[Tensor]]


class Rows(NamedTuple):
    """What a row's loss depends on besides its logits, label and weights."""

    ignore_index: int = -100
    on_bad_label: int = 0
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    softcap: float = 0.0
    logit_scale: float = 1.0


def class_axis(ndim: int) -> int:
    """Where PyTorch has the classes: [C], [N, C], [N, C, d1, ...]."""
    return 1 if ndim > 1 else 0
