# SPDX-License-Identifier: MIT
"""Memory for large gradients. Most of the time of one may go into faults of the pages of its new
memory: huge pages make them fewer, and memory that is used again has none."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any, Optional
from weakref import finalize

_LEAST = 1 << 22  # as NumPy, which asks for huge pages itself
_LEAST_KEPT = 1 << 25  # what glibc gives back to the system at once when it is freed
_HUGE_PAGES = 14  # MADV_HUGEPAGE, the same on every Linux
_LATER = 8  # MADV_FREE: the system may take the pages back, should it need them

_kept: list[mmap.mmap] = []  # one at most, which nobody uses

_advise = None
if sys.platform == "linux":
    _advise = ctypes.CDLL(None).madvise
    _advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def prefer_huge(address: int, size: int) -> None:
    """Says so of the whole pages in this memory, before it is written to. Only advice: that it is
    not taken changes no result."""
    if size < _LEAST or _advise is None:
        return
    begin = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (address + size) // mmap.PAGESIZE * mmap.PAGESIZE
    _advise(begin, end - begin, _HUGE_PAGES)


def _keep(block: mmap.mmap, address: int) -> None:
    """Not without the advice: nobody else could ever have the memory."""
    if _advise is not None and _advise(address, len(block), _LATER) == 0:
        _kept[:] = [block]


def used_again(size: int) -> Optional[Any]:
    """A buffer of this size, whose memory is kept for the next call when nobody holds it any more;
    None if it is too small for that to pay, or not to be had. What is kept may be up to twice as
    large."""
    if size < _LEAST_KEPT or _advise is None:
        return None
    try:
        block = _kept.pop()
    except IndexError:
        block = None
    if block is None or not size <= len(block) <= 2 * size:
        try:
            block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:
            return None
    buffer = (ctypes.c_char * size).from_buffer(block)
    address = ctypes.addressof(buffer)
    prefer_huge(address, size)
    finalize(buffer, _keep, block, address).atexit = False
    return buffer
