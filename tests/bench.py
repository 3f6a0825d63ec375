#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs all of bench/ in its tiny mode: XENT_BENCH=path/to/xent_bench XENT_SHARED_LIBRARY=path/to/libxent.so
XENT_CLI=path/to/xent bench.py

That everything runs, agrees with the formula and ends up on the page; how long anything takes is no test's business.
Needs NumPy and ml_dtypes; peers that are not installed must be reported as such.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = ["xent_in_place", "xent_out_of_place", "memcpy"]
PEERS = {"torch": ["torch_eager", "torch_compile"], "jax": ["jax_jit"], "onednn": ["onednn"]}


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def bench(name):
    return os.path.join(ROOT, "bench", name)


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.core = run(os.environ["XENT_BENCH"], "--smoke")
        cls.checked = run(sys.executable, bench("check.py"), "--smoke", os.environ["XENT_CLI"])
        cls.linear = run(sys.executable, bench("linear.py"), "--smoke", os.environ["XENT_SHARED_LIBRARY"])
        cls.peers = run(sys.executable, bench("peers.py"), "--smoke", os.environ["XENT_SHARED_LIBRARY"])

    def test_the_library(self):
        found = json.loads(self.core)
        self.assertEqual(found["left_out"], [])
        self.assertEqual({(point["set"], point["dtype"]) for point in found["points"]}, {
            ("table", "f32"), ("table", "bf16"), ("table", "f64"), ("table", "f16"), ("classes", "f32"),
            ("classes", "bf16"), ("size", "f32")})
        for point in found["points"]:
            plain = point["set"] != "size" and point["dtype"] != "f16"
            self.assertEqual(list(point["seconds"]), ["memcpy", "read", "loss", "in_place", "out_of_place"] +
                             ["plain"] * plain)
            for low, median, high in point["seconds"].values():
                self.assertLessEqual(low, median)
                self.assertLessEqual(median, high)

    def test_every_peer_is_measured_or_reported(self):
        cases = json.loads(self.peers)["cases"]
        self.assertEqual({(case["process"], case["allocator"], case["dtype"]) for case in cases}, {
            (process, allocator, dtype) for process in PEERS for allocator in ("malloc", "kept")
            for dtype in ("f32", "bf16")})
        for case in cases:
            self.assertEqual(sorted([*case["seconds"], *case["missing"]]), sorted(OURS + PEERS[case["process"]]))
            self.assertLess(case["errors"]["xent_out_of_place"], 1e-6 if case["dtype"] == "f32" else 4e-3)

    def test_check_beside_loss(self):
        for case in json.loads(self.checked)["cases"]:
            self.assertEqual(set(case["seconds"]), {"loss", "check"})
            self.assertGreater(case["ratio"], 0)

    def test_the_linear_form(self):
        found = json.loads(self.linear)
        self.assertEqual([case["shape"] for case in found["cases"]], [[300, 20, 10], [40, 30, 1100]])
        for case in found["cases"]:
            self.assertGreaterEqual(set(case["seconds"]), {"logits", "loss", "train", "all"})
            self.assertEqual(set(case["ratios"]), set() if found["missing"] else {"logits", "loss", "train", "all"})

    def test_loops(self):
        """Of a function of ours, where the model is installed; else what to install."""
        done = subprocess.run([sys.executable, bench("loops.py"), os.environ["XENT_SHARED_LIBRARY"], "grad_f32_scalar"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            found = [line.split() for line in done.stdout.splitlines()[1:]]
            self.assertTrue(found)
            for _, instructions, _, cycles, pipe in found:
                self.assertGreater(int(instructions), 1)
                self.assertGreaterEqual(float(cycles), float(pipe) - 1)
        else:
            self.assertRegex(done.stderr, "apt-get install llvm-16|no loop that ends with a jump of x86")

    def report(self, folder, *words):
        run(sys.executable, bench("report.py"), "--docs", folder, *words, os.path.join(folder, "results.json"))
        with open(os.path.join(folder, "performance.md"), encoding="utf-8") as file:
            return file.read()

    def write(self, folder, name, text):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
        return os.path.join(folder, name)

    def test_the_page(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(os.path.join(ROOT, "docs/performance.md"), folder)
            core, peers = self.write(folder, "core", self.core), self.write(folder, "peers", self.peers)
            self.report(folder, "--core", core, "--command", "make bench")
            page = self.report(folder, "--peers", peers, "--command", "make bench")
            checked = self.write(folder, "checked", self.checked)
            page = self.report(folder, "--check", checked, "--command", "make bench")
            page = self.report(folder, "--linear", self.write(folder, "linear", self.linear), "--command", "make bench")
            self.assertEqual(self.report(folder), page)
            for text in ("| measured | ", "| 13 x 50257 | f32 |", "[16, 19, 5, 5]", "| 300 x 10 | bf16 |", "| 200 x 1000 | bf16 |",
                         "| 40 x 30 x 1100 | "):
                self.assertIn(text, page)
            if "torch" not in json.loads(self.peers)["versions"]:
                self.assertIn("- torch_eager, f32 300 x 10: ModuleNotFoundError", page)
            plots = re.findall(r"\]\((.*\.svg)\)", page)
            self.assertEqual(len(plots), 3)
            for name in plots:
                path = os.path.join(folder, name)
                self.assertTrue(ElementTree.parse(path).getroot().tag.endswith("svg"))
                self.assertLess(os.path.getsize(path), 200_000)


if __name__ == "__main__":
    unittest.main()
