#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows `xent check` mistakes and clean batches: run.py XENT [--quick] [--only TEXT] [--seeds N] [--clean N] [--first N]

Each mistake is made in batches of 64 to 10,000 rows of every classifier of models.py; the right finding must come
first in 95 % of the cases of at least 500 rows and 70 % accuracy. Of at least 10,000 clean batches at most 1 % may
raise an error or a warning. A whole run writes its tables into docs/mistakes.md, unless --no-page is given; --quick
tries a few of both in seconds, --only those mistakes or clean batches whose finding or name holds TEXT. Seeds begin at
--first: other ones than those of the page, for whoever changes what is found by looking at it.
"""
from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path

try:
    import numpy as np
    import arranged  # its clean batches join those of clean
    import batches
    import clean
    import mistakes
    import models
    import page
except ImportError as missing:
    print(f"{missing}: needs the packages of tests/cli/requirements.txt")
    sys.exit(77)

ROWS = (64, 128, 250, 500, 1000, 2000, 5000, 10_000)
ENOUGH_ROWS, ENOUGH_ACCURACY = 500, 0.70
RIGHT_SHARE, ALARM_SHARE, LEAST_CLEAN = 0.95, 0.01, 10_000
QUICK_SOURCES = ("digits-linear", "digits-10px", "text-bigram")
OUT = models.CACHE.parent


def generator(*words) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(str(word).encode()) for word in words])


@lru_cache(maxsize=None)
def source(name: str) -> models.Source:
    return models.load(name, models.CACHE)


# ---- mistakes --------------------------------------------------------------------------------------------------------


def verdict(mistake: mistakes.Mistake, batch: batches.Batch, made: batches.Batch, answer: batches.Answer,
            usual: set[str]) -> str:
    """"" if the answer is right, else what comes first instead. Notes that the batch has without the mistake as well
    say nothing of it: among notes they do not count."""
    told = answer.ids if mistake.code != mistakes.NOTED else [name for name in answer.ids if name not in usual]
    first = told[0] if told else "nothing"
    wanted = {mistake.finding} | ({mistake.for_two} if batch.classes == 2 else set())
    if answer.trouble:
        return answer.trouble
    if first not in wanted:
        return first
    if answer.code != mistake.code and not (answer.code == mistakes.NOTED and mistake.quiet(batch)):
        return f"{first}, exit {answer.code}"
    found = next(finding for finding in answer.findings if finding["id"] == first)
    for key, value in made.shown.items():
        if found["evidence"].get(key) != value:
            return f"{first}, {key} {found['evidence'].get(key)} for {value}"
    return ""


def unchanged(batch: batches.Batch, made: batches.Batch) -> bool:
    """A shift of labels that are all the same, and the like."""
    same = made.labels.dtype == batch.labels.dtype and np.array_equal(made.labels, batch.labels)
    return same and made.logits is batch.logits and not made.swapped


def chosen(only: str) -> list[mistakes.Mistake]:
    return [mistake for mistake in mistakes.LIST if only in mistake.finding or only in mistake.name]


def try_mistakes(xent: str, name: str, rows: int, seed: int, only: str) -> list[dict]:
    batch = batches.draw(source(name), rows, generator("draw", name, rows, seed))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        before = batches.check(batch, xent, Path(folder))
        usual = {finding["id"] for finding in before.findings if finding["severity"] == "note"}
        for mistake in chosen(only):
            made = mistake.make(batch, generator(mistake.finding, mistake.name, name, rows, seed))
            if made is None or unchanged(batch, made):
                continue
            answer = batches.check(made, xent, Path(folder))
            wrong = verdict(mistake, batch, made, answer, usual - {mistake.finding})
            results.append({"finding": mistake.finding, "name": mistake.name, "source": name, "rows": rows,
                            "seed": seed, "accuracy": source(name).accuracy, "wrong": wrong,
                            "runs": mistake.code != mistakes.UNSCORABLE})
    return results


# ---- clean batches ---------------------------------------------------------------------------------------------------


def try_clean(xent: str, name: str, seeds: range, names: tuple[str, ...]) -> list[dict]:
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            random = generator("clean", name, seed)

            def pick(condition=lambda source: True):
                fitting = [one for one in map(source, names) if condition(one)]
                if not fitting:
                    raise LookupError
                return fitting[random.integers(len(fitting))]

            try:
                batch = clean.FAMILIES[name](pick, random)
            except LookupError:  # of the classifiers that were asked for none is of that kind
                break
            answer = batches.check(batch, xent, Path(folder))
            results.append({"family": name, "seed": seed, "source": batch.source.name, "rows": batch.rows,
                            "trouble": answer.trouble, "alarms": answer.alarms})
    return results


# ---- all of it -------------------------------------------------------------------------------------------------------


def collect(work: list[tuple], workers: int, what: str) -> list[dict]:
    """Runs calls (function, arguments...) in processes of their own and says how far they are."""
    results, begun, shown = [], time.monotonic(), 0.0
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(*call) for call in work]
        for done, finished in enumerate(as_completed(waiting), 1):
            results += finished.result()
            spent = time.monotonic() - begun
            if spent - shown > 10 or done == len(work):
                shown = spent
                bad = sum(bool(result.get("wrong") or result.get("alarms")) for result in results)
                print(f"{what}: {done} of {len(work)} parts, {len(results)} batches, {bad} not as they should be, "
                      f"{spent:.0f} s", file=sys.stderr, flush=True)
    return results


def mistake_work(options, names: tuple[str, ...]) -> list[tuple]:
    sizes = (64, 500) if options.quick else ROWS
    seeds = range(options.first, options.first + (1 if options.quick else options.seeds))
    cells = itertools.product(reversed(sizes), names, seeds)
    return [(try_mistakes, options.xent, name, rows, seed, options.only) for rows, name, seed in cells
            if batches.draw(source(name), rows, generator("draw", name, rows, seed)) is not None]


def clean_work(options, names: tuple[str, ...]) -> list[tuple]:
    wanted = [name for name in clean.FAMILIES if options.only in name and not (options.quick and name in clean.LARGE)]
    if not wanted:
        return []
    last = options.first - (-options.clean // len(wanted))
    return [(try_clean, options.xent, name, range(first, min(first + 20, last)), names)
            for first in range(options.first, last, 20) for name in wanted]


def share_right(cases: list[dict]) -> float:
    return sum(not case["wrong"] for case in cases) / len(cases)


def judge(results: dict, options) -> list[str]:
    """The sentences that say what must hold, each beginning with PASS or FAIL."""
    lines = []
    cases = [case for case in results["mistakes"]
             if case["rows"] >= ENOUGH_ROWS and case["accuracy"] >= ENOUGH_ACCURACY]
    silent = [case for case in cases if case["runs"]]
    for chosen_cases, what in ((cases, "cases"), (silent, "cases that run without an error")):
        if chosen_cases:
            share = share_right(chosen_cases)
            lines.append(f"{'PASS' if share >= RIGHT_SHARE else 'FAIL'} the right finding comes first in "
                         f"{100 * share:.2f} % of {len(chosen_cases)} {what}, of at least {ENOUGH_ROWS} rows and "
                         f"{100 * ENOUGH_ACCURACY:.0f} % accuracy")
    if results["clean"]:
        count, alarms = len(results["clean"]), sum(bool(case["alarms"]) for case in results["clean"])
        enough = options.quick or options.only or count >= LEAST_CLEAN
        lines.append(f"{'PASS' if alarms <= ALARM_SHARE * count and enough else 'FAIL'} {alarms} of {count} clean "
                     f"batches ({100 * alarms / count:.2f} %) raised an error or a warning")
    troubles = [case for case in results["clean"] if case["trouble"]]
    troubles += [case for case in results["mistakes"] if case["wrong"].startswith("exit ")]
    lines.append(f"{'FAIL' if troubles else 'PASS'} {len(troubles)} answers that are none" +
                 "".join(f"\n     {case}" for case in troubles[:5]))
    return lines


def list_misses(results: dict) -> None:
    """What was not found though it should have been, and false alarms; the most frequent first."""
    missed = Counter((case["finding"], case["name"], case["wrong"]) for case in results["mistakes"] if case["wrong"]
                     and case["rows"] >= ENOUGH_ROWS and case["accuracy"] >= ENOUGH_ACCURACY)
    for (finding, name, wrong), count in missed.most_common(25):
        print(f"{count:5} x {finding} ({name}): {wrong}")
    alarms = Counter((case["family"], alarm) for case in results["clean"] for alarm in case["alarms"])
    for (name, alarm), count in alarms.most_common(25):
        print(f"{count:5} x false {alarm} in {name}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("xent")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--clean", type=int, default=10_080)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--sources", default="", help="only classifiers whose name holds one of these words")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--no-page", action="store_true")
    options = parser.parse_args()
    options.xent = os.path.abspath(options.xent)
    if options.quick:
        options.clean = 200
    return options


def main() -> int:
    options = parse()
    names = QUICK_SOURCES if options.quick else tuple(
        name for name in models.MAKERS if any(word in name for word in options.sources.split(",")))
    for name in names:
        one = source(name)
        print(f"{name:16} {100 * one.accuracy:5.1f} %  {one.classes:2} classes  {one.how}", file=sys.stderr, flush=True)
    results = {"mistakes": collect(mistake_work(options, names), options.workers, "mistakes"),
               "clean": collect(clean_work(options, names), options.workers, "clean")}
    whole = not (options.quick or options.only or options.sources)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / ("results.json" if whole else "partial.json")).write_text(json.dumps(results))
    if whole and not options.no_page:
        order = [(mistake.finding, mistake.name) for mistake in mistakes.LIST]
        page.write(results, [source(name) for name in names], judge(results, options), options.xent, order)
    list_misses(results)
    lines = judge(results, options)
    print("\n".join(lines))
    return int(any(line.startswith("FAIL") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
