# SPDX-License-Identifier: MIT
"""bench/calls.py and bench/linear_torch.py in their tiny modes, and the page that is made of it; how
long anything takes is no test's business."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ours
ROOT = Path(__file__).parents[2]
PAIRS = {"numpy": {"xent_numpy", "numpy_formula"}, "torch": {"xent_torch", "torch_eager"}}


def run(script: str, *words: str) -> str:
    command = [sys.executable, str(ROOT / "bench" / script), *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def measured() -> str:
    return run("calls.py", "--smoke")


def test_everything_is_measured(measured: str) -> None:
    found: dict[str, Any] = json.loads(measured)
    assert {(case["pair"], case["dtype"], *case["shape"]) for case in found["cases"]} == {
        (pair, dtype, *shape)
        for pair in PAIRS
        for dtype in ("f32", "bf16")
        for shape in ((3, 4), (300, 10))
    }
    for case in found["cases"]:
        assert set(case["seconds"]) == PAIRS[case["pair"]]
        for low, middle, high in case["seconds"].values():
            assert 0 < low <= middle <= high
    assert {(part["pair"], part["classes"]) for part in found["break_even"]} == {
        (pair, classes) for pair in PAIRS for classes in (10, 100, 1000)
    }
    assert set(found["memory"]["times_logits"]) == set.union(*PAIRS.values())


def test_a_gradient_is_all_that_is_allocated(measured: str) -> None:
    found = json.loads(measured)["memory"]["times_logits"]
    for name in ("xent_numpy", "xent_torch"):
        assert 0.9 < found[name] < 1.5
    assert found["torch_eager"] > 1.9


def test_the_page(measured: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs/performance.md", tmp_path)
    (tmp_path / "python.json").write_text(measured, encoding="utf-8")
    words = (
        "--docs",
        str(tmp_path),
        "--python",
        str(tmp_path / "python.json"),
        "--command",
        "make bench",
    )
    run("report.py", *words, str(tmp_path / "results.json"))
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    for text in (
        "| 3 x 4 | bf16 |",
        "| 300 x 10 | f32 |",
        "times faster",
        "`make bench`, 1 thread",
        "| `F.cross_entropy` | 1000 |",
        "| `xent.torch.cross_entropy` | 19 MiB |",
    ):
        assert text in page
    original = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert (
        page.split("<!-- python -->")[0] == original.split("<!-- python -->")[0]
    )  # the rest stays


def test_the_linear_form(tmp_path: Path) -> None:
    measured = run("linear_torch.py", "--smoke")
    found = json.loads(measured)
    (case,), (memory,) = found["cases"], found["memory"]
    assert {"xent_linear", "torch_linear"} <= set(case["seconds"]) == set(memory["bytes"])
    shutil.copy(ROOT / "docs/performance.md", tmp_path)
    (tmp_path / "linear.json").write_text(measured, encoding="utf-8")
    words = ("--docs", str(tmp_path), "--linear_torch", str(tmp_path / "linear.json"))
    run("report.py", *words, "--command", "make bench", str(tmp_path / "results.json"))
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert page.count("| 200 x 8 x 3000 |") == len(case["seconds"])
    assert "| 200 x 8 x 3000 | `xent.torch.linear_cross_entropy` |" in page
