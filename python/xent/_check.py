# SPDX-License-Identifier: MIT
"""check: what is wrong with a batch whose shapes fit; its manual is include/xent_diagnose.h."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Union, overload

from . import _call, _library
from ._arrays import any_view
from ._errors import in_python
from ._options import Options, settings_of
from ._total import Total

if TYPE_CHECKING:
    from typing_extensions import Unpack

_SEVERITY = {1: "note", 2: "warning", 3: "mistake"}


class Finding(NamedTuple):
    """Something found in a batch. `id` is stable: "labels-shifted"."""

    id: str
    severity: str  # "note", "warning" or "mistake"
    message: str
    fix: str
    evidence: dict[str, float]
    unscorable: bool  # the loss is refused because of it, or it is too large to be checked

    def __str__(self) -> str:
        return f"{self.severity} {self.id}: {self.message} Fix: {self.fix}"


class Diagnosis(Sequence[Finding]):
    """The findings of a batch, most telling first; true if there is a warning or a mistake."""

    def __init__(self, findings: tuple[Finding, ...], scorable: bool, total: Total) -> None:
        self._findings = findings
        self.scorable = scorable  # whether cross_entropy takes this batch
        self.total = total  # unweighted, bad labels left out

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: Union[int, slice]) -> Union[Finding, tuple[Finding, ...]]:
        return self._findings[index]

    def __len__(self) -> int:
        return len(self._findings)

    def __bool__(self) -> bool:
        return any(finding.severity != "note" for finding in self)

    def __contains__(self, value: object) -> bool:
        """Whether a finding, or the id of one, is among them."""
        return any(value in (finding, finding.id) for finding in self._findings)

    def __repr__(self) -> str:
        lines = "\n".join(map(str, self._findings)) or "nothing found"
        return f"<xent.Diagnosis of {self.total.rows} rows>\n{lines}"


def check(logits: Any, labels: Any, **options: Unpack[Options]) -> Diagnosis:
    """Looks for mistakes that shapes cannot show: labels repeated to fit, shifted, counted from 1,
    shuffled or permuted, probabilities passed as logits, and others.

    Arguments are those of `cross_entropy`; what does not fit is a finding, not an error. A clean
    batch raises a warning or a mistake with a probability of at most 1 %.

        for finding in xent.check(logits, labels):
            print(finding)
    """
    given: Any = options
    with _call.take() as call:
        call.view(_call.LOGITS, any_view(logits, "logits"))
        call.view(_call.LABELS, any_view(labels, "labels"))
        with _diagnosed(call, given) as diagnosis:
            count = _library.diagnosis_count(diagnosis)
            findings = tuple([_finding(diagnosis, index) for index in range(count)])
            total = _library.diagnosis_total(diagnosis)
            return Diagnosis(
                findings, bool(_library.diagnosis_scorable(diagnosis)), Total(bytes(total))
            )


@contextmanager
def _diagnosed(call: _call.Call, options: Any) -> Iterator[ctypes.c_void_p]:
    diagnosis = ctypes.c_void_p()
    call.diagnose(settings_of(options), ctypes.addressof(diagnosis))
    try:
        yield diagnosis
    finally:
        _library.diagnosis_free(diagnosis)


def _finding(diagnosis: ctypes.c_void_p, index: int) -> Finding:
    found = _library.Finding.from_address(_library.diagnosis_finding(diagnosis, index))
    pieces = (_library.Evidence * found.evidence_count).from_address(found.evidence or 0)
    return Finding(
        id=found.id.decode(),
        severity=_SEVERITY[found.severity],
        message=in_python(found.message.decode(errors="replace")),
        fix=in_python(found.fix.decode(errors="replace")),
        evidence={piece.name.decode(): float(piece.value) for piece in pieces},
        unscorable=bool(found.unscorable),
    )
