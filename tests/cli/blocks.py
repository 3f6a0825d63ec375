# SPDX-License-Identifier: MIT
"""Logits beyond one block: the same results in every layout, and files that change or a process that dies."""
import json
import os
import random
import subprocess
import time
import unittest

import numpy as np

from support import SHORT, XENT, Case

SHAPE, CLASSES = (40, 25, 11), 600  # 26 MB of float32, in blocks of 16 MiB


def batch():
    dice = np.random.default_rng(5)
    logits = dice.normal(0, 3, SHAPE + (CLASSES,)).astype(np.float32)
    labels = dice.integers(0, CLASSES, SHAPE)
    labels[dice.random(SHAPE) < 0.1] = -100
    return logits, labels


class Blocks(Case):
    def without_time(self, *words, **names):
        result = self.loss("--ignore", "-100", *words, **names)
        return {name: value for name, value in result.items() if name != "seconds"}

    def test_the_parts_give_the_whole(self):
        """Blocks have the gradient bits and the sums of two files that are scored apart."""
        logits, labels = batch()
        weights = np.random.default_rng(6).random(SHAPE)
        self.save_batch(logits, labels)
        self.save("w.npy", weights)
        whole = self.without_time("--grad", "g.npy", "--row-loss", "r.npy", "--row-weight", "w.npy")
        sums = []
        for i, part in enumerate((slice(0, 7), slice(7, 40))):
            names = self.save(f"x{i}.npy", logits[part]), self.save(f"y{i}.npy", labels[part])
            self.save(f"w{i}.npy", weights[part])
            sums.append(self.without_time("--grad", f"g{i}.npy", "--row-loss", f"r{i}.npy", "--row-weight",
                                          f"w{i}.npy", "--denominator", repr(whole["weight_sum"]), logits=names[0],
                                          labels=names[1]))
        for name in ("rows", "counted", "ignored", "correct"):
            self.assertEqual(whole[name], sum(part[name] for part in sums))
        self.close(whole["loss_sum"], sum(part["loss_sum"] for part in sums), 1e-15)
        for name in "gr":
            parts = [np.load(self.path(f"{name}{i}.npy")) for i in range(2)]
            np.testing.assert_array_equal(np.load(self.path(f"{name}.npy")), np.concatenate(parts))

    def test_every_layout(self):
        """Class axis and order of the file change nothing but where a gradient entry lies."""
        logits, labels = batch()
        self.save_batch(logits, labels)
        expected = self.without_time("--grad", "g.npy", "--row-loss", "r.npy")
        grad, row_loss = np.load(self.path("g.npy")), self.read("r.npy")
        for axis in range(4):
            moved = np.moveaxis(logits, -1, axis)
            ways = [("C", "<f4"), ("F", "<f4"), ("C", ">f4"), ("F", ">f4")]
            for order, kind in ways[axis:axis + 1] if SHORT else ways:
                with self.subTest(axis=axis, order=order, kind=kind):
                    self.save("x.npy", np.array(moved, dtype=kind, order=order))
                    self.save("y.npy", np.array(labels, dtype=">i4", order=order))
                    found = self.without_time("--class-axis", axis, "--grad", "h.npy", "--row-loss", "s.npy",
                                              logits="x.npy", labels="y.npy")
                    self.assertEqual(found, expected)
                    np.testing.assert_array_equal(np.load(self.path("h.npy")), np.moveaxis(grad, -1, axis))
                    self.assertEqual(self.read("s.npy"), row_loss)

    def test_a_denominator_that_no_option_holds(self):
        """With every weight -1 the mean's denominator is negative; signs cancel in the gradient."""
        logits, labels = batch()
        self.save_batch(logits, labels)
        self.save("w.npy", np.full(SHAPE, -1.0))
        self.without_time("--grad", "g.npy")
        self.without_time("--grad", "h.npy", "--row-weight", "w.npy")
        np.testing.assert_array_equal(np.load(self.path("g.npy")), np.load(self.path("h.npy")))

    def test_rows_longer_than_a_block(self):
        logits = np.random.default_rng(7).normal(0, 1, (3, 5_000_000)).astype(np.float32)
        self.save_batch(logits, np.array([0, 4_999_999, 17]))
        found = self.loss("--reduction", "none")
        wide = logits.astype(np.float64)
        lse = np.log(np.exp(wide).sum(axis=1))
        self.close(found["losses"], lse - wide[[0, 1, 2], [0, 4_999_999, 17]], 1e-6)


class Accidents(Case):
    def sparse(self, rows, classes):
        """float32 zeros that take no room on the disk."""
        with open(self.path("logits.npy"), "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (rows, classes)})
            file.truncate(file.tell() + 4 * rows * classes)
        self.save("labels.npy", np.zeros(rows, np.uint8))

    def test_a_file_that_shrinks(self):
        self.sparse(100_000, 10_000)
        self.write("grad.npy", b"old")
        with subprocess.Popen([XENT, "loss", "logits.npy", "labels.npy", "--row-loss", "grad.npy"], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not any(name.startswith(".xent-") for name in self.names()) and process.poll() is None:
                time.sleep(0.001)
            os.truncate(self.path("logits.npy"), 1000)
            out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (65, ""), err)
        self.assertIn("logits.npy: has become shorter", err)
        self.assertEqual(self.read("grad.npy"), b"old")
        self.assertEqual(self.names(), ["grad.npy", "labels.npy", "logits.npy"])

    def test_killed_at_random_moments(self):
        """The output is absent, the old file or the whole new one."""
        logits, labels = batch()
        self.save_batch(logits, labels)
        command = [XENT, "loss", "logits.npy", "labels.npy", "--ignore", "-100", "--grad", "grad.npy"]
        begun = time.monotonic()
        subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, check=True)
        lasts, kills = time.monotonic() - begun, 200 if "XENT_LARGE" in os.environ else 60
        whole, dice, found = self.read("grad.npy"), random.Random(8), []
        for i in range(kills):
            self.clean(old=i % 2 == 0)
            process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
            time.sleep(dice.random() * lasts * 1.1)
            process.kill()
            process.wait()
            found.append(self.state(whole, old=i % 2 == 0))
        self.assertGreater(found.count("whole"), 0, found)
        self.assertLess(found.count("whole"), kills, found)

    def clean(self, old):
        for name in self.names():
            if name.startswith(".xent-") or name == "grad.npy":
                os.remove(self.path(name))
        if old:
            self.write("grad.npy", b"old")

    def state(self, whole, old):
        if not os.path.exists(self.path("grad.npy")):
            self.assertFalse(old, "the old file is gone")
            return "absent"
        if self.read("grad.npy") == b"old":
            return "old"
        self.assertEqual(self.read("grad.npy"), whole)
        return "whole"


@unittest.skipUnless("XENT_LARGE" in os.environ, "reads 6 GB; `make test-all` runs it")
class Large(Case):
    @staticmethod
    def peak_kilobytes(pid):
        """The most memory that was ever resident; None once the process is gone."""
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), None)

    def test_more_than_two_to_the_31_elements(self):
        """3e9 sparse bfloat16 logits within 200 MB, and as two halves that a C program merges."""
        rows, classes = 59_700, 50_257
        labels = np.random.default_rng(0).integers(0, classes, rows).astype(np.int32)
        with open(self.path("logits.npy"), "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<V2", "fortran_order": False, "shape": (rows, classes)})
            start = file.tell()
            file.truncate(start + 2 * rows * classes)
            for row in range(0, rows, 97):
                file.seek(start + 2 * (row * classes + int(labels[row])))
                file.write(np.uint16(0x4120).tobytes())  # 10
        self.save("labels.npy", labels)
        with subprocess.Popen([XENT, "loss", "logits.npy", "labels.npy", "--json"], cwd=self.folder,
                              stdout=subprocess.PIPE) as process:
            peak = 0
            while process.poll() is None:
                peak = self.peak_kilobytes(process.pid) or peak
                time.sleep(0.01)
            found = json.loads(process.stdout.read())
        self.assertTrue(0 < peak < 200_000, peak)
        merged = subprocess.run([os.environ["XENT_TWO_HALVES"], str(rows), str(classes), "logits.npy", "labels.npy"],
                                cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        names = ("loss_sum", "weight_sum", "rows", "counted", "correct", "nonfinite")
        self.assertEqual([float(word) for word in merged], [float(found[name]) for name in names])
        self.assertGreaterEqual(found["correct"], len(range(0, rows, 97)))
