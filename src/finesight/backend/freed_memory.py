"""Whether freed memory stays in this process or goes back to the system. Needs no torch."""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_KEPT: list[bool] = []  # not empty where this process keeps freed memory


def keep_freed_memory() -> None:
    """Freed memory stays in this process for the next step instead of going back to the system.

    glibc maps every large tensor afresh and unmaps it when freed, so each step pays for its page faults again: two
    fifths of a training step's processor time where faults are dear, as on virtual machines (benchmarks/log).
    The price is memory: 4 to 14 % more at the peak. mallopt(3) has the two options; other C libraries have no mallopt.
    """
    if platform.libc_ver()[0] == "glibc":
        _set_malloc(mmap_max=0, trim_threshold=2**31 - 1)


def release_freed_memory() -> None:
    """Undoes `keep_freed_memory` with glibc's defaults: the values before cannot be read.

    glibc then no longer adapts its threshold for mapped memory to what is freed, which it does in a fresh process.
    """
    if _KEPT:
        _set_malloc(mmap_max=65_536, trim_threshold=128 * 1024)
        ctypes.CDLL(None).malloc_trim(0)
        _KEPT.clear()


def _set_malloc(mmap_max: int, trim_threshold: int) -> None:
    """mmap_max: blocks that may be mapped on their own. trim_threshold: bytes free at the end that are kept."""
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_MAX, mmap_max)
    mallopt(_M_TRIM_THRESHOLD, trim_threshold)
    _KEPT.append(True)
