# SPDX-License-Identifier: MIT
"""`xent train`: what it learns, what it refuses, and what is left when it is stopped."""
import json
import os
import random
import signal
import subprocess
import time
import xml.etree.ElementTree

import numpy as np

from support import DIGITS, SHORT, XENT, Case

X, Y = np.load(os.path.join(DIGITS, "features.npy")), np.load(os.path.join(DIGITS, "labels.npy"))


def objective(weight, bias, u, y, l2=0.0, class_weight=None, smoothing=0.0):
    """The objective in float64, and the largest entry of its gradient."""
    weight, bias = weight.astype(float), bias.astype(float)
    classes = len(bias)
    k = np.ones(classes) if class_weight is None else class_weight
    z = u @ weight.T + bias
    nll = np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True)) - z + z.max(1, keepdims=True)
    hot = np.eye(classes)[y]
    share = (1 - smoothing) * hot * k[y][:, None] + smoothing / classes * k
    slope = (share.sum(1, keepdims=True) * np.exp(-nll) - share) / k[y].sum()
    value = (share * nll).sum() / k[y].sum() + l2 / 2 * (weight ** 2).sum()
    return value, max(np.abs(slope.T @ u + l2 * weight).max(), np.abs(slope.sum(0)).max())


class TrainCase(Case):
    def save_data(self, features=X, labels=Y):
        return self.save("x.npy", features), self.save("y.npy", labels)

    def train(self, *words, code=0, **settings):
        """Trains quietly; returns what was learnt, from JSON, and the tensors of the model."""
        got, out, err = self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", "--json", "-q", *words, **settings)
        self.assertEqual((got, err), (code, ""))
        return json.loads(out), self.load_tensors("m.safetensors")[0]

    def model(self, *words, **settings):
        self.train(*words, **settings)
        data = self.read("m.safetensors")
        os.remove(self.path("m.safetensors"))
        return data

    def refuse(self, code, *words, says=(), **settings):
        err = self.refused(code, "train", "x.npy", "y.npy", "--model", "m.safetensors", *words, says=says, **settings)
        self.assertFalse(os.path.exists(self.path("m.safetensors")))
        return err


class Learning(TrainCase):
    def check_optimum(self, *words, tolerance=1e-4, rows=slice(None), **terms):
        """The model is where the gradient of the objective, computed here, vanishes."""
        found, model = self.train("--tolerance", tolerance, *words)
        u = X[rows].astype(float)
        if "mean" in model:
            u = u - model["mean"]
        u = u * model.get("scale", 1.0)
        value, gradient = objective(model["weight"], model["bias"], u, Y[rows], **terms)
        self.assertLess(gradient, 1.5 * tolerance)
        self.close(found["objective"], value, 1e-4)
        return found, model

    def test_the_optimum(self):
        self.save_data()
        found, model = self.check_optimum("--scale", "1/16", "--l2", 0.01, l2=0.01)
        self.assertEqual((found["ended"], found["rows"], found["classes"], found["features"]), ("converged", 1797, 10, 64))
        self.assertEqual((model["weight"].shape, model["bias"].shape), ((10, 64), (10,)))
        self.close(model["scale"], np.full(64, 1 / 16))
        weights = np.linspace(0.5, 2, 10)
        self.save("k.npy", weights)
        self.check_optimum("--scale", 0.0625, "--l2", 0.1, "--class-weight", "k.npy", l2=0.1, class_weight=weights)
        self.check_optimum("--scale", 0.0625, "--label-smoothing", 0.1, "--l2", 0.001, l2=0.001, smoothing=0.1)
        _, model = self.check_optimum("--standardize", "--l2", 0.05, l2=0.05)
        self.close(model["mean"], X.mean(0), 1e-6)
        deviation = X.astype(float).std(0)
        self.close(model["scale"], 1 / np.where(deviation > 0, deviation, 1), 1e-6)

    def test_predict_agrees(self):
        self.save_data()
        found, _ = self.train("--scale", "1/16", "--l2", 0.001)
        self.assertEqual(self.xent("predict", "m.safetensors", "x.npy", "--logits", "-o", "z.npy")[0], 0)
        scored = self.loss(logits="z.npy", labels="y.npy")
        self.close(found["loss"], scored["loss"], 1e-5)
        self.close(found["accuracy"], scored["accuracy"])

    def test_same_bits(self):
        """Threads, instruction sets, formats, layouts, blocks and types that hold the same numbers."""
        self.save_data()
        words = ("--l2", 0.01, "--iterations", 12)
        whole, tensors = self.model(*words), {}
        for other in (("--threads", 1), ("--threads", 2)):
            self.assertEqual(self.model(*words, *other), whole)
        self.assertEqual(self.model(*words, env={**os.environ, "XENT_ISA": "scalar"}), whole)
        for features, labels in ((X.astype(np.float32), Y.astype(np.uint8)), (X.astype(">f8"), Y.astype(">i2")),
                                 (np.asfortranarray(X.astype(np.float16)), Y), (X.reshape(-1, 8, 8), Y),
                                 (np.asfortranarray(X.reshape(-1, 8, 8)), Y)):
            self.save_data(features, labels)
            self.model(*words[:2], "--iterations", 1)
            self.train(*words)
            tensors = self.load_tensors("m.safetensors")[0]
            os.remove(self.path("m.safetensors"))
            self.write("whole.safetensors", whole)
            for name, values in self.load_tensors("whole.safetensors")[0].items():
                np.testing.assert_array_equal(tensors[name], values)

    def test_batches(self):
        self.save_data()
        for method, words in (("sgd", ()), ("adam", ("--rate", 0.01))):
            words = ("--scale", "1/16", "--method", method, "--epochs", 15, *words)
            found, _ = self.train(*words)
            self.assertEqual((found["iterations"], found["passes"], found["ended"]), (15, 15, "iterations"))
            self.assertGreater(found["accuracy"], 0.9)
            once = self.model(*words)
            self.assertEqual(self.model(*words, "--threads", 1), once)
            other = self.train(*words, "--seed", 7)[1]
            self.assertFalse(np.array_equal(other["weight"], self.train(*words)[1]["weight"]))
        order = np.argsort(Y, kind="stable")
        self.save_data(X[order], Y[order])
        self.assertGreater(self.train("--scale", "1/16", "--method", "sgd")[0]["accuracy"], 0.9)
        err = self.refused(65, "train", "x.npy", "y.npy", "--model", "n.safetensors", "--method", "sgd", "--rate", 1e30,
                           "--scale", 1e10, says=["is not finite", "too large"])
        self.assertIn("try: xent train", err)

    def test_rows_held_out(self):
        self.save_data()
        words = ("--scale", "1/16", "--validation", 0.2)
        found, _ = self.train(*words, "--patience", 3)
        held = sum(int(0.2 * count + 0.5) for count in np.bincount(Y))
        self.assertEqual((found["held_out"], found["rows"], found["ended"]), (held, 1797 - held, "patience"))
        self.assertLess(found["best_iteration"], found["iterations"])
        self.assertGreater(found["held_out_accuracy"], 0.93)
        out = self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", *words, "--patience", 3)[1]
        self.assertIn(f"; the model is number {found['best_iteration']}, of the least held-out loss", out)
        first = self.model(*words, "--iterations", 5)
        self.assertEqual(self.model(*words, "--iterations", 5), first)
        other = self.train(*words, "--iterations", 5, "--seed", 1)[0]
        self.assertNotIn(other["held_out_loss"], (found["held_out_loss"], other["loss"]))
        self.assertNotEqual(other["loss"], self.train(*words, "--iterations", 5)[0]["loss"])

    def test_ignored_rows_have_no_part(self):
        rows = np.arange(len(Y)) % 3 > 0
        self.save_data(np.where(rows[:, None], X.astype(float), np.nan), np.where(rows, Y, -100))
        found, model = self.train("--ignore", -100, "--l2", 0.01, "--iterations", 8)
        self.assertEqual((found["rows"], found["ignored"]), (rows.sum(), len(Y) - rows.sum()))
        self.save_data(X[rows].astype(float), Y[rows])
        for name, values in self.train("--l2", 0.01, "--iterations", 8)[1].items():
            np.testing.assert_array_equal(model[name], values)

    def test_more_than_a_block(self):
        """60 MB of features (or 20) in blocks of 16: as in one piece of text on the way, or with rows between that are ignored."""
        dice = np.random.default_rng(1)
        labels = dice.integers(0, 5, 10000 if SHORT else 30000)
        features = dice.normal(size=(len(labels), 500)).astype(np.float32) + np.eye(5, 500, dtype=np.float32)[labels]
        self.save_data(features, labels)
        words = ("--l2", 0.1, "--iterations", 3)
        wanted = self.train(*words)[1]
        between = np.repeat(labels, 2)
        between[1::2] = -1
        self.save_data(np.repeat(features, 2, axis=0), between)
        for name, values in self.train("--ignore", -1, *words)[1].items():
            np.testing.assert_array_equal(wanted[name], values)


class Labels(TrainCase):
    def test_gaps(self):
        names = np.array([0, 1, 2, 3, 5, 6, 7, 8, 9, 40])
        self.save_data(X, names[Y])
        code, _, err = self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", "--l2", "0.01")
        self.assertEqual(code, 0)
        self.assertIn("y.npy: no row has the labels 4, 10, 11 and 28 more: the model has the 10 classes", err)
        self.assertEqual(json.loads(self.load_tensors("m.safetensors")[1]["classes"]), names.tolist())
        lines = self.xent("predict", "m.safetensors", "x.npy")[1].split()
        self.assertGreater((np.array(lines, int) == names[Y]).mean(), 0.95)
        weight = self.load_tensors("m.safetensors")[0]["weight"]
        self.save_data()
        np.testing.assert_array_equal(self.train("--l2", 0.01)[1]["weight"], weight)
        self.assertNotIn("classes", self.load_tensors("m.safetensors")[1])

    def test_two_classes_of_two_signs(self):
        self.save_data(X[Y < 2], np.where(Y[Y < 2] > 0, 1, -1))
        self.train("--l2", 0.01)
        lines = self.xent("predict", "m.safetensors", "x.npy")[1].split()
        np.testing.assert_array_equal(np.array(lines, int), np.where(Y[Y < 2] > 0, 1, -1))

    def test_what_is_no_class(self):
        self.save_data(X, np.where(Y == 3, -100, Y))
        err = self.refuse(65, "--iterations", 2, says=["y.npy: row 3 has the label -100"])
        self.assertEqual(self.type_the_fix(err)[0], 0)
        os.remove(self.path("m.safetensors"))
        self.save_data(X, np.where(Y == 3, 2**64 - 1, Y).astype(np.uint64))
        self.refuse(65, says=["18446744073709551615"])
        self.save_data(X, np.full(len(Y), 3))
        self.refuse(65, says=["every row has the label 3", "nothing to tell apart"])
        self.refuse(65, "--ignore", 3, says=["all its 1797 labels are ignored"])
        self.save_data(X[:0], Y[:0])
        self.refuse(65, says=["no rows"])

    def test_what_does_not_fit(self):
        self.save_data(X, Y[:100])
        self.refuse(65, says=["y.npy: has shape [100] but x.npy has shape [1797, 64]", "the labels must have", "[1797]"])
        self.save_data(X, Y[:, None])
        err = self.refuse(65, "--iterations", 2, says=["[1797, 1]"])
        self.assertEqual(self.type_the_fix(err)[0], 0)
        os.remove(self.path("m.safetensors"))
        self.save_data(X, Y.astype(float))
        err = self.refuse(65, "--iterations", 2, says=["holds float64", "whole numbers"])
        self.assertEqual(self.type_the_fix(err)[0], 0)
        os.remove(self.path("m.safetensors"))
        for hot in (np.eye(10)[Y], np.eye(10, dtype=np.uint8)[Y]):
            self.save_data(X, hot)
            err = self.refuse(65, "--iterations", 2, says=["[1797, 10]", "one-hot", "argmax"])
            self.assertEqual(self.type_the_fix(err)[0], 0)
            os.remove(self.path("m.safetensors"))
        self.save_data(Y, X)
        err = self.refuse(65, "--iterations", 2, says=["look swapped"])
        self.assertEqual(self.type_the_fix(err)[0], 0)
        os.remove(self.path("m.safetensors"))
        self.save_data(X.astype(int))
        self.refuse(65, says=["holds int64, but features must be"])
        self.save_data(np.zeros((len(Y), 0)))
        self.refuse(65, says=["at least one feature"])

    def test_weights_that_do_not_fit(self):
        self.save_data()
        for weights, says in ((np.ones(9), "shape [10]"), (np.ones(10, int), "float32 or float64"),
                              (np.ones((10, 1)), "shape [10, 1]"), (-np.ones(10), "finite and >= 0"),
                              (np.full(10, np.nan), "finite and >= 0")):
            self.save("k.npy", weights)
            self.refuse(65, "--class-weight", "k.npy", says=["k.npy", says])


class Features(TrainCase):
    def test_numbers_that_are_not_finite(self):
        for value, said, dtype in ((np.nan, "NaN", np.float32), (-np.inf, "infinity", np.float16)):
            wild = X.astype(dtype)
            wild[1000, 17] = value
            self.save_data(wild)
            for words in ((), ("--validation", 0.5), ("--method", "sgd"), ("--standardize",)):
                self.refuse(65, *words, says=[f"x.npy: row 1000 has {said} in feature 17"])
        self.save_data(wild.reshape(-1, 8, 8))
        self.refuse(65, says=["row 1000"])
        self.assertEqual(self.names(), ["x.npy", "y.npy"])

    def test_constant_features(self):
        constant = X.std(0) == 0
        self.assertTrue(constant.any())
        self.save_data()
        for words in ((), ("--standardize",)):
            code, _, err = self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", "--l2", "0.01", *words)
            self.assertEqual(code, 0)
            self.assertIn(f"x.npy: constant features, which tell classes no better than the bias: {constant.sum()} of 64, "
                          f"the first is feature {constant.argmax()}", err)
            self.assertTrue(np.isfinite(self.load_tensors("m.safetensors")[0]["weight"]).all())
        self.assertEqual(self.train("--l2", 0.01)[0]["ended"], "converged")


    def test_numbers_that_leave_no_precision(self):
        """A poor model is told of, and what to type against it."""
        self.save_data(X + np.float32(1e6))
        code, _, err = self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", "--l2", "1e-4")
        self.assertEqual(code, 0)
        self.assertIn("came to rest with a gradient of", err)
        code, out, err = self.type_the_fix(err)
        self.assertEqual(code, 0)
        self.assertNotIn("came to rest", err)
        self.assertIn("accuracy     100.00 %", out)
        self.save_data()
        for tolerance in ("1e-9",) if SHORT else ("0", "1e-9"):
            words = ("--l2", "1e-4", "--tolerance", tolerance)
            code, out, err = self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", *words)
            self.assertIn("no step lessens the objective any more", out)
            self.assertNotIn("came to rest", err)

    def test_classes_that_are_told_apart(self):
        """There is no least loss without l2."""
        rows = np.arange(len(Y)) % 9 == 0
        self.save_data(X[rows], Y[rows])
        words = ("train", "x.npy", "y.npy", "--model", "m.safetensors", "--iterations", 9, "--tolerance", "1e-9")
        for more, said in (((), True), (("--l2", "1e-6"), False), (("--label-smoothing", "0.1"), False)):
            err = self.xent(*words, *more)[2]
            self.assertEqual("every row is told apart" in err, said, err)
            self.assertEqual("--iterations ended it" in err, not said, err)


class Flags(TrainCase):
    def test_what_contradicts_itself(self):
        self.save_data()
        self.refused(64, "train", "x.npy", "y.npy", says=["Give --model"])
        for words, says in ((("--scale", 0), "alike"), (("--scale", 2, "--standardize"), "--standardize"),
                            (("--patience", 3), "--validation"), (("--epochs", 3), "sgd and adam"),
                            (("--rate", 3), "sgd and adam"), (("--batch", 3), "sgd and adam"),
                            (("--method", "sgd", "--tolerance", 1), "lbfgs"), (("--scale", "1/0"), "--scale"),
                            (("--method", "adam", "--momentum", 0.5), "sgd"), (("--validation", 1), "[0, 0.9]"),
                            (("--validation", 1e-6), "less than one row"), (("--scale", "1/x"), "not a number")):
            self.refuse(64, *words, says=[says])

    def test_outputs(self):
        self.save_data()
        for path in ("x.npy", "./y.npy"):
            self.refused(64, "train", "x.npy", "y.npy", "--model", path, says=["would replace", "is read"])
        os.mkdir(self.path("folder"))
        self.refused(73, "train", "x.npy", "y.npy", "--model", "folder")
        self.refused(73, "train", "x.npy", "y.npy", "--model", "none/m.safetensors")
        self.refused(73, "train", "x.npy", "y.npy", "--model", "m", "--log", "x.npy/log")
        os.symlink("../x.npy", self.path("folder/log.jsonl"))
        self.refused(73, "train", "x.npy", "y.npy", "--model", "m", "--log", "folder", says=["is not a regular file"])

    def test_the_log(self):
        self.save_data()
        found, _ = self.train("--scale", "1/16", "--validation", 0.1, "--iterations", 20, "--log", "log")
        lines = [json.loads(line) for line in self.read("log/log.jsonl").decode().splitlines()]
        self.assertEqual(len(lines), found["passes"])
        self.assertEqual([line["pass"] for line in lines], list(range(1, len(lines) + 1)))
        best = [line for line in lines if line["best"]][-1]
        for name in ("loss", "objective", "accuracy", "held_out_loss", "held_out_accuracy"):
            self.assertEqual(best[name], found[name])
        root = xml.etree.ElementTree.fromstring(self.read("log/loss.svg"))
        points = [one.get("points").split() for one in root.iter("{http://www.w3.org/2000/svg}polyline")]
        shown = sum(line["kind"] == "iteration" for line in lines)
        self.assertEqual([len(one) for one in points], [shown, shown])
        for x, y in (map(float, point.split(",")) for one in points for point in one):
            self.assertTrue(0 <= x <= 760 and 0 <= y <= 420)


class Stopping(TrainCase):
    """Data whose training takes seconds, in many passes."""

    def setUp(self):
        super().setUp()
        dice, rows = np.random.default_rng(2), 4000 if SHORT else 20000
        labels = dice.integers(0, 20, rows)
        self.save_data((dice.normal(size=(rows, 100)) + np.eye(20, 100)[labels]).astype(np.float32), labels)
        self.words = ["train", "x.npy", "y.npy", "--model", "m.safetensors", "--l2", "1e-6", "--tolerance", "0",
                      "--iterations", "30", "--checkpoint", "0"]

    def begin(self, *words):
        return subprocess.Popen([XENT, *self.words, *words], cwd=self.folder, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def whole(self):
        code, _, err = self.xent(*self.words, "-q")
        self.assertEqual((code, err), (0, ""))
        data = self.read("m.safetensors")
        os.remove(self.path("m.safetensors"))
        return data

    def written(self):
        path = self.path("m.safetensors.checkpoint")
        return os.stat(path).st_mtime_ns if os.path.exists(path) else None

    def stop(self, *words, number=signal.SIGINT):
        """Once a checkpoint has been written."""
        before, process = self.written(), self.begin(*words)
        while process.poll() is None and self.written() == before:
            time.sleep(0.001)
        self.assertIsNone(process.poll(), "the work was too small to be stopped")
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + number, err)
        return err

    def test_interrupted_and_gone_on_with(self):
        whole = self.whole()
        for number in (signal.SIGINT, signal.SIGTERM):
            err = self.stop(number=number)
            self.assertIn("passes, which are kept in m.safetensors.checkpoint", err)
            self.assertNotIn("m.safetensors", self.names())
            self.assertIn("is there, from a training that was interrupted", self.refused(64, *self.words))
            code, _, err = self.type_the_fix(err)
            self.assertEqual(code, 0, err)
            self.assertEqual(self.read("m.safetensors"), whole)
            self.assertFalse(any("checkpoint" in name or name.startswith(".xent-") for name in self.names()), self.names())
            code, out, err = self.xent(*self.words, "--resume")
            self.assertEqual((code, out), (0, ""))
            self.assertIn("m.safetensors is there and is the end of this very training", err)
            os.remove(self.path("m.safetensors"))

    def test_a_pass_is_finished_if_it_would_be_lost(self):
        """With checkpoints far apart, a signal ends the pass and writes one."""
        whole, self.words[-1] = self.whole(), "1000"
        process = self.begin("--log", "log")
        while process.poll() is None and self.passes() < 4:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(f"stopped after {self.passes()} passes", err)
        self.assertEqual(self.xent(*self.words, "-q", "--resume")[0], 0)
        self.assertEqual(self.read("m.safetensors"), whole)

    def passes(self):
        """That the log holds."""
        path = self.path("log/log.jsonl")
        return len(self.read("log/log.jsonl").splitlines()) if os.path.exists(path) else 0

    def test_batches_gone_on_with(self):
        self.words = ["train", "x.npy", "y.npy", "--model", "m.safetensors", "--method", "adam", "--epochs", "12",
                      "--validation", "0.1", "--standardize", "--checkpoint", "0", "--log", "log"]
        whole = self.whole()
        self.stop("-q")
        self.stop("-q", "--resume")
        self.assertEqual(self.xent(*self.words, "-q", "--resume")[0], 0)
        self.assertEqual(self.read("m.safetensors"), whole)
        lines = [json.loads(line) for line in self.read("log/log.jsonl").decode().splitlines()]
        self.assertEqual([line["pass"] for line in lines], list(range(1, 14)))
        times = [line["seconds"] for line in lines]
        self.assertEqual(times, sorted(times))

    def test_a_signal_while_nobody_reads(self):
        """The model is there, and the report waits in a pipe that is full: nothing of it is lost."""
        self.words[-3] = "2"
        reads, writes = os.pipe()
        os.set_blocking(writes, False)
        waiting = 0
        with self.assertRaises(BlockingIOError):
            while True:
                waiting += os.write(writes, b"." * 4096)
        os.set_blocking(writes, True)
        process = subprocess.Popen([XENT, *self.words, "-q"], cwd=self.folder, stdout=writes, stderr=subprocess.PIPE, text=True)
        os.close(writes)
        while "S" not in self.state(process) or "m.safetensors" not in self.names():
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        with os.fdopen(reads) as pipe:
            self.assertIn("model        m.safetensors", pipe.read()[waiting:])
        self.assertEqual((process.wait(), process.stderr.read()), (0, ""))
        process.stderr.close()

    def state(self, process):
        with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(") ", 1)[1].split()[0]

    def test_other_data_and_other_flags(self):
        self.stop()
        kept, features, labels = self.read("m.safetensors.checkpoint"), self.read("x.npy"), self.read("y.npy")
        for words, says in ((("--l2", "1e-5"), ["--l2: was 1e-06", "is 1e-05 now"]), (("--seed", "4"), ["--seed: was 0"]),
                            (("--standardize",), ["--standardize: was no"])):
            self.refused(64, *self.words, *words, "--resume", says=says)
        changed = np.load(self.path("x.npy"))
        rows = len(changed)
        changed[-1, 99] += 1
        self.save("x.npy", changed)
        self.refused(65, *self.words, "--resume", says=["x.npy: is not the data", "first and last rows"])
        self.save("x.npy", changed[:-1])
        self.save("y.npy", np.load(self.path("y.npy"))[:-1])
        self.refused(65, *self.words, "--resume", says=[f"shape: [{rows}, 100] then, [{rows - 1}, 100] now"])
        self.write("x.npy", features)
        self.save("y.npy", np.roll(np.frombuffer(labels[128:], np.int64), 1))
        self.refused(65, *self.words, "--resume", says=["labels"])
        self.write("y.npy", labels)
        self.assertEqual(self.read("m.safetensors.checkpoint"), kept)
        for size in (0, 20, len(kept) // 2, len(kept) - 1):
            self.write("m.safetensors.checkpoint", kept[:size])
            self.refused(65, *self.words, "--resume", says=["m.safetensors.checkpoint"])
        self.save_tensors("m.safetensors.checkpoint", {"weight": np.zeros((20, 100))})
        self.refused(65, *self.words, "--resume", says=["is no checkpoint"])
        self.write("m.safetensors.checkpoint", kept)
        self.assertEqual(self.xent(*self.words, "-q", "--resume")[0], 0)

    def test_a_full_disk(self):
        """The first checkpoint does not fit, or the model alone does not: a sentence, and nothing half-written."""
        self.write("m.safetensors", b"old")
        err = self.refused(74, *self.words, "-q", says=["cannot write the file"], **self.limited(2000))
        self.assertEqual(self.read("m.safetensors"), b"old")
        self.assertEqual(self.names(), ["m.safetensors", "x.npy", "y.npy"], err)
        self.words[-1] = "1000"
        self.refused(74, *self.words, "-q", says=["cannot write the file"], **self.limited(2000))
        self.assertEqual(self.names(), ["m.safetensors", "x.npy", "y.npy"])
        self.words[-1] = "0"
        os.remove(self.path("m.safetensors"))
        self.stop()
        kept = self.read("m.safetensors.checkpoint")
        self.refused(74, *self.words, "--resume", says=["is as it was after pass", "--resume"], **self.limited(2000))
        self.assertEqual(self.read("m.safetensors.checkpoint"), kept)

    def test_nothing_to_go_on_from(self):
        code, _, err = self.xent(*self.words, "--resume", "--iterations", "2")
        self.assertEqual(code, 0)
        self.assertIn("there is no m.safetensors.checkpoint to go on from: the training begins anew", err)

    def test_killed_now_and_then(self):
        """`make test-train` does this 200 times (kill_training.py); here a few."""
        whole, dice = self.whole(), random.Random(9)
        for _ in range(3):
            process = self.begin("--resume", "-q")
            time.sleep(dice.random() * 0.5)
            process.kill()
            process.communicate()
        self.assertEqual(self.xent(*self.words, "-q", "--resume")[0], 0)
        self.assertEqual(self.read("m.safetensors"), whole)
