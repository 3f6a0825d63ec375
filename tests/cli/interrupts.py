# SPDX-License-Identifier: MIT
"""A signal at every moment of `xent train`: tests/tools/interrupt.c raises it at the n-th basic block, of the files that
decide to stop and of those that write. Nothing may be lost, whenever it comes.

XENT_INTERRUPTED is how the paths of the two commands begin that count their moments. With XENT_EVERY_MOMENT (`make
test-train`) all have their turn, else all where it is decided to stop, in two of the ways, and some of the others.
"""
import os
import tempfile

import numpy as np

from support import Case

ALL = "XENT_EVERY_MOMENT" in os.environ
MODEL, CHECKPOINT = "m.safetensors", "m.safetensors.checkpoint"
PROGRAMS = os.path.abspath(os.environ["XENT_INTERRUPTED"])
STOPPED = "130 in words"
MEMORY = "/dev/shm"  # a disk would be waited for


class Interrupts(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        dice = np.random.default_rng(1)
        labels = dice.integers(0, 3, 60)
        self.save("x.npy", (dice.normal(size=(60, 3)) + np.eye(3)[labels]).astype(np.float32))
        self.save("y.npy", labels)
        self.part, self.words, self.ends = "", [], {}

    def run_with(self, signals, *words):
        """Exit code and what was said, with these signals ("2@100 15@120")."""
        words = ("train", "x.npy", "y.npy", "--model", MODEL, "--log", "log", *self.words, *words)
        settings = {"XENT_SIGNALS": signals, "XENT_MOMENTS": "moments"}
        code, _, err = self.xent(*words, program=PROGRAMS + self.part, env={**os.environ, **settings})
        return code, err

    def clean(self):
        """Only the journal of an earlier training is left."""
        for name in self.names():
            if name.startswith((".xent-", "m.")):
                os.remove(self.path(name))
        if "log" in self.names():
            self.write("log/log.jsonl", b"")

    def passes_kept(self):
        """In the checkpoint, which must be whole; 0: there is none."""
        return len(self.load_tensors(CHECKPOINT)[0]["history"]) if CHECKPOINT in self.names() else 0

    def check_end(self, model):
        """Gone on with, the training ends with that model. States that differ in nothing but seconds end alike, so that
        one of them is enough."""
        tensors = self.load_tensors(CHECKPOINT)[0] if CHECKPOINT in self.names() else {}
        tensors.update({"history": tensors["history"][:, :-1]} if tensors else {})
        state = MODEL in self.names(), *((name, tensors[name].tobytes()) for name in sorted(tensors))
        if state not in self.ends:
            self.assertEqual(self.run_with("", "--resume")[0], 0)
            self.ends[state] = self.read(MODEL)
        self.assertEqual(self.ends[state], model)

    def check_stopped(self, err):
        """What it says is what is there, and no pass that was over is lost. It says something from the first pass on."""
        kept, over = self.passes_kept(), len(self.read("log/log.jsonl").splitlines())
        if "passes, which are kept" in err:
            self.assertIn(f"stopped after {kept} passes", err)
            self.assertEqual(kept, over)
        elif "stopped in the first pass" in err:
            self.assertEqual((kept, over), (0, 0))
        else:
            self.assertEqual((err, kept, over), ("", 0, 0))
            self.assertFalse(self.speaks, "stopped without a word")
        self.speaks = err != ""
        self.assertNotIn(MODEL, self.names())

    def check_killed(self):
        """At most one pass is lost: it is logged before it is saved."""
        over = len(self.read("log/log.jsonl").splitlines())
        if MODEL not in self.names():
            self.assertGreaterEqual(self.passes_kept(), over - 1)

    def check_moment(self, signals, model):
        """Returns how it ended: the exit code, and whether with words."""
        self.clean()
        code, err = self.run_with(signals)
        if code == 0:
            self.assertEqual((self.read(MODEL), self.passes_kept()), (model, 0))
        elif code == 130:
            self.check_stopped(err)
        elif code == -9:
            self.check_killed()
        if code >= 0:  # the first moments are before signals are caught at all
            self.assertFalse([name for name in self.names() if name.startswith(".xent-")])
        self.check_end(model)
        return f"{code} in words" if code > 0 and err else str(code)

    def check_moments(self, signals, ends, others, step, *words):
        """Signals at moment n, and perhaps some later, for every n. It must end in these ways, and may in others."""
        for part in ("decides", "writes"):
            self.part, self.words, self.ends, self.speaks = part, words, {}, False
            self.clean()
            self.assertEqual(self.run_with("")[0], 0)
            model, moments = self.read(MODEL), int(self.read("moments").split()[-1])
            self.assertGreater(moments, 100)
            found = set()
            for n in range(1, moments + 1, 1 if ALL else step if part == "decides" else 61):
                with self.subTest(part=part, moment=n):
                    found.add(self.check_moment(signals.format(n, n + 7), model))
            self.assertTrue(ends <= found <= ends | others | {"-2"}, found)

    lbfgs = ("--l2", "1e-3", "--iterations", 2, "--tolerance", 0)
    adam = ("--method", "adam", "--epochs", 4, "--standardize", "--validation", 0.2)

    def test_the_disk_holds_all(self):
        self.check_moments("2@{0}", {"0", STOPPED}, {"130"}, 1, *self.lbfgs, "--checkpoint", 0)

    def test_the_disk_holds_nothing_yet(self):
        self.check_moments("2@{0}", {"0", STOPPED}, {"130"}, 1, *self.lbfgs, "--checkpoint", 1000)

    def test_epochs(self):
        self.check_moments("2@{0}", {"0", STOPPED}, {"130"}, 9, *self.adam, "--checkpoint", 0)

    def test_a_second_signal_ends_at_once(self):
        self.check_moments("2@{0} 15@{1}", {"143"}, {"0", STOPPED, "130", "143 in words"}, 9, *self.lbfgs, "--checkpoint", 0)

    def test_killed(self):
        self.check_moments("9@{0}", {"-9"}, set(), 9, *self.lbfgs, "--checkpoint", 0)
