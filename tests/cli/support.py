# SPDX-License-Identifier: MIT
"""What the tests of the command-line tool share: running it, and the formula in NumPy."""
import json
import os
import resource
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would hand on that it is ignored
XENT = os.path.abspath(os.environ["XENT_CLI"])

# The four rows and three classes of examples/alignment.c.
LOGITS = np.array([[1.2, 0.8, -0.5], [-0.2, 1.5, 0.1], [0.9, -0.7, 1.1], [-1.0, 0.3, -0.1]])
LABELS = np.array([0, 1, 2, 0])
MEAN = 0.9058164747667916
SAFE_TYPES = {"f4": "F32", "f8": "F64", "f2": "F16", "i8": "I64", "u1": "U8"}
SHORT = "XENT_SHORT" in os.environ  # as under a sanitizer, which is slower
DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/digits")


class Case(unittest.TestCase):
    """A test in a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def save(self, name, values):
        np.save(self.path(name), values)
        return name

    def save_batch(self, logits=LOGITS, labels=LABELS):
        return self.save("logits.npy", logits), self.save("labels.npy", labels)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return name

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def save_tensors(self, name, tensors, **metadata):
        """A .safetensors file, written here because NumPy alone is needed."""
        head, data = {"__metadata__": metadata} if metadata else {}, b""
        for key, values in tensors.items():
            raw = np.ascontiguousarray(values).tobytes()
            head[key] = {"dtype": SAFE_TYPES[values.dtype.str[1:]], "shape": list(values.shape),
                         "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
        text = json.dumps(head).encode()
        return self.write(name, struct.pack("<Q", len(text)) + text + data)

    def load_tensors(self, name):
        """The tensors by name and the metadata of a .safetensors file, which must be valid."""
        data = self.read(name)
        size, = struct.unpack("<Q", data[:8])
        head, elements = json.loads(data[8:8 + size]), data[8 + size:]
        metadata, tensors, end = head.pop("__metadata__", {}), {}, 0
        for key, entry in sorted(head.items(), key=lambda item: item[1]["data_offsets"]):
            begin, last = entry["data_offsets"]
            self.assertEqual(begin, end)
            dtype = next(code for code, kind in SAFE_TYPES.items() if kind == entry["dtype"])
            tensors[key] = np.frombuffer(elements[begin:last], "<" + dtype).reshape(entry["shape"])
            end = last
        self.assertEqual(end, len(elements))
        return tensors, metadata

    def names(self):
        return sorted(os.listdir(self.folder))

    def limited(self, size):
        """A setting under which no file grows beyond so many bytes, as on a full disk."""
        return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}

    def xent(self, *words, program=XENT, **settings):
        """Runs the tool inside the folder; returns exit code, stdout, stderr."""
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.folder,
                    "stdin": subprocess.DEVNULL, **settings}
        done = subprocess.run([program, *map(str, words)], text=True, timeout=300, **settings)
        return done.returncode, done.stdout, done.stderr

    def loss(self, *words, logits="logits.npy", labels="labels.npy", **settings):
        """`xent loss --json` of the batch, which must succeed in silence."""
        code, out, err = self.xent("loss", logits, labels, *words, "--json", "-q", **settings)
        self.assertEqual((code, err), (0, ""))
        return json.loads(out)

    def refused(self, code, *words, says=(), **settings):
        """The tool must exit with code, print nothing to stdout, and say certain words; returns stderr."""
        got, out, err = self.xent(*words, **settings)
        self.assertEqual((got, out), (code, ""), err)
        self.assertTrue(err.startswith("xent: "), err)
        self.assertNotIn("options.", err)
        self.assertNotIn("XENT_", err)
        for part in says:
            self.assertIn(part, err)
        return err

    def type_the_fix(self, err, again=False):
        """Types what the error's `try:` line says into a shell; returns exit code, stdout, stderr. What earlier
        fixes made is removed first, unless this one comes on top of them."""
        for name in os.listdir(self.folder):
            if name.endswith(".fixed.npy") and not again:
                os.remove(self.path(name))
        line = next(line for line in err.splitlines() if line.startswith("try: "))
        self.wrap("xent", XENT)
        self.wrap("python3", sys.executable)
        done = subprocess.run(line[len("try: "):], shell=True, cwd=self.folder, text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "PATH": self.folder + ":" + os.environ["PATH"]})
        return done.returncode, done.stdout, done.stderr

    def wrap(self, name, program):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec "{program}" "$@"\n')
        os.chmod(self.path(name), stat.S_IRWXU)

    def close(self, value, wanted, tolerance=1e-12):
        np.testing.assert_allclose(value, wanted, rtol=tolerance, atol=tolerance)


def formula(logits, labels, ignore=(), class_weight=None, row_weight=None, smoothing=0.0, z_loss=0.0,
            softcap=0.0, scale=1.0):
    """Losses, gradient of their sum, weights and what counts, for logits [rows, classes], as the header
    defines them. Labels outside [0, classes) are left out."""
    x = logits.astype(np.float64)
    rows, classes = x.shape
    counted = (labels >= 0) & (labels < classes) & ~np.isin(labels, list(ignore))
    y = np.where(counted, labels, 0).astype(np.int64)
    k = np.ones(classes) if class_weight is None else class_weight.astype(np.float64)
    w = np.ones(rows) if row_weight is None else row_weight.astype(np.float64)
    z, slope = scale * x, np.full(x.shape, scale)
    if softcap:
        z = softcap * np.tanh(z / softcap)
        slope *= 1 - (z / softcap) ** 2
    top = z.max(axis=1, keepdims=True)
    lse = top[:, 0] + np.log(np.exp(z - top).sum(axis=1))
    nll = lse[:, None] - z
    hot = np.arange(classes) == y[:, None]
    true, spread = (1 - smoothing) * k[y], smoothing / classes
    loss = w * (true * nll[hot] + spread * (k * nll).sum(axis=1) + z_loss * lse ** 2)
    share = true + spread * k.sum() + 2 * z_loss * lse
    grad = w[:, None] * slope * (share[:, None] * np.exp(-nll) - true[:, None] * hot - spread * k)
    return (np.where(counted, loss, 0), np.where(counted[:, None], grad, 0),
            np.where(counted, w * k[y], 0), counted)
