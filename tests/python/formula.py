# SPDX-License-Identifier: MIT
"""The formula at the top of include/xent.h in float64, as plainly as it can be written, for
PyTorch's layouts.

Ignored rows are 0 whatever their logits are; a term whose coefficient is 0 is 0, never 0*inf; a NaN
or +inf logit, or logits that are all -inf, make the row NaN; a mean over nothing is NaN and its
gradient 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from drawn import Case
from torch import Tensor
from torch.nn import _reduction


class Exact(NamedTuple):
    loss: Tensor
    gradient: Tensor


def product(coefficient: Tensor, value: Tensor) -> Tensor:
    """coefficient*value, 0 where the coefficient is."""
    return torch.where(coefficient == 0, 0.0, coefficient * value)


def reduction_of(case: Case) -> str:
    size_average, reduce = (case.options.get(name) for name in ("size_average", "reduce"))
    if size_average is None and reduce is None:
        return str(case.options.get("reduction", "mean"))
    return str(_reduction.legacy_get_string(size_average, reduce, emit_warning=False))


def cross_entropy(case: Case, upstream: Tensor) -> Exact:
    """Loss and upstream times its gradient."""
    axis = 1 if case.logits.ndim > 1 else 0
    x = case.logits.detach().double().movedim(axis, -1)
    classes, smoothing = x.shape[-1], case.options.get("label_smoothing", 0.0)
    labels = case.target.long()
    counted = labels != case.options.get("ignore_index", -100)
    y = torch.where(counted, labels, 0).unsqueeze(-1)
    k = case.options.get("weight")
    k = torch.ones(classes, dtype=torch.float64) if k is None else k.double()
    k_label = k[y]

    below = x - x.amax(-1, keepdim=True)
    nll = torch.logsumexp(below, -1, keepdim=True) - below
    spoiled = (x.isnan() | (x == torch.inf)).any(-1) | (x == -torch.inf).all(-1)
    row = product((1 - smoothing) * k_label, nll.gather(-1, y)).squeeze(-1)
    row = row + product(torch.as_tensor(smoothing / classes * k), nll).sum(-1)
    row = torch.where(counted, torch.where(spoiled, torch.nan, row), 0.0)

    one_hot = torch.zeros_like(x).scatter_(-1, y, 1.0)
    pull = (1 - smoothing) * k_label + smoothing / classes * k.sum()
    gradient = (
        pull * torch.exp(-nll) - (1 - smoothing) * k_label * one_hot - smoothing / classes * k
    )
    gradient = torch.where(spoiled.unsqueeze(-1), torch.nan, gradient)

    reduction = reduction_of(case)
    denominator = (
        torch.where(counted, k_label.squeeze(-1), 0.0).sum()
        if reduction == "mean"
        else torch.ones(1)[0]
    )
    loss = row if reduction == "none" else row.sum() / denominator
    if denominator == 0:
        loss, gradient = torch.full_like(loss, torch.nan), torch.zeros_like(gradient)
    elif reduction == "none":
        gradient = product(upstream.double().unsqueeze(-1), gradient)
    else:
        gradient = upstream * gradient / denominator
    gradient = torch.where(counted.unsqueeze(-1), gradient, 0.0)
    return Exact(loss.to(case.logits.dtype), gradient.movedim(-1, axis).to(case.logits.dtype))
