# SPDX-License-Identifier: MIT
"""Random calls against torch.nn.functional.cross_entropy in float64: values, gradients, types of exceptions.

XENT_CASES says how many (20,000), XENT_SEED the first seed (1). A failure names the seed that repeats it:
XENT_SEED=that XENT_CASES=1.
"""
from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from drawn import Case, Draw  # noqa: E402

CASES = int(os.environ.get("XENT_CASES", "20000"))
SEED = int(os.environ.get("XENT_SEED", "1"))
PRECISION = 1e-12
SHOWN = 10

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
                self.gradient, = torch.autograd.grad(loss, logits, case.upstream(loss), allow_unused=True)
            self.loss, self.grows = loss.detach(), loss.requires_grad
        except Exception as error:  # noqa: BLE001
            self.error = error
        self.unharmed = torch.equal(before.nan_to_num(), case.logits.nan_to_num())


def near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal to PRECISION, as a share of the largest number or of 1; NaN and infinities where they are expected."""
    finite = expected[expected.isfinite()].abs()
    size = max(1.0, float(finite.max())) if finite.numel() else 1.0
    return found.shape == expected.shape and found.dtype == expected.dtype and bool(
        torch.isclose(found, expected, rtol=PRECISION, atol=PRECISION * size, equal_nan=True).all())


def difference(found: Outcome, expected: Outcome) -> str:
    """What differs, or nothing."""
    if expected.error is not None or found.error is not None:
        if type(found.error) is type(expected.error):
            return ""
        return f"{found.error!r:.200} where {expected.error!r:.200} is expected"
    assert found.loss is not None and expected.loss is not None
    if not found.unharmed:
        return "the logits were written to"
    if found.grows != expected.grows:
        return f"requires_grad is {found.grows}"
    if not near(found.loss, expected.loss):
        return f"loss {found.loss} where {expected.loss} is expected"
    if (found.gradient is None) != (expected.gradient is None):
        return "one of the two has no gradient"
    if found.gradient is not None and expected.gradient is not None and not near(found.gradient, expected.gradient):
        return f"gradient {found.gradient} where {expected.gradient} is expected"
    return ""


def compare(function: Function, seeds: range) -> tuple[list[str], Counter[str]]:
    """Sentences about what differs, and how often each trait was seen."""
    seen: Counter[str] = Counter()
    faults: list[str] = []
    for seed in seeds:
        case = Draw(seed).case()
        expected = Outcome(torch.nn.functional.cross_entropy, case)
        seen.update([*case.traits, "refused" if expected.error is not None else "computed"])
        told = difference(Outcome(function, case), expected)
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
    print(f"{CASES} cases from seed {SEED}:", ", ".join(f"{trait} {count}" for trait, count in seen.most_common()))
    assert not faults, "\n".join([f"first {len(faults)} faults:", *faults])
    if CASES >= 2000:
        for trait in ("unbatched", "N-d", "empty", "all ignored", "weight", "smoothing", "layout transposed",
                      "layout expanded", "-inf among the logits", "labels uint8", "refused"):
            assert seen[trait] > CASES / 200, f"too few cases are: {trait}"


def wrong_mean(logits: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(logits, target, **options)
    return loss.mean() if loss.ndim else loss * (target.numel() / max(1, int((target != -100).sum())))


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
@pytest.mark.parametrize("wrong", [wrong_mean, wrong_gradient, wrong_smoothing, wrong_exception, wrong_nan,
                                   wrong_in_place])
def test_what_is_wrong_is_found(wrong: Function) -> None:
    """The comparison can fail: it sees each of these mistakes."""
    faults, _ = compare(wrong, range(1, 1000))
    assert faults


@pytest.mark.filterwarnings("ignore")
def test_the_original_is_not_found_wrong() -> None:
    faults, _ = compare(torch.nn.functional.cross_entropy, range(1, 300))
    assert not faults
