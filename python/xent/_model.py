# SPDX-License-Identifier: MIT
"""A linear classifier in a .safetensors file, which `xent train` writes and `xent predict` reads as
well: tensors weight [C, D], bias [C] and, if features are standardised, mean [D] and scale [D];
names of the classes in the metadata."""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from ._errors import ArgumentError

Array = np.ndarray[Any, Any]
Path = Union[str, "os.PathLike[str]"]

_KIND = ("xent", "classifier 1")
_MOST_HEAD = 100_000_000  # bytes, as the format has it
_DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "BF16": "<u2"}


class Model(NamedTuple):
    """A classifier; classes are whole numbers or strings."""

    weight: Array
    bias: Array
    mean: Optional[Array]
    scale: Optional[Array]
    classes: Array


# ---- writing ----
def _names(classes: Array) -> list[Any]:
    names: list[Any] = classes.tolist()
    for kind in (int, str):
        if all(type(name) is kind for name in names):
            return names
    raise ArgumentError(
        f"classes are {classes.dtype}, {names[:3]} and so on, but the file names them by whole "
        f"numbers or strings: fit with y.astype(int) or y.astype(str)."
    )


def _packed(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes]:
    """Length, head and tensors of the file, one after the other."""
    head: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts, at = [], 0
    for name, array in tensors.items():
        code = "F64" if array.dtype == np.float64 else "F32"
        data = np.ascontiguousarray(array, _DTYPES[code]).tobytes()
        offsets = [at, at + len(data)]
        head[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
        parts.append(data)
        at += len(data)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)), text, *parts]


def save(path: Path, model: Model) -> None:
    """Writes the file under another name, and renames it when it is whole."""
    names = json.dumps(_names(model.classes), separators=(",", ":"))
    given = {"weight": model.weight, "bias": model.bias, "mean": model.mean, "scale": model.scale}
    tensors = {name: array for name, array in given.items() if array is not None}
    parts = _packed(dict(sorted(tensors.items(), key=lambda one: -one[1].itemsize)),
                    dict([_KIND, ("classes", names)]))  # fmt: skip
    target = os.path.abspath(os.fspath(path))
    try:
        number, temporary = tempfile.mkstemp(prefix=".xent-", dir=os.path.dirname(target))
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    try:
        with os.fdopen(number, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


# ---- reading ----
def _refused(path: Path, what: str) -> ArgumentError:
    return ArgumentError(f"{os.fspath(path)} {what}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _read_head(path: Path, data: memoryview) -> tuple[dict[str, Any], memoryview]:
    """What the file says is in it, and its tensors."""
    length = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
    if not 2 <= length <= min(len(data) - 8, _MOST_HEAD):
        raise _refused(path, "is no .safetensors file, or not whole.")
    try:
        head = json.loads(bytes(data[8 : 8 + length]), object_pairs_hook=_once)
    except (ValueError, RecursionError) as fault:
        raise _refused(path, f"is no .safetensors file: its head is no JSON ({fault}).") from fault
    if not isinstance(head, dict) or not isinstance(head.get("__metadata__", {}), dict):
        raise _refused(path, "is no .safetensors file: its head is no object of tensors.")
    return head, data[8 + length :]


def _is_shape(shape: Any, offsets: Any) -> bool:
    def are_sizes(values: Any) -> bool:
        return isinstance(values, list) and all(type(one) is int and one >= 0 for one in values)

    return are_sizes(shape) and are_sizes(offsets) and len(offsets) == 2 and len(shape) <= 8


def _tensor(path: Path, name: str, entry: Any, data: memoryview) -> Array:
    entry = entry if isinstance(entry, dict) else {}
    code, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if code not in _DTYPES or not _is_shape(shape, offsets):
        raise _refused(path, f"has a tensor {name!r} that is none of F32, F64, F16 and BF16.")
    begin, end = offsets
    if end > len(data) or end - begin != math.prod(shape) * np.dtype(_DTYPES[code]).itemsize:
        raise _refused(path, f"is not whole: tensor {name!r} is not where its head says.")
    array: Array = np.frombuffer(data[begin:end], _DTYPES[code]).reshape(shape)
    if code == "BF16":
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    array = array.astype(np.float64 if code == "F64" else np.float32)
    if not np.isfinite(array).all():
        raise _refused(path, f"has NaN or infinity in {name!r}.")
    return array


def _classes(path: Path, metadata: Mapping[str, Any], count: int) -> Array:
    if "classes" not in metadata:
        return np.arange(count)
    try:
        names = json.loads(metadata["classes"])
    except (TypeError, ValueError, RecursionError):
        names = None
    if isinstance(names, list) and len(names) == count:
        if all(type(name) is int and -(1 << 63) <= name < 1 << 63 for name in names):
            return np.array(names, np.int64)
        if all(type(name) is str for name in names):
            return np.array(names)
    raise _refused(
        path,
        f"has metadata 'classes' that are not the names of its {count} classes: a JSON array of as "
        f"many whole numbers, or of as many strings.",
    )


def load(path: Path) -> Model:
    """Reads a classifier; what is no classifier is an ArgumentError."""
    with open(path, "rb") as file:
        head, data = _read_head(path, memoryview(file.read()))
    found = {
        name: _tensor(path, name, head[name], data)
        for name in ("weight", "bias", "mean", "scale")
        if name in head
    }
    weight = found.get("weight")
    if weight is None or weight.ndim != 2 or 0 in weight.shape:
        raise _refused(path, "is no linear classifier: it has no tensor 'weight' of shape [C, D].")
    for name, length in (("bias", weight.shape[0]), ("mean", weight.shape[1]),
                         ("scale", weight.shape[1])):  # fmt: skip
        if name in found and found[name].shape != (length,):
            shapes = f"{list(found[name].shape)} beside a weight {list(weight.shape)}"
            raise _refused(path, f"has {name!r} of shape {shapes}: it must be [{length}].")
    mean, scale = (found[name].astype(np.float64) if name in found else None
                   for name in ("mean", "scale"))  # fmt: skip
    bias = found.get("bias", np.zeros(weight.shape[0])).astype(weight.dtype)
    classes = _classes(path, head.get("__metadata__", {}), weight.shape[0])
    return Model(weight, bias, mean, scale, classes)
