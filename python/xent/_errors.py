# SPDX-License-Identifier: MIT
"""What xent raises: one class for each status of the library, each also what NumPy users catch."""

from __future__ import annotations

import re


class XentError(RuntimeError):
    """Something that xent refuses; the message says what, the rule and the fix.

    A RuntimeError, because that is what PyTorch raises for most of it.
    """


class ArgumentError(XentError, ValueError):
    """An option out of range, or options that contradict each other."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of another type than it must have."""


class ShapeError(XentError, ValueError):
    """Shapes that do not fit together."""


class DtypeError(XentError, TypeError):
    """An element type that this argument cannot have."""


class LabelError(XentError, IndexError, ValueError):
    """A label outside [0, C) that is not ignored."""


class NothingCountedError(XentError, ValueError):
    """A mean over no rows, or over weights that are all 0."""


class OverlapError(XentError, ValueError):
    """An output that shares memory with an input or with itself."""


class ScratchError(XentError, MemoryError):
    """Memory for the work could not be had."""


OF_STATUS: dict[int, type[XentError]] = {
    1: ArgumentError,
    2: ShapeError,
    3: DtypeError,
    4: LabelError,
    5: NothingCountedError,
    6: OverlapError,
    7: ScratchError,
}

_SPELLED = {
    "LOGITS": "logits",
    "PROBABILITIES": "probabilities",
    "LOG_PROBABILITIES": "log_probabilities",
    "BAD_LABEL_ERROR": "error",
    "BAD_LABEL_IGNORE": "ignore",
    "BAD_LABEL_NAN": "nan",
    "NOTHING_ERROR": "error",
    "NOTHING_NAN": "nan",
    "NOTHING_ZERO": "zero",
}


def in_python(message: str) -> str:
    """A sentence of the C library with its options and constants as they are spelled here."""
    message = re.sub(r"options\.ignore = \{(-?\d+)\}", r"ignore=\1", message)
    message = re.sub(r"options\.(\w+) = (?=XENT_|-?\d)", r"\1=", message)
    message = re.sub(r"\b(?:options|outputs)\.", "", message)
    return re.sub(
        r"\bXENT_(\w+)", lambda name: f"'{_SPELLED.get(name[1], name[1].lower())}'", message
    )


def of_status(status: int, message: str) -> XentError:
    """The exception that goes with a status and its sentence."""
    return OF_STATUS.get(status, XentError)(in_python(message))
