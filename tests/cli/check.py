# SPDX-License-Identifier: MIT
"""`xent check`: findings and exit codes, the words of `xent loss` where nothing can be scored, blocks, JSON."""
import json
import os

import numpy as np

from support import Case

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/digits")
X = np.load(os.path.join(DIGITS, "logits.npy"))
Y = np.load(os.path.join(DIGITS, "labels.npy")).astype(np.int64)


class Check(Case):
    def check(self, logits, labels, *words, code=1):
        """The findings of a batch."""
        self.save_batch(logits, labels)
        got, out, err = self.xent("check", "logits.npy", "labels.npy", *words, "--json")
        self.assertEqual(got, code, out + err)
        self.found = json.loads(out)
        self.said = err
        return self.found["findings"]

    def first(self, finding, logits, labels, *words, code=1):
        found = self.check(logits, labels, *words, code=code)
        self.assertEqual(found[0]["id"] if found else "nothing", finding, found)
        return found[0]

    def test_nothing_is_wrong_with_the_digits(self):
        self.assertEqual([one["severity"] for one in self.check(X, Y, code=0)], ["note"])
        self.assertEqual(self.said, "")
        loss = self.loss()
        for field in ("rows", "counted", "ignored", "bad", "classes", "accuracy"):
            self.assertEqual(self.found[field], loss[field], field)
        self.close(self.found["loss"], loss["loss"])

    def test_half_of_the_labels_twice(self):
        """The third case of the article, on real data."""
        half = len(Y) // 2
        found = self.first("labels-repeated", X[:2 * half], np.concatenate([Y[:half], Y[:half]]))
        self.assertEqual(found["evidence"]["period"], half)
        self.assertEqual(found["severity"], "error")

    def test_labels_of_other_rows(self):
        self.assertEqual(self.first("labels-shifted", X, np.roll(Y, 1))["evidence"]["shift"], 1)
        self.assertEqual(self.first("labels-shifted", X[2:], Y[:-2])["evidence"]["shift"], 2)
        self.first("halves-swapped", X, np.roll(Y, len(Y) // 2))
        self.first("labels-shuffled", X, np.random.default_rng(1).permutation(Y))
        self.first("class-ids-permuted", X, (Y + 3) % 10)

    def test_flags_reach_the_diagnosis(self):
        self.first("labels-shifted", X.T.copy(), np.roll(Y, 1), "--class-axis", 0)
        soft = np.exp(X) / np.exp(X).sum(1, keepdims=True)
        self.first("probabilities-as-logits", soft, Y)
        self.assertEqual(self.check(soft, Y, "--probabilities", code=0), [])
        self.first("not-normalised", X, Y, "--probabilities")
        marked = np.where(np.arange(len(Y)) % 7, Y, -100)
        self.assertEqual([one["severity"] for one in self.check(X, marked, "--ignore", -100, code=0)], ["note"])
        self.first("label-out-of-range", X, np.where(np.arange(len(Y)) % 7, Y, np.arange(len(Y)) + 10),
                   "--on-bad-label", "ignore")

    def test_what_cannot_be_scored_is_named_and_refused_in_the_words_of_loss(self):
        for finding, logits, labels in (
                ("batch-mismatch", X[:4, :3], Y[:2]), ("one-hot-labels", X, np.eye(10)[Y]),
                ("float-labels", X, Y.astype(float)), ("swapped-arguments", Y, X), ("classes-first", X.T, Y),
                ("label-axes", X, Y[:, None]),
                ("no-classes", X[:, :0], Y), ("no-classes", X[0, :0], Y[0]), ("no-classes", X[0, 0], Y[0]),
                ("no-classes", X[0, 0], Y), ("integer-logits", X.astype(int), Y), ("labels-one-based", X, Y + 1),
                ("undeclared-ignore", X, np.where(Y == 3, -100, Y)), ("undeclared-ignore", X, np.where(Y == 3, -1, Y)),
                ("undeclared-ignore", X, np.where(Y == 3, 255, Y)), ("label-out-of-range", X, Y + 2)):
            self.first(finding, logits, labels, code=65)
            self.assertFalse(self.found["scorable"])
            code, out, err = self.xent("loss", "logits.npy", "labels.npy", "--json")
            self.assertEqual((code, out), (65, ""))
            self.assertEqual(self.said, err.replace("xent loss", "xent check"))

    def test_nothing_is_counted(self):
        self.first("nothing-counted", X, np.full(len(X), -100), "--ignore", -100, code=65)
        self.assertIn("--on-nothing-counted zero", self.said)
        self.first("nothing-counted", X, np.full(len(X), -100), "--ignore", -100, "--on-nothing-counted", "zero")

    def test_files_that_are_none(self):
        for data in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (9"):
            self.save_batch()
            self.write("logits.npy", data)
            loss = self.xent("loss", "logits.npy", "labels.npy")
            self.assertEqual(self.xent("check", "logits.npy", "labels.npy")[:2], loss[:2])
            self.assertEqual(self.refused(65, "check", "logits.npy", "labels.npy").replace("check", "loss"), loss[2])
        self.refused(66, "check", "none.npy", "labels.npy")
        self.refused(64, "check", "labels.npy")
        self.refused(64, "check", "labels.npy", "labels.npy", "--grad", "g.npy")
        self.save("cut.npy", np.zeros((1000, 10)))
        os.truncate(self.path("cut.npy"), 40000)
        self.save("labels.npy", np.zeros(1000, int))
        self.refused(65, "check", "cut.npy", "labels.npy")

    def test_more_than_it_counts(self):
        """Refused before they are read: the files are holes."""
        for rows, classes in (1 << 31, 1), (1, 1 << 31):
            for name, size in (("logits.bin", 2 * rows * classes), ("labels.bin", rows)):
                with open(self.path(name), "wb") as file:
                    file.truncate(size)
            words = ("check", "logits.bin", "labels.bin", "--dtype", "f16", "--shape", f"{rows},{classes}",
                     "--labels-dtype", "u8", "--labels-shape", str(rows))
            code, out, err = self.xent(*words, "--json")
            found = json.loads(out)
            self.assertEqual((code, found["findings"][0]["id"], found["scorable"]), (65, "too-large", False))
            self.assertEqual(found["findings"][0]["evidence"], {"rows": rows, "classes": classes})
            self.assertIn(f"{rows} rows of {classes} class", err)
            self.assertTrue(self.xent(*words)[1].startswith("error    too-large\n"))

    def test_blocks(self):
        """Larger than a block, of every type and order."""
        random = np.random.default_rng(2)
        labels = random.integers(50, size=(300, 320))
        logits = random.normal(size=(300, 320, 50)).astype(np.float32)
        np.put_along_axis(logits, np.roll(labels, 1, 1)[..., None], 6, 2)
        wanted = self.first("labels-shifted", logits, labels)
        self.assertEqual(wanted["evidence"]["shift"], -1)
        for other in (np.asfortranarray(logits), logits.astype(np.float16), logits.astype(np.float64)):
            self.assertEqual(self.first("labels-shifted", other, labels)["evidence"]["shift"], -1)
        self.assertEqual(self.first("labels-shifted", logits, labels, "--threads", 1), wanted)

    def test_text(self):
        self.save_batch(X, np.roll(Y, 1))
        code, out, err = self.xent("check", "logits.npy", "labels.npy")
        self.assertEqual((code, err), (1, ""))
        lines = out.splitlines()
        self.assertEqual(lines[0], "error    labels-shifted")
        self.assertTrue(lines[-1].startswith("1 error, 0 warnings, 0 notes in 1797 rows of 10 classes: loss"), out)
        self.assertTrue(any(line.startswith("    fix: ") for line in lines), out)
