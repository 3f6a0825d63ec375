# SPDX-License-Identifier: MIT
"""Arrays of other libraries by their `__dlpack__`, without a copy; also of types NumPy does not
know."""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_char_p,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

from . import _library
from ._call import View
from ._errors import ArgumentError, DtypeError

_ON_THE_CPU = (1, 3, 11)  # kDLCPU, and memory of the host that CUDA or ROCm pinned
_INT, _UINT, _FLOAT, _BFLOAT = 0, 1, 2, 4

_DTYPE = {
    (_FLOAT, 32): _library.F32,
    (_FLOAT, 64): _library.F64,
    (_BFLOAT, 16): _library.BF16,
    (_FLOAT, 16): _library.F16,
    (_INT, 8): _library.I8,
    (_UINT, 8): _library.U8,
    (_INT, 16): _library.I16,
    (_UINT, 16): _library.U16,
    (_INT, 32): _library.I32,
    (_UINT, 32): _library.U32,
    (_INT, 64): _library.I64,
    (_UINT, 64): _library.U64,
}


class _Tensor(ctypes.Structure):
    """struct DLTensor"""

    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class _Versioned(ctypes.Structure):
    """struct DLManagedTensorVersioned"""

    _fields_ = [
        ("major", c_uint32),
        ("minor", c_uint32),
        ("manager", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", _Tensor),
    ]


_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.argtypes = [ctypes.py_object, c_char_p]
_pointer_of.restype = c_void_p
_is_called = ctypes.pythonapi.PyCapsule_IsValid
_is_called.argtypes = [ctypes.py_object, c_char_p]
_is_called.restype = ctypes.c_int


def _export(array: Any, name: str) -> object:
    try:
        try:
            return array.__dlpack__(max_version=(1, 0))
        except TypeError:  # older than version 1 of the protocol
            return array.__dlpack__()
    except Exception as refusal:
        raise ArgumentError(
            f"{name}: this {type(array).__name__} does not give its memory away: {refusal}"
        ) from refusal


def _tensor_of(capsule: object, name: str) -> _Tensor:
    if _is_called(capsule, b"dltensor_versioned"):
        versioned = _Versioned.from_address(_pointer_of(capsule, b"dltensor_versioned"))
        if versioned.major != 1:
            raise ArgumentError(
                f"{name}: this array speaks version {versioned.major} of DLPack, xent version 1. "
                f"Pass numpy.asarray of it."
            )
        return _Tensor.from_buffer(versioned, _Versioned.tensor.offset)
    if not _is_called(capsule, b"dltensor"):
        raise ArgumentError(
            f"{name}: __dlpack__ gave no DLPack capsule that is still unused: it must make a new "
            f"one for each call. Pass numpy.asarray of it."
        )
    return _Tensor.from_address(_pointer_of(capsule, b"dltensor"))


def view(array: Any, name: str) -> View:
    """The memory of an array that has `__dlpack__`. Its capsule, which is never consumed, keeps it
    alive and lets go of it."""
    if getattr(array, "is_neg", bool)():
        raise ArgumentError(
            f"{name}: the memory of this {type(array).__name__} holds its negative, since it is "
            f"negated lazily: pass its resolve_neg()."
        )
    if not hasattr(array, "__dlpack_device__"):
        raise ArgumentError(
            f"{name}: this {type(array).__name__} has __dlpack__ but no __dlpack_device__, which "
            f"says where its memory is. Pass numpy.asarray of it."
        )
    device = array.__dlpack_device__()
    if int(device[0]) not in _ON_THE_CPU:
        raise ArgumentError(
            f"{name} are on device {tuple(map(int, device))}, but xent computes on the CPU: move "
            f"them there first."
        )
    capsule = _export(array, name)
    tensor = _tensor_of(capsule, name)
    dtype = _DTYPE.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    if dtype is None:
        raise DtypeError(
            f"{name} have elements of {tensor.bits} bits of DLPack's kind {tensor.code}: they must "
            f"be f32, f64, bf16 or f16 as logits, or integers as labels."
        )
    shape = tuple(tensor.shape[: tensor.ndim])
    if tensor.strides:
        stride = tuple(tensor.strides[: tensor.ndim])
    else:
        stride = contiguous(shape)
    return View((tensor.data or 0) + tensor.byte_offset, dtype, shape, stride, capsule)


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of an array of this shape in C order."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))
