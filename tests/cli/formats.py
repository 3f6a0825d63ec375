#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every file format, in files that other libraries wrote, against the same numbers in plain .npy files:
XENT_CLI=path/to/xent python3 formats.py

Needs the packages of requirements.txt; tests/venv.sh installs them.
"""
import gzip
import importlib.util
import io
import itertools
import json
import os
import random
import resource
import struct
import subprocess
import sys
import unittest
import warnings
import zipfile

try:
    import ml_dtypes
    import numpy as np
    import safetensors
    import safetensors.numpy
    BUNDLE = os.path.join(os.path.dirname(importlib.util.find_spec("sklearn").origin), "datasets", "data")
except (ImportError, AttributeError):
    print("needs the packages of tests/cli/requirements.txt")
    sys.exit(77)

from support import LABELS, LOGITS, SHORT, XENT, Case

FLOATS = (np.float16, np.float32, np.float64)
WHOLES = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
SHORT_NAMES = {"float16": "f16", "float32": "f32", "float64": "f64", "bfloat16": "bf16"}
FASHION = "/usr/share/datasets/fashion-mnist"
WILD = np.array([[1e-300, -1.5, np.inf], [-np.inf, 2 / 3, 1e15], [np.nan, 0.1, -0.0], [5e-324, 1.7e308, 3]])


class Formats(Case):
    """Files are equal if `xent loss` says the same of them, to the last of 17 digits."""

    def facts(self, logits, labels, *words):
        found = self.loss(*words, logits=logits, labels=labels)
        del found["seconds"]
        return found

    def save_plain(self, logits, labels):
        self.save("plain_logits.npy", np.ascontiguousarray(logits))
        self.save("plain_labels.npy", np.ascontiguousarray(labels))

    def same_logits(self, word, values, *words):
        """The file has these logits: losses of every row, for each label in turn."""
        for label in range(values.shape[-1]):
            self.save_plain(values, np.full(values.shape[:-1], label))
            self.assertEqual(self.facts(word, "plain_labels.npy", "--reduction", "none", *words),
                             self.facts("plain_logits.npy", "plain_labels.npy", "--reduction", "none"))

    def same_labels(self, word, values, *words):
        """The file has these labels: each row has a loss of its own for each label."""
        classes = int(values.max()) + 1
        logits = np.random.RandomState(1).standard_normal(values.shape + (classes,))
        self.save_plain(logits, values)
        self.assertEqual(self.facts("plain_logits.npy", word, "--reduction", "none", *words),
                         self.facts("plain_logits.npy", "plain_labels.npy", "--reduction", "none"))

    def bad(self, word, says, labels="labels.npy"):
        self.save("labels.npy", LABELS)
        return self.refused(65, "loss", word, labels, says=[word.split(":")[0], *says])


class Npy(Formats):
    def test_every_type_order_and_byte_order(self):
        for kind, order, first in itertools.product(FLOATS, "<>", "CF"):
            values = np.array(LOGITS, dtype=np.dtype(kind).newbyteorder(order), order=first)
            np.save(self.path("x.npy"), values)
            self.same_logits("x.npy", values.astype(kind))
        for kind, order, first in itertools.product(WHOLES, "<>", "CF"):
            values = np.array([[0, 1, 2], [2, 2, 0]], dtype=np.dtype(kind).newbyteorder(order), order=first)
            np.save(self.path("x.npy"), values)
            self.same_labels("x.npy", values.astype(kind))

    def test_cubes(self):
        values = np.random.RandomState(3).standard_normal((3, 4, 5))
        for order in (np.asfortranarray(values), values.astype(">f8"), np.asfortranarray(values.astype(">f8"))):
            np.save(self.path("x.npy"), order)
            self.same_logits("x.npy", values)

    def test_versions(self):
        for version in ((1, 0), (2, 0), (3, 0)):
            with open(self.path("x.npy"), "wb") as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                np.lib.format.write_array(file, LOGITS, version)
            self.same_logits("x.npy", LOGITS)

    def test_bfloat16(self):
        values = LOGITS.astype(ml_dtypes.bfloat16)
        np.save(self.path("x.npy"), values)
        self.same_logits("x.npy", values)
        found = self.loss("--grad", "grad.npy", logits="x.npy", labels="plain_labels.npy")
        self.save("wide.npy", values.astype(np.float32))
        self.close(found["loss"], self.loss(logits="wide.npy", labels="plain_labels.npy")["loss"], 1e-6)
        self.assertEqual(np.load(self.path("grad.npy")).view(ml_dtypes.bfloat16).shape, (4, 3))
        for kind in (np.uint16, np.int16, np.float16):
            for order in "<>":
                np.save(self.path("bits.npy"), values.view(kind).astype(np.dtype(kind).newbyteorder(order)))
                self.same_logits("bits.npy", values, "--dtype", "bf16")
        np.save(self.path("order.npy"), np.asfortranarray(values.view(np.uint16)))
        self.same_logits("order.npy", values, "--dtype", "bfloat16")

    def test_a_type_that_the_file_does_not_have(self):
        self.save_batch()
        for flag, kind in (("--dtype", "f32"), ("--dtype", "bf16"), ("--labels-dtype", "u64"),
                           ("--labels-dtype", "float64")):
            self.refused(65, "loss", "logits.npy", "labels.npy", flag, kind, says=["64, which is not taken for"])
        self.loss("--dtype", "float64", "--labels-dtype", "i64")

    def test_types_that_can_be_converted(self):
        np.save(self.path("x.npy"), LOGITS.astype(np.longdouble))
        err = self.bad("x.npy", ["'<f16'"])
        self.assertEqual(self.type_the_fix(err)[0], 0)
        self.same_logits("x.fixed.npy", LOGITS)
        np.save(self.path("y.npy"), LABELS == 1)
        err = self.refused(65, "loss", "x.fixed.npy", "y.npy", says=["'|b1'", "truth values"])
        code, out, rest = self.type_the_fix(err, again=True)
        self.assertEqual(code, 0, rest)
        self.same_labels("y.fixed.npy", (LABELS == 1).astype(int))


class Npz(Formats):
    def test_stored_and_deflated(self):
        ways = list(itertools.product((np.savez, np.savez_compressed), "<>"))
        for write, order in ways[1:3] if SHORT else ways:
            for kind in FLOATS:
                write(self.path("x.npz"), a=np.asfortranarray(LOGITS.astype(np.dtype(kind).newbyteorder(order))),
                      b=LABELS)
                self.same_logits("x.npz:a", LOGITS.astype(kind))
                self.same_logits("x.npz:a.npy", LOGITS.astype(kind))
            for kind in WHOLES:
                write(self.path("x.npz"), LABELS.astype(np.dtype(kind).newbyteorder(order)))
                self.same_labels("x.npz", LABELS.astype(kind))
                self.same_labels("x.npz:arr_0", LABELS.astype(kind))

    def test_large_members(self):
        values = np.random.RandomState(2).standard_normal((5000, 40)).astype(np.float32)
        values[:2000] = 0
        for write in (np.savez, np.savez_compressed):
            write(self.path("x.npz"), zeros=np.zeros(10**6), v=values)
            self.save_plain(values, np.zeros(5000, int))
            self.assertEqual(self.facts("x.npz:v", "plain_labels.npy"),
                             self.facts("plain_logits.npy", "plain_labels.npy"))

    def test_bfloat16(self):
        values = LOGITS.astype(ml_dtypes.bfloat16)
        np.savez_compressed(self.path("x.npz"), values)
        self.same_logits("x.npz", values)

    def test_a_choice_is_asked_for(self):
        np.savez(self.path("x.npz"), a=LOGITS, b=LABELS)
        for word in ("x.npz", "x.npz:c", "x.npz:a.npy.npy", "x.npz:A"):
            err = self.bad(word, ["a, b"])
            self.assertIn("try: xent loss x.npz:a labels.npy\n", err)
            self.assertEqual(self.type_the_fix(err)[0], 0)
        names = {f"layer {i}": LABELS for i in range(25)}
        np.savez(self.path("x.npz"), **names)
        err = self.bad("x.npz", ["layer 0, layer 1", "layer 9 and 15 more"])
        self.assertIn("try: xent loss 'x.npz:layer 0' labels.npy\n", err)

    def test_names(self):
        for name in ("a:b", "a/b", "ü", "a b", "x.npy", "it's"):
            np.savez(self.path("x.npz"), **{name: LOGITS, "other": LABELS})
            self.same_logits("x.npz:" + name, LOGITS)
        np.savez(self.path("x.npz"), **{"\033[31m": LABELS, "two": LABELS})
        err = self.bad("x.npz", ["two and 1 more"])
        self.assertNotIn("\033", err)
        self.write("y.npz:a", b"0\n1\n2\n0\n")
        self.same_labels("y.npz:a", LABELS)

    def archive(self, members, method=zipfile.ZIP_STORED):
        with warnings.catch_warnings(), zipfile.ZipFile(self.path("x.npz"), "w", method) as packed:
            warnings.simplefilter("ignore")
            for name, data in members:
                packed.writestr(name, data)

    def test_a_file_of_torch_save(self):
        self.archive([("batch/data.pkl", b"\x80\x02."), ("batch/data/0", LOGITS.tobytes()), ("batch/version", b"3\n")])
        err = self.bad("x.npz", ["PyTorch", "torch.save", "numpy.save", "safetensors"])
        self.assertNotIn("try:", err)

    def test_what_is_not_numpy(self):
        self.archive([("x/", b""), ("x/y.csv", b"0\n1\n2\n0\n")])
        self.same_labels("x.npz:x/y.csv", LABELS)
        self.same_labels("x.npz", LABELS)
        self.archive([])
        self.bad("x.npz", ["holds no array"])
        self.archive([("a", b"1\n"), ("a", b"2\n")])
        self.bad("x.npz:a", ["exists"])
        self.archive([("a", b"1\n"), ("a.npy", b"2\n")])
        self.bad("x.npz:a", ["more than one"])
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            self.archive([("a", b"0\n1\n2\n0\n")], method)
            self.bad("x.npz", [f"method {method}", "savez"])
        self.archive([("a", gzip.compress(b"0\n"))])
        self.bad("x.npz", ["gzip file inside"])

    def test_damage(self):
        np.savez(self.path("good.npz"), LOGITS)
        good = self.read("good.npz")
        at = good.index(LOGITS.tobytes())
        for data, says in ((good[:at] + b"X" + good[at + 1:], "CRC"), (good[:-1], "zip archive"),
                           (good[:100], "zip archive"), (good[:at] + good[at + 96:], "zip archive")):
            self.write("x.npz", data)
            self.bad("x.npz", [says])
        self.write("x.npz", self.claim(good, 8, 6, b"\1\0"))
        self.bad("x.npz", ["encrypted"])
        self.write("x.npz", self.claim(good, 24, 22, struct.pack("<I", 500)))
        self.bad("x.npz", ["damaged"])

    @staticmethod
    def claim(data, at, local_at, change):
        """An archive with a field of its only member changed, in both of its headers."""
        directory = data.rindex(b"PK\1\2")
        changed = bytearray(data)
        changed[directory + at:directory + at + len(change)] = change
        changed[local_at:local_at + len(change)] = change
        return bytes(changed)

    def test_a_claim_beyond_what_deflate_can(self):
        self.archive([("a", b"0\n" * 100)], zipfile.ZIP_DEFLATED)
        self.write("x.npz", self.claim(self.read("x.npz"), 24, 22, struct.pack("<I", 2**31)))
        self.bad("x.npz", ["claims 2147483648 bytes", "damaged"])
        self.archive([("a", b"0\n" * 100)], zipfile.ZIP_DEFLATED)
        for size in (199, 201, 1, 0):
            self.write("y.npz", self.claim(self.read("x.npz"), 24, 22, struct.pack("<I", size)))
            self.bad("y.npz", ["damaged"])

    def test_archives_written_otherwise(self):
        """To a pipe, where sizes follow the data; with a comment; with the fields for large files."""
        class Pipe(io.BytesIO):
            def seekable(self):
                return False

            def tell(self):
                raise OSError

        for comment, large, method in itertools.product((b"", b"of the archive"), (False, True), (0, 8)):
            pipe = Pipe()
            with zipfile.ZipFile(pipe, "w", method) as packed:
                packed.comment = comment
                with packed.open("a.npy", "w", force_zip64=large) as file:
                    np.lib.format.write_array(file, LOGITS)
            self.write("x.npz", pipe.getvalue())
            self.same_logits("x.npz:a", LOGITS)

    def test_the_fix_of_a_member_can_be_typed(self):
        np.savez(self.path("x.npz"), a=LABELS.astype(float), b=LOGITS)
        err = self.refused(65, "loss", "x.npz:b", "x.npz:a", says=["x.npz:a", "integer type"])
        self.assertIn("0.905816475", self.type_the_fix(err)[1])
        np.savez(self.path("y.npz"), LABELS + 1)
        err = self.refused(65, "loss", "x.npz:b", "y.npz", says=["count from 1"])
        self.assertIn("0.905816475", self.type_the_fix(err)[1])


class Safetensors(Formats):
    def save_tensors(self, tensors, metadata=None):
        safetensors.numpy.save_file(tensors, self.path("x.safetensors"), metadata)

    def write_tensors(self, header, data=b"", pad=0):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        self.write("x.safetensors", struct.pack("<Q", len(text) + pad) + text + b" " * pad + data)

    def test_every_type(self):
        for kind in FLOATS + (ml_dtypes.bfloat16,):
            values = LOGITS.astype(kind)
            self.save_tensors({"a": values})
            self.same_logits("x.safetensors", values)
            self.save_tensors({"a": LABELS, "b": values, "c": LOGITS}, {"by": "me", "of": "it"})
            self.same_logits("x.safetensors:b", values)
        for kind in WHOLES:
            self.save_tensors({"one": LABELS.astype(kind), "two": np.zeros((0, 5))})
            self.same_labels("x.safetensors:one", LABELS.astype(kind))

    def test_models(self):
        """What `xent train` writes the library reads, and the other way round."""
        features = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
        labels = np.where(features[:, 0] > features[:, 1], 7, 3)
        np.save(self.path("x.npy"), features)
        np.save(self.path("y.npy"), labels)
        for words, names in (((), {"weight", "bias"}), (("--standardize",), {"weight", "bias", "mean", "scale"})):
            self.assertEqual(self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", "--l2", "0.01", "-q", *words)[0], 0)
            with safetensors.safe_open(self.path("m.safetensors"), "np") as model:
                self.assertEqual(set(model.keys()), names)
                self.assertEqual(json.loads(model.metadata()["classes"]), [3, 7])
                tensors = {name: model.get_tensor(name) for name in names}
            said = self.xent("predict", "m.safetensors", "x.npy")[1]
            self.assertGreater((np.array(said.split(), int) == labels).mean(), 0.9)
            self.save_tensors(tensors, {"classes": "[3, 7]"})
            self.assertEqual(self.xent("predict", "x.safetensors", "x.npy")[1], said)
        half = {name: tensors[name].astype(ml_dtypes.bfloat16) for name in ("weight", "bias")}
        for name, values in (("m.safetensors", half), ("x.safetensors", {key: half[key].astype(np.float32) for key in half})):
            safetensors.numpy.save_file(values, self.path(name))
            self.xent("predict", name, "x.npy", "--logits", "-o", name + ".npy")
        self.assertEqual(self.read("m.safetensors.npy"), self.read("x.safetensors.npy"))

    def test_a_choice_is_asked_for(self):
        self.save_tensors({"model.head": LOGITS, "y": LABELS})
        for word in ("x.safetensors", "x.safetensors:head", "x.safetensors:y.npy"):
            err = self.bad(word, ["model.head", "y"])
            self.assertIn("try: xent loss x.safetensors:", err)
        self.same_logits("x.safetensors:model.head", LOGITS)
        self.refused(65, "loss", "x.safetensors:model.head", "x.safetensors", says=["try: xent loss x.safeten"])

    def test_headers_that_the_library_refuses(self):
        """Whatever the library refuses is refused; what it takes is read, but for tensors of foreign types."""
        good = {"dtype": "F64", "shape": [4, 3], "data_offsets": [0, 96]}
        data = LOGITS.tobytes()
        text = json.dumps({"a": good}).encode()
        more = {"dtype": "U8", "shape": [4], "data_offsets": [96, 100]}
        wrong = [
            {"a": {**good, "data_offsets": [0, 95]}}, {"a": {**good, "data_offsets": [96, 0]}},
            {"a": {**good, "data_offsets": [1, 97]}}, {"a": {**good, "data_offsets": [0, 96, 96]}},
            {"a": {**good, "data_offsets": [0.0, 96]}}, {"a": {**good, "data_offsets": [-96, 0]}},
            {"a": {**good, "shape": [4, 4]}}, {"a": {**good, "shape": [-4, -3]}},
            {"a": {**good, "shape": 12}}, {"a": {**good, "shape": [2**62, 2**62]}},
            {"a": {**good, "shape": [0, 2**62, 2**62]}}, {"a": {**good, "dtype": "F65"}},
            {"a": {**good, "dtype": 64}}, {"a": {**good, "dtype": "f64"}},
            {"a": {"dtype": "F64", "shape": [4, 3]}}, {"a": good, "b": good}, {"a": good, "b": 7},
            {"a": good, "__metadata__": {"n": 1}}, {"a": good, "__metadata__": []},
            {"a": {**good, "shape": [3, 3], "data_offsets": [0, 72]},
             "b": {**good, "shape": [2], "data_offsets": [80, 96]}},
            {}, [], "text", text[:-1], text + b"}", text + b"\0", text.replace(b'"a"', b'"\xff"'),
            text[:-1] + b', "a": ' + json.dumps(more).encode() + b"}", b'{"a":1' + text[5:]]
        for header in wrong:
            self.write_tensors(header, data)
            with self.assertRaises(Exception, msg=header):
                safetensors.numpy.load(self.read("x.safetensors"))
            self.bad("x.safetensors", [])
        for header, rest in (({"a": good}, b"x"), ({"a": good, "b": more}, b"")):
            self.write_tensors(header, data + rest)
            self.bad("x.safetensors", ["end"])
        self.write_tensors(b" " + text, data)
        self.bad("x.safetensors", ["no known format"])
        for length in (0, 1, len(text) - 1, len(text) + 97, 10**8 + 1, 2**63, 2**64 - 1):
            self.write("x.safetensors", struct.pack("<Q", length) + text + data)
            self.bad("x.safetensors", [])
        self.write_tensors({"a": good}, data, pad=11)
        self.same_logits("x.safetensors", LOGITS)

    def test_other_types_beside(self):
        """Types that the library knows and xent cannot read do no harm to others."""
        sizes = {"BOOL": 8, "C64": 64, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6,
                 "F6_E3M2": 6, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8}
        for name, bits in sizes.items():
            size = 4 * bits // 8
            self.write_tensors({"b": {"dtype": name, "shape": [4], "data_offsets": [96, 96 + size]},
                                "a": {"dtype": "F64", "shape": [4, 3], "data_offsets": [0, 96]}},
                               LOGITS.tobytes() + bytes(size))
            self.same_logits("x.safetensors:a", LOGITS)
            self.bad("x.safetensors:b", [f"holds {name}"])
        self.write_tensors({"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}}, b"x")
        self.bad("x.safetensors", ["differ in size"])


class Text(Formats):
    def test_what_numpy_writes(self):
        for settings in ({}, {"delimiter": ","}, {"delimiter": "\t"}, {"delimiter": ";", "fmt": "%.17g"},
                         {"delimiter": ", ", "newline": "\r\n"}, {"header": "a b\nc"}, {"fmt": "%30s"},
                         {"header": "a,b", "comments": "", "delimiter": ","}, {"fmt": '"%s"', "delimiter": ";"}):
            np.savetxt(self.path("x"), WILD, **settings)
            self.same_logits("x", WILD)
        for kind in WHOLES:
            np.savetxt(self.path("x"), LABELS.astype(kind), fmt="%d")
            self.same_labels("x", LABELS)

    def test_every_digit_survives(self):
        values = np.random.RandomState(5).uniform(-1, 1, (300, 7)) * 10.0 ** np.arange(-3, 4)
        self.write("x.csv", "\n".join(",".join(map(repr, row)) for row in values.tolist()).encode())
        self.same_logits("x.csv", values)

    def test_layouts(self):
        for text in ("0\n1\n2\n0", "0\r\n1\r\n2\r\n0\r\n", "\ufeff0\n1\n2\n0\n", "label\n0\n1\n2\n0\n",
                     '"the label"\n"0"\n"1"\n"2"\n"0"\n', "# one\n# two\nlabel\n+0\n01\n 2 \n-0\n\n\n", "0\n1\n2\n0\r"):
            self.write("x.csv", text.encode())
            self.same_labels("x.csv", LABELS)
        for text in ("1,0\n-2,.5\n", "1;0\n-2;.5", "1\t0\n-2\t.5", "1 0\n-2 .5", "  1   0.\n -2\t5e-1 \n",
                     'a,b\n"1","0"\n"-2","0.5"\n', "a, b c\n1 , 0\n-2,+.5E+0\n", "ä;b\n1;0\n-2;0.5"):
            self.write("x.csv", text.encode())
            self.same_logits("x.csv", np.array([[1, 0], [-2, 0.5]]))
        for text in ("nan\tINF\n-Infinity\t-NaN\n", "NAN,inf\n-INF,nan\n"):
            self.write("x.csv", text.encode())
            self.same_logits("x.csv", np.array([[np.nan, np.inf], [-np.inf, np.nan]]))

    def test_types(self):
        self.save("l.npy", np.zeros((2, 3)))
        self.write("y.csv", b"18446744073709551615\n1\n")
        self.refused(65, "loss", "l.npy", "y.csv", says=["18446744073709551615"])
        self.assertEqual(self.loss("--on-bad-label", "ignore", logits="l.npy", labels="y.csv")["first_bad_label"],
                         "18446744073709551615")
        self.write("y.csv", b"-9223372036854775808\n1\n")
        self.assertEqual(self.loss("--ignore", -2**63, logits="l.npy", labels="y.csv")["ignored"], 1)
        self.write("y.csv", b"0\n1.0\n")
        self.refused(65, "loss", "l.npy", "y.csv", says=["float64", "whole"])
        self.write("w.csv", b"1\n2\n3\n")
        self.write("y.csv", b"0\n1\n")
        self.loss("--class-weight", "w.csv", logits="l.npy", labels="y.csv")

    def test_what_is_wrong(self):
        long = b"1" * 1000
        for text, says in ((b"1,2\n3\n", ["line 2 has 1 column,", "2"]), (b"1,2\n3,4,5\n", ["line 2 has 3"]),
                           (b"1\n\n2\n", ["line 2 is empty"]), (b"1\n  \t\n2\n", ["line 2 is empty"]),
                           (b"1,2\n3,x\n", ["line 2, column 2", "'x'"]), (b"1,,2\n", ["line 1, column 2", "empty"]),
                           (b"1;2,5\n", ["line 1, column 2", "'2,5'", "decimal point"]),
                           (b"a\nb\n", ["line 2, column 1", "'b'"]), (b"label\n", ["none of its lines"]),
                           (b"# 1\n", ["none of its lines"]), (b",a\n0,1\n", ["line 1", "pandas", "index=False"]),
                           (b",0,1\n0,1,2\n", ["line 1, column 1", "empty"]), (b"1\n0x10\n", ["'0x10'"]),
                           (b"1\n1e\n", ["'1e'"]), (b"1\n.\n", ["'.'"]), (b"1\n1_0\n", ["'1_0'"]),
                           (b"1\n\"2\n", ["line 2"]), (b"1\n" * 300 + b"2\0\n", ["line 301", "'2?'"]), (b"1\n" * 300 + b"\x1b[2J\n", ["'?[2J'"]),
                           (b"1\n2\0\n", ["no known format"]),
                           (b"1.5\n1e999\n", ["line 2", "1e999", "float64"]), (b"1\n" + long, ["line 2", "1" * 40 + "'"]),
                           (b"1\r2\r3", ["line 1"]), (b"1\n-\n", ["'-'"]), (b"1 2\n3 4 5\n", ["line 2"])):
            self.write("x.csv", text)
            self.bad("x.csv", says)
        self.save("l.npy", np.zeros((2, 3)))
        for text, says in ((b"1\n18446744073709551616\n", ["line 2", "64 bits"]),
                           (b"-1\n18446744073709551615\n", ["line 2", "below 0"])):
            self.write("y.csv", text)
            self.refused(65, "loss", "l.npy", "y.csv", says=["y.csv", *says])

    def test_the_locale_changes_nothing(self):
        self.write("x.csv", b"1.5,2\n0.25,-3\n")
        self.write("y.csv", b"0\n1\n")
        results = {self.xent("loss", "x.csv", "y.csv", "--reduction", "none", env={"LC_ALL": name})
                   for name in ("C", "de_DE.UTF-8", "C.UTF-8")}
        self.assertEqual(len(results), 1)
        self.assertEqual(results.pop()[0], 0)

    def test_swapped(self):
        self.write("x.csv", b"1.5,2\n0.25,-3\n")
        self.write("y.csv", b"0\n1\n")
        err = self.refused(65, "loss", "y.csv", "x.csv", says=["look swapped"])
        self.assertEqual(self.type_the_fix(err)[0], 0)

    def test_what_scikit_learn_brings(self):
        """iris, wine, digits and others: the numbers that NumPy reads."""
        for name, settings in {"iris.csv": {"skiprows": 1}, "wine_data.csv": {"skiprows": 1},
                               "breast_cancer.csv": {"skiprows": 1}, "digits.csv.gz": {}, "linnerud_exercise.csv":
                               {"skiprows": 1, "delimiter": None}, "diabetes_data_raw.csv.gz": {"delimiter": None}}.items():
            path = os.path.join(BUNDLE, name)
            values = np.loadtxt(path, **{"delimiter": ",", **settings})
            self.save_plain(values, np.zeros(len(values), int))
            self.assertEqual(self.facts(path, "plain_labels.npy", "--reduction", "none"),
                             self.facts("plain_logits.npy", "plain_labels.npy", "--reduction", "none"), name)
            labels = values[:, -1]
            if (labels % 1 == 0).all() and labels.max() < 1000:
                np.savetxt(self.path("y.txt"), labels, fmt="%d")
                self.same_labels("y.txt", labels.astype(int))


class IdxAndGzip(Formats):
    KINDS = {0x08: "u1", 0x09: "i1", 0x0b: ">i2", 0x0c: ">i4", 0x0d: ">f4", 0x0e: ">f8"}

    def idx(self, kind, values):
        return struct.pack(f">BBBB{values.ndim}I", 0, 0, kind, values.ndim, *values.shape) + \
            values.astype(self.KINDS[kind]).tobytes()

    def test_idx(self):
        for kind, code in self.KINDS.items():
            for pack in (bytes, gzip.compress):
                if ">f" in code:
                    self.write("x", pack(self.idx(kind, LOGITS)))
                    self.same_logits("x", LOGITS.astype(code).astype(code[1:]))
                else:
                    self.write("x", pack(self.idx(kind, LABELS.reshape(2, 2))))
                    self.same_labels("x", LABELS.reshape(2, 2))
        good = self.idx(0x0d, LOGITS)
        for data, says in ((good[:9], "inside its header"), (good[:-1], "cut off"), (good + b"x", "longer")):
            self.write("x", data)
            self.bad("x", [says])
        self.write("x", good[:4] + b"\xff" * 8 + good[12:])
        self.bad("x", ["claims the shape"])

    @unittest.skipUnless(os.path.isdir(FASHION), "needs the Debian package dataset-fashion-mnist")
    def test_fashion_mnist(self):
        path = os.path.join(FASHION, "train-labels-idx1-ubyte.gz")
        with gzip.open(path) as file:
            labels = np.frombuffer(file.read()[8:], np.uint8)
        self.assertEqual(labels.shape, (60000,))
        self.same_labels(path, labels)

    def test_gzip_of_anything(self):
        np.save(self.path("l.npy"), LOGITS)
        np.savetxt(self.path("l.csv"), LOGITS, delimiter=",")
        safetensors.numpy.save_file({"a": LOGITS, "b": LABELS}, self.path("l.st"))
        for name, member in (("l.npy", ""), ("l.csv", ""), ("l.st", ":a")):
            subprocess.run(["gzip", "-k", self.path(name)], check=True)
            self.same_logits(name + ".gz" + member, LOGITS)
        halves = gzip.compress(self.read("l.csv")[:50]) + gzip.compress(self.read("l.csv")[50:])
        for end in (b"", bytes(1), bytes(1000)):
            self.write("x", halves + end)
            self.same_logits("x", LOGITS)

    def test_damage(self):
        file = io.BytesIO()
        np.save(file, np.random.RandomState(4).standard_normal((300, 300)))
        good = gzip.compress(file.getvalue())
        for data, says in ((good[:-1], "cut off"), (good[:100], "cut off"), (good[:2], "cut off"),
                           (good[:-8] + b"XXXX" + good[-4:], "data check"), (good[:-4] + b"XXXX", "length check"),
                           (good[:5000] + b"XXXXXXXXXX" + good[5010:], "damaged"), (good + b"xx", "damaged"), (good + b"x", "cut off"),
                           (good[:2] + b"\7" + good[3:], "damaged"), (gzip.compress(good), "gzip file inside"),
                           (gzip.compress(b""), "is empty")):
            self.write("x", data)
            self.bad("x", [says])

    def test_much_out_of_little(self):
        """A gigabyte of zeros in a megabyte needs no memory, and leaves nothing in the folder for temporary files."""
        self.write("x", gzip.compress(bytes(1 << 24)) * 4)
        os.mkdir(self.path("tmp"))
        limit = {"env": {"TMPDIR": self.path("tmp")}}
        if "ASAN_OPTIONS" not in os.environ:
            limit["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        self.save("labels.npy", LABELS)
        self.refused(65, "loss", "x", "labels.npy", says=["no known format"], **limit)
        self.assertEqual(os.listdir(self.path("tmp")), [])

    def test_no_room_for_temporary_files(self):
        self.write("x", gzip.compress(b"0\n"))
        self.save("logits.npy", LOGITS[:1])
        self.refused(73, "loss", "logits.npy", "x", says=["TMPDIR"], env={"TMPDIR": "/none"})
        self.refused(74, "loss", "logits.npy", "x", says=["TMPDIR"],
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))


class Raw(Formats):
    def test_every_type(self):
        for kind, order, offset in itertools.product(FLOATS, "<>", (0, 7)):
            values = LOGITS.astype(np.dtype(kind).newbyteorder(order))
            self.write("x", bytes(offset) + values.tobytes())
            for name in (np.dtype(kind).name, SHORT_NAMES[np.dtype(kind).name]):
                self.same_logits("x", LOGITS.astype(kind), "--dtype", order + name, "--shape", "4,3", "--offset", offset)
        for kind, order in itertools.product(WHOLES, "<>"):
            self.write("x", b"head" + LABELS.astype(np.dtype(kind).newbyteorder(order)).tobytes())
            self.same_labels("x", LABELS, "--labels-dtype", order + np.dtype(kind).name, "--labels-shape", "4",
                             "--labels-offset", 4)
        values = LOGITS.astype(ml_dtypes.bfloat16)
        self.write("x", values.tobytes())
        self.same_logits("x", values, "--dtype=bf16", "--shape=4,3")

    def test_what_does_not_fit(self):
        self.save("labels.npy", LABELS)
        self.write("x", LOGITS.tobytes())
        for words, says in ((("f64", "4,4"), "the shape, the type or the file is wrong"), (("f64", "4,2"), "the shape"), (("f32", "4,3"), "the type"),
                            (("f64", "9223372036854775807,9"), "claims"), (("f64", "4,3", "--offset", "1"), "the offset"),
                            (("f64", "4,3", "--offset", "97"), "offset")):
            self.refused(65, "loss", "x", "labels.npy", "--dtype", words[0], "--shape", *words[1:], says=["x", says])

    def test_usage(self):
        self.save_batch()
        for flag, value in (("--dtype", "f31"), ("--dtype", ""), ("--dtype", "<"), ("--dtype", "f4"), ("--shape", ""),
                            ("--shape", "4,"), ("--shape", ",4"), ("--shape", "-1"), ("--shape", "4 3"),
                            ("--shape", "9" * 20), ("--shape", "1,1,1,1,1,1,1,1,1"), ("--offset", "-1"),
                            ("--offset", "x"), ("--offset", "9" * 20), ("--offset", "8"), ("--dtype", ">f64"),
                            ("--shape", "4,3")):
            for side in ("--", "--labels-"):
                name = flag.replace("--", side)
                self.refused(64, "loss", "logits.npy", "labels.npy", name, value, says=[name])


class Damaged(Formats):
    """A few dozen changes of each format through the real command: refused, or what its own library reads."""

    def check(self, name, data, reader):
        self.write(name, data)
        code, out, err = self.xent("loss", name, "labels.npy", "--reduction", "none", "-q", "--on-bad-label", "ignore",
                                   preexec_fn=self.limit())
        self.assertIn(code, (0, 65), err)
        if code == 65:
            self.assertTrue(err.startswith("xent: "), err)
            return False
        values = reader(self.path(name))
        self.save_plain(values, LABELS)
        self.assertEqual(out, self.xent("loss", "plain_logits.npy", "labels.npy", "--reduction", "none", "-q")[1])
        return True

    @staticmethod
    def limit():
        if "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ:
            return None
        return lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    def damage(self, name, reader, header):
        self.save("labels.npy", LABELS)
        good, choose = self.read(name), random.Random(name)
        self.assertTrue(self.check(name, good, reader))
        for _ in range(15 if SHORT else 40):
            at = choose.randrange(min(header, len(good)))
            self.check(name, good[:at] + bytes([choose.randrange(256)]) + good[at + 1:], reader)
        for size in choose.sample(range(1, len(good)), 8 if SHORT else 20):
            self.check(name, good[:size], reader)

    def test_all(self):
        np.save(self.path("x.npy"), LOGITS)
        np.savez_compressed(self.path("x.npz"), LOGITS)
        safetensors.numpy.save_file({"a": LOGITS}, self.path("x.st"))
        np.savetxt(self.path("x.csv"), LOGITS, delimiter=",", fmt="%g")
        self.write("x.csv.gz", gzip.compress(self.read("x.csv")))
        self.damage("x.npy", np.load, 128)
        self.damage("x.npz", lambda path: next(iter(np.load(path).values())), 1000)
        self.damage("x.st", lambda path: next(iter(safetensors.numpy.load_file(path).values())), 100)
        self.damage("x.csv", lambda path: np.loadtxt(path, delimiter=",", ndmin=2), 100)
        self.damage("x.csv.gz", lambda path: np.loadtxt(path, delimiter=",", ndmin=2), 100)


if __name__ == "__main__":
    assert os.access(XENT, os.X_OK)
    unittest.main()
