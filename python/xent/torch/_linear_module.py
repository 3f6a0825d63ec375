# SPDX-License-Identifier: MIT
"""The drop-in for torch.nn.LinearCrossEntropyLoss, which PyTorch has since 2.13."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from ._linear import linear_cross_entropy


class LinearCrossEntropyLoss(torch.nn.LinearCrossEntropyLoss):
    """torch.nn.LinearCrossEntropyLoss, a linear layer and its loss, computed by xent; the keywords
    beyond PyTorch's are those of `linear_cross_entropy`, except row_weight, which belongs to a
    batch: it is the third argument of the call."""

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        z_loss: float = 0.0,
        softcap: float = 0.0,
        logit_scale: float = 1.0,
        denominator: Optional[float] = None,
        on_bad_label: str = "error",
        return_total: bool = False,
        **of_pytorch: Any,
    ) -> None:
        super().__init__(in_features, num_classes, **of_pytorch)
        self.z_loss = z_loss
        self.softcap = softcap
        self.logit_scale = logit_scale
        self.denominator = denominator
        self.on_bad_label = on_bad_label
        self.return_total = return_total

    def forward(self, input: Tensor, target: Tensor, row_weight: Optional[Tensor] = None) -> Any:
        """The loss of a batch of features."""
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return linear_cross_entropy(
            input, self.linear.weight.reshape(*shape, self.linear.in_features), target,
            linear_bias=None if bias is None else bias.reshape(shape), weight=self.weight,
            reduction=self.reduction, ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing, options=self.options, z_loss=self.z_loss,
            softcap=self.softcap, logit_scale=self.logit_scale, row_weight=row_weight,
            denominator=self.denominator, on_bad_label=self.on_bad_label,
            return_total=self.return_total,
        )  # fmt: skip
