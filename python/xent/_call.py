# SPDX-License-Identifier: MIT
"""One call of the library: memory for all its structs, each packed at once, since filling ctypes
structs field by field would take longer than the loss of a small batch."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from . import _library
from ._errors import of_status

_PACK_TENSOR = [
    struct.Struct(f"Pii{n}q{8 * (_library.MAX_NDIM - n)}x{n}q")
    for n in range(_library.MAX_NDIM + 1)
]
_PACK_OPTIONS = struct.Struct("N6i5dPN3P")
_PACK_OUTPUTS = struct.Struct("N7P")
_IGNORE_PLACES = 8

_tensor_size = ctypes.sizeof(_library.Tensor)
(
    LOGITS,
    LABELS,
    CLASS_WEIGHT,
    ROW_WEIGHT,
    LOSS,
    LSE,
    PREDICTION,
    LABEL_PROBABILITY,
    ENTROPY,
    GRAD,
    PROBABILITY,
) = (place * _tensor_size for place in range(11))
_OUTPUTS_IN_ORDER = (LOSS, LSE, PREDICTION, LABEL_PROBABILITY, ENTROPY, GRAD, PROBABILITY)
_OPTIONS = 11 * _tensor_size
_OUTPUTS = _OPTIONS + ctypes.sizeof(_library.Options)
_TOTAL = _OUTPUTS + ctypes.sizeof(_library.Outputs)
_IGNORE = _TOTAL + ctypes.sizeof(_library.Total)
_ERROR = _IGNORE + 8 * _IGNORE_PLACES
_SIZE = _ERROR + ctypes.sizeof(_library.Error)


class View(NamedTuple):
    """Memory of somebody's array as the library sees it; strides count elements. `owner` keeps it
    alive."""

    address: int
    dtype: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    owner: object = None


class Settings(NamedTuple):
    """The options that are numbers, in the order of struct xent_options, and the ignored labels."""

    logits_are: int = 0
    class_axis: int = -1
    reduction: int = 0
    on_bad_label: int = 0
    on_nothing_counted: int = 0
    threads: int = -1
    denominator: float = 0.0
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    softcap: float = 0.0
    logit_scale: float = 1.0
    ignore: tuple[int, ...] = ()


class Call:
    """Memory for the structs of one call at a time: `take()` one, `put_back` it at the end."""

    __slots__ = ("_memory", "_base", "_given", "_kept")

    def __init__(self) -> None:
        self._memory = (ctypes.c_char * _SIZE)()
        self._base = ctypes.addressof(self._memory)
        self._given: set[int] = set()
        self._kept: list[object] = []

    def tensor(
        self, place: int, address: int, dtype: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        """Puts a tensor at its place: LOGITS, LABELS, an option's or an output's."""
        ndim = len(shape)
        if ndim <= _library.MAX_NDIM:
            _PACK_TENSOR[ndim].pack_into(self._memory, place, address, dtype, ndim, *shape, *stride)
        else:  # which the library refuses
            _PACK_TENSOR[0].pack_into(self._memory, place, address, dtype, ndim)
        self._given.add(place)

    def view(self, place: int, view: View) -> None:
        """The same for a View, which is kept alive until the call is put back."""
        self._kept.append(view)
        self.tensor(place, view[0], view[1], view[2], view[3])

    def settings(self, settings: Settings) -> None:
        """Packs the options, once their tensors are at their places."""
        ignore = settings.ignore
        at = self._base + _IGNORE
        if len(ignore) <= _IGNORE_PLACES:
            struct.pack_into(f"{len(ignore)}q", self._memory, _IGNORE, *ignore)
        else:
            labels = (ctypes.c_int64 * len(ignore))(*ignore)
            self._kept.append(labels)
            at = ctypes.addressof(labels)
        _PACK_OPTIONS.pack_into(
            self._memory, _OPTIONS, _PACK_OPTIONS.size, *settings[:11], at, len(ignore),
            self._at(CLASS_WEIGHT), self._at(ROW_WEIGHT), 0,
        )  # fmt: skip

    def _at(self, place: int) -> int:
        return self._base + place if place in self._given else 0

    def run(self) -> None:
        """xent_cross_entropy; raises what it refuses."""
        base, at = self._base, self._at
        _PACK_OUTPUTS.pack_into(
            self._memory, _OUTPUTS, _PACK_OUTPUTS.size, *[at(place) for place in _OUTPUTS_IN_ORDER]
        )
        self._check(
            _library.cross_entropy(
                base + LOGITS,
                base + LABELS,
                base + _OPTIONS,
                base + _OUTPUTS,
                base + _TOTAL,
                base + _ERROR,
            )
        )

    def count(self, classes: int) -> None:
        """xent_count_labels; raises what it refuses."""
        base = self._base
        self._check(
            _library.count_labels(
                base + LABELS, classes, base + _OPTIONS, base + _TOTAL, base + _ERROR
            )
        )

    def _check(self, status: int) -> None:
        if status != _library.OK:
            raise of_status(status, ctypes.string_at(self._base + _ERROR).decode(errors="replace"))

    def loss(self) -> float:
        """The reduced loss of the last run."""
        return float(_library.total_loss(self._base + _TOTAL, self._base + _OPTIONS))

    def total(self) -> bytes:
        """struct xent_total of the last run."""
        return ctypes.string_at(self._base + _TOTAL, ctypes.sizeof(_library.Total))

    def clear(self) -> None:
        """Forgets all tensors."""
        self._given.clear()
        self._kept.clear()


# A list instead of thread-local storage: a signal handler or finaliser that calls the library in the
# midst of another call in its thread takes another one. pop and append are atomic.
_idle: list[Call] = []


def take() -> Call:
    """A Call that nobody else uses."""
    try:
        return _idle.pop()
    except IndexError:
        return Call()


def put_back(call: Call) -> None:
    """Ends the use of a Call."""
    call.clear()
    _idle.append(call)


@contextmanager
def taken() -> Iterator[Call]:
    """A Call for the time of a `with` block."""
    call = take()
    try:
        yield call
    finally:
        put_back(call)
