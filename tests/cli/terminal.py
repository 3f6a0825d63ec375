# SPDX-License-Identifier: MIT
"""What a terminal shows: colour, the line of progress, Ctrl-C. The terminal is a pseudo-terminal of 80 columns."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import numpy as np

from support import SHORT, XENT, Case

WIPE = "\r\x1b[K"
RED, GREEN, PLAIN = "\x1b[1;31m", "\x1b[1;32m", "\x1b[0m"


class Terminal:
    """A program on a terminal of its own, whose standard output may go elsewhere."""

    def __init__(self, words, folder, stdout=None, columns=80, **environment):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        settings = {key: value for key, value in {**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment}.items()
                    if value is not None}
        self.process = subprocess.Popen(
            words, cwd=folder, env=settings, stdin=slave, stdout=stdout or slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.shown = ""

    def read(self, seconds):
        """Takes what comes within some time; false at the end."""
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.shown += os.read(self.master, 65536).decode()
            except OSError:  # as Linux tells that nobody has the terminal open any more
                return False
        return True

    def wait_for(self, text, seconds=120):
        until = time.monotonic() + seconds
        while text not in self.shown and time.monotonic() < until and self.read(0.1):
            pass
        return text in self.shown

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """The exit code, once everything has been read."""
        while self.read(60):
            pass
        os.close(self.master)
        return self.process.wait(timeout=60)


class OnATerminal(Case):
    def show(self, *words, **settings):
        terminal = Terminal([XENT, *words], self.folder, **settings)
        return terminal.end(), terminal.shown.replace("\r\n", "\n")

    def save_work(self, rows=10000):
        """Seconds of work for one thread of the scalar kernels: 100,000 bytes a row, on a disk that stores no zeros."""
        with open(self.path("logits.npy"), "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f2", "fortran_order": False, "shape": (rows, 50000)})
            file.truncate(file.tell() + rows * 100000)
        self.save("labels.npy", np.zeros(rows, np.uint8))

    def let_time_pass(self, process, seconds=2):
        """To a process that has begun to work and is meanwhile stopped: it costs the machine nothing."""
        time.sleep(0.3)
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def work(self, *words, **settings):
        return Terminal([XENT, "loss", "logits.npy", "labels.npy", "--threads", "1", *words], self.folder,
                        XENT_ISA="scalar", **settings)


class Colour(OnATerminal):
    def setUp(self):
        super().setUp()
        self.save_batch(np.zeros((2, 3)), np.array([0, -1]))
        self.words = ("loss", "logits.npy", "labels.npy")

    def test_two_words_of_an_error_are_coloured_and_nothing_else(self):
        code, shown = self.show(*self.words)
        self.assertEqual(code, 65)
        error, fix = shown.split(GREEN)
        self.assertTrue(error.startswith(f"{RED}xent:{PLAIN} labels.npy: row 1 has the label -1"), shown)
        self.assertEqual(fix, f"try:{PLAIN} xent loss logits.npy labels.npy --ignore -1\n")
        self.assertEqual(shown.count("\x1b"), 4)
        self.assertTrue(self.show("lose")[1].startswith(f"{RED}xent:{PLAIN} lose: "))
        self.save("labels.npy", np.array([[1.0], [0.0]]))
        self.assertIn(f"{GREEN}try:{PLAIN} python3", self.show(*self.words)[1])

    def test_sentences_break_between_words_and_commands_do_not(self):
        for columns in (40, 80, 120):
            code, shown = self.show(*self.words, columns=columns, NO_COLOR="1")
            sentence, fix = shown.split("try:")
            self.assertGreater(sentence.count("\n"), 1)
            for number, line in enumerate(sentence.splitlines()):
                self.assertLess(len(line), columns)
                self.assertEqual(line.startswith(" " * 6), number > 0)
            self.assertEqual(re.sub("\n +", " ", shown), self.xent(*self.words)[2])
        self.assertEqual(self.xent(*self.words)[2].count("\n"), 2)

    def test_what_switches_it_off(self):
        for environment in ({"NO_COLOR": "1"}, {"NO_COLOR": "0"}, {"TERM": "dumb"}, {"TERM": None}, {"TERM": ""}):
            code, shown = self.show(*self.words, **environment)
            self.assertEqual((code, shown.count("\x1b")), (65, 0), environment)
        self.assertNotIn("\x1b", self.xent(*self.words, env={"TERM": "xterm", "CLICOLOR_FORCE": "1"})[2])

    def test_results_help_and_notes_have_none(self):
        for words in (("help",), ("help", "loss"), ("info",), (*self.words, "--ignore", "-1"), (),
                      (*self.words, "--on-bad-label", "ignore")):
            self.assertNotIn("\x1b", self.show(*words)[1])

    def test_standard_input_that_is_the_keyboard(self):
        code, shown = self.show("loss", "-", "labels.npy")
        self.assertEqual(code, 64)
        self.assertIn("is a terminal: pipe a file into xent", shown)


class Progress(OnATerminal):
    LINE = re.compile(r"\r\x1b\[K\[#*\.*\] +\d+ %  \d+\.\d\d GB/s  [\d:]+ left")

    def test_a_line_that_moves_and_goes(self):
        self.save_work(1000 if SHORT else 3000)
        terminal = self.work()
        self.assertEqual(terminal.end(), 0)
        shown, result = terminal.shown.rsplit(WIPE, 1)
        self.assertRegex(result, r"^loss  ")
        self.assertNotIn("\n", shown)
        lines = shown.split(WIPE)[1:]
        self.assertGreater(len(lines), 1, "the work was too small to be seen")
        for line in lines:
            self.assertRegex(WIPE + line, self.LINE)
            self.assertLess(len(line), 80)

    def test_a_narrow_screen(self):
        self.save_work()
        terminal = self.work(columns=30)
        self.assertTrue(terminal.wait_for("]"))
        terminal.type("\x03")
        terminal.end()
        self.assertLess(max(map(len, terminal.shown.split(WIPE))), 30)

    def test_where_there_is_none(self):
        """Not with -q, not on a dumb terminal, not for small work; and only on the terminal."""
        self.save_work()
        terminal = self.work()
        self.let_time_pass(terminal.process)
        self.assertTrue(terminal.wait_for("%", 5), "time that passes does not show")
        terminal.type("\x03")
        terminal.end()
        for words, environment in ((("-q",), {}), (("--quiet",), {}), ((), {"TERM": "dumb"})):
            terminal = self.work(*words, **environment)
            self.let_time_pass(terminal.process)
            self.assertFalse(terminal.wait_for("%", 0.3))
            self.assertIsNone(terminal.process.poll(), "the work was too small to tell")
            terminal.type("\x03")
            self.assertEqual((terminal.end(), terminal.shown), (130, "^C"))
        with open(self.path("err"), "w+", encoding="utf-8") as err:
            process = subprocess.Popen([XENT, "loss", "logits.npy", "labels.npy", "--threads", "1"], cwd=self.folder,
                                       env={**os.environ, "XENT_ISA": "scalar", "TERM": "xterm"}, stderr=err)
            self.let_time_pass(process)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            self.assertEqual((process.wait(60), self.read("err")), (130, b""))
        self.save_batch()
        self.assertNotIn("GB/s", self.show("loss", "logits.npy", "labels.npy")[1])

    def test_results_in_a_pipe_do_not_stop_it(self):
        self.save_work()
        terminal = self.work("--json", stdout=subprocess.DEVNULL)
        self.assertTrue(terminal.wait_for("GB/s"))
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 130)

    def test_ctrl_c_leaves_a_clean_line_and_no_file(self):
        self.save_work()
        self.write("grad.npy", b"old")
        terminal = self.work("--grad", "grad.npy", "--row-loss", "rows.npy")
        self.assertTrue(terminal.wait_for("GB/s"))
        self.assertEqual(len([name for name in os.listdir(self.folder) if name.startswith(".xent-")]), 2)
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 130)
        self.assertTrue(terminal.shown.endswith(WIPE), terminal.shown[-200:])
        self.assertEqual(sorted(os.listdir(self.folder)), ["grad.npy", "labels.npy", "logits.npy"])
        self.assertEqual(self.read("grad.npy"), b"old")


    def test_an_error_meanwhile_has_a_line_of_its_own(self):
        self.save_work()
        terminal = self.work()
        self.assertTrue(terminal.wait_for("GB/s"))
        os.truncate(self.path("logits.npy"), 1000)
        self.assertEqual(terminal.end(), 65)
        said = terminal.shown.rsplit(WIPE, 1)[1]
        self.assertTrue(said.startswith(f"{RED}xent:{PLAIN} logits.npy: has become shorter"), said)

    def test_a_training(self):
        """Iteration, loss and accuracy stand before the bar; Ctrl-C leaves a clean line, and a second one is not waited for."""
        dice = np.random.default_rng(3)
        labels = dice.integers(0, 30, 8000 if SHORT else 20000)
        self.save("x.npy", (dice.normal(size=(len(labels), 200)) + np.eye(30, 200)[labels]).astype(np.float32))
        self.save("y.npy", labels)
        terminal = Terminal([XENT, "train", "x.npy", "y.npy", "--model", "m", "--tolerance", "0", "--threads", "1"], self.folder,
                            XENT_ISA="scalar")
        self.assertTrue(terminal.wait_for("GB/s"))
        self.assertTrue(terminal.wait_for("2: loss"))
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 130)
        lines, said = terminal.shown.rsplit(WIPE, 1)
        for line in lines.split(WIPE)[1:]:
            self.assertLess(len(line.replace("^C", "")), 78)
            self.assertRegex(line, r"^(\d+: loss \d\S*  \d+\.\d\d %  )?\[#*\.*\] +\d+ %  \d+\.\d\d GB/s  [\d:]+ left")
        self.assertTrue(said.startswith(f"{RED}xent:{PLAIN} stopped after"), said)
        self.assertIn("--resume", said.split("try:")[1])
        self.assertEqual(self.names(), ["m.checkpoint", "x.npy", "y.npy"])
