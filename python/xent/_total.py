# SPDX-License-Identifier: MIT
"""Total: what a batch added up to, which merges with others without loss."""

from __future__ import annotations

import ctypes
import math
from typing import Any, Optional

from . import _library
from ._errors import ArgumentError, ArgumentTypeError
from ._options import settings_of


class Total:
    """Sums and counts of a batch, so that a loss over several batches is never a mean of means.

    `Total()` is the total of no rows. `total.merge(other)`, or `total += other`, adds the rows of
    another one after those of this one: counts exactly, sums as pairs of doubles.
    """

    __slots__ = ("_struct",)

    def __init__(self, struct: Optional[bytes] = None) -> None:
        if struct is None:
            self._struct = _library.Total(first_bad_row=-1, first_nonfinite_row=-1)
        else:
            self._struct = _library.Total.from_buffer_copy(struct)

    @property
    def rows(self) -> int:
        """All rows: counted, ignored and bad ones."""
        return int(self._struct.rows)

    @property
    def counted(self) -> int:
        """Rows whose label is a class that is not ignored."""
        return int(self._struct.counted)

    @property
    def ignored(self) -> int:
        """Rows whose label is one of `ignore`."""
        return int(self._struct.ignored)

    @property
    def bad(self) -> int:
        """Rows whose label lies outside [0, C) and is not ignored."""
        return int(self._struct.bad)

    @property
    def nonfinite(self) -> int:
        """Rows whose loss is infinite or NaN, for any reason."""
        return int(self._struct.nonfinite)

    @property
    def correct(self) -> int:
        """Counted rows whose largest logit is the label's."""
        return int(self._struct.correct)

    @property
    def first_bad_row(self) -> Optional[int]:
        """Index of the first bad row, in C order of the labels' shape."""
        return None if self._struct.first_bad_row < 0 else int(self._struct.first_bad_row)

    @property
    def first_bad_label(self) -> Optional[int]:
        """Its label; for uint64 labels its 64 bits as a signed number."""
        return None if self._struct.first_bad_row < 0 else int(self._struct.first_bad_label)

    @property
    def first_nonfinite_row(self) -> Optional[int]:
        """Index of the first row whose loss is infinite or NaN."""
        row = self._struct.first_nonfinite_row
        return None if row < 0 else int(row)

    @property
    def loss_sum(self) -> float:
        """Sum of the rows' losses."""
        return float(self._struct.loss_sum + self._struct.loss_sum_low)

    @property
    def weight_sum(self) -> float:
        """Sum of row weight times class weight over the counted rows: the mean's denominator."""
        return float(self._struct.weight_sum + self._struct.weight_sum_low)

    @property
    def accuracy(self) -> float:
        """Share of the counted rows whose largest logit is the label's; NaN if there are none."""
        return self.correct / self.counted if self.counted else math.nan

    def loss(
        self,
        reduction: str = "mean",
        *,
        denominator: Optional[float] = None,
        on_nothing_counted: str = "nan",
    ) -> float:
        """The reduced loss: "mean", "row_mean" or "sum", or the sum divided by a denominator."""
        if reduction == "none":
            raise ArgumentError(
                "reduction='none' asks for each row's loss, which a total does not keep: choose "
                "'mean', 'row_mean' or 'sum', or pass 'none' to cross_entropy."
            )
        given: dict[str, Any] = {"reduction": reduction, "denominator": denominator}
        settings = settings_of({**given, "on_nothing_counted": on_nothing_counted})
        options = _library.Options(ctypes.sizeof(_library.Options), *settings[:11])
        return float(_library.total_loss(ctypes.addressof(self._struct), ctypes.addressof(options)))

    def merge(self, other: Total) -> Total:
        """Adds the rows of `other` after those of this total, and returns this total."""
        if not isinstance(other, Total):
            raise ArgumentTypeError(
                f"other is a {type(other).__name__} but must be an xent.Total: Total(bytes) makes "
                f"one of what bytes(total) gave."
            )
        copy = (
            other._struct
            if other is not self
            else _library.Total.from_buffer_copy(bytes(self._struct))
        )
        _library.total_merge(ctypes.addressof(self._struct), ctypes.addressof(copy))
        return self

    def __iadd__(self, other: Total) -> Total:
        return self.merge(other) if isinstance(other, Total) else NotImplemented

    def __add__(self, other: Total) -> Total:
        return Total(bytes(self)).merge(other) if isinstance(other, Total) else NotImplemented

    def __bytes__(self) -> bytes:
        """struct xent_total, as `Total(...)` takes it; to send it to another process."""
        return bytes(self._struct)

    def __reduce__(self) -> tuple[type[Total], tuple[bytes]]:
        return Total, (bytes(self),)

    def __eq__(self, other: object) -> bool:
        return bytes(self) == bytes(other) if isinstance(other, Total) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"<xent.Total: {self.rows} rows ({self.counted} counted, {self.ignored} ignored, "
            f"{self.bad} bad, {self.nonfinite} not finite), {self.correct} correct, "
            f"loss {self.loss():.9g}>"
        )
