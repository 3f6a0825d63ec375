# SPDX-License-Identifier: MIT
"""`xent predict`: what a linear classifier says, against NumPy; and models and features that do not fit."""
import json
import os

import numpy as np

from support import Case

DICE = np.random.default_rng(3)
WEIGHT, BIAS = DICE.normal(size=(5, 12)).astype(np.float32), DICE.normal(size=5).astype(np.float32)
MEAN, SCALE = DICE.normal(size=12), DICE.uniform(0.5, 2, 12)
FEATURES = DICE.normal(size=(40, 12)).astype(np.float32)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Predict(Case):
    def setUp(self):
        super().setUp()
        self.save_tensors("model.safetensors", {"weight": WEIGHT, "bias": BIAS})
        self.save("x.npy", FEATURES)

    def predict(self, *words, features="x.npy", output="out.npy", model="model.safetensors"):
        code, out, err = self.xent("predict", model, features, "-o", output, "-q", *words)
        self.assertEqual((code, out, err), (0, "", ""))
        return np.load(self.path(output))

    def lines(self, *words):
        code, out, err = self.xent("predict", *words)
        self.assertEqual((code, err), (0, ""))
        return out.splitlines()

    def test_what_it_says(self):
        logits = FEATURES @ WEIGHT.T + BIAS
        classes = self.predict()
        self.assertEqual((classes.dtype, classes.shape), (np.int64, (40,)))
        np.testing.assert_array_equal(classes, logits.argmax(1))
        found = self.predict("--logits")
        self.assertEqual((found.dtype, found.shape), (np.float32, (40, 5)))
        self.close(found, logits, 1e-5)
        likely = self.predict("--probabilities")
        self.close(likely, softmax(logits), 1e-5)
        self.assertEqual(self.lines("model.safetensors", "x.npy"), [str(one) for one in classes])
        for what, wanted in (("--logits", found), ("--probabilities", likely)):
            text = self.lines("model.safetensors", "x.npy", what)
            np.testing.assert_array_equal([[np.float32(word) for word in line.split(",")] for line in text], wanted)
            self.xent("predict", "model.safetensors", "x.npy", what, "-o", "out.csv")
            self.assertEqual(self.read("out.csv").decode().splitlines(), text)
        self.refused(64, "predict", "model.safetensors", "x.npy", "--logits", "--probabilities")

    def test_prepared_features(self):
        self.save_tensors("model.safetensors", {"weight": WEIGHT, "mean": MEAN, "scale": SCALE})
        wanted = ((FEATURES - MEAN) * SCALE).astype(np.float32) @ WEIGHT.T
        self.close(self.predict("--logits"), wanted, 1e-5)
        self.save_tensors("model.safetensors", {"scale": SCALE, "weight": WEIGHT.astype(float), "bias": BIAS.astype(float)})
        found = self.predict("--logits")
        self.assertEqual(found.dtype, np.float64)
        self.close(found, FEATURES * SCALE @ WEIGHT.T.astype(float) + BIAS)

    def test_types_and_layouts(self):
        """Features are widened exactly, and where they lie changes nothing."""
        small = DICE.integers(0, 255, (40, 12)).astype(np.uint8)
        self.save("x.npy", small.astype(np.float32))
        wanted = self.predict("--logits")
        for other in (small, small.astype(np.float64), small.astype(np.float16), small.astype(">f4"),
                      np.asfortranarray(small.astype(np.float32)), small.reshape(40, 3, 4),
                      np.asfortranarray(small.reshape(40, 3, 4).astype(">f4"))):
            self.save("x.npy", other)
            np.testing.assert_array_equal(self.predict("--logits"), wanted)
        self.save("x.npy", np.asfortranarray(small.reshape(8, 5, 12)))
        np.testing.assert_array_equal(self.predict("--logits"), wanted.reshape(8, 5, 5))
        self.save("x.npy", small[3])
        np.testing.assert_array_equal(self.predict("--logits"), wanted[3])
        self.assertEqual(self.predict().shape, ())
        self.write("x.bin", b"head" + small.tobytes())
        np.testing.assert_array_equal(self.predict("--logits", "--dtype", "u8", "--shape", "40,12", "--offset", 4,
                                                   features="x.bin"), wanted)
        self.write("x.csv", "\n".join(",".join(map(str, row)) for row in small).encode())
        np.testing.assert_array_equal(self.predict("--logits", features="x.csv"), wanted)
        self.save_tensors("half.safetensors", {"weight": WEIGHT.astype(np.float16), "bias": BIAS.astype(np.float16)})
        self.save_tensors("wide.safetensors", {"weight": WEIGHT.astype(np.float16).astype(np.float32),
                                               "bias": BIAS.astype(np.float16).astype(np.float32)})
        np.testing.assert_array_equal(self.predict("--logits", model="half.safetensors"),
                                      self.predict("--logits", model="wide.safetensors"))

    def test_blocks(self):
        """40 MB of features, and 40 MB of logits from 10: the rows of a part are the part of the rows."""
        for width, classes in ((1000, 7), (64, 1000)):
            self.save_tensors("model.safetensors", {"weight": DICE.normal(size=(classes, width)).astype(np.float32)})
            whole = DICE.normal(size=(10000, width)).astype(np.float32)
            self.save("x.npy", whole)
            wanted = self.predict("--logits")
            np.testing.assert_array_equal(self.predict("--logits", "--threads", 1), wanted)
            self.save("x.npy", whole[7777:8888])
            np.testing.assert_array_equal(self.predict("--logits"), wanted[7777:8888])
            np.testing.assert_array_equal(self.predict(), wanted[7777:8888].argmax(1))

    def test_names(self):
        index = (FEATURES @ WEIGHT.T + BIAS).argmax(1)
        self.save_tensors("model.safetensors", {"weight": WEIGHT, "bias": BIAS}, classes="[-1, 4, 7, 70, 900]")
        np.testing.assert_array_equal(self.predict(), np.array([-1, 4, 7, 70, 900])[index])
        words = ["cat", "dog, big", 'a "cow"', "", "ox"]
        self.save_tensors("model.safetensors", {"weight": WEIGHT, "bias": BIAS}, classes=json.dumps(words))
        shown = ["cat", '"dog, big"', '"a ""cow"""', '""', "ox"]
        self.assertEqual(self.lines("model.safetensors", "x.npy"), [shown[i] for i in index])
        self.refused(64, "predict", "model.safetensors", "x.npy", "-o", "out.npy", says=["--output", ".csv"])
        self.predict("--logits")
        for names in ("[1, 2]", "[1, 2, 3, 4, \"x\"]", "[1.5, 2, 3, 4, 5]", "{}", "nonsense", "[[1], 2, 3, 4, 5]"):
            self.save_tensors("model.safetensors", {"weight": WEIGHT, "bias": BIAS}, classes=names)
            self.refused(65, "predict", "model.safetensors", "x.npy", says=["model.safetensors", "5 classes"])

    def test_rows_that_are_not_finite(self):
        wanted = self.predict("--logits")
        wild = FEATURES.copy()
        wild[7, 3], wild[9, 0] = np.nan, np.inf
        self.save("x.npy", wild)
        found = self.predict("--logits")
        rest = np.delete(np.arange(40), [7, 9])
        np.testing.assert_array_equal(found[rest], wanted[rest])
        self.assertTrue(np.isnan(found[7]).all())
        code, out, err = self.xent("predict", "model.safetensors", "x.npy")
        self.assertEqual((code, out.splitlines()[7]), (0, "-1"))
        self.assertIn("x.npy: rows with NaN or infinity", err)

    def test_models_that_are_none(self):
        good = {"weight": WEIGHT, "bias": BIAS, "mean": MEAN, "scale": SCALE}
        for changed, says in (({"weight": WEIGHT[0]}, "[classes, features]"), ({"weight": WEIGHT[:0]}, "shape [0, 12]"),
                              ({"weight": np.where(WEIGHT > 2, np.nan, WEIGHT).astype(np.float32)}, "NaN"),
                              ({"bias": BIAS[:4]}, "'bias' of shape [4]"), ({"mean": MEAN[:5]}, "shape [12]"),
                              ({"scale": SCALE[:, None]}, "shape [12, 1]"), ({"weight": WEIGHT.astype(int)}, "int64")):
            self.save_tensors("model.safetensors", {**good, **changed})
            self.refused(65, "predict", "model.safetensors", "x.npy", says=["model.safetensors", says])
        self.save_tensors("model.safetensors", {"fc.weight": WEIGHT})
        self.refused(65, "predict", "model.safetensors", "x.npy", says=["no tensor 'weight'"])
        whole = self.read(self.save_tensors("model.safetensors", good))
        for size in (0, 7, 8, 100, len(whole) - 1):
            self.write("model.safetensors", whole[:size])
            self.refused(65, "predict", "model.safetensors", "x.npy", says=["model.safetensors"])
        self.refused(65, "predict", "x.npy", "x.npy", says=["x.npy: is not a valid .safetensors file"])
        self.refused(66, "predict", "none.safetensors", "x.npy", says=["No such file"])

    def test_model_and_features_swapped(self):
        err = self.refused(65, "predict", "x.npy", "model.safetensors", says=["x.npy: is not a valid .safetensors file"])
        self.assertEqual(self.type_the_fix(err), (0, "\n".join(self.lines("model.safetensors", "x.npy")) + "\n", ""))
        self.save_tensors("broken.safetensors", {"bias": BIAS})
        self.assertNotIn("try:", self.refused(65, "predict", "broken.safetensors", "model.safetensors"))

    def test_features_that_do_not_fit(self):
        self.save("x.npy", FEATURES[:, :11])
        self.refused(65, "predict", "model.safetensors", "x.npy",
                     says=["x.npy: has shape [40, 11], but model.safetensors takes 12 features"])
        self.save("x.npy", FEATURES.astype(int))
        self.refused(65, "predict", "model.safetensors", "x.npy", says=["holds int64, but features must be"])

    def test_outputs(self):
        self.refused(64, "predict", "model.safetensors", "x.npy", "-o", "x.npy", says=["would replace", "is read"])
        self.refused(64, "predict", "model.safetensors", "x.npy", "-o", "./model.safetensors", says=["is read"])
        os.symlink("x.npy", self.path("link.npy"))
        self.refused(73, "predict", "model.safetensors", "x.npy", "-o", "link.npy")
        self.write("out.npy", b"old")
        for what, name in (("--logits", "out.npy"), ("--probabilities", "out.csv")):
            self.refused(74, "predict", "model.safetensors", "x.npy", what, "-o", name, **self.limited(400))
        self.assertEqual(self.read("out.npy"), b"old")
        self.assertEqual(self.names(), ["link.npy", "model.safetensors", "out.npy", "x.npy"])

    def test_no_rows(self):
        self.save("x.npy", FEATURES[:0])
        self.assertEqual(self.predict("--logits").shape, (0, 5))
        self.assertEqual(self.lines("model.safetensors", "x.npy"), [])
