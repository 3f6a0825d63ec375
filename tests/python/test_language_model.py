# SPDX-License-Identifier: MIT
"""examples/language_model.py: both losses teach the model the same, step by step.

XENT_STEPS says for how many steps (20; the example itself runs 200).
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

ROOT = Path(__file__).parents[2]
STEPS = int(os.environ.get("XENT_STEPS", "20"))


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "language_model", ROOT / "examples/language_model.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["language_model"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def trained(example: ModuleType, drop_in: Any, steps: int, dtype: torch.dtype) -> list[Any]:
    losses = {"PyTorch": torch.nn.functional.cross_entropy, "xent": drop_in.cross_entropy}
    found: list[Any] = example.train(losses, steps, dtype)
    return found


@pytest.mark.parametrize(
    ("dtype", "apart"), [(torch.float64, 1e-8), (torch.float32, 1e-3)], ids=str
)
def test_the_curves_are_the_same(
    example: ModuleType, drop_in: Any, dtype: torch.dtype, apart: float
) -> None:
    original, ours = trained(example, drop_in, STEPS, dtype)
    assert len(original.losses) == len(ours.losses) == STEPS
    assert example.distance(ours, original) <= apart
    _, vocabulary = example.words()
    assert abs(original.losses[0] - math.log(vocabulary)) < 0.5  # it begins with knowing nothing,
    assert ours.losses[-1] < original.losses[0] - min(1.5, STEPS / 20)  # and learns


def test_a_wrong_loss_is_seen(example: ModuleType) -> None:
    def slightly_wrong(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits * (1 + 1e-6), target)

    losses = {"PyTorch": torch.nn.functional.cross_entropy, "wrong": slightly_wrong}
    assert example.distance(*example.train(losses, 3, torch.float64)) > 1e-8


def test_the_picture(example: ModuleType, drop_in: Any, tmp_path: Path) -> None:
    example.draw(
        tmp_path / "curves.svg", trained(example, drop_in, 3, torch.float32), "three steps"
    )
    picture = ElementTree.parse(tmp_path / "curves.svg").getroot()
    assert picture.tag.endswith("svg")
    words = " ".join(
        "".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")
    )
    for word in ("three steps", "PyTorch", "xent", "mean loss", "relative difference"):
        assert word in words
