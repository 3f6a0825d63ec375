# SPDX-License-Identifier: MIT
"""Random calls against torch.nn.functional.cross_entropy in float64: values, gradients, types of
exceptions.

xent may differ in three ways, all of which are checked: where PyTorch's number is NaN though the
formula has one (formula.py, written from include/xent.h), the formula's; where PyTorch refuses the
type of labels or weights, or compares uint8 labels with ignore_index modulo 256, what it gives for
the same numbers in the type that it takes; and xent may refuse what is in STRICTER, which PyTorch
takes.

XENT_CASES says how many (20,000), XENT_SEED the first seed (1). A failure names the seed that
repeats it: XENT_SEED=that XENT_CASES=1.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import formula
import pytest
import torch
from drawn import Case, Draw

CASES = int(os.environ.get("XENT_CASES", "20000"))
SEED = int(os.environ.get("XENT_SEED", "1"))
PRECISION = 1e-12
SHOWN = 10
STRICTER = {
    "fault: weight with two axes",
    "fault: no classes",
    "fault: smoothing below 0",
    "fault: smoothing NaN",
    "label [1] of logits [C]",
}

Function = Callable[..., torch.Tensor]


class Outcome:
    """What a call gives: loss and gradient, or the exception."""

    def __init__(self, function: Function, case: Case) -> None:
        self.loss = self.gradient = self.error = None
        logits = case.logits.detach().requires_grad_(case.requires_grad)
        before = case.logits.clone()
        try:
            loss = function(logits, case.target, **case.options)
            if case.requires_grad:
                (self.gradient,) = torch.autograd.grad(
                    loss, logits, case.upstream(loss), allow_unused=True
                )
            self.loss, self.grows = loss.detach(), loss.requires_grad
        except Exception as error:  # noqa: BLE001
            self.error = error
        self.unharmed = torch.equal(before.nan_to_num(), case.logits.nan_to_num())


Exact = Callable[[], torch.Tensor]


def near(found: torch.Tensor, expected: torch.Tensor, exact: Exact, size: float = 1.0) -> bool:
    """Equal to PRECISION, as a share of the largest number or of size; for NaN, what the formula
    says will do."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    finite = expected[expected.isfinite()].abs()
    size = max(size, float(finite.max())) if finite.numel() else size

    def close(other: torch.Tensor) -> torch.Tensor:
        return torch.isclose(found, other, rtol=PRECISION, atol=PRECISION * size, equal_nan=True)

    same = close(expected)
    return bool(same.all()) or bool((same | (expected.isnan() & close(exact()))).all())


def widened(case: Case) -> Case:
    """The same numbers in the types that PyTorch takes: int64 labels, weights like the logits."""
    options = dict(case.options)
    if options.get("weight") is not None and options["weight"].is_floating_point():
        options["weight"] = options["weight"].to(case.logits.dtype)
    labels = case.target
    if labels.dtype in (torch.uint8, torch.int8, torch.int16, torch.int32):
        labels = labels.long()
    return replace(case, target=labels, options=options)


def different_errors(found: Outcome, expected: Outcome) -> str:
    if isinstance(found.error, type(expected.error)) and expected.error is not None:
        return ""
    return f"{found.error!r:.200} where {expected.error!r:.200} is expected"


def difference(found: Outcome, expected: Outcome, case: Case) -> str:
    """What differs, or nothing."""
    if expected.error is not None or found.error is not None:
        return different_errors(found, expected)
    assert found.loss is not None and expected.loss is not None
    if not found.unharmed:
        return "the logits were written to"
    if found.grows != expected.grows:
        return f"requires_grad is {found.grows}"
    if (found.gradient is None) != (expected.gradient is None):
        return "one of the two has no gradient"
    upstream = case.upstream(expected.loss)
    size = max([1.0, *upstream.abs().flatten().tolist()])

    def exact() -> formula.Exact:
        return formula.cross_entropy(case, upstream)

    if not near(found.loss, expected.loss, lambda: exact().loss):
        return f"loss {found.loss} where {expected.loss} is expected"
    if found.gradient is not None and expected.gradient is not None:
        if not near(found.gradient, expected.gradient, lambda: exact().gradient, size):
            return f"gradient {found.gradient} where {expected.gradient} is expected"
    return ""


def judge(function: Function, case: Case, seen: Counter[str]) -> str:
    """What is wrong with the function's outcome, or nothing."""
    expected, found = Outcome(torch.nn.functional.cross_entropy, case), Outcome(function, case)
    seen["refused" if expected.error is not None else "computed"] += 1
    if isinstance(found.error, ValueError) and STRICTER & set(case.traits):
        seen["stricter than PyTorch"] += 1
        return ""
    told = difference(found, expected, case)
    if told and found.error is None:
        case = widened(case)
        expected = Outcome(torch.nn.functional.cross_entropy, case)
        seen["numbers of int64 labels or of weights like the logits"] += 1
        return difference(found, expected, case)
    return told


def compare(function: Function, seeds: range) -> tuple[list[str], Counter[str]]:
    """Sentences about what differs, and how often each trait was seen."""
    seen: Counter[str] = Counter()
    faults: list[str] = []
    for seed in seeds:
        case = Draw(seed).case()
        seen.update(case.traits)
        told = judge(function, case, seen)
        if told:
            faults.append(f"XENT_SEED={seed} XENT_CASES=1: {case}: {told}")
            if len(faults) == SHOWN:
                break
    return faults, seen


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.suite(f"random cases against F.cross_entropy, {CASES}")
@pytest.mark.filterwarnings("ignore:size_average and reduce:UserWarning")
def test_against_the_original(drop_in: Any) -> None:
    faults, seen = compare(drop_in.cross_entropy, range(SEED, SEED + CASES))
    print(
        f"{CASES} cases from seed {SEED}:",
        ", ".join(f"{trait} {count}" for trait, count in seen.most_common()),
    )
    assert not faults, "\n".join([f"first {len(faults)} faults:", *faults])
    if CASES >= 2000:
        for trait in (
            "unbatched",
            "N-d",
            "empty",
            "all ignored",
            "weight",
            "smoothing",
            "layout transposed",
            "layout expanded",
            "-inf among the logits",
            "labels uint8",
            "refused",
        ):
            assert seen[trait] > CASES / 200, f"too few cases are: {trait}"


def wrong_mean(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(logits, target, **options)
    return (
        loss.mean() if loss.ndim else loss * (target.numel() / max(1, int((target != -100).sum())))
    )


def wrong_gradient(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(logits, target, **options)
    return loss + 1e-9 * (logits.sum() - logits.sum().detach()).nan_to_num()


def wrong_smoothing(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    smoothing = options.get("label_smoothing", 0.0)
    if 0 < smoothing < 0.5:
        options["label_smoothing"] = smoothing * (1 + 1e-9)
    return torch.nn.functional.cross_entropy(logits, target, **options)


def wrong_exception(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    try:
        return torch.nn.functional.cross_entropy(logits, target, **options)
    except IndexError as error:
        raise ValueError from error


def wrong_nan(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits, target, **options).nan_to_num()


def wrong_in_place(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(logits * 1, target, **options)
    logits.detach().mul_(2)
    return loss


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "wrong",
    [wrong_mean, wrong_gradient, wrong_smoothing, wrong_exception, wrong_nan, wrong_in_place],
)
def test_what_is_wrong_is_found(wrong: Function) -> None:
    """The comparison can fail: it sees each of these mistakes."""
    faults, _ = compare(wrong, range(1, 1000))
    assert faults


@pytest.mark.filterwarnings("ignore")
def test_the_original_is_not_found_wrong() -> None:
    faults, _ = compare(torch.nn.functional.cross_entropy, range(1, 300))
    assert not faults


@pytest.mark.filterwarnings("ignore")
def test_the_formula_is_the_originals() -> None:
    """formula.py gives PyTorch's numbers wherever those are numbers."""
    compared = 0
    for seed in range(1, 1000):
        case = widened(Draw(seed).case())
        expected = Outcome(torch.nn.functional.cross_entropy, case)
        if STRICTER & set(case.traits) or expected.gradient is None or expected.loss is None:
            continue
        upstream = case.upstream(expected.loss)
        exact = formula.cross_entropy(case, upstream)
        size = max([1.0, *upstream.abs().flatten().tolist()])
        for ours, theirs in ((exact.loss, expected.loss), (exact.gradient, expected.gradient)):
            ours = torch.where(theirs.isnan(), theirs, ours)
            assert near(ours, theirs, ours.clone, size), (
                f"seed {seed}: {case}: {ours} where PyTorch has {theirs}"
            )
        compared += 1
    assert compared > 600
