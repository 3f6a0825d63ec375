# SPDX-License-Identifier: MIT
"""The formula at the top of include/xent.h composed of PyTorch's own operations, for second
derivatives and forward mode. Slower than the library; the letters are the formula's."""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
from torch import Tensor

from ._spec import MEAN, NONE, ROW_MEAN, Inputs, Rows, class_axis


class Terms(NamedTuple):
    """What loss and derivatives are made of, classes along the last axis, which w has as well."""

    z: Tensor
    lse: Tensor
    slope: Tensor  # dz/dx
    bend: Tensor  # d(slope)/dx
    counted: Tensor
    w: Tensor  # 0 for rows that are not counted
    k: Tensor
    k_label: Tensor  # k[y]
    push: Tensor  # (1-e)*k[y]*[c = y] + (e/C)*k[c]
    share: Tensor  # its sum over c

    def p(self) -> Tensor:
        """The softmax."""
        return torch.softmax(self.z, -1)


def _bent(x: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    """z and its derivatives with respect to x."""
    s, cap = rows.logit_scale, rows.softcap
    if not cap:
        return s * x, torch.full_like(x, s), torch.zeros_like(x)
    masked = x == -torch.inf  # -inf stays -inf
    t = torch.tanh(s * x / cap)
    slope = s * (1 - t * t)
    bend = -2 * s / cap * t * slope
    return torch.where(masked, x, cap * t), torch.where(masked, 0.0, slope), bend


def _hidden(y: Tensor, classes: int, rows: Rows) -> tuple[Tensor, Tensor]:
    """Which rows count for nothing, and whose label is a class."""
    ignored = y == rows.ignore_index
    inside = (y >= 0) & (y < classes)
    # Where the library raises, bad rows are NaN as well: values may be out of sight here.
    return ignored | ~inside if rows.on_bad_label == 1 else ignored, inside


def silent(labels: Tensor, classes: int, row_weight: Optional[Tensor], rows: Rows) -> Tensor:
    """Which rows are not read: hidden, or of weight 0."""
    hidden, _ = _hidden(labels, classes, rows)
    return hidden if row_weight is None else hidden | (row_weight == 0)


def _weights(
    y: Tensor, dtype: torch.dtype, inputs: Inputs, rows: Rows
) -> tuple[Tensor, Tensor, Tensor]:
    """Which rows are counted, which count for nothing, and w."""
    logits, _, _, row_weight = inputs
    hidden, inside = _hidden(y, logits.shape[class_axis(logits.dim())], rows)
    w = torch.ones_like(y, dtype=dtype) if row_weight is None else row_weight.to(dtype)
    w = torch.where(hidden, 0.0, torch.where(inside, w, torch.nan))
    return inside & (y != rows.ignore_index), hidden.unsqueeze(-1), w.unsqueeze(-1)


def terms(inputs: Inputs, rows: Rows) -> Terms:
    """The terms of a batch."""
    logits, labels, class_weight, _ = inputs
    x = logits.movedim(class_axis(logits.dim()), -1)
    classes = x.shape[-1]
    y = labels.long()
    counted, hidden, w = _weights(y, x.dtype, inputs, rows)
    y = torch.where(counted, y, 0).unsqueeze(-1)
    x = torch.where(hidden | (w == 0), 0.0, x)
    z, slope, bend = _bent(x, rows)
    k = x.new_ones(classes) if class_weight is None else class_weight.to(x.dtype)
    k_label = torch.where(counted.unsqueeze(-1), k[y], 0.0)
    is_label = y == torch.arange(classes, device=x.device)
    spread = rows.label_smoothing / max(classes, 1)
    push = torch.where(is_label, (1 - rows.label_smoothing) * k_label, 0.0)
    lse = torch.logsumexp(z, -1, keepdim=True)
    share = (1 - rows.label_smoothing) * k_label
    if spread:  # else not even a NaN among the weights of other classes has a part
        push, share = push + spread * k, share + spread * k.sum()
    return Terms(z, lse, slope, bend, counted, w, k, k_label, push, share)


def denominator_of(t: Terms, reduction: int, denominator: float) -> Tensor:
    """D."""
    if denominator or reduction not in (MEAN, ROW_MEAN):
        return t.w.new_full((), denominator or 1.0)
    if reduction == ROW_MEAN:
        return t.counted.sum().to(t.w.dtype)
    return torch.where(t.counted.unsqueeze(-1), t.w * t.k_label, 0.0).sum()


def loss(inputs: Inputs, rows: Rows, reduction: int, denominator: float) -> Tensor:
    """The loss, reduced or of each row."""
    t = terms(inputs, rows)
    # A coefficient of 0 makes its term 0, also beside an infinite nll.
    nll = torch.where(t.push == 0, 0.0, -torch.log_softmax(t.z, -1))
    of_row = t.w * ((t.push * nll).sum(-1, keepdim=True) + rows.z_loss * t.lse * t.lse)
    of_row = torch.where(t.w == 0, 0.0, of_row)
    if reduction == NONE:
        return of_row.squeeze(-1)
    total, d = of_row.sum(), denominator_of(t, reduction, denominator)
    # Over D = 0 the loss is not finite, but nothing is to be learnt.
    return torch.where(d == 0, total.detach() / d, total / torch.where(d == 0, 1.0, d))


def row_gradient(t: Terms, rows: Rows) -> Tensor:
    """d(loss of a row with w = 1)/dx, classes along the last axis."""
    return t.slope * ((t.share + 2 * rows.z_loss * t.lse) * t.p() - t.push)


def row_hessian_times(t: Terms, rows: Rows, v: Tensor) -> Tensor:
    """The second derivative of the same, times v. In z it is a*(diag(p) - p p') + 2q*p p', where
    a = share + 2q*lse is what p is multiplied by in the first."""
    p = t.p()
    u = t.slope * v
    along_p = (p * u).sum(-1, keepdim=True)
    a = t.share + 2 * rows.z_loss * t.lse
    in_z = a * (p * u - p * along_p) + 2 * rows.z_loss * along_p * p
    return t.slope * in_z + t.bend * v * (a * p - t.push)


def _times(weight: Tensor, value: Tensor, axis: int) -> Tensor:
    """weight*value, 0 where the weight is, with the class axis back in its place."""
    return torch.where(weight == 0, 0.0, weight * value).movedim(-1, axis)


def _over_denominator(t: Terms, reduction: int, denominator: float) -> Tensor:
    d = denominator_of(t, reduction, denominator)
    return torch.where(d == 0, 0.0, t.w / d)


def gradient(inputs: Inputs, rows: Rows, reduction: int, denominator: float) -> Tensor:
    """The gradient of the reduced loss with respect to the logits."""
    t = terms(inputs, rows)
    weight = _over_denominator(t, reduction, denominator)
    return _times(weight, row_gradient(t, rows), class_axis(inputs[0].dim()))


def hessian_times(
    v: Tensor, inputs: Inputs, rows: Rows, reduction: int, denominator: float
) -> Tensor:
    """The second derivative of the reduced loss with respect to the logits, times v."""
    t = terms(inputs, rows)
    axis = class_axis(inputs[0].dim())
    weight = _over_denominator(t, reduction, denominator)
    return _times(weight, row_hessian_times(t, rows, v.movedim(axis, -1)), axis)


def of_rows_gradient(
    v: Tensor, upstream: Tensor, inputs: Inputs, rows: Rows
) -> tuple[Tensor, Tensor]:
    """For g(x, u) = the gradient of sum(u * losses of rows): v times its derivatives with respect
    to x and to u."""
    t = terms(inputs, rows)
    axis = class_axis(inputs[0].dim())
    v = v.movedim(axis, -1)
    weight = t.w * upstream.unsqueeze(-1)
    to_logits = _times(weight, row_hessian_times(t, rows, v), axis)
    of_unit = (row_gradient(t, rows) * v).sum(-1)
    return to_logits, torch.where(t.counted, t.w.squeeze(-1) * of_unit, 0.0)
