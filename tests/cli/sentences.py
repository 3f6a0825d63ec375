# SPDX-License-Identifier: MIT
"""Every refusal: its exit code, what it says, and whether the fix it offers works when it is typed."""
import os

import numpy as np

from support import LABELS, LOGITS, MEAN, Case


class Mistakes(Case):
    """Files that do not fit. Where the error has a `try:` line, typing it gives the right loss."""

    def mistake(self, logits, labels, *words, says=()):
        self.save_batch(logits, labels)
        return self.refused(65, "loss", "logits.npy", "labels.npy", *words, says=says)

    def fixed(self, err, loss="0.905816475", again=False):
        code, out, rest = self.type_the_fix(err, again)
        self.assertEqual(code, 0, rest)
        self.assertRegex(out, rf"(?m)^loss +{loss} ")

    def test_one_hot_labels(self):
        for kind in (np.int64, np.uint8, np.float32):
            err = self.mistake(LOGITS, np.eye(3, dtype=kind)[LABELS],
                               says=["labels.npy", "[4, 3]", "one-hot", "argmax"])
            self.fixed(err)

    def test_one_hot_labels_along_another_axis(self):
        err = self.mistake(LOGITS.T.copy(), np.eye(3, dtype=int)[LABELS].T.copy(), "--class-axis", "0",
                           says=["one-hot"])
        self.fixed(err)

    def test_probabilities_are_not_made_into_labels(self):
        err = self.mistake(LOGITS, np.full((4, 3), 1 / 3), says=["one-hot"])
        code, _, rest = self.type_the_fix(err)
        self.assertEqual(code, 1)
        self.assertIn("not one-hot", rest)

    def test_a_column_of_labels(self):
        self.fixed(self.mistake(LOGITS, LABELS[:, None],
                                says=["labels.npy", "[4, 1]", "shape [4]", "axes of length 1"]))
        self.fixed(self.mistake(LOGITS, LABELS[None, :], says=["[1, 4]", "shape [4]"]))
        self.fixed(self.mistake(LOGITS[:, None, :], LABELS, says=["shape [4]", "shape [4, 1]"]))

    def test_one_row_with_a_label_of_one_axis(self):
        err = self.mistake(LOGITS[0], LABELS[:1], says=["shape [1]", "shape []"])
        self.assertEqual(self.type_the_fix(err)[0], 0)

    def test_the_wrong_batch(self):
        for wrong in (LABELS[:2], np.tile(LABELS, 2), np.zeros((2, 3), int)):
            self.mistake(LOGITS, wrong,
                         says=["labels.npy: has shape [" + ", ".join(map(str, wrong.shape)) + "]",
                               "logits.npy has shape [4, 3]", "each of the 4 rows of logits needs exactly "
                               "one label", "must have shape [4]", "Do not repeat or cut labels to fit"])

        self.mistake(LOGITS[:1], LABELS[:2], says=["logits.npy has shape [1, 3]: each row of logits needs exactly one",
                                                   "must have shape [1]"])
        self.mistake(LOGITS.T.copy(), LABELS[:2], "--class-axis", "0",
                     says=["logits.npy has shape [3, 4] with the classes along axis 0: each of the 4 rows"])

        self.mistake(LOGITS[0], LABELS, says=["this one row of logits needs exactly one label", "must have shape []"])

    def test_a_column_of_labels_and_a_single_class(self):
        self.fixed(self.mistake(LOGITS[:, :1], np.zeros((4, 1), int), says=["axes of length 1"]), "0")

    def test_labels_in_another_order_of_axes(self):
        """The fix transposes, which a reshape does not: the loss tells the two apart."""
        logits = np.stack([LOGITS, LOGITS[::-1]])
        labels = np.stack([LABELS, LABELS[::-1]])
        err = self.mistake(logits, labels.T.copy(), says=["[4, 2]", "[2, 4, 3]", "shape [2, 4]", "another order",
                                                          "reshape"])
        self.fixed(err)
        err = self.mistake(np.zeros((2, 4, 4, 3)), np.zeros((4, 2, 4), int), says=["another order"])
        self.assertNotIn("try:", err) # which of the two axes of length 4 comes first?

    def test_flat_labels(self):
        batch = np.stack([LOGITS, LOGITS]), np.stack([LABELS, LABELS])
        self.fixed(self.mistake(batch[0], batch[1].ravel(), says=["[8]", "[2, 4, 3]", "shape [2, 4]", "C order"]))
        self.fixed(self.mistake(batch[0].reshape(8, 3), batch[1], says=["[2, 4]", "[8, 3]", "shape [8]", "C order"]))
        self.fixed(self.mistake(batch[0].reshape(2, 2, 2, 3), batch[1], says=["shape [2, 2, 2]", "C order"]))
        self.mistake(np.zeros((6, 4, 3)), np.zeros((8, 3), int), says=["Do not repeat or cut labels to fit"])

    def test_classes_first(self):
        err = self.mistake(LOGITS.T.copy(), LABELS, says=["axis 0", "[3, 4]", "--class-axis 0"])
        self.fixed(err)
        images = np.moveaxis(np.broadcast_to(LOGITS[:, None, None, :], (4, 2, 5, 3)), 3, 1).copy()
        labels = np.broadcast_to(LABELS[:, None, None], (4, 2, 5))
        self.fixed(self.mistake(images, labels, says=["--class-axis 1"]))

    def test_labels_that_count_from_1(self):
        labels = np.array([1, 2, 3, 1])
        for kind in (np.int64, np.uint8):
            self.fixed(self.mistake(LOGITS, labels.astype(kind),
                                    says=["row 2 has the label 3", "3 classes", "labels are 0 to 2",
                                          "1 of 4", "count from 1"]))
        more = np.vstack([LOGITS, LOGITS[:1]])
        self.fixed(self.mistake(more, np.append(labels, -1), "--ignore", "-1", says=["count from 1"]))
        err = self.mistake(more, np.append(labels, 0), "--ignore", "0", says=["count from 1"])
        self.assertNotIn("try:", err)
        self.fixed(self.type_the_fix(self.mistake(more, np.append(-100, labels)[[1, 2, 3, 4, 0]]))[2], again=True)

    def test_float_labels(self):
        for kind in (np.float16, np.float32, np.float64):
            self.fixed(self.mistake(LOGITS, LABELS.astype(kind),
                                    says=["labels.npy", np.dtype(kind).name, "integer"]))

    def test_labels_that_are_not_whole_are_not_rounded(self):
        err = self.mistake(LOGITS, LABELS + 0.25)
        code, _, rest = self.type_the_fix(err)
        self.assertEqual(code, 1)
        self.assertIn("not whole numbers", rest)

    def test_logits_and_labels_swapped(self):
        for labels in (LABELS, np.eye(3, dtype=int)[LABELS], LABELS.astype(np.uint8)):
            err = self.mistake(labels, LOGITS, says=["logits.npy", "labels.npy", "look swapped"])
            self.assertIn("try: xent loss labels.npy logits.npy\n", err)
        self.mistake(LABELS, LABELS[:, None].repeat(3, 1), says=["look swapped"])
        self.save_batch()
        self.fixed(self.refused(65, "loss", "labels.npy", "logits.npy", says=["look swapped"]))

    def test_one_file_for_both(self):
        self.save_batch()
        np.savetxt(self.path("x.csv"), LABELS, fmt="%d")
        for name in ("logits.npy", "labels.npy", "x.csv"):
            err = self.refused(65, "loss", name, name, says=[f"{name}: is given for the logits and for the labels"])
            self.assertNotIn("try:", err)
        self.write("raw", LOGITS.tobytes() + LABELS.tobytes())
        words = ("--dtype", "f64", "--labels-dtype", "i64", "--labels-shape", "4", "--labels-offset", LOGITS.nbytes)

    def test_integer_logits(self):
        whole = np.array([[3, 1, 0], [0, 2, 1]], dtype=np.uint8)
        err = self.mistake(whole, LABELS[:2], says=["logits.npy", "uint8", "float32"])
        self.assertEqual(self.type_the_fix(err)[0], 0)

    def test_an_undeclared_ignore_value(self):
        for mark, kind in ((-100, np.int64), (-1, np.int8), (255, np.uint8), (255, np.uint64)):
            labels = np.append(LABELS, mark).astype(kind)
            err = self.mistake(np.vstack([LOGITS, LOGITS[:1]]), labels,
                               says=[f"row 4 has the label {mark}", "1 of 5", f"--ignore {mark}"])
            self.fixed(err)

    def test_labels_of_something_else(self):
        err = self.mistake(LOGITS.reshape(2, 2, 3), np.array([[0, 1], [2, 4000]]),
                           says=["row [1, 1] has the label 4000", "another data set"])
        self.assertIn("--on-bad-label ignore", err)
        self.assertEqual(self.type_the_fix(err)[0], 0)

    def test_nothing_counted(self):
        err = self.mistake(LOGITS, np.full(4, -100), "--ignore", "-100", says=[
            "labels.npy", "none of its 4 rows is counted: all labels are ignored"])
        self.fixed(err, "0")
        self.mistake(LOGITS, np.full(4, 7), "--on-bad-label", "ignore", says=["all labels lie outside 0 to 2"])
        self.mistake(LOGITS, np.array([7, 7, 7, -100]), "--on-bad-label", "ignore", "--ignore", "-100",
                     says=["1 is ignored, 3 lie outside 0 to 2"])

    def test_weights_that_add_up_to_nothing(self):
        self.save("class.npy", np.array([0.0, 0, 1]))
        self.save("row.npy", np.zeros(4))
        self.fixed(self.mistake(LOGITS, LABELS, "--row-weight", "row.npy", says=[
            "xent: row.npy: the weights of the counted rows add up to 0 (counted: 4 of 4 rows)"]), "0")
        self.fixed(self.mistake(LOGITS[:2], LABELS[:2], "--class-weight", "class.npy", says=[
            "xent: class.npy: the weights of the classes of all counted rows add up to 0"]), "0")
        self.save("row.npy", np.array([1.0, 1, 0, 1]))
        self.fixed(self.mistake(LOGITS, LABELS, "--row-weight", "row.npy", "--class-weight", "class.npy", says=[
            "xent: row.npy: the weights of the counted rows, times those of their classes, add up to 0"]), "0")

    def test_weights_that_cancel(self):
        """The sum has a meaning, so it is not made 0."""
        self.save("row.npy", np.array([1.0, -1, 1, -1]))
        err = self.mistake(LOGITS, LABELS, "--row-weight", "row.npy", says=["xent: row.npy:", "add up to 0", "cancel"])
        self.assertNotIn("zero", err)
        code, out, rest = self.type_the_fix(err)
        self.assertEqual(code, 0, rest)
        self.assertIn("sum over 4 rows", out)

    def test_logits_without_classes(self):
        self.mistake(np.zeros((4, 0)), LABELS, says=["logits.npy", "0 classes"])
        self.mistake(np.float64(1), np.int64(0), says=["logits.npy", "single number"])

    def test_one_fix_on_top_of_another(self):
        """Two mistakes are mended one after the other, each into a file of its own; no file is replaced."""
        self.save_batch(LOGITS.astype(int) + 5, LABELS[:, None])
        first = self.refused(65, "loss", "logits.npy", "labels.npy", says=["try:"])
        code, out, second = self.type_the_fix(first)
        self.assertEqual((code, out), (65, ""))
        code, out, err = self.type_the_fix(second, again=True)
        self.assertEqual(code, 0, err)
        self.assertTrue(out.startswith("loss "), out)
        self.write("labels.fixed.npy", b"mine")
        self.assertNotEqual(self.type_the_fix(second, again=True)[0], 0)
        self.assertEqual(self.read("labels.fixed.npy"), b"mine")

    def test_weights(self):
        self.save_batch()
        words = ("loss", "logits.npy", "labels.npy")
        self.save("w.npy", np.ones(4))
        self.refused(65, *words, "--class-weight", "w.npy", says=["w.npy: has shape [4]", "shape [3]"])
        self.save("w.npy", np.ones(3))
        self.refused(65, *words, "--row-weight", "w.npy", says=["w.npy: has shape [3]", "shape [4]"])
        self.save("w.npy", np.array([1, 1, -2.5]))
        self.refused(65, *words, "--class-weight", "w.npy", says=["w.npy: class 2 has the weight -2.5"])
        self.save("w.npy", np.array([1, np.inf, 1], dtype=np.float32))
        self.refused(65, *words, "--class-weight", "w.npy", says=["w.npy: class 1 has the weight inf"])
        self.save("w.npy", np.ones(3, dtype=np.int32))
        self.fixed(self.refused(65, *words, "--class-weight", "w.npy", says=["w.npy", "int32", "float64"]))
        self.save("w.npy", np.ones(4, dtype=np.float16))
        self.fixed(self.refused(65, *words, "--row-weight", "w.npy", says=["w.npy", "float16"]))

    def test_weights_of_rows_and_classes_swapped(self):
        self.save_batch()
        words = ("loss", "logits.npy", "labels.npy")
        self.save("classes.npy", np.ones(3))
        self.save("rows.npy", np.ones(4))
        for flag, name in (("--class-weight", "rows.npy"), ("--row-weight", "classes.npy")):
            for written in ((flag, name), (flag + "=" + name,)):
                err = self.refused(65, *words, *written, says=[f"{name}: has shape", flag, "belong"])
                self.fixed(err)
        err = self.refused(65, *words, "--class-weight=rows.npy", "--row-weight", "classes.npy", says=["belong"])
        self.assertIn("try: xent loss logits.npy labels.npy --row-weight=rows.npy --class-weight classes.npy\n", err)
        self.fixed(err)
        err = self.refused(65, *words, "--class-weight", "rows.npy", "--row-weight", "rows.npy", says=["belong"])
        self.assertNotIn("try:", err)

    def test_a_column_of_weights(self):
        self.save_batch()
        for flag, shape in (("--class-weight", (3, 1)), ("--class-weight", (1, 3)), ("--row-weight", (4, 1))):
            self.save("w.npy", np.ones(shape))
            self.fixed(self.refused(65, "loss", "logits.npy", "labels.npy", flag, "w.npy",
                                    says=["w.npy: has shape", "axes of length 1"]))

    def test_a_fix_survives_names_with_blanks_and_quotes(self):
        name = self.save("it's a label; really.npy", LABELS.astype(np.float32))
        self.save("logits.npy", LOGITS)
        self.fixed(self.refused(65, "loss", "logits.npy", name, says=[name]))

    def test_a_fix_of_a_file_given_after_an_equals_sign(self):
        self.save_batch()
        self.save("w.npy", np.ones(3, dtype=np.int32))
        self.fixed(self.refused(65, "loss", "logits.npy", "labels.npy", "--class-weight=w.npy"))

    def test_a_fix_goes_before_two_dashes(self):
        self.save_batch(np.vstack([LOGITS, LOGITS[:1]]), np.append(LABELS, -1))
        self.fixed(self.refused(65, "loss", "--", "logits.npy", "labels.npy", says=["--ignore -1 -- "]))

    def test_the_fix_keeps_the_other_flags(self):
        labels = np.append(LABELS, -100)
        err = self.mistake(np.vstack([LOGITS, LOGITS[:1]]), labels, "--reduction", "sum")
        self.fixed(err, "3.6232659")


class Notes(Case):
    """What makes a loss that is not finite: no error, but said."""

    def noted(self, logits, *words, labels=LABELS, says=""):
        self.save_batch(logits, labels)
        code, _, err = self.xent("loss", "logits.npy", "labels.npy", *words)
        self.assertEqual(code, 0, err)
        self.assertEqual(err.count("\n"), 1)
        self.assertIn(says, err)
        return err

    def changed(self, row, column, value, dtype=float):
        logits = LOGITS.astype(dtype)
        logits[row, column] = value
        return logits

    def test_numbers_in_logits(self):
        for dtype in (np.float16, np.float32, np.float64):
            for value, name in ((np.nan, "NaN"), (-np.nan, "NaN"), (np.inf, "+inf")):
                for logits in (self.changed(2, 1, value, dtype), np.asfortranarray(self.changed(2, 1, value, dtype))):
                    self.noted(logits, says=f"xent: logits.npy: row 2 has the logit {name} for class 1, so its loss is "
                               "NaN (rows whose loss is not finite: 1 of 4)")
            self.noted(self.changed(1, 1, -np.inf, dtype), says="row 1 has the logit -inf for its label, 1 (")
            self.noted(self.changed(3, 0, -np.inf, dtype).T.copy(), "--class-axis", "0",
                       says="row 3 has the logit -inf for its label, 0 (")
        self.noted(self.changed(0, slice(3), -np.inf), says="row 0 has the logit -inf for every class")
        self.noted(self.changed(0, 2, -np.inf), "--label-smoothing", "0.1",
                   says="row 0 has the logit -inf for class 2, and --label-smoothing")
        bits = LOGITS.astype(np.float32).view(np.uint32) >> 16
        bits[1, 2] = 0x7f80
        self.noted(bits.astype(np.uint16), "--dtype", "bf16", says="row 1 has the logit +inf for class 2")

    def test_the_place_of_a_row(self):
        logits = np.zeros((2, 5, 3), np.float32)
        logits[1, 3, 2] = np.nan
        self.noted(logits, labels=np.zeros((2, 5), int), says="row [1, 3] has the logit NaN for class 2")
        self.noted(np.moveaxis(logits, 2, 1).copy(), "--class-axis", "1", labels=np.zeros((2, 5), int),
                   says="row [1, 3] has the logit NaN for class 2")

    def test_logits_given_as_probabilities(self):
        err = self.noted(LOGITS, "--probabilities", says="row 0 has 1.2 for its label, 0, but probabilities lie in [0, "
                         "1]. If these are logits, leave --probabilities out (rows whose loss is not finite: 4 of 4)")
        self.assertTrue(err.startswith("xent: logits.npy: "), err)
        self.noted(LOGITS[[3]].astype(np.float16), "--probabilities", labels=LABELS[3:],
                   says="row 0 has -1 for its label")
        self.noted(LOGITS, "--log-probabilities",
                   says="row 0 has 1.2 for its label, 0, but log-probabilities are at most 0")

    def test_labels_of_probability_0(self):
        chances = np.full((4, 3), 0.5)
        chances[2, 2] = 0
        self.noted(chances, "--probabilities", says="row 2 has the probability 0 for its label, 2 (")
        with np.errstate(divide="ignore"):
            self.noted(np.log(chances), "--log-probabilities",
                       says="row 2 has the log-probability -inf for its label, 2 (")

    def test_what_is_not_in_the_logits(self):
        self.save("row.npy", np.array([1, np.inf, 1, 1]))
        self.noted(LOGITS, "--row-weight", "row.npy", says="xent: row.npy: row 1 has the weight inf (rows whose")
        self.noted(np.full((4, 3), 1e308), "--z-loss", "1", says="xent: logits.npy: row 0 has a loss that is not finite (")


class Usage(Case):
    """Exit code 64: the command itself is wrong, whatever the files hold."""

    def setUp(self):
        super().setUp()
        self.save_batch()

    def wrong(self, *words, says=()):
        self.refused(64, "loss", "logits.npy", "labels.npy", *words, says=says)

    def test_without_a_verb(self):
        code, out, err = self.xent()
        self.assertEqual((code, out), (64, ""))
        self.assertIn("usage: xent", err)
        self.refused(64, "lose", says=["lose", "xent help"])
        self.refused(64, "help", "lose", says=["lose"])

    def test_files_missing_or_too_many(self):
        self.refused(64, "loss", says=["LOGITS.npy LABELS.npy"])
        self.refused(64, "loss", "logits.npy", says=["1 is given"])
        self.wrong("labels.npy", says=["3 are given"])
        self.refused(64, "info", "logits.npy")

    def test_flags(self):
        self.wrong("--no-such-flag", says=["--no-such-flag", "xent loss --help"])
        self.wrong("--reductio", "sum", says=["--reductio"])
        self.wrong("-x", says=["-x"])
        self.wrong("--grad", says=["--grad", "OUT.npy"])
        self.wrong("--json=yes", says=["--json", "no argument"])
        self.wrong("--grad", "--json", says=["--grad", "needs an argument"])
        self.refused(64, "info", "--grad", "x.npy", says=["--grad"])

    def test_names_that_are_empty(self):
        for flag in ("--grad", "--row-loss", "--class-weight", "--row-weight"):
            self.wrong(flag, "", says=[f"xent: {flag}:", "name of a file", "empty"])
            self.wrong(flag + "=", says=[f"xent: {flag}:", "name of a file", "empty"])
        self.refused(64, "loss", "", "labels.npy", says=["xent: loss:", "name of a file", "empty"])
        self.refused(64, "loss", "logits.npy", "", says=["xent: loss:", "name of a file", "empty"])

    def test_choices(self):
        for flag in ("--reduction", "--on-bad-label", "--on-nothing-counted"):
            self.wrong(flag, "maybe", says=[flag, "'maybe'", "|"])
            self.wrong(flag, "", says=[flag])
            self.wrong(flag, "nan|", says=[flag])

    def test_numbers(self):
        for flag in ("--denominator", "--label-smoothing", "--z-loss", "--softcap", "--logit-scale",
                     "--threads", "--class-axis", "--ignore"):
            for value in ("", "x", "1x", "0x", "1.5.2", "nan", " "):
                self.wrong(flag, value, says=[flag])
        for flag, values in {"--denominator": ("0", "-1", "inf"), "--label-smoothing": ("-0.1", "1.5"),
                             "--z-loss": ("-1", "inf"), "--softcap": ("-1", "inf"),
                             "--logit-scale": ("0", "1e30", "-1"), "--threads": ("-2", "3e9", "9" * 30),
                             "--class-axis": ("8", "-9", "1.0"), "--ignore": ("1.0", "9" * 30)}.items():
            for value in values:
                self.wrong(flag, value, says=[flag, value])

    def test_a_class_axis_that_the_logits_do_not_have(self):
        for axis in ("2", "-3"):
            self.wrong("--class-axis", axis, says=["--class-axis", axis, "logits.npy", "[4, 3]"])

    def test_contradictions(self):
        self.wrong("--probabilities", "--log-probabilities", says=["--log-probabilities", "contradicts"])
        for flag, value in (("--label-smoothing", "0.1"), ("--z-loss", "0.1"), ("--softcap", "3"),
                            ("--logit-scale", "2")):
            for kind in ("--probabilities", "--log-probabilities"):
                self.wrong(kind, flag, value, says=[flag, kind, "logits.npy"])

    def test_an_output_that_is_an_input(self):
        self.save("class.npy", np.ones(3))
        self.save("row.npy", np.ones(4))
        os.symlink("labels.npy", self.path("soft.npy"))
        os.link(self.path("logits.npy"), self.path("hard.npy"))
        before = self.read("logits.npy"), self.read("labels.npy")
        weights = ("--class-weight", "class.npy", "--row-weight", "row.npy")
        for flag in ("--grad", "--row-loss"):
            for name in ("logits.npy", "./labels.npy", "class.npy", "row.npy", self.path("labels.npy"),
                         "hard.npy"):
                self.wrong(*weights, flag, name, says=[flag, name, "would replace", "which is read"])
        self.wrong("--grad", "logits.npy", says=["--grad: would replace logits.npy, which is read"])
        self.wrong("--grad", "hard.npy", says=["--grad: hard.npy would replace logits.npy, which is read"])
        self.wrong("--grad", "out.npy", "--row-loss", "./out.npy", says=[
            "--row-loss: ./out.npy would replace out.npy, which --grad writes"])
        self.assertEqual((self.read("logits.npy"), self.read("labels.npy")), before)

    def test_a_file_whose_name_begins_with_a_dash(self):
        self.save("-x.npy", LABELS)
        code, out, _ = self.xent("loss", "--json", "--", "logits.npy", "-x.npy")
        self.assertEqual(code, 0)
        self.assertIn(str(MEAN)[:12], out)
