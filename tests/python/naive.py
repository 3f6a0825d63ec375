# SPDX-License-Identifier: MIT
"""The formula at the top of include/xent.h, row by row in long double: slow, plain, and sharing
nothing with the package."""

import numpy as np


def _row(x, y, k, w, options):
    scale, cap = options.get("logit_scale", 1.0), options.get("softcap", 0.0)
    e, q = map(np.longdouble, (options.get("label_smoothing", 0.0), options.get("z_loss", 0.0)))
    z, slope = scale * x, np.full_like(x, scale)
    if cap:
        slope = slope / np.cosh(z / cap) ** 2
        z = cap * np.tanh(z / cap)
    top = z.max()
    lse = top + np.log(np.exp(z - top).sum())
    nll, p = lse - z, np.exp(z - lse)
    share = e / len(x)
    loss = w * ((1 - e) * k[y] * nll[y] + share * (k * nll).sum() + q * lse * lse)
    pull = (1 - e) * k[y] + share * k.sum() + 2 * q * lse
    grad = pull * p - share * k
    grad[y] -= (1 - e) * k[y]
    return loss, w * slope * grad, abs(w) * slope.max() * (k.sum() + abs(pull))


def cross_entropy(logits, labels, **options):
    """(reduced loss or the rows' losses, gradient, size of what the gradient is a difference of)."""
    axis = options.get("class_axis", -1)
    x = np.moveaxis(np.asarray(logits).astype(np.longdouble), axis, -1)
    y = np.asarray(labels)
    classes = x.shape[-1]
    k = (
        np.ones(classes)
        if options.get("class_weight") is None
        else np.asarray(options["class_weight"], float)
    )
    w = (
        np.ones(y.shape)
        if options.get("row_weight") is None
        else np.asarray(options["row_weight"], float)
    )
    ignore = np.atleast_1d(options.get("ignore", []))
    rows, grad = np.zeros(y.shape), np.zeros_like(x)
    counted, weights, largest = 0, 0.0, 0.0
    for place in np.ndindex(y.shape):
        if y[place] in ignore:
            continue
        rows[place], grad[place], size = _row(x[place], int(y[place]), k, w[place], options)
        largest = max(largest, size)
        counted += 1
        weights += w[place] * k[int(y[place])]
    reduction = options.get("reduction", "mean")
    d = {"mean": weights, "row_mean": counted, "sum": 1.0, "none": 1.0}[reduction]
    d = options.get("denominator") or d
    loss = rows if reduction == "none" else rows.sum() / d
    return loss, np.moveaxis(grad / d, -1, axis), largest / d
