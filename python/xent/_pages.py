# SPDX-License-Identifier: MIT
"""Huge pages for large new memory that is not NumPy's: NumPy asks for them itself, and without them
most of the time of a large gradient goes into faults of small pages."""

from __future__ import annotations

import ctypes
import sys
from mmap import PAGESIZE

_LEAST = 1 << 22  # as NumPy
_HUGE_PAGES = 14  # MADV_HUGEPAGE, the same on every Linux

_advise = None
if sys.platform == "linux":
    _advise = ctypes.CDLL(None).madvise
    _advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def prefer_huge(address: int, size: int) -> None:
    """Says so of the whole pages in this memory, before it is written to. Only advice: that it is
    not taken changes no result."""
    if size < _LEAST or _advise is None:
        return
    begin = -(-address // PAGESIZE) * PAGESIZE
    end = (address + size) // PAGESIZE * PAGESIZE
    _advise(begin, end - begin, _HUGE_PAGES)
