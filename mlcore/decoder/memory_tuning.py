"""Fewer page faults in short-lived children: they are most of what a fork costs.

All of this is optional: where a platform lacks it, reading a picture takes some milliseconds more.
"""

import ctypes
import mmap
from contextlib import suppress

HUGE_PAGE = 2 * 1024 * 1024
HEAP = 96 * 1024 * 1024
"""Bytes of address space that children find reserved; an ordinary photo takes 20 to 60 MB."""

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MADV_HUGEPAGE = 14
_MADV_POPULATE_WRITE = 23
_LARGE = 32 * 1024 * 1024
"""Larger blocks are mapped on their own and given back, so that nothing is kept in pieces."""


def use_huge_pages(shared: mmap.mmap) -> None:
    """Ask the kernel to fill a mapping in pieces of 2 MB."""
    with suppress(AttributeError, OSError):
        shared.madvise(_MADV_HUGEPAGE)


def populate(shared: mmap.mmap, start: int, length: int) -> None:
    """Ask the kernel to fill a part of a mapping, from a page's start, at once (Linux 5.14)."""
    with suppress(OSError, ValueError):
        shared.madvise(_MADV_POPULATE_WRITE, start, length)


def reserve_heap() -> None:
    """Let malloc keep what is freed, and fill the next HEAP bytes in pieces of 2 MB (glibc)."""
    with suppress(AttributeError, OSError, ValueError):
        libc = ctypes.CDLL(None)
        for option, value in (
            (_M_MMAP_THRESHOLD, _LARGE),
            (_M_TRIM_THRESHOLD, HEAP + _LARGE),
            (_M_TOP_PAD, HEAP),
        ):
            libc.mallopt(option, value)
        libc.malloc.restype = ctypes.c_void_p
        libc.free.argtypes = (ctypes.c_void_p,)
        libc.free(libc.malloc(_LARGE - 4096))
        libc.mallopt(_M_TOP_PAD, HUGE_PAGE)
        with open("/proc/self/maps") as maps:  # noqa: PTH123, no path is built here
            heap = next(line for line in maps if line.rstrip().endswith("[heap]"))
        start, end = (int(text, 16) for text in heap.split()[0].split("-"))
        start += -start % HUGE_PAGE
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_HUGEPAGE)
