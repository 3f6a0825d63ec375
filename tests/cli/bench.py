# SPDX-License-Identifier: MIT
"""`xent bench`: that it runs and adds up. How long anything takes is no test's business."""
import json

from support import Case

SMALL = ("bench", "--rows", 30, "--classes", 70, "--seconds", 0)
TIMED = ("memcpy", "loss", "loss_and_gradient")


class Bench(Case):
    def figures(self, *words):
        code, out, err = self.xent(*words, "--json")
        self.assertEqual((code, err), (0, ""))
        return json.loads(out)

    def test_a_shape_of_every_type(self):
        for dtype, name, size in (("f32", "float32", 4), ("f64", "float64", 8), ("bf16", "bfloat16", 2),
                                  ("f16", "float16", 2)):
            found = self.figures(*SMALL, "--dtype", dtype)
            self.assertEqual(list(found), ["version", "isa", "threads", "dtype", "shapes"])
            self.assertEqual((found["dtype"], found["threads"]), (name, 1))
            shape, = found["shapes"]
            self.assertEqual(list(shape), ["rows", "classes", "repetitions", *TIMED])
            self.assertEqual((shape["rows"], shape["classes"], shape["repetitions"]), (30, 70, 3))
            for what in TIMED:
                seconds, logits, passes = shape[what]["seconds"], 30 * 70, 1 if what == "loss" else 2
                self.assertGreater(seconds, 0)
                self.close(shape[what]["logits_per_nanosecond"] * seconds, 1e-9 * logits)
                self.close(shape[what]["gigabytes_per_second"] * seconds, 1e-9 * logits * passes * size)
                self.close(shape[what]["times_memcpy"] * shape["memcpy"]["seconds"], seconds)

    def test_text(self):
        code, out, err = self.xent(*SMALL, "--threads", 2)
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^xent \d+\.\d+\.\d+, \w+, 2 threads, float32\n\nrows x classes .*\n"
                         r"30 x 70 +memcpy .* 1\.00\n +loss .*\n +loss, gradient .*\n$")

    def test_rows_are_found_for_classes(self):
        for classes, rows in ((1 << 23, 2), ((1 << 24) + 1, 1)):
            shape, = self.figures("bench", "--classes", classes, "--seconds", 0, "--dtype", "bf16", "-q")["shapes"]
            self.assertEqual((shape["rows"], shape["classes"]), (rows, classes))

    def test_all_threads(self):
        threads = json.loads(self.xent("info", "--json")[1])["threads"]
        self.assertEqual(self.figures(*SMALL, "--threads", -1)["threads"], threads)

    def test_refusals(self):
        self.refused(64, "bench", "--rows", 4, says=["--rows", "--classes 1000"])
        self.refused(64, "bench", "--rows", 0, "--classes", 4, says=["--rows", "whole number from 1"])
        self.refused(64, "bench", "--dtype", "i8", says=["'i8'", "f32|f64|bf16|f16"])
        self.refused(64, "bench", "--seconds", -1, says=["--seconds", "[0, 3600]"])
        self.refused(64, "bench", "logits.npy", says=["bench takes 0 files", "1 is given"])
        self.refused(70, "bench", "--rows", 2**31 - 1, "--classes", 2**31 - 1, "--dtype", "f64",
                     says=["no memory", "2147483647 x"])
