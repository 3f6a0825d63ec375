#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the small files in seeds/ from which fuzzing starts: make_seeds.py

Needs NumPy, ml_dtypes and safetensors. What fuzzing found is kept beside them, under names of its own.
"""
import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors.numpy

SEEDS = Path(__file__).resolve().parent / "seeds"
LOGITS = np.array([[1.25, 0.5, -0.5], [-0.25, 1.5, 0.125]])
LABELS = np.array([0, 2])


def keep(name, data):
    path = SEEDS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def npy(values, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(values), version)
    return file.getvalue()


def archive(method=zipfile.ZIP_STORED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, data in members.items():
            packed.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def tensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def seeds_npy():
    keep("npy/float32", npy(LOGITS.astype("<f4")))
    keep("npy/fortran", npy(np.asfortranarray(LOGITS)))
    keep("npy/big_endian", npy(LABELS.astype(">i2"), (2, 0)))
    keep("npy/uint8", npy(LABELS.astype("u1"), (3, 0)))
    keep("npy/bfloat16", npy(LOGITS.astype(ml_dtypes.bfloat16)))
    keep("npy/scalar", npy(np.int64(1)))
    keep("npy/empty", npy(np.zeros((0, 3))))


def seeds_npz():
    one = npy(LABELS.astype("u1"))
    keep("npz/stored", archive(**{"a.npy": one}))
    keep("npz/deflated", archive(zipfile.ZIP_DEFLATED, **{"a.npy": one, "b.npy": one}))
    keep("npz/folder", archive(**{"x/": b"", "x/a": b"0\n2\n"}))
    keep("npz/bzip2", archive(zipfile.ZIP_BZIP2, a=one))
    keep("npz/nothing", archive())
    file = io.BytesIO()
    np.savez_compressed(file, a=LABELS)
    keep("npz/numpy", file.getvalue())


def seeds_safetensors():
    keep("safetensors/one", safetensors.numpy.save({"a": LOGITS.astype(np.float32)}))
    keep("safetensors/several", safetensors.numpy.save({"a": LABELS, "b": LOGITS.astype(np.float16)}, {"by": "me"}))
    keep("safetensors/float4", tensors({"a": {"dtype": "F4", "shape": [2, 3], "data_offsets": [0, 3]}}, b"abc"))
    keep("safetensors/nothing", tensors({}, b""))


def seeds_csv():
    keep("csv/labels", "0\n2\n")
    keep("csv/logits", "1.25,0.5,-.5\n-0.25,1.5e0,1E-3\n")
    keep("csv/header", '\ufeff"one; two";b\r\n"1";-2\r\n')
    keep("csv/tabs", "# a comment\n+1\t nan\n-inf\tInfinity\n\n")
    keep("csv/blanks", "  1   2\n 30 4.\n")
    keep("csv/large", "18446744073709551615\n0\n")
    keep("csv/pandas", ",a\n0,1\n")


def idx(kind, values):
    return struct.pack(">BBBB", 0, 0, kind, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape) + \
        values.tobytes()


def seeds_idx():
    keep("idx/labels", idx(0x08, LABELS.astype("u1")))
    keep("idx/logits", idx(0x0d, LOGITS.astype(">f4")))
    keep("idx/cube", idx(0x0b, np.arange(8, dtype=">i2").reshape(2, 2, 2)))


def seeds_gz():
    keep("gz/npy", gzip.compress(npy(LABELS.astype("u1")), mtime=0))
    keep("gz/members", gzip.compress(b"0\n", mtime=0) + gzip.compress(b"2\n", mtime=0) + bytes(4))
    keep("gz/idx", gzip.compress(idx(0x08, LABELS.astype("u1")), mtime=0))
    keep("gz/twice", gzip.compress(gzip.compress(b"0\n", mtime=0), mtime=0))
    named = gzip.compress(b"0\n2\n", mtime=0)
    keep("gz/name", named[:3] + b"\x08" + named[4:10] + b"labels.csv\0" + named[10:])


def seeds_options():
    for name, words in {
        "plain": "a.npy b.npy",
        "switches": "a b --json -q --reduction none --on-bad-label=nan --probabilities",
        "numbers": "a b --class-axis -1 --denominator 2.5 --label-smoothing=0.1 --threads 2",
        "lists": "a b --ignore -100 --ignore=255",
        "raw": "a b --dtype >f32 --shape 4,3 --offset 16 --labels-dtype int64 --labels-shape 4",
        "dashes": "--grad g.npy -- -a -b",
        "wrong": "a b --shape 4,,3",
    }.items():
        keep(f"options/{name}", words.replace(" ", "\n"))


def seeds_check():
    """A head (rows in two bytes, classes, dtypes, whether to ignore with softcap and scale, the ignore value, what logits
    are with the policy of bad labels, axes with what does not fit), then bytes that repeat as logits and as labels."""
    random = np.random.default_rng(1)
    for name, head in {
        "plain": (200, 0, 10, 0 + 4 * 4, 0, 0, 0, 0),
        "sequences": (44, 1, 12, 1 + 4 * 5, 1, 255, 0, 1),
        "halves": (100, 0, 5, 3 + 4 * 4, 0, 0, 0, 0),
        "probabilities": (90, 0, 7, 0 + 4 * 10, 0, 0, 1, 0),
        "square": (36, 0, 18, 2 + 4 * 4, 0, 0, 3, 1),
        "float-labels": (9, 0, 3, 0, 0, 0, 0, 0),
        "no-classes": (9, 0, 0, 0 + 4 * 4, 0, 0, 0, 0),
        "softcap": (120, 0, 6, 0 + 4 * 4, 2 << 1, 0, 0, 0),
        "tight-softcap-large-scale": (90, 0, 6, 1 + 4 * 4, 3 << 1 | 3 << 3, 0, 0, 0),
        "tiny-scale": (90, 0, 6, 2 + 4 * 5, 2 << 3, 0, 0, 0),
        "classes-first": (60, 0, 7, 0 + 4 * 4, 0, 0, 0, 1 << 1),
        "classes-in-the-middle": (60, 0, 7, 3 + 4 * 6, 1, 130, 0, 1 | 1 << 1 | 1 << 3),
        "bad-labels-ignored": (80, 0, 5, 0 + 4 * 4, 0, 0, 3, 0),
        "bad-labels-nan": (80, 0, 5, 0 + 4 * 4, 1, 131, 6, 1),
        **{f"misfit-{i}": (40, 0, 5, 0 + 4 * 4, 0, 0, 0, 1 | i << 4) for i in range(1, 6)},
    }.items():
        values = random.normal(size=61).astype("f4").tobytes() + random.integers(0, 8, 97).astype("u1").tobytes()
        keep(f"check/{name}", bytes(head) + values)
    negative = np.array([-1, -2, -3, -0.5], "f4").tobytes() + bytes([0, 1, 1, 0])
    keep("check/negative-probabilities", bytes((40, 0, 2, 0 + 4 * 4, 0, 0, 1, 0)) + negative)


if __name__ == "__main__":
    for write in (seeds_npy, seeds_npz, seeds_safetensors, seeds_csv, seeds_idx, seeds_gz, seeds_options, seeds_check):
        write()
