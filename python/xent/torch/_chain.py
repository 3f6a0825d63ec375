# SPDX-License-Identifier: MIT
"""Loss and derivatives of either form in PyTorch's own operations: the formula of the logits, and
for the linear form the way from logits to features, weight and bias. Logits are held here.

With g the gradient of the logits z = x W' + b, the gradients are g W, g' x and the sum of g over
rows. Multiplied by v, a tensor for each of them, they add up to the sum of g*u, where u is how z
moves as x, W and b move along v; so a second derivative is that of the logits times u, and what is
left of g's own factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from torch import Tensor, where

from .._errors import ShapeError
from . import _formula
from ._spec import NONE, SUM, Inputs, Rows, is_linear, loss_dtype

Gradients = tuple[Optional[Tensor], ...]


class _Made(NamedTuple):
    """Logits with what they are made of: a row of features for each label, as wide as the loss."""

    features: Tensor
    weight: Tensor
    inputs: Inputs  # of the plain form

    def gradient(self, rows: Rows, reduction: int, denominator: float) -> Tensor:
        return _formula.gradient(self.inputs, rows, reduction, denominator)


def _made(inputs: Inputs, rows: Rows) -> _Made:
    given, weight, bias, labels, class_weight, row_weight = inputs
    if given.shape[:-1] != labels.shape:
        raise ShapeError(
            f"target has shape {list(labels.shape)} but input has shape {list(given.shape)}: "
            f"target must have shape {list(given.shape[:-1])}, a label for each row."
        )
    dtype = loss_dtype(inputs)
    labels = labels.flatten()
    row_weight = None if row_weight is None else row_weight.flatten()
    features = given.to(dtype).reshape(labels.numel(), given.shape[-1])
    silent = _formula.silent(labels, weight.shape[0], row_weight, rows)
    features = where(silent.unsqueeze(-1), 0.0, features)
    weight = weight.to(dtype)
    logits = features @ weight.T
    logits = logits if bias is None else logits + bias.to(dtype)
    return _Made(features, weight, (logits, labels, class_weight, row_weight))


def loss(inputs: Inputs, rows: Rows, reduction: int, denominator: float) -> Tensor:
    """The loss, reduced or of each row."""
    if not is_linear(inputs):
        return _formula.loss(inputs, rows, reduction, denominator)
    found = _formula.loss(_made(inputs, rows).inputs, rows, reduction, denominator)
    return found.reshape(inputs[-3].shape) if reduction == NONE else found


def _to_factors(g: Tensor, features: Optional[Tensor], weight: Optional[Tensor]) -> Gradients:
    return (
        None if weight is None else g @ weight,
        None if features is None else g.T @ features,
        g.sum(0),
    )


def _like(found: Gradients, inputs: Inputs) -> Gradients:
    """In the shapes and types of what is differentiated."""
    return tuple(
        None if given is None or one is None else one.reshape(given.shape).to(given.dtype)
        for one, given in zip(found, inputs)
    )


def gradient(inputs: Inputs, rows: Rows, reduction: int, denominator: float) -> Gradients:
    """The gradients of the reduced loss."""
    if not is_linear(inputs):
        return (_formula.gradient(inputs, rows, reduction, denominator),)
    made = _made(inputs, rows)
    g = made.gradient(rows, reduction, denominator)
    return _like(_to_factors(g, made.features, made.weight), inputs)


def _along(made: _Made, v: Sequence[Optional[Tensor]]) -> Tensor:
    """u, how the logits move along v."""
    of_features, of_weight, of_bias = v
    u: Tensor = made.inputs[0].new_zeros(made.inputs[0].shape)
    if of_features is not None:
        u = u + of_features @ made.weight.T
    if of_weight is not None:
        u = u + made.features @ of_weight.T
    return u if of_bias is None else u + of_bias


def _wide(v: Sequence[Optional[Tensor]], made: _Made) -> list[Optional[Tensor]]:
    shapes: tuple[Any, ...] = (made.features.shape, made.weight.shape, made.weight.shape[:1])
    dtype = made.features.dtype
    return [None if one is None else one.reshape(to).to(dtype) for one, to in zip(v, shapes)]


def _second(
    made: _Made, in_logits: Tensor, g: Tensor, v: Sequence[Optional[Tensor]], inputs: Inputs
) -> Gradients:
    """From the second derivative in the logits times u, and what is left of g's factors."""
    found = _to_factors(in_logits, made.features, made.weight)
    rest = _to_factors(g, v[0], v[1])[:2]
    added = [one if two is None or one is None else one + two for one, two in zip(found, rest)]
    return _like((*added, found[2]), inputs)


def hessian_times(
    v: Sequence[Optional[Tensor]], inputs: Inputs, rows: Rows, reduction: int, denominator: float
) -> Gradients:
    """The derivatives of the sum of v times `gradient`; None in v is 0."""
    if not is_linear(inputs):
        assert v[0] is not None
        return (_formula.hessian_times(v[0], inputs, rows, reduction, denominator),)
    made = _made(inputs, rows)
    v = _wide(v, made)
    in_logits = _formula.hessian_times(_along(made, v), made.inputs, rows, reduction, denominator)
    return _second(made, in_logits, made.gradient(rows, reduction, denominator), v, inputs)


def weighted(upstream: Tensor, inputs: Inputs) -> Inputs:
    """Inputs whose sum of losses is that of these, each row times upstream."""
    *others, row_weight = inputs
    return (*others, upstream if row_weight is None else row_weight * upstream)


def of_rows_gradient(
    v: Sequence[Optional[Tensor]], upstream: Tensor, inputs: Inputs, rows: Rows
) -> tuple[Gradients, Tensor]:
    """The derivatives of the sum of v times the gradients of sum(upstream * losses of rows): with
    respect to what is differentiated, and to upstream."""
    if not is_linear(inputs):
        assert v[0] is not None
        to_logits, to_upstream = _formula.of_rows_gradient(v[0], upstream, inputs, rows)
        return (to_logits,), to_upstream
    made = _made(inputs, rows)
    v, flat = _wide(v, made), upstream.flatten()
    in_logits, to_upstream = _formula.of_rows_gradient(_along(made, v), flat, made.inputs, rows)
    g = _formula.gradient(weighted(flat, made.inputs), rows, SUM, 0.0)
    return _second(made, in_logits, g, v, inputs), to_upstream.reshape(upstream.shape)
