# SPDX-License-Identifier: MIT
"""Random calls of cross_entropy, one for each seed: shapes, layouts, labels, options, and at most
one mistake."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import torch

FAULTS = (
    "label out of range",
    "label far out of range",
    "wrong batch",
    "wrong spatial size",
    "wrong ndim",
    "weight of another length",
    "weight of another type",
    "weight with two axes",
    "smoothing above 1",
    "smoothing below 0",
    "smoothing NaN",
    "unknown reduction",
    "labels int32",
    "labels int16",
    "labels bool",
    "labels float",
    "labels of the logits' shape",
    "logits of integers",
    "no classes",
    "weight for no class",
)


def described(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{list(value.shape)} by {list(value.stride())} {dtype}"
    return value


@dataclass
class Case:
    """One call, what is special about it, and the gradient that comes from above."""

    seed: int
    logits: torch.Tensor
    target: torch.Tensor
    options: dict[str, Any] = field(default_factory=dict)
    traits: list[str] = field(default_factory=list)
    requires_grad: bool = True

    def upstream(self, loss: torch.Tensor) -> torch.Tensor:
        """Ones, zeros or random numbers, for a scalar mostly 1, which is what backward() passes."""
        dice = random.Random(self.seed + 1)
        if loss.ndim == 0 and dice.random() < 0.6:
            return torch.ones_like(loss)
        generator = torch.Generator().manual_seed(self.seed)
        upstream = torch.randn(loss.shape, generator=generator, dtype=torch.float64).to(loss.dtype)
        return upstream * dice.choice([1, 1, 1e-6, 1e6, 0])

    def __str__(self) -> str:
        options = {name: described(value) for name, value in self.options.items()}
        return (
            f"logits {described(self.logits)}, target {described(self.target)}, {options}, "
            f"{', '.join(self.traits)}"
        )


class Draw:
    """Draws a case; each method decides one thing and notes what is unusual about it."""

    def __init__(self, seed: int) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.traits: list[str] = []

    def often(self, share: float, trait: str) -> bool:
        found = self.dice.random() < share
        if found:
            self.traits.append(trait)
        return found

    def shape(self) -> tuple[int, ...]:
        """Shape of the logits as PyTorch has it: [C], [N, C] or [N, C, d1, ...]."""
        classes = (
            self.dice.choice([1, 2, 3, 5, 8, 17, 40, 65, 130])
            if self.dice.random() < 0.97
            else 1500
        )
        if self.often(0.08, "unbatched"):
            return (classes,)
        rows = self.dice.choice([1, 2, 3, 4, 7, 19])
        spatial = [
            self.dice.choice([1, 2, 3, 5]) for _ in range(self.dice.choice([0, 0, 0, 1, 2, 3]))
        ]
        if spatial:
            self.traits.append("N-d")
        if self.often(0.05, "empty"):
            if spatial and self.dice.random() < 0.5:
                spatial[self.dice.randrange(len(spatial))] = 0
            else:
                rows = 0
        return (rows, classes, *spatial)

    def laid_out(self, values: torch.Tensor) -> torch.Tensor:
        """The same values with other strides."""
        how = self.dice.choice(
            ["as is", "as is", "transposed", "steps", "offset", "permuted", "expanded"]
        )
        if how == "as is" or values.ndim == 0:
            return values
        self.traits.append(f"layout {how}")
        if how == "transposed":
            return values.transpose(0, -1).contiguous().transpose(0, -1)
        if how == "permuted":
            order = list(range(values.ndim))
            self.dice.shuffle(order)
            back = sorted(range(values.ndim), key=order.__getitem__)
            return values.permute(order).contiguous().permute(back)
        if how == "expanded":
            return (
                values.narrow(0, 0, min(1, values.shape[0])).expand_as(values)
                if values.shape[0]
                else values
            )
        wide = torch.full((*values.shape[:-1], 2 * values.shape[-1] + 3), 7, dtype=values.dtype)
        view = wide[..., 3::2] if how == "steps" else wide[..., 3 : 3 + values.shape[-1]]
        return view.copy_(values)

    def logits(self, shape: tuple[int, ...]) -> torch.Tensor:
        values = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        values *= self.dice.choice([1, 1, 1, 0, 10, 300])
        if self.often(0.15, "common offset"):
            values += self.dice.choice([-1e4, 1e3, 1e6])
        if self.often(0.12, "-inf among the logits"):
            values[torch.rand(shape, generator=self.generator) < 0.2] = -torch.inf
        if values.numel() and self.often(0.04, "NaN or +inf among the logits"):
            values.view(-1)[self.dice.randrange(values.numel())] = self.dice.choice(
                [torch.nan, torch.inf]
            )
        return self.laid_out(values)

    def target(self, shape: tuple[int, ...], options: dict[str, Any]) -> torch.Tensor:
        classes = shape[0] if len(shape) == 1 else shape[1]
        outer = () if len(shape) == 1 else (shape[0], *shape[2:])
        labels = torch.randint(0, classes, outer, generator=self.generator)
        if self.often(0.5, "ignore_index given"):
            options["ignore_index"] = self.dice.choice(
                [-1, -7, 0, classes - 1, classes, 255, -(2**40)]
            )
        ignore = options.get("ignore_index", -100)
        share = self.dice.choice([0, 0, 0.3, 0.8])
        if self.often(0.08, "all ignored"):
            share = 1.0
        labels[torch.rand(outer, generator=self.generator) < share] = ignore
        if (
            classes <= 256
            and bool(((labels >= 0) & (labels < 256)).all())
            and self.often(0.2, "labels uint8")
        ):
            labels = labels.to(torch.uint8)
        return self.laid_out(labels)

    def weight(self, classes: int) -> torch.Tensor | None:
        if not self.often(0.35, "weight"):
            return None
        weight = torch.rand(classes, generator=self.generator, dtype=torch.float64) + 0.1
        if self.often(0.2, "weights 0"):
            weight[torch.rand(classes, generator=self.generator) < self.dice.choice([0.3, 1])] = 0
        elif self.often(0.1, "weights negative"):
            weight -= 0.7
        return self.laid_out(weight)

    def options(self, classes: int) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.dice.random() < 0.8:
            options["reduction"] = self.dice.choice(["mean", "sum", "none"])
        elif self.often(0.3, "old arguments"):
            options[self.dice.choice(["size_average", "reduce"])] = self.dice.choice([True, False])
        if self.often(0.35, "smoothing"):
            options["label_smoothing"] = self.dice.choice([0.1, self.dice.random(), 1.0, 1e-9])
        weight = self.weight(classes)
        if weight is not None:
            options["weight"] = weight
        return options

    def case(self) -> Case:
        shape = self.shape()
        options = self.options(shape[0] if len(shape) == 1 else shape[1])
        target = self.target(shape, options)
        case = Case(
            self.seed, self.logits(shape), target, options, self.traits, self.dice.random() < 0.9
        )
        if self.dice.random() < 0.15:
            spoil(case, self.dice.choice(FAULTS))
        return case


def spoil_target(case: Case, fault: str) -> bool:
    classes = case.logits.shape[min(1, case.logits.ndim - 1)]
    if fault in ("label out of range", "label far out of range"):
        if not case.target.numel() or case.target.dtype != torch.int64:
            return False
        bad = classes if "far" not in fault else 2**62
        if bad == case.options.get("ignore_index", -100):
            return False
        case.target = case.target.clone()
        case.target[(-1,) * case.target.ndim] = bad
    elif fault == "wrong batch":
        case.target = (
            torch.cat([case.target, case.target[-1:]])
            if case.target.ndim and case.target.numel()
            else (torch.zeros(2, dtype=torch.int64))
        )
    elif fault == "wrong spatial size":
        if case.target.ndim < 2:
            return False
        case.target = torch.cat([case.target] * 2, dim=-1)
    elif fault == "wrong ndim":
        case.traits += ["label [1] of logits [C]"] * (case.target.ndim == 0)
        case.target = case.target.unsqueeze(-1)
    elif fault == "labels of the logits' shape":
        case.target = torch.zeros(case.logits.shape, dtype=torch.int64)
    elif fault.startswith("labels "):
        case.target = case.target.clamp(-100, 100).to(getattr(torch, fault.removeprefix("labels ")))
    else:
        return False
    return True


def spoil_rest(case: Case, fault: str) -> None:
    classes = case.logits.shape[min(1, case.logits.ndim - 1)]
    weight = torch.ones(classes, dtype=torch.float64)
    if fault == "weight of another length":
        case.options["weight"] = torch.ones(classes + 1, dtype=torch.float64)
    elif fault == "weight of another type":
        case.options["weight"] = weight.float()
    elif fault == "weight with two axes":
        case.options["weight"] = weight.unsqueeze(0)
    elif fault == "weight for no class":
        case.options["weight"] = torch.ones(0, dtype=torch.float64)
    elif fault.startswith("smoothing "):
        case.options["label_smoothing"] = {"above 1": 1.25, "below 0": -0.25, "NaN": float("nan")}[
            fault[10:]
        ]
    elif fault == "unknown reduction":
        case.options["reduction"] = "average"
    elif fault == "logits of integers":
        case.logits, case.requires_grad = torch.zeros(case.logits.shape, dtype=torch.int64), False
    elif fault == "no classes":
        shape = [
            size if axis != min(1, case.logits.ndim - 1) else 0
            for axis, size in enumerate(case.logits.shape)
        ]
        case.logits = torch.zeros(shape, dtype=torch.float64)


def spoil(case: Case, fault: str) -> None:
    """Makes one mistake, if the case has room for it."""
    if fault in FAULTS[:5] or fault.startswith("labels"):
        if not spoil_target(case, fault):
            return
    else:
        spoil_rest(case, fault)
    case.traits.append(f"fault: {fault}")
