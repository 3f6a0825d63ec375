# SPDX-License-Identifier: MIT
"""Files: hostile ones, missing ones, and outputs that cannot be written."""
import os
import pickle
import resource
import signal
import struct
import subprocess
import time
import unittest

import numpy as np

from support import LABELS, LOGITS, MEAN, SHORT, XENT, Case

DATA = LOGITS.astype("<f4").tobytes()
HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }"


def npy(header=HEADER, data=DATA, version=(1, 0), length=None, pad=True):
    """The bytes of a .npy file that may be wrong in any part."""
    if pad:
        header = header + b" " * (-(len(header) + 13) % 64) + b"\n"
    length = len(header) if length is None else length
    packed = struct.pack("<H" if version[0] == 1 else "<I", length)
    return b"\x93NUMPY" + bytes(version) + packed + header + data


class Reading(Case):
    def setUp(self):
        super().setUp()
        self.save("labels.npy", LABELS)

    def score(self, data, name="x.npy"):
        self.write(name, data)
        return self.loss(logits=name)["loss"]

    def bad(self, data, says=()):
        self.write("x.npy", data)
        return self.refused(65, "loss", "x.npy", "labels.npy", says=["x.npy", *says])

    def test_what_is_good(self):
        for version in ((1, 0), (2, 0), (3, 0)):
            self.close(self.score(npy(version=version)), MEAN, 1e-6)
        for header in (b'{"shape":(4,3,),"fortran_order":False,"descr":"<f4"}',
                       b"{ 'shape' : ( 4 , 3 ) ,\n'descr':\t'<f4','fortran_order' :False}"):
            self.close(self.score(npy(header)), MEAN, 1e-6)
            self.close(self.score(npy(header, pad=False)), MEAN, 1e-6)

    def test_files_cut_off_anywhere(self):
        whole = npy()
        for size in range(len(whole)):
            self.bad(whole[:size])
        self.bad(whole + b"\0", ["longer than its header says"])
        self.bad(whole[:-1], ["cut off", "47 bytes", "48"])

    def test_every_byte_of_the_header_changed(self):
        whole = npy()
        for at in range(len(whole) - len(DATA)):
            values = [0, 1, 0x27, 0x2c, 0x31, 0x7b, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at] ^ 0x20]
            for value in [values[at % len(values)]] if SHORT else values:
                self.compare_with_numpy(whole[:at] + bytes([value]) + whole[at + 1:])

    def compare_with_numpy(self, data):
        """A changed file is refused, or is what NumPy takes it for."""
        self.write("x.npy", data)
        code, out, err = self.xent("loss", "x.npy", "labels.npy", "--reduction", "none", "-q")
        if code == 65:
            self.assertEqual(out, "")
            return
        self.assertEqual(code, 0, err)
        values = np.load(self.path("x.npy"))
        self.assertEqual((values.shape, values.nbytes), ((4, 3), len(DATA)))
        nll = np.log(np.exp(values.astype(float)).sum(1)) - values.astype(float)[range(4), LABELS]
        self.close([float(line) for line in out.split()], nll, 1e-6)

    def test_what_is_no_npy_file(self):
        self.bad(b"", ["is empty"])
        for data in (b"\x93NUMPX" + npy()[6:], b"\x93NUMP", b"\0" * 100, DATA):
            self.bad(data, ["is of no known format", ".npy, .npz", "--labels-dtype i64"])
        for data, kind in ((pickle.dumps(LOGITS), "a Python pickle"), (pickle.dumps(LOGITS, 2), "a Python pickle"),
                           (b"\x89HDF\r\n\x1a\n" + DATA, "an HDF5 file"), (b"PAR1" + DATA, "a Parquet file"),
                           (b"MATLAB 5.0 MAT-file" + b" " * 100 + b"\0\1IM", "a MATLAB file")):
            self.bad(data, [f"is {kind}, which cannot be read: save its arrays by numpy.save", "safetensors"])
        self.bad(b"1.2,0.8\n", ["shape [1, 2]"])
        self.bad(b"PK\x03\x04" + b"x" * 100, ["zip archive"])

    def test_versions(self):
        for version in ((0, 0), (4, 0), (1, 1), (255, 0)):
            self.bad(npy(version=version), ["version %d.%d" % version])

    def test_header_lengths(self):
        self.bad(npy(length=65535), ["ends inside its header"])
        self.bad(npy(version=(2, 0), length=2**32 - 1), ["ends inside its header"])
        self.bad(npy(length=0), ["header"])
        self.bad(npy(length=59), ["longer than its header says"])

    def test_headers_that_are_not_python(self):
        for header in (b"", b"{}", b"{,}", b"[]", b"nonsense", HEADER[:-1], HEADER + b"}", HEADER + b"\0",
                       HEADER.replace(b"(4, 3)", b"(4, 3"), HEADER.replace(b"(4, 3)", b"[4, 3]"),
                       HEADER.replace(b"(4, 3)", b"(12)"), HEADER.replace(b"(4, 3)", b"(,)"),
                       HEADER.replace(b"(4, 3)", b"(4,, 3)"), HEADER.replace(b"(4, 3)", b"(4 3)"),
                       HEADER.replace(b"(4, 3)", b"(-4, -3)"), HEADER.replace(b"(4, 3)", b"(04, 3)"),
                       HEADER.replace(b"(4, 3)", b"(4.0, 3)"), HEADER.replace(b"(4, 3)", b"(4e0, 3)"),
                       HEADER.replace(b"(4, 3)", b"(99999999999999999999, 3)"),
                       HEADER.replace(b"False", b"0"), HEADER.replace(b"False", b"false"),
                       HEADER.replace(b"'<f4'", b"<f4"), HEADER.replace(b"'<f4'", b"'<f4"),
                       HEADER.replace(b"'<f4'", b"'" + b"f" * 100 + b"'"),
                       HEADER.replace(b"'<f4'", b"'<\\x664'"), HEADER.replace(b"'<f4'", b"''"),
                       HEADER.replace(b"'<f4'", b"[('a', '<f4')]"), HEADER.replace(b"shape", b"shapf"),
                       HEADER.replace(b", }", b", 'more': 1}"),
                       HEADER.replace(b"'shape'", b"'descr': '<f4', 'shape'"),
                       b"{'descr': '<f4', 'shape': (4, 3)}"):
            self.bad(npy(header), ["header"])

    def test_shapes_that_no_file_can_hold(self):
        for shape in (b"(9223372036854775807, 3)", b"(4294967296, 4294967296)",
                      b"(0, 4611686018427387904, 4611686018427387904)", b"(9223372036854775807,)"):
            self.bad(npy(HEADER.replace(b"(4, 3)", shape)), ["claims the shape"])
        self.bad(npy(HEADER.replace(b"(4, 3)", b"(2305843009213693952,)"), b""), ["claims the shape"])
        self.bad(npy(HEADER.replace(b"(4, 3)", b"(1000000000000, 3)")), ["cut off"])
        self.bad(npy(HEADER.replace(b"(4, 3)", b"(4, 3)" + b"")[:-3] + b"}", b""), ["cut off"])
        self.bad(npy(HEADER.replace(b"(4, 3)", b"(1, 1, 1, 1, 1, 1, 1, 4, 3)")), ["9 axes"])

    def test_types(self):
        for descr in ("|O", "|b1", "<c8", "<U1", "|S4", "<M8[s]", "|V2", "<f16", "<i3", "f4", "<", "=f4", "|f4"):
            self.bad(npy(HEADER.replace(b"<f4", descr.encode())), [f"'{descr}'"])
        for descr, kind in (("|O", "Python objects"), ("|b1", "truth values"), ("<c8", "complex numbers"),
                            ("<U1", "text"), ("|S4", "text"), ("<M8[s]", "dates or times")):
            self.bad(npy(HEADER.replace(b"<f4", descr.encode())), [f"elements of type '{descr}', {kind}, which"])

    def test_big_endian(self):
        self.write("labels.npy", npy(b"{'descr': '>i2', 'fortran_order': False, 'shape': (4,), }",
                                     LABELS.astype(">i2").tobytes()))
        self.close(self.score(npy(HEADER.replace(b"<f4", b">f4"), LOGITS.astype(">f4").tobytes())), MEAN, 1e-6)

    def test_fortran_order(self):
        np.save(self.path("x.npy"), np.asfortranarray(LOGITS))
        self.close(self.loss("--grad", "grad.npy", logits="x.npy")["loss"], MEAN)
        self.save("c.npy", LOGITS)
        self.loss("--grad", "c_grad.npy", logits="c.npy")
        np.testing.assert_array_equal(np.load(self.path("grad.npy")), np.load(self.path("c_grad.npy")))

    def test_files_that_cannot_be_read(self):
        self.save("x.npy", LOGITS)
        for name, says in (("none.npy", "No such file"), ("x.npy/y.npy", "Not a directory"),
                           (".", "is a folder"), ("none.npz:x", "No such file")):
            self.refused(66, "loss", name, "labels.npy", says=[says])
            self.refused(66, "loss", "x.npy", name, says=[says])
            self.refused(66, "loss", "x.npy", "labels.npy", "--class-weight", name, says=[says])
            self.refused(66, "loss", "x.npy", "labels.npy", "--row-weight", name, says=[says])

    def test_pipes(self):
        """A pipe can be read once, but is copied first."""
        os.mkfifo(self.path("pipe"))
        for data, wanted in ((npy(), 0), (npy()[:-1], 65), (b"", 65)):
            writer = subprocess.Popen(["sh", "-c", "cat >pipe"], cwd=self.folder, stdin=subprocess.PIPE)
            reader = subprocess.Popen([XENT, "loss", "pipe", "labels.npy", "-q"], cwd=self.folder,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            writer.communicate(data)
            out, err = reader.communicate(timeout=60)
            self.assertEqual(reader.returncode, wanted, err)
            self.assertEqual(b"0.9058164" in out, wanted == 0)

    def test_standard_input(self):
        for data in (npy(), npy()[:-1]):
            done = subprocess.run([XENT, "loss", "-", "labels.npy", "-q"], cwd=self.folder, input=data,
                                  capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0 if data == npy() else 65)
            self.assertEqual(b"0.9058164" in done.stdout, data == npy())


class Writing(Case):
    def setUp(self):
        super().setUp()
        self.save_batch()
        self.words = ("loss", "logits.npy", "labels.npy", "-q")

    def test_written_files_are_as_numpy_writes_them(self):
        for logits in (LOGITS.astype(np.float32), LOGITS.astype(np.float16), LOGITS):
            self.save("logits.npy", logits)
            self.loss("--grad", "grad.npy", "--row-loss", "rows.npy")
            for name in ("grad.npy", "rows.npy"):
                np.save(self.path("again.npy"), np.load(self.path(name)))
                self.assertEqual(self.read(name), self.read("again.npy"))
        self.save_batch(LOGITS[0], np.int64(1))
        self.loss("--grad", "grad.npy", "--row-loss", "rows.npy")
        self.assertEqual(np.load(self.path("grad.npy")).shape, (3,))
        self.assertEqual(np.load(self.path("rows.npy")).shape, ())

    def test_the_logits_stay_as_they_are(self):
        before = self.read("logits.npy")
        self.loss("--grad", "grad.npy")
        self.assertEqual(self.read("logits.npy"), before)
        self.assertNotEqual(self.read("grad.npy"), before)

    def test_an_older_file_is_replaced(self):
        self.write("grad.npy", b"old")
        self.addCleanup(os.umask, os.umask(0o027))
        self.loss("--grad", "grad.npy")
        self.assertEqual(np.load(self.path("grad.npy")).shape, (4, 3))
        self.assertEqual(os.stat(self.path("grad.npy")).st_mode & 0o777, 0o640)
        self.assertEqual(self.names(), ["grad.npy", "labels.npy", "logits.npy"])

    def test_folders_that_take_no_file(self):
        for name in ("none/grad.npy", "labels.npy/grad.npy", "/proc/grad.npy", "none/"):
            for flag in ("--grad", "--row-loss"):
                self.refused(73, *self.words, flag, name, says=[name])

    def test_what_is_no_regular_file_is_not_replaced(self):
        os.mkdir(self.path("folder.npy"))
        os.symlink("elsewhere.npy", self.path("link.npy"))
        for name in ("folder.npy", "link.npy", "/dev/null", "/dev/full"):
            self.refused(73, *self.words, "--grad", name, says=[name, "not a regular file"])
        self.assertEqual(self.names(), ["folder.npy", "labels.npy", "link.npy", "logits.npy"])

    def test_a_refused_call_writes_nothing(self):
        self.save("labels.npy", LABELS[:2])
        self.write("rows.npy", b"old")
        self.refused(65, *self.words, "--grad", "grad.npy", "--row-loss", "rows.npy")
        self.assertEqual(self.names(), ["labels.npy", "logits.npy", "rows.npy"])
        self.assertEqual(self.read("rows.npy"), b"old")

    def test_a_full_disk(self):
        """A limit on the size of files fails the write in its head, in its data and at its end."""
        self.write("grad.npy", b"old")
        for limit in (0, 100, 128, 200, 223):
            self.refused(74, *self.words, "--grad", "grad.npy", says=["grad.npy", "cannot write", "large"],
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
            self.assertEqual(self.read("grad.npy"), b"old")
            self.assertEqual(self.names(), ["grad.npy", "labels.npy", "logits.npy"])
        code, _, err = self.xent(*self.words, "--grad", "grad.npy", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (224, 224)), stdout=subprocess.DEVNULL)
        self.assertEqual((code, len(self.read("grad.npy"))), (0, 224), err)

    @unittest.skipIf("ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ, "sanitizers need the addresses")
    def test_memory_that_is_not_there(self):
        """Exit code 70: what must be held at once is more than the process may have."""
        limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 27, 1 << 27))}
        self.write("grad.npy", b"old")
        self.loss("--grad", "small.npy", **limit)
        os.remove(self.path("small.npy"))
        for rows, classes, words, says in (
                (1, 1 << 28, (), "logits.npy: not enough memory for 268435456 numbers of 4 bytes at once"),
                (1 << 27, 1, (), "labels.npy: not enough memory for its 134217728 bytes"),
                (1 << 24, 1, ("--reduction", "none"), "labels.npy: not enough memory for 16777216 numbers of 8 bytes")):
            for name, descr, shape, size in (("logits.npy", "<f4", (rows, classes), 4 * rows * classes),
                                             ("labels.npy", "|u1", (rows,), rows)):
                head = npy(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode(), b"")
                self.write(name, head)
                os.truncate(self.path(name), len(head) + size)
            self.refused(70, *self.words, "--grad", "grad.npy", *words, says=[says], **limit)
            self.assertEqual(self.read("grad.npy"), b"old")
            self.assertEqual(self.names(), ["grad.npy", "labels.npy", "logits.npy"])

    def test_killed_while_writing(self):
        """The output is the old file or the whole new one, whenever the process is killed."""
        self.save_batch(np.zeros((40000, 100)), np.zeros(40000, np.uint8))
        whole = 40000 * 100 * 8 + 128
        for _ in range(10):
            self.write("grad.npy", b"old")
            self.kill_once_writing()
            self.assertIn(os.path.getsize(self.path("grad.npy")), (3, whole))

    def kill_once_writing(self):
        """Kills the tool as soon as there is a new file, or the old one changes."""
        before = set(self.names())
        grad = self.path("grad.npy")
        process = subprocess.Popen([XENT, *self.words, "--grad", "grad.npy"], cwd=self.folder,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and before == set(self.names()) and os.path.getsize(grad) == 3:
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def test_results_that_cannot_be_printed(self):
        self.save_batch(np.zeros((9000, 2)), np.zeros(9000, int))
        each = (*self.words, "--reduction", "none")
        for words in (self.words, (*self.words, "--json"), each, (*each, "--json"), ("info",), ("--version",),
                      ("help",)):
            with open("/dev/full", "w", encoding="utf-8") as full:
                code, _, err = self.xent(*words, stdout=full)
            self.assertEqual(code, 74)
            self.assertIn("xent: stdout: cannot write the result", err)
        with open("/dev/full", "w", encoding="utf-8") as full:
            self.assertIn("No space left on device", self.xent("info", stdout=full)[2])
