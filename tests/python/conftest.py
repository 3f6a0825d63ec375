# SPDX-License-Identifier: MIT
"""What the tests of the Python package share.

--implementation torch puts PyTorch's own functions in the place of xent's: the tests must pass on
the original too, which shows that they test its contract and not ours. --table docs/conformance.md
writes what passed and what does not apply into that page.
"""

from __future__ import annotations

import types
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

TALLY: dict[str, Counter[str]] = {}
NOT_APPLICABLE: dict[tuple[str, str], int] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--implementation",
        choices=("xent", "torch"),
        default="xent",
        help="whose cross-entropy is tested",
    )
    parser.addoption(
        "--table", metavar="PAGE", help="write the outcome of other people's tests into it"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "suite(name): someone else's tests, which have a line in the table"
    )
    config.addinivalue_line(
        "markers", "ours: says something of xent that its model does not promise"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is promised by xent alone is not asked of the original."""
    if config.getoption("--implementation") == "xent":
        return
    dropped = [item for item in items if item.get_closest_marker("ours")]
    items[:] = [item for item in items if not item.get_closest_marker("ours")]
    config.hook.pytest_deselected(items=dropped)


@pytest.fixture(scope="session")
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--implementation"))


@pytest.fixture(scope="session")
def drop_in(implementation: str) -> Any:
    """What has cross_entropy and CrossEntropyLoss with PyTorch's signatures."""
    if implementation == "xent":
        import xent.torch

        return xent.torch
    import torch

    return types.SimpleNamespace(
        cross_entropy=torch.nn.functional.cross_entropy, CrossEntropyLoss=torch.nn.CrossEntropyLoss
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = (yield).get_result()
    marker = item.get_closest_marker("suite")
    if marker is None or (report.when != "call" and report.passed):
        return
    TALLY.setdefault(marker.args[0], Counter())[report.outcome] += 1
    if report.skipped:
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        key = marker.args[0], reason
        NOT_APPLICABLE[key] = NOT_APPLICABLE.get(key, 0) + 1


def table() -> list[str]:
    lines = ["| suite | passed | failed | not applicable |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {count['passed']} | {count['failed']} | {count['skipped']} |"
        for name, count in TALLY.items()
    ]
    if NOT_APPLICABLE:
        lines += ["", "Not applicable:", ""]
        lines += [
            f"- {name}, {count}: {reason}" for (name, reason), count in NOT_APPLICABLE.items()
        ]
    return lines


def write_table(page: Path) -> None:
    """Puts the table between the page's markers."""
    begin, end = "<!-- outcome -->", "<!-- end of outcome -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    lines = "\n".join(table())
    page.write_text(f"{before}{begin}\n{lines}\n{end}{rest.split(end)[1]}", encoding="utf-8")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not TALLY:
        return
    terminalreporter.section(f"other people's tests, on {config.getoption('--implementation')}")
    for line in table():
        terminalreporter.write_line(line)
    if config.getoption("--table"):
        write_table(Path(config.getoption("--table")))
