# SPDX-License-Identifier: MIT
"""How the tool answers those who mistype, pipe, and change their mind."""
import json
import os
import re
import signal
import subprocess
import time

import numpy as np

from support import LABELS, LOGITS, MEAN, XENT, Case

VERBS = ("loss", "train", "predict", "bench", "info", "completion", "manual", "help")


class Help(Case):
    def pages(self):
        return {words: self.xent(*words) for words in
                [("help",), ("--help",), ("-h",)] + [(verb, "--help") for verb in VERBS]}

    def test_every_page_fits_80_columns(self):
        for words, (code, out, err) in self.pages().items():
            self.assertEqual((code, err), (0, ""), words)
            for line in out.splitlines():
                self.assertLess(len(line), 80, line)
                self.assertEqual(line, line.rstrip())

    def test_the_ways_to_a_page(self):
        for verb in VERBS:
            page = self.xent("help", verb)
            self.assertEqual(page[0], 0)
            self.assertTrue(page[1].startswith(f"usage: xent {verb}"), page[1])
            for words in ((verb, "--help"), (verb, "-h"), (verb, "x", "--no-such-flag", "--help")):
                self.assertEqual(self.xent(*words), page)
        self.assertEqual(self.xent("--help"), self.xent("help"))
        self.refused(66, "loss", "--", "--help", "-h", says=["--help"])
        self.refused(64, "help", "loss", "info", says=["at most 1 verb", "2 are given"])

    def test_all_verbs_and_exit_codes_at_a_glance(self):
        out = self.xent("help")[1]
        for verb in VERBS:
            self.assertRegex(out, rf"(?m)^  xent {verb} ")
        for code in (0, 64, 65, 66, 70, 73, 74, 130, 141, 143):
            self.assertRegex(out, rf"(?m)^  {code} ")

    def test_without_a_word(self):
        code, out, err = self.xent()
        self.assertEqual((code, out, err), (64, "", self.xent("help")[1]))

    def test_examples_are_commands(self):
        """What the pages show as commands works on files of these names."""
        self.save_batch(np.tile(LOGITS, (20, 1)), np.tile(LABELS, 20))
        self.save("features.npy", np.random.default_rng(0).normal(size=(80, 3)))
        np.savez(self.path("batch.npz"), logits=LOGITS, labels=LABELS)
        self.wrap("xent", XENT)
        subprocess.run(["gzip", "-k", "logits.npy"], cwd=self.folder, check=True)
        environment = {**os.environ, "HOME": self.folder, "PATH": self.folder + ":" + os.environ["PATH"]}
        os.makedirs(self.path(".zfunc"))
        os.makedirs(self.path(".config/fish/completions"))
        for verb in VERBS:
            for line in self.xent("help", verb)[1].split("Examples\n")[1].splitlines():
                if "man -l" in line:
                    continue
                done = subprocess.run(["bash", "-c", "set -o pipefail\n" + line], cwd=self.folder, env=environment,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), line)


class Mistyped(Case):
    def test_verbs(self):
        for typed, meant in (("lose", "loss"), ("los", "loss"), ("losss", "loss"), ("olss", "loss"), ("inof", "info"),
                             ("complet", "completion"), ("man", "manual"), ("-version", "--version"), ("xyz", None),
                             ("", None), ("x" * 1000, None)):
            err = self.refused(64, typed, says=["there is no such verb", "xent help"])
            self.assertEqual(re.findall(r"did you mean (\S+)\?", err), [meant] if meant else [], err)
        self.refused(64, "help", "lose", says=["did you mean loss?"])
        self.refused(64, "manual", "lose", says=["did you mean loss?"])

    def test_flags(self):
        for typed, meant in (("--label-smooth", "--label-smoothing"), ("--lable-smoothing=0.1", "--label-smoothing"),
                             ("--smoothing", "--label-smoothing"), ("--jsn", "--json"), ("--gard", "--grad"),
                             ("--reductio", "--reduction"), ("--rowloss", "--row-loss"), ("-grad", "--grad"),
                             ("--probs", None), ("--gradient", "--grad"), ("--ignore-index", "--ignore"),
                             ("--weight", "--row-weight"), ("--hlep", "--help"), ("--x", None), ("-x", None),
                             ("--" + "y" * 1000, None)):
            err = self.refused(64, "loss", "a.npy", "b.npy", typed, says=["no such flag", "xent loss --help"])
            self.assertEqual(re.findall(r"did you mean (\S+)\?", err), [meant] if meant else [], err)

    def test_files_without_a_verb(self):
        self.save_batch(LOGITS, LABELS)
        err = self.refused(64, "logits.npy", "labels.npy", "--json", says=["no such verb"])
        self.assertTrue(err.endswith("\ntry: xent loss logits.npy labels.npy --json\n"), err)
        self.close(json.loads(self.type_the_fix(err)[1])["loss"], MEAN)
        self.assertNotIn("try:", self.refused(64, "none.npy", "labels.npy"))
        self.assertNotIn("try:", self.refused(64, "logits.npy"))
        self.assertNotIn("try:", self.refused(64, "logits.npy", *["labels.npy"] * 50))

    def test_operands(self):
        self.refused(64, "completion", says=["1 word", "0 are given", "bash|zsh|fish"])
        self.refused(64, "completion", "tcsh", says=["'tcsh'", "bash|zsh|fish"])
        self.refused(64, "manual", "loss", "info", says=["at most 1 verb"])


class StandardInput(Case):
    def setUp(self):
        super().setUp()
        self.save_batch()
        self.save("class.npy", np.ones(3))

    def piped(self, name, *words):
        with subprocess.Popen(["cat", name], cwd=self.folder, stdout=subprocess.PIPE) as cat:
            return self.xent(*words, "--json", stdin=cat.stdout)

    def test_one_file_from_a_pipe_or_a_file(self):
        for name, words in (("logits.npy", ("loss", "-", "labels.npy")), ("labels.npy", ("loss", "logits.npy", "-")),
                            ("class.npy", ("loss", "logits.npy", "labels.npy", "--class-weight", "-"))):
            code, out, err = self.piped(name, *words)
            self.assertEqual((code, err), (0, ""))
            self.close(json.loads(out)["loss"], MEAN)
            with open(self.path(name), "rb") as file:
                self.close(json.loads(self.xent(*words, "--json", stdin=file)[1])["loss"], MEAN)

    def test_not_two(self):
        for words in (("-", "-"), ("-", "labels.npy", "--row-weight", "-"),
                      ("logits.npy", "-", "--class-weight=-", "--row-weight", "-")):
            self.refused(64, "loss", *words, says=["standard input", "read once"])

    def test_no_output(self):
        for flag in ("--grad", "--row-loss"):
            self.refused(64, "loss", "logits.npy", "labels.npy", flag, "-", says=[flag, "standard output"])
        self.assertEqual(self.xent("loss", "logits.npy", "labels.npy", "--grad", "./-")[0], 0)

    def test_errors_call_it_by_its_name(self):
        self.save("labels.npy", np.array([0, 1, 2, -1]))
        code, _, err = self.piped("labels.npy", "loss", "logits.npy", "-")
        self.assertEqual(code, 65)
        self.assertTrue(err.startswith("xent: standard input: row 3 has the label -1"), err)
        self.assertIn("\ntry: xent loss logits.npy - --json --ignore -1\n", err)
        code, _, err = self.piped("labels.npy", "loss", "-", "logits.npy")
        self.assertIn("\ntry: xent loss logits.npy - --json\n", err)
        self.save("labels.npy", LABELS.astype(float))
        code, _, err = self.piped("labels.npy", "loss", "logits.npy", "-")
        self.assertEqual((code, "try:" in err), (65, False), err)
        self.assertIn("is empty", self.refused(65, "loss", "-", "labels.npy"))


class Endings(Case):
    def test_interrupted_while_writing(self):
        """Exit code 130 (129, 143), the old file in its place, nothing else left; or it had been ready."""
        self.save_batch(np.zeros((40000, 100)), np.zeros(40000, np.uint8))
        whole = 40000 * 100 * 8 + 128
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) * 3:
            self.write("grad.npy", b"old")
            process = subprocess.Popen([XENT, "loss", "logits.npy", "labels.npy", "--grad", "grad.npy"],
                                       cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            while process.poll() is None and not any(name.startswith(".xent-") for name in os.listdir(self.folder)):
                time.sleep(0.0005)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
            self.assertIn((process.returncode, err), [(128 + number, b""), (0, b"")])
            self.assertIn(os.path.getsize(self.path("grad.npy")), [3, whole] if process.returncode else [whole])
            self.assertEqual(sorted(os.listdir(self.folder)), ["grad.npy", "labels.npy", "logits.npy"])

    def test_an_ignored_interrupt_stays_ignored(self):
        self.save_batch()
        code, _, _ = self.xent("loss", "logits.npy", "labels.npy",
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        self.assertEqual(code, 0)

    def close_early(self, *words, ignored=False):
        """Reads one line of what is printed; returns exit code, stderr."""
        process = subprocess.Popen([XENT, *words], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   restore_signals=not ignored)
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        return process.wait(timeout=60), err

    def test_a_reader_that_has_enough(self):
        self.save_batch(np.zeros((200000, 2), np.float32), np.zeros(200000, np.uint8))
        words = ("loss", "logits.npy", "labels.npy", "--reduction", "none", "--grad", "grad.npy")
        for ignored in (False, True):
            self.assertEqual(self.close_early(*words, ignored=ignored), (141, b""))
            self.assertEqual(self.close_early(*words, "--json", ignored=ignored), (141, b""))
        self.assertEqual(os.path.getsize(self.path("grad.npy")), 200000 * 8 + 128)
        self.assertEqual(sorted(os.listdir(self.folder)), ["grad.npy", "labels.npy", "logits.npy"])
        done = subprocess.run(f"'{XENT}' {' '.join(words)} | head -n 1", shell=True, cwd=self.folder, text=True,
                              capture_output=True, check=True)
        self.assertEqual((done.stdout, done.stderr), ("0.69314718055994529\n", ""))
