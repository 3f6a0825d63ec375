# SPDX-License-Identifier: MIT
"""Labels that are no classes: every integer type, where the label is, and what it is likely to be."""
import os
import sys

import numpy as np

from support import LABELS, LOGITS, MEAN, Case

TYPES = [np.dtype(name) for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")]
MORE = np.vstack([LOGITS, LOGITS[:1]])  # a row for a label that is no class


class Labels(Case):
    def bad(self, labels, *words, logits=MORE, says=()):
        self.save_batch(logits, labels)
        if os.path.exists(self.path("grad.npy")): # a fix that was typed has made it
            os.remove(self.path("grad.npy"))
        err = self.refused(65, "loss", "logits.npy", "labels.npy", "--grad", "grad.npy", *words, says=says)
        self.assertFalse(os.path.exists(self.path("grad.npy")))
        return err

    def fixed(self, err):
        code, out, rest = self.type_the_fix(err)
        self.assertEqual(code, 0, rest)
        self.assertIn("4 counted, 1 ignored", out)
        self.assertIn(f"loss         {MEAN:.9g} ", out)

    def with_mark(self, dtype, mark):
        return np.append(LABELS.astype(dtype), np.array([mark]).astype(dtype))

    def test_every_type_and_its_ends(self):
        """The least and the largest number of a type, -1 and C, each in a row of its own."""
        refused = 0
        for dtype in TYPES:
            ends = np.iinfo(dtype)
            for value in sorted({int(ends.min), -1, 3, int(ends.max)}):
                if ends.min <= value <= ends.max and not 0 <= value < 3:
                    for row in (0, 3):
                        labels = np.insert(np.array([0, 1, 2]).astype(dtype), row, np.array(value).astype(dtype))
                        self.bad(labels, logits=LOGITS, says=[
                            f"labels.npy: row {row} has the label {value}, but logits.npy has 3 classes, so labels "
                            "are 0 to 2 (outside: 1 of 4)"])
                        refused += 1
        self.assertEqual(refused, 2 * (4 * 4 + 4 * 2))

    def test_the_place_of_a_label(self):
        labels = np.zeros((2, 3), np.int16)
        labels[1, 2] = 4
        logits = np.arange(24.0).reshape(2, 3, 4)
        self.bad(labels, logits=logits, says=["row [1, 2] has the label 4", "4 classes", "0 to 3", "1 of 6"])
        labels[0, 1] = -7
        self.bad(labels, logits=logits, says=["row [0, 1] has the label -7", "2 of 6"])
        self.bad(labels, "--class-axis", "1", logits=np.moveaxis(logits, 2, 1).copy(),
                 says=["row [0, 1] has the label -7", "2 of 6"])

    def test_negative_marks_in_unsigned_types(self):
        for dtype in ("uint8", "uint16", "uint32"):
            for mark in (-1, -100):
                stored = 2 ** (8 * np.dtype(dtype).itemsize) + mark
                for words in ((), ("--ignore", mark)):
                    err = self.bad(self.with_mark(dtype, mark), *words, says=[
                        f"row 4 has the label {stored}", f"{mark} stored as {dtype}", f"--ignore {stored}\n"])
                    self.fixed(err)

    def test_negative_marks_in_uint64(self):
        """No --ignore names them; as int64 they are negative again."""
        for mark in (-1, -100):
            for words in ((), ("--ignore", mark)):
                err = self.bad(self.with_mark("uint64", mark), *words, says=[
                    f"row 4 has the label {2**64 + mark}", f"{mark} stored as uint64", "int64", f"--ignore {mark}\n"])
                self.assertEqual(err.count(f"--ignore {mark}"), 1)
                self.fixed(err)

    def test_numbers_that_are_no_labels_at_all(self):
        for dtype, value in (("uint64", 2**63 + 5), ("int64", 2**62), ("uint64", 2**40)):
            err = self.bad(self.with_mark(dtype, value), says=[f"row 4 has the label {value}", "no model has so many",
                                                               dtype])
            self.assertNotIn("try:", err)

    def test_the_largest_number_of_a_type_may_be_a_mark(self):
        for dtype in ("int8", "int16", "int32", "int64"):
            most = np.iinfo(dtype).max
            self.fixed(self.bad(self.with_mark(dtype, most), says=[f"largest {dtype}", f"--ignore {most}\n"]))

    def test_raw_labels_in_the_other_byte_order(self):
        self.save_batch()
        other = ">" if sys.byteorder == "little" else "<"
        for kind in ("i2", "u4", "i8", "u8"):
            labels = LABELS.astype(other + kind)
            self.write("labels", labels.tobytes())
            name = labels.dtype.newbyteorder("=").name
            err = self.refused(65, "loss", "logits.npy", "labels", "--labels-dtype", name, "--labels-shape", "4", says=[
                "row 1 has the label", "bytes in the other order", f"--labels-dtype '{other}{name}'\n"])
            code, out, rest = self.type_the_fix(err)
            self.assertEqual(code, 0, rest)
            self.assertIn(f"loss         {MEAN:.9g} ", out)

    def test_any_negative_number_may_be_a_mark(self):
        self.fixed(self.bad(self.with_mark("int32", -5), says=["row 4 has the label -5", "--ignore -5"]))

    def test_raw_labels_that_are_no_classes_in_any_byte_order(self):
        self.save("logits.npy", np.zeros((2, 70000), np.float32))
        for dtype in ("int8", "int16", "int32", "uint8"):
            labels = np.array([0, 200 if dtype == "uint8" else -1]).astype(dtype)
            self.write("labels", labels.tobytes())
            self.save("few.npy", np.zeros((2, 150), np.float32))
            name = "few.npy" if dtype == "uint8" else "logits.npy"
            err = self.refused(65, "loss", name, "labels", "--labels-dtype", dtype, "--labels-shape", "2")
            self.assertNotIn("order", err)

    def test_the_largest_label(self):
        labels = self.with_mark("uint64", 90000)
        labels[1] = 7
        self.bad(labels, says=["row 1 has the label 7", "The largest, 90000, needs logits of more than 90000 classes"])
        labels[4] = 2**63 + 5
        self.bad(labels, says=["row 1 has the label 7", f"The largest is {2**63 + 5}"])

    def test_one_logit_a_row(self):
        """The logit of a model with two classes: the other one's is 0."""
        logits, labels = LOGITS[:, :1], np.array([0, 1, 1, 0])
        err = self.bad(labels, logits=logits, says=["logits.npy has 1 class, so every label is 0 (outside: 2 of 4)",
                                                    "two classes"])
        code, out, rest = self.type_the_fix(err)
        self.assertEqual(code, 0, rest)
        signs = np.where(labels == 1, 1, -1)
        self.assertIn(f"loss         {np.log1p(np.exp(-signs * logits[:, 0])).mean():.9g} ", out)
        self.assertNotIn("two classes", self.bad(labels * 2, logits=logits, says=["1 class,"]))
