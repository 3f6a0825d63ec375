# SPDX-License-Identifier: MIT
"""One call of the library: memory for all its structs, each packed at once, since filling ctypes
structs field by field would take longer than the loss of a small batch."""

from __future__ import annotations

import ctypes
import struct
from typing import NamedTuple

from . import _library
from ._errors import of_status

_PACK_TENSOR = [
    struct.Struct(f"Pii{n}q{8 * (_library.MAX_NDIM - n)}x{n}q")
    for n in range(_library.MAX_NDIM + 1)
]
_PACK_OPTIONS = struct.Struct("N6i5dPN3P")
_PACK_OUTPUTS = struct.Struct("N9P")
_IGNORE_PLACES = 8

# Places of tensors: two inputs, two options, then the outputs as struct xent_outputs has them.
LOGITS, LABELS, CLASS_WEIGHT, ROW_WEIGHT = range(4)
LOSS, LSE, PREDICTION, LABEL_PROBABILITY, ENTROPY, GRAD, PROBABILITY = range(4, 11)
# Those of the linear form, whose struct begins with the same outputs.
FEATURES, GRAD_FEATURES, GRAD_WEIGHT = LOGITS, GRAD, PROBABILITY
GRAD_BIAS, LINEAR_LOGITS, WEIGHT, BIAS = range(11, 15)
_PLACES = 15
_OUTPUTS_END = WEIGHT

_AT = [place * ctypes.sizeof(_library.Tensor) for place in range(_PLACES)]
_OPTIONS = _PLACES * ctypes.sizeof(_library.Tensor)
_OUTPUTS = _OPTIONS + ctypes.sizeof(_library.Options)
_TOTAL = _OUTPUTS + ctypes.sizeof(_library.LinearOutputs)
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
    """Memory for the structs of one call at a time: `with take() as call`."""

    __slots__ = ("_memory", "_base", "_given", "_kept", "_packed", "_arguments")

    def __init__(self) -> None:
        self._memory = (ctypes.c_char * _SIZE)()
        base = self._base = ctypes.addressof(self._memory)
        self._given = 0  # a bit for each place that has a tensor
        self._kept: list[object] = []
        self._packed: tuple[object, int] = (None, 0)
        self._arguments = (
            base + _AT[LOGITS],
            base + _AT[LABELS],
            base + _OPTIONS,
            base + _OUTPUTS,
            base + _TOTAL,
            base + _ERROR,
        )

    def tensor(
        self, place: int, address: int, dtype: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        """Puts a tensor, whose owner keeps it alive, at its place."""
        ndim = len(shape)
        at = _AT[place]
        if ndim <= _library.MAX_NDIM:
            _PACK_TENSOR[ndim].pack_into(self._memory, at, address, dtype, ndim, *shape, *stride)
        else:  # which the library refuses
            _PACK_TENSOR[0].pack_into(self._memory, at, address, dtype, ndim)
        self._given |= 1 << place

    def view(self, place: int, view: View) -> None:
        """The same for a View, which is kept alive until the end of the `with`."""
        self._kept.append(view)
        self.tensor(place, view[0], view[1], view[2], view[3])

    def run(self, settings: Settings) -> None:
        """xent_cross_entropy; raises what it refuses."""
        packed = self._packed
        if packed[0] is not settings or packed[1] != self._given:
            self._pack(settings)
        status = _library.cross_entropy(*self._arguments)
        if status:
            raise self._refusal(status)

    def run_linear(self, settings: Settings) -> None:
        """xent_linear_cross_entropy, which GRAD_.. are for; raises what it refuses."""
        self._pack(settings, ctypes.sizeof(_library.LinearOutputs))
        features, labels, *rest = self._arguments
        weight, bias = self._addresses(WEIGHT, _PLACES)
        status = _library.linear_cross_entropy(features, weight, bias, labels, *rest)
        if status:
            raise self._refusal(status)

    def count(self, classes: int, settings: Settings) -> None:
        """xent_count_labels; raises what it refuses."""
        self._pack(settings)
        _, labels, options, _, total, error = self._arguments
        status = _library.count_labels(labels, classes, options, total, error)
        if status:
            raise self._refusal(status)

    def diagnose(self, settings: Settings, diagnosis: int) -> None:
        """xent_diagnose, which sets the pointer at that address; raises what it refuses."""
        self._pack(settings)
        logits, labels, options, _, _, error = self._arguments
        status = _library.diagnose(logits, labels, options, diagnosis, error)
        if status:
            raise self._refusal(status)

    def _pack(
        self, settings: Settings, outputs_size: int = ctypes.sizeof(_library.Outputs)
    ) -> None:
        """Options and outputs, once all tensors are at their places. Whatever ends this early, an
        interrupt among it, leaves memory that is not taken for packed."""
        self._packed = (None, 0)
        *numbers, ignore = settings
        at = self._base + _IGNORE
        if len(ignore) <= _IGNORE_PLACES:
            struct.pack_into(f"{len(ignore)}q", self._memory, _IGNORE, *ignore)
        else:
            labels = (ctypes.c_int64 * len(ignore))(*ignore)
            self._kept.append(labels)
            at = ctypes.addressof(labels)
        weights = self._addresses(CLASS_WEIGHT, LOSS)
        _PACK_OPTIONS.pack_into(
            self._memory, _OPTIONS, _PACK_OPTIONS.size, *numbers, at, len(ignore), *weights, 0
        )
        outputs = self._addresses(LOSS, _OUTPUTS_END)
        _PACK_OUTPUTS.pack_into(self._memory, _OUTPUTS, outputs_size, *outputs)
        # Kept apart from the next call's: a long list of ignored labels is not there any more.
        self._packed = (settings if len(ignore) <= _IGNORE_PLACES else None, self._given)

    def _addresses(self, first: int, end: int) -> list[int]:
        given, base = self._given, self._base
        return [base + _AT[place] if given >> place & 1 else 0 for place in range(first, end)]

    def _refusal(self, status: int) -> Exception:
        return of_status(status, ctypes.string_at(self._base + _ERROR).decode(errors="replace"))

    def loss(self) -> float:
        """The reduced loss of the last run."""
        return float(_library.total_loss(self._base + _TOTAL, self._base + _OPTIONS))

    def total(self) -> bytes:
        """struct xent_total of the last run."""
        return ctypes.string_at(self._base + _TOTAL, ctypes.sizeof(_library.Total))

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends the use: forgets all tensors."""
        self._given = 0
        self._kept.clear()
        _idle.append(self)


# A list instead of thread-local storage: a signal handler or finaliser that calls the library in
# the midst of another call in its thread takes another one. pop and append are atomic.
_idle: list[Call] = []


def take() -> Call:
    """A Call that nobody else uses, to be taken by a `with` statement."""
    try:
        return _idle.pop()
    except IndexError:
        return Call()
