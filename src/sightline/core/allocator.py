"""How the C library keeps the memory of pictures and models, where it is glibc. Elsewhere nothing is done."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""From glibc's malloc.h."""
MB = 1 << 20


def keep() -> None:
    """Have all threads allocate from two heaps, which keep what pictures leave for the next ones.

    Every model brings new threads, and each would leave holes in a heap of its own (50 models in and out: 14 MB more,
    with two heaps none). A heap would give the pictures of a batch back to the system each time: to get them again
    costs 0.25 ms for 640x360. The thresholds are the highest that glibc would choose by itself.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(M_ARENA_MAX, 2)
        library.mallopt(M_MMAP_THRESHOLD, 32 * MB)
        library.mallopt(M_TRIM_THRESHOLD, 64 * MB)


def trim() -> None:
    """Give free memory back to the system, in about 0.5 ms: by itself the library keeps most of a model's."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None
