# SPDX-License-Identifier: MIT
"""Writes what run.py found into docs/mistakes.md, between its markers."""
from __future__ import annotations

import datetime
import math
import subprocess
from collections import Counter
from pathlib import Path
from typing import Callable, Iterable

import numpy as np
import sklearn

from models import ROOT, Source

PAGE = ROOT / "docs/mistakes.md"
SIZES = (64, 128, 250, 500, 1000, 2000, 5000, 10_000)
BANDS = ((0.0, 0.5), (0.5, 0.7), (0.7, 0.85), (0.85, 0.96), (0.96, 1.0))
ENOUGH_ROWS, ENOUGH_ACCURACY, GOOD = 500, 0.70, 0.95


def table(head: list, rows: Iterable[list]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def share(cases: list[dict]) -> str:
    """In per cent, rounded down, so that 100 means all; bold where it is less than must be."""
    if not cases:
        return ""
    right = sum(not case["wrong"] for case in cases)
    text = str(math.floor(100 * right / len(cases)))
    return f"**{text}**" if right < GOOD * len(cases) else text


def by_mistake(cases: list[dict]) -> dict[tuple[str, str], list[dict]]:
    found: dict[tuple[str, str], list[dict]] = {}
    for case in cases:
        found.setdefault((case["finding"], case["name"]), []).append(case)
    return found


def share_table(cases: list[dict], order: list[tuple[str, str]], head: list[str],
                columns: list[Callable[[dict], bool]]) -> str:
    groups, rows, before = by_mistake(cases), [], ""
    for finding, name in order:
        here = groups.get((finding, name), [])
        cells = [share([case for case in here if column(case)]) for column in columns]
        rows.append([f"`{finding}`" if finding != before else "", name, *cells])
        before = finding
    rows.append(["all", "", *(share([case for case in cases if column(case)]) for column in columns)])
    return table(["finding", "mistake", *head], rows)


def enough(case: dict) -> bool:
    return case["accuracy"] >= ENOUGH_ACCURACY


def rows_table(results: dict, order: list[tuple[str, str]]) -> str:
    cases = [case for case in results["mistakes"] if enough(case)]
    return share_table(cases, order, [f"{size:,}" for size in SIZES],
                       [lambda case, size=size: case["rows"] == size for size in SIZES])


def accuracy_table(results: dict, order: list[tuple[str, str]]) -> str:
    cases = [case for case in results["mistakes"] if case["rows"] >= ENOUGH_ROWS]
    names = [f"{100 * low:.0f} to {100 * high:.0f} %" for low, high in BANDS]
    return share_table(cases, order, names,
                       [lambda case, low=low, high=high: low <= case["accuracy"] < high for low, high in BANDS])


def misses_table(results: dict) -> str:
    """Mistakes that are not always found where they should be, and what is said instead."""
    rows = []
    for (finding, name), cases in by_mistake(results["mistakes"]).items():
        cases = [case for case in cases if case["rows"] >= ENOUGH_ROWS and enough(case)]
        wrong = [case for case in cases if case["wrong"]]
        if wrong:
            often = len(wrong) > (1 - GOOD) * len(cases)
            instead = Counter(case["wrong"].split(",")[0] for case in wrong).most_common(3)
            where = Counter(case["source"] for case in wrong).most_common(3)
            rows.append([f"`{finding}`", name, f"**{len(wrong)}** of {len(cases)}" if often else f"{len(wrong)} of {len(cases)}",
                         ", ".join(f"{text} {count}" for text, count in instead),
                         ", ".join(f"{text} {count}" for text, count in where)])
    if not rows:
        return "None: in all of them the right finding comes first."
    return table(["finding", "mistake", "missed", "said instead", "classifiers"], rows)


def upper_bound(alarms: int, count: int, level: float = 0.95) -> float:
    """The rate that shows at most so many alarms with a probability of 1 - level (Clopper and Pearson 1934)."""
    def tail(rate: float) -> float:
        logs = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * math.log(rate) +
                (count - k) * math.log1p(-rate) for k in range(alarms + 1)]
        return float(np.exp(np.logaddexp.reduce(logs)))

    low, high = 1e-12, 1 - 1e-12
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > 1 - level else (low, middle)
    return high


def alarms_table(results: dict) -> str:
    families: dict[str, list[dict]] = {}
    for case in results["clean"]:
        families.setdefault(case["family"], []).append(case)
    rows = []
    for name, cases in [*sorted(families.items()), ("**all**", results["clean"])]:
        alarmed = [case for case in cases if case["alarms"]]
        which = Counter(alarm for case in alarmed for alarm in case["alarms"]).most_common(3)
        rows.append([name, len(cases), len(alarmed), f"{100 * len(alarmed) / len(cases):.2f} %",
                     f"{100 * upper_bound(len(alarmed), len(cases)):.2f} %" if len(alarmed) < len(cases) else "",
                     ", ".join(f"`{alarm}` {count}" for alarm, count in which)])
    return table(["clean batches", "tried", "alarms", "share", "at most (95 %)", "which"], rows)


def sources_table(sources: list[Source]) -> str:
    return table(["classifier", "how it was made", "classes", "held-out rows", "right"],
                 [[one.name, one.how, one.classes, f"{len(one.labels):,}", f"{100 * one.accuracy:.1f} %"]
                  for one in sorted(sources, key=lambda one: one.accuracy)])


def facts(results: dict, verdicts: list[str], xent: str) -> str:
    version = subprocess.run([xent, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    lines = [f"{datetime.date.today()}, `make test-mistakes`: {version}, NumPy {np.__version__}, scikit-learn "
             f"{sklearn.__version__}; {len(results['mistakes']):,} mistakes and {len(results['clean']):,} clean batches.", ""]
    return "\n".join(lines + [f"- {line}" for line in verdicts])


def put(text: str, name: str, made: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n{made}\n{end}{rest.split(end)[1]}"


def write(results: dict, sources: list[Source], verdicts: list[str], xent: str, order: list[tuple[str, str]],
          path: Path = PAGE) -> None:
    text = path.read_text()
    parts = {"verdict": facts(results, verdicts, xent), "classifiers": sources_table(sources),
             "rows": rows_table(results, order), "accuracy": accuracy_table(results, order),
             "missed": misses_table(results), "alarms": alarms_table(results)}
    for name, made in parts.items():
        text = put(text, name, made)
    path.write_text(text)
