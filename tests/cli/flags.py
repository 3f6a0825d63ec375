# SPDX-License-Identifier: MIT
"""Every flag of `xent loss` against the formula in NumPy, and what is printed where."""
import json
import math
import re

import numpy as np

from support import LABELS, LOGITS, MEAN, Case, formula

RANDOM = np.random.RandomState(7)
BATCH = 3 * RANDOM.standard_normal((50, 11))
CLASSES = RANDOM.randint(0, 11, 50)
CLASSES[[3, 8, 21]] = -100
CLASS_WEIGHT = RANDOM.uniform(0.5, 2, 11)
ROW_WEIGHT = RANDOM.uniform(0, 2, 50)


class Results(Case):
    def test_the_known_means(self):
        """Labels in order, labels repeated to fit, and two labels, which are refused."""
        for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-6)):
            for labels, mean in ((LABELS, MEAN), (np.array([0, 1, 0, 1]), 0.6308164747667916)):
                self.save_batch(LOGITS.astype(dtype), labels)
                self.close(self.loss()["loss"], mean, tolerance)
            self.save("labels.npy", np.array([0, 1]))
            self.refused(65, "loss", "logits.npy", "labels.npy", "--json", says=["shape [2]", "Do not repeat or cut"])

    def test_every_field(self):
        self.save_batch(BATCH, CLASSES)
        losses, _, weights, counted = formula(BATCH, CLASSES, [-100])
        found = self.loss("--ignore", -100)
        self.close(found["loss"], losses.sum() / weights.sum())
        self.close(found["loss_sum"], losses.sum())
        self.close(found["perplexity"], math.exp(losses.sum() / weights.sum()))
        right = int(((BATCH.argmax(1) == CLASSES) & counted).sum())
        self.close(found["accuracy"], right / 47)
        for key, value in {"weight_sum": 47.0, "reduction": "mean", "rows": 50, "counted": 47, "ignored": 3,
                           "bad": 0, "nonfinite": 0, "correct": right, "classes": 11, "first_bad_row": None,
                           "first_bad_label": None, "first_nonfinite_row": None}.items():
            self.assertEqual(found[key], value, key)
        self.assertGreater(found["seconds"], 0)

    def test_every_type(self):
        for logit in ("<f2", "<f4", "<f8"):
            for label in ("|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"):
                logits = LOGITS.astype(logit)
                self.save_batch(logits, LABELS.astype(label))
                wanted = formula(logits, LABELS)[0].mean()
                self.close(self.loss()["loss"], wanted, 1e-12 if logit == "<f8" else 1e-6)

    def test_a_single_row(self):
        self.save_batch(LOGITS[0], np.int64(2))
        self.close(self.loss()["loss"], formula(LOGITS[:1], np.array([2]))[0][0])

    def test_nothing_at_all(self):
        self.save_batch(np.zeros((0, 3)), np.zeros(0, int))
        found = self.loss()
        self.assertEqual((found["loss"], found["accuracy"], found["rows"]), ("NaN", "NaN", 0))

    def test_infinity_and_nan_are_strings(self):
        logits = LOGITS.copy()
        logits[2, 2] = -np.inf
        self.save_batch(logits)
        found = self.loss()
        self.assertEqual((found["loss"], found["nonfinite"]), ("Infinity", 1))
        self.assertEqual(found["first_nonfinite_row"], 2)
        logits[2, 2] = np.nan
        self.save_batch(logits)
        self.assertEqual(self.loss()["loss"], "NaN")

    def test_json_has_17_digits(self):
        self.save_batch()
        _, out, _ = self.xent("loss", "logits.npy", "labels.npy", "--json")
        text = re.search(r'"loss": ([0-9.]+)', out).group(1)
        self.assertEqual(text, "%.17g" % float(text))
        self.assertGreaterEqual(len(text), 17)


class Flags(Case):
    def setUp(self):
        super().setUp()
        self.save_batch(BATCH, CLASSES)
        self.save("class.npy", CLASS_WEIGHT)
        self.save("row.npy", ROW_WEIGHT.astype(np.float32))

    def check(self, *words, **settings):
        """The mean and the gradient with these flags, and --ignore -100, are those of the formula."""
        losses, grad, weights, _ = formula(BATCH, CLASSES, [-100], **settings)
        found = self.loss("--ignore", "-100", "--grad", "grad.npy", "--row-loss", "rows.npy", *words)
        self.close(found["loss"], losses.sum() / weights.sum())
        self.close(found["weight_sum"], weights.sum())
        self.close(np.load(self.path("grad.npy")), grad / weights.sum())
        self.close(np.load(self.path("rows.npy")), losses)

    def test_the_loss(self):
        weight = ROW_WEIGHT.astype(np.float32)
        self.check()
        self.check("--class-weight", "class.npy", class_weight=CLASS_WEIGHT)
        self.check("--row-weight=row.npy", row_weight=weight)
        self.check("--label-smoothing", "0.125", smoothing=0.125)
        self.check("--z-loss", "1e-3", z_loss=1e-3)
        self.check("--softcap", "4.5", softcap=4.5)
        self.check("--logit-scale", "0.25", scale=0.25)
        self.check("--class-weight", "class.npy", "--row-weight", "row.npy", "--label-smoothing", "0.1",
                   "--z-loss", "0.01", "--softcap", "5", "--logit-scale", "1.5", class_weight=CLASS_WEIGHT,
                   row_weight=weight, smoothing=0.1, z_loss=0.01, softcap=5.0, scale=1.5)

    def test_reduction(self):
        losses, _, weights, counted = formula(BATCH, CLASSES, [-100], class_weight=CLASS_WEIGHT)
        common = ("--ignore=-100", "--class-weight", "class.npy", "--reduction")
        for name, wanted in {"mean": losses.sum() / weights.sum(), "sum": losses.sum(),
                             "row-mean": losses.sum() / counted.sum()}.items():
            found = self.loss(*common, name)
            self.close(found["loss"], wanted)
            self.assertEqual(found["reduction"], name)
            self.close(found["perplexity"], math.exp(losses.sum() / weights.sum()))
        found = self.loss(*common, "none")
        self.assertEqual(found["reduction"], "none")
        self.close(found["losses"], losses)
        self.close(found["loss"], losses.sum())

    def test_reduction_none_prints_one_loss_per_line(self):
        code, out, err = self.xent("loss", "logits.npy", "labels.npy", "--ignore", "-100", "--reduction",
                                   "none")
        self.assertEqual((code, err), (0, ""))
        self.close([float(line) for line in out.splitlines()], formula(BATCH, CLASSES, [-100])[0])

    def test_denominator(self):
        losses, grad, _, _ = formula(BATCH, CLASSES, [-100])
        found = self.loss("--ignore", "-100", "--denominator", "128", "--grad", "grad.npy")
        self.close(found["loss"], losses.sum() / 128)
        self.close(np.load(self.path("grad.npy")), grad / 128)

    def test_class_axis(self):
        deep = RANDOM.standard_normal((4, 11, 5)).astype(np.float32)
        labels = RANDOM.randint(0, 11, (4, 5))
        self.save_batch(deep, labels)
        losses, grad, _, _ = formula(np.moveaxis(deep, 1, 2).reshape(20, 11), labels.ravel())
        for axis in ("1", "-2"):
            found = self.loss("--class-axis", axis, "--grad", "grad.npy", "--row-loss", "rows.npy")
            self.close(found["loss"], losses.mean(), 1e-6)
            self.assertEqual(found["classes"], 11)
        written = np.load(self.path("grad.npy"))
        self.assertEqual((written.dtype, written.shape), (deep.dtype, deep.shape))
        self.close(np.moveaxis(written, 1, 2).reshape(20, 11), grad / 20, 1e-6)
        self.close(np.load(self.path("rows.npy")), losses.reshape(4, 5), 1e-6)

    def test_ignore_may_be_repeated(self):
        losses, _, weights, _ = formula(BATCH, CLASSES, [-100, 3, 5])
        found = self.loss("--ignore", "-100", "--ignore=3", "--ignore", "5")
        self.close(found["loss"], losses.sum() / weights.sum())
        self.assertEqual(found["ignored"], 50 - weights.sum())

    def test_probabilities(self):
        p = np.exp(BATCH) / np.exp(BATCH).sum(axis=1, keepdims=True)
        wanted = formula(BATCH, CLASSES, [-100])[0].sum() / 47
        hot = (np.arange(11) == CLASSES[:, None]) / 47
        for flag, values, grad in (("--probabilities", p, -hot / p), ("--log-probabilities", np.log(p), -hot)):
            self.save("logits.npy", values)
            self.close(self.loss("--ignore", "-100", flag, "--grad", "grad.npy")["loss"], wanted)
            self.close(np.load(self.path("grad.npy")), grad)

    def test_on_bad_label(self):
        losses, _, _, _ = formula(BATCH, CLASSES)
        found = self.loss("--on-bad-label", "ignore")
        self.close(found["loss"], losses.sum() / 47)
        self.assertEqual((found["bad"], found["ignored"], found["counted"]), (3, 0, 47))
        self.assertEqual((found["first_bad_row"], found["first_bad_label"]), (3, -100))
        found = self.loss("--on-bad-label", "nan", "--row-loss", "rows.npy")
        self.assertEqual((found["loss"], found["bad"], found["counted"]), ("NaN", 3, 47))
        rows = np.load(self.path("rows.npy"))
        self.assertEqual(np.flatnonzero(np.isnan(rows)).tolist(), [3, 8, 21])
        self.refused(65, "loss", "logits.npy", "labels.npy", "--on-bad-label", "error")

    def test_a_bad_label_above_the_signed_range(self):
        self.save("labels.npy", CLASSES.clip(-1).astype(np.uint64))
        found = self.loss("--on-bad-label", "ignore", "--ignore", "-1")
        self.assertEqual((found["bad"], found["first_bad_label"]), (3, str(2**64 - 1)))
        self.refused(65, "loss", "logits.npy", "labels.npy", says=[str(2**64 - 1)])

    def test_on_nothing_counted(self):
        self.save("labels.npy", np.full(50, -100))
        common = ("--ignore", "-100", "--on-nothing-counted")
        self.assertEqual(self.loss(*common, "nan")["loss"], "NaN")
        found = self.loss(*common, "zero", "--grad", "grad.npy")
        self.assertEqual((found["loss"], found["accuracy"]), (0.0, "NaN"))
        self.assertFalse(np.load(self.path("grad.npy")).any())
        self.refused(65, "loss", "logits.npy", "labels.npy", *common, "error")
        self.assertEqual(self.loss(*common, "error", "--reduction", "sum")["loss"], 0.0)

    def test_threads_do_not_change_a_bit(self):
        results = set()
        for threads in ("-1", "0", "1", "2", "7"):
            found = self.loss("--ignore", "-100", "--threads", threads, "--grad", "grad.npy")
            del found["seconds"]
            results.add((json.dumps(found), self.read("grad.npy")))
        self.assertEqual(len(results), 1)

    def test_a_later_flag_replaces_an_earlier_one(self):
        self.assertEqual(self.loss("--ignore", "-100", "--reduction", "sum", "--reduction", "mean"),
                         {**self.loss("--ignore", "-100"), "seconds": self.anything()})

    @staticmethod
    def anything():
        class Anything:
            def __eq__(self, _):
                return True
        return Anything()

    def test_numbers_do_not_depend_on_the_locale(self):
        for locale in ("C", "de_DE.UTF-8", "C.UTF-8"):
            code, out, _ = self.xent("loss", "logits.npy", "labels.npy", "--ignore", "-100",
                                     "--label-smoothing", "0.125", "--json", env={"LC_ALL": locale})
            self.assertEqual(code, 0)
            losses = formula(BATCH, CLASSES, [-100], smoothing=0.125)[0]
            self.close(json.loads(out)["loss"], losses.sum() / 47)
        self.refused(64, "loss", "logits.npy", "labels.npy", "--label-smoothing", "0,125")


class Printing(Case):
    def test_a_summary_at_a_glance(self):
        self.save_batch()
        code, out, err = self.xent("loss", "logits.npy", "labels.npy")
        self.assertEqual((code, err), (0, ""))
        for line in (r"loss +0\.905816475 \(mean over 4 rows\)", r"perplexity +2\.473\d+",
                     r"accuracy +75\.00 % \(3 of 4\)", r"rows +4 counted, 0 ignored, 0 bad",
                     r"classes +3", r"time +[0-9.e-]+ ms \((scalar|avx2|avx512|neon)\)"):
            self.assertRegex(out, re.compile("^" + line + "$", re.M))

    def test_the_summary_says_what_divides(self):
        self.save_batch()
        self.save("class.npy", np.array([1.0, 2.0, 0.5]))
        self.save("row.npy", np.zeros(4))
        for words, wanted in ((("--reduction", "sum"), "(sum over 4 rows)"),
                              (("--reduction", "row-mean"), "(mean over 4 rows)"),
                              (("--denominator", "8"), "(sum / 8)"),
                              (("--class-weight", "class.npy"), "(mean over a weight of 4.5)")):
            self.assertIn(wanted, self.xent("loss", "logits.npy", "labels.npy", *words)[1])
        self.save("labels.npy", np.full(4, -1))
        out = self.xent("loss", "logits.npy", "labels.npy", "--ignore", "-1", "--reduction", "sum")[1]
        self.assertIn("none counted", out)

    def test_notes_go_to_stderr_unless_quiet(self):
        logits = LOGITS.copy()
        logits[3] = np.nan
        self.save_batch(logits.reshape(2, 2, 3), np.array([[0, 9], [2, 0]]))
        words = ("loss", "logits.npy", "labels.npy", "--on-bad-label", "ignore")
        code, out, err = self.xent(*words)
        self.assertEqual(code, 0)
        self.assertIn("labels.npy: labels that are no classes: 1, first in row [0, 1]: 9", err)
        self.assertIn("logits.npy: row [1, 1] has the logit NaN for class 0, so its loss is NaN (rows whose loss is "
                      "not finite: 1 of 4)", " ".join(err.split()))
        self.assertRegex(out, r"(?m)^not finite +1 row$")
        for quiet in ("-q", "--quiet"):
            self.assertEqual(self.xent(*words, quiet)[2], "")
        self.refused(65, "loss", "logits.npy", "labels.npy", "-q")

    def test_info(self):
        code, out, err = self.xent("info")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"version +\d+\.\d+\.\d+\ninstruction set +\w+\nthreads +\d+\n")
        facts = json.loads(self.xent("info", "--json")[1])
        self.assertEqual(sorted(facts), ["isa", "threads", "version"])
        self.assertEqual(json.loads(self.xent("info", "--json", env={"XENT_ISA": "scalar"})[1])["isa"],
                         "scalar")

    def test_version(self):
        version = json.loads(self.xent("info", "--json")[1])["version"]
        self.assertEqual(self.xent("--version"), (0, f"xent {version}\n", ""))

    def test_help(self):
        for words in (("help",), ("--help",), ("-h",)):
            code, out, err = self.xent(*words)
            self.assertEqual((code, err), (0, ""))
            self.assertIn("xent loss LOGITS.npy LABELS.npy", out)
        pages = {self.xent(*words) for words in
                 (("help", "loss"), ("loss", "--help"), ("loss", "-h"), ("loss", "a", "b", "--help"))}
        self.assertEqual(len(pages), 1)
        code, out, err = pages.pop()
        self.assertEqual((code, err), (0, ""))
        for flag in ("--reduction mean|row-mean|sum|none", "--class-axis N", "--ignore V",
                     "--class-weight FILE", "--row-weight FILE", "--label-smoothing E", "--z-loss Q",
                     "--softcap C", "--logit-scale S", "--probabilities", "--log-probabilities",
                     "--on-bad-label error|ignore|nan", "--on-nothing-counted error|nan|zero",
                     "--denominator D", "--threads N", "--grad OUT.npy", "--row-loss OUT.npy", "--json",
                     "-q"):
            self.assertIn(flag, out)
        self.assertEqual(self.xent("info", "--help")[0], 0)
