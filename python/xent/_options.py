# SPDX-License-Identifier: MIT
"""The options by name, and the numbers that the library knows them by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Optional, TypedDict, Union

from . import _library
from ._call import Settings
from ._errors import ArgumentError, ArgumentTypeError


class Options(TypedDict, total=False):
    """What may follow logits and labels, by name. Defaults in brackets."""

    logits_are: Literal["logits", "probabilities", "log_probabilities"]  # ["logits"]
    class_axis: int  # which axis of the logits counts classes [-1]
    reduction: Literal["mean", "row_mean", "sum", "none"]  # ["mean"]
    ignore: Union[int, Iterable[int]]  # labels whose rows are left out [none]
    class_weight: Any  # k, shape [C] [1]
    row_weight: Any  # w, shape of the labels [1]
    label_smoothing: float  # share of the label spread over all classes [0]
    z_loss: float  # coefficient of lse^2 [0: off]
    softcap: float  # logits become softcap*tanh(logits/softcap) [0: off]
    logit_scale: float  # multiplies the logits [1]
    denominator: Optional[float]  # replaces the mean's [None: as reduction says]
    on_bad_label: Literal["error", "ignore", "nan"]  # ["error"]
    on_nothing_counted: Literal["error", "nan", "zero"]  # ["error"]
    threads: int  # at most this many; the result is the same [-1: all]


NAMES = frozenset(Options.__annotations__)
PLAIN = Settings()
_REDUCTION = {**_library.REDUCTION, "none": _library.REDUCTION["sum"]}


def choice(name: str, value: object, choices: Mapping[str, int]) -> int:
    """The number of a choice that is named by a word."""
    try:
        return choices[value]  # type: ignore[index]
    except (KeyError, TypeError):
        listed = ", ".join(map(repr, choices))
        raise ArgumentError(f"{name}={value!r} is none of {listed}.") from None


def integer(name: str, value: Any, bits: int) -> int:
    """A whole number that the library can hold."""
    try:
        whole = value.__index__()
    except (AttributeError, TypeError):
        raise ArgumentTypeError(f"{name}={value!r} must be a whole number.") from None
    if not -(1 << (bits - 1)) <= whole < 1 << (bits - 1):
        raise ArgumentError(f"{name}={whole} does not fit {bits} bits.")
    return int(whole)


def real(name: str, value: Any) -> float:
    """A number; the library checks its range."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{name}={value!r} must be a number.") from None
    except OverflowError:
        raise ArgumentError(f"{name} is a whole number larger than any float64.") from None


def denominator_of(value: Any) -> float:
    """What replaces D; None lets the reduction decide."""
    if value is None:
        return 0.0
    number = real("denominator", value)
    if not number > 0.0:
        raise ArgumentError(
            f"denominator={number:.15g} must be finite and > 0; None lets the reduction decide."
        )
    return number


def ignored(value: Any) -> tuple[int, ...]:
    """A label, or several."""
    several = (value,) if hasattr(value, "__index__") and not hasattr(value, "__len__") else value
    try:
        labels = tuple(several)
    except TypeError:
        raise ArgumentTypeError(
            f"ignore={value!r} must be a label or a sequence of labels."
        ) from None
    return tuple([integer("ignore", label, 64) for label in labels])


def settings_of(options: Mapping[str, Any]) -> Settings:
    """Options by name as the numbers of struct xent_options; "none" counts as a sum."""
    if not options:
        return PLAIN
    for name in options:
        if name not in NAMES:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(sorted(NAMES))}.")
    get = options.get
    return Settings(
        choice("logits_are", get("logits_are", "logits"), _library.LOGITS_ARE),
        integer("class_axis", get("class_axis", -1), 32),
        choice("reduction", get("reduction", "mean"), _REDUCTION),
        choice("on_bad_label", get("on_bad_label", "error"), _library.ON_BAD_LABEL),
        choice(
            "on_nothing_counted", get("on_nothing_counted", "error"), _library.ON_NOTHING_COUNTED
        ),
        integer("threads", get("threads", -1), 32),
        denominator_of(get("denominator")),
        real("label_smoothing", get("label_smoothing", 0.0)),
        real("z_loss", get("z_loss", 0.0)),
        real("softcap", get("softcap", 0.0)),
        real("logit_scale", get("logit_scale", 1.0)),
        ignored(get("ignore", ())),
    )
