# SPDX-License-Identifier: MIT
"""What may be passed as an array, and the memory behind it: NumPy arrays, all that has DLPack or
the array interface, and sequences."""

from __future__ import annotations

from math import gcd, prod
from typing import Any, Optional

import numpy as np

from . import _dlpack, _library
from ._call import View
from ._errors import ArgumentError, DtypeError, ShapeError
from ._pages import used_again

LOGITS: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): _library.F32,
    np.dtype(np.float64): _library.F64,
    np.dtype(np.float16): _library.F16,
}
_INTEGERS: dict[np.dtype[Any], int] = {
    np.dtype(kind): code
    for kind, code in (
        (np.int8, _library.I8),
        (np.uint8, _library.U8),
        (np.int16, _library.I16),
        (np.uint16, _library.U16),
        (np.int32, _library.I32),
        (np.uint32, _library.U32),
        (np.int64, _library.I64),
        (np.uint64, _library.U64),
    )
}
_OF_CODE: dict[int, np.dtype[Any]] = {
    code: dtype for dtype, code in {**LOGITS, **_INTEGERS}.items()
}


def _code(dtype: np.dtype[Any]) -> Optional[int]:
    code = LOGITS.get(dtype) or _INTEGERS.get(dtype)
    if code is None and dtype.name == "bfloat16" and dtype.itemsize == 2:
        code = LOGITS[dtype] = _library.BF16  # its name is slow to ask for
    return code


def dtype_of(code: int) -> np.dtype[Any]:
    """NumPy's dtype for a number of the library's."""
    known = _OF_CODE.get(code)
    if known is not None:
        return known
    try:
        import ml_dtypes
    except ImportError as missing:
        raise DtypeError(
            "NumPy has no bf16 of its own, which the gradient would be: pip install ml_dtypes, or "
            "pass out= with an array for it."
        ) from missing
    bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    _OF_CODE[_library.BF16] = bfloat16
    return bfloat16


def of_ndarray(array: np.ndarray[Any, Any], code: int) -> View:
    """The memory of an array, which is copied if its strides are not whole elements."""
    size, steps = array.itemsize, array.strides
    if gcd(size, *steps) != size:
        array = np.ascontiguousarray(array)
        steps = array.strides
    stride = tuple([step // size for step in steps])
    return View(array.__array_interface__["data"][0], code, array.shape, stride, array)


def _is_given_as_numbers(value: object) -> bool:
    return isinstance(value, (list, tuple, int, float))


def _to_ndarray(value: Any, name: str) -> np.ndarray[Any, Any]:
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ArgumentError(
            f"{name} is a masked array, whose mask would be lost: give rows to leave out a label "
            f"that `ignore` names, then pass {name}.data."
        )
    try:
        return np.asarray(value)
    except ValueError as refusal:
        raise ShapeError(f"{name} is no array of numbers: {refusal}") from refusal


def _is_foreign(value: object) -> bool:
    return not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__")


def logits_view(value: Any) -> View:
    """Logits: f32, f64, bf16 or f16."""
    return floats_view(value, "logits", "have")


def floats_view(value: Any, name: str, verb: str = "has") -> View:
    """Numbers that are computed with: f32, f64, bf16 or f16."""
    if type(value) is np.ndarray:
        known = LOGITS.get(value.dtype)
        if known is not None:
            return of_ndarray(value, known)
    if _is_foreign(value) and not isinstance(value, np.generic):
        return _dlpack.view(value, name)
    array = _to_ndarray(value, name)
    if _is_given_as_numbers(value) and array.dtype.kind in "iub":
        array = array.astype(np.float64)
    code = _code(_native(array).dtype)
    if code not in (_library.F32, _library.F64, _library.BF16, _library.F16):
        raise DtypeError(
            f"{name} {verb} dtype {array.dtype}{_why(array)} but must be float32, float64, float16 "
            f"or ml_dtypes.bfloat16: pass {name}.astype(numpy.float32)."
        )
    return of_ndarray(_native(array), code)


def labels_view(value: Any) -> View:
    """Labels: any integer type."""
    if type(value) is np.ndarray:
        known = _INTEGERS.get(value.dtype)
        if known is not None:
            return of_ndarray(value, known)
    if _is_foreign(value) and not isinstance(value, np.generic):
        return _dlpack.view(value, "labels")
    array = _to_ndarray(value, "labels")
    if _is_given_as_numbers(value) and array.size == 0:
        array = array.astype(np.int64)
    native = _native(array)
    code = _INTEGERS.get(native.dtype)
    if code is None:
        raise DtypeError(
            f"labels have dtype {array.dtype}{_why(array)} but must be integers, one class index "
            f"for each row of logits: {_label_advice(array)}."
        )
    return of_ndarray(native, code)


def any_view(value: Any, name: str) -> View:
    """Numbers of any type that the library has a name for, in whichever place."""
    if _is_foreign(value) and not isinstance(value, np.generic):
        return _dlpack.view(value, name)
    array = _native(_to_ndarray(value, name))
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    code = _code(array.dtype)
    if code is None:
        raise DtypeError(f"{name} has dtype {array.dtype}{_why(array)}, which are no numbers here.")
    return of_ndarray(array, code)


def weight_view(value: Any, name: str) -> View:
    """Weights: f32 or f64 as they are, other numbers as f64."""
    if _is_foreign(value):
        view = _dlpack.view(value, name)
        if view.dtype in (_library.F32, _library.F64):
            return view
        try:
            value = np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError) as refusal:
            raise DtypeError(
                f"{name} has elements that NumPy does not know: convert it to float32 first."
            ) from refusal
    array = _to_ndarray(value, name)
    if array.dtype.kind == "O" or not np.can_cast(array.dtype, np.float64, "same_kind"):
        raise DtypeError(
            f"{name} has dtype {array.dtype}{_why(array)} but must be float32 or float64."
        )
    native = _native(array)
    code = LOGITS.get(native.dtype)
    if code not in (_library.F32, _library.F64):
        native, code = native.astype(np.float64), _library.F64
    return of_ndarray(native, code)


def _native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.isnative:
        return array
    return array.astype(array.dtype.newbyteorder("="))


def _why(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind != "O":
        return ""
    return " (Python objects; are its rows of different lengths?)"


def _label_advice(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind == "f":
        return "if they are whole numbers, pass labels.astype(numpy.int64)"
    if array.dtype.kind == "b":
        return "pass labels.astype(numpy.int64) if False and True are classes 0 and 1"
    return "number the classes first, for example with numpy.unique(labels, return_inverse=True)"


def new_array(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An array for a result that may be as large as the inputs, in C order."""
    buffer = used_again(prod(shape) * dtype.itemsize)
    return np.empty(shape, dtype) if buffer is None else np.frombuffer(buffer, dtype).reshape(shape)


def rows_like(labels: View, logits: View) -> np.ndarray[Any, Any]:
    """An array for a number of each row: f64 beside f64 logits, else f32."""
    return np.empty(labels.shape, np.float64 if logits.dtype == _library.F64 else np.float32)


def own_view(array: np.ndarray[Any, Any]) -> View:
    """The memory of an array that was made here."""
    code = _code(array.dtype)
    assert code is not None
    return of_ndarray(array, code)


def gradient_view(array: Any, logits: View) -> View:
    """The memory of an array for the gradient; its shape is the library's to check."""
    view = output_view(array, "out")
    if view.dtype != logits.dtype:
        raise DtypeError(
            f"out has dtype {array.dtype} but must have the dtype of the logits, "
            f"{dtype_of(logits.dtype)}."
        )
    return view


def output_view(array: Any, name: str) -> View:
    """The memory of an array to be written to; shape and dtype are the library's to check."""
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"{name} is a {type(array).__name__} but must be a NumPy array.")
    if not array.flags.writeable:
        raise ArgumentError(f"{name} is read-only: pass an array that may be written to.")
    code = _code(array.dtype)
    if code is None:
        raise DtypeError(f"{name} has dtype {array.dtype}, which no gradient has: pass float32.")
    if any(step % array.itemsize for step in array.strides):
        raise ShapeError(
            f"{name} has strides of {array.strides} bytes: they must be whole elements."
        )
    return of_ndarray(array, code)
