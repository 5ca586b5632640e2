"""Out of memory: how to recognise it, and what a step needs to be repeated in micro-batches."""

import ctypes
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from finesight.control_groups import list_groups

# torch.OutOfMemoryError is the accelerators'; other errors are known by their text: of c10 and C++; of oneDNN, whose
# text is the same for a kernel and for the data of a kernel; of cuDNN and cuBLAS where no algorithm finds room to work.
SIGNS = (
    *("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad allocation"),
    *("could not create a primitive", "could not create a memory"),
    *("was unable to find an engine to execute this computation", "_STATUS_ALLOC_FAILED"),
)

# By version of control groups: files of limits, of what is used, and the line of memory.stat on files that are cached.
GROUP_FILES = {
    2: (("memory.max", "memory.high"), "memory.current", "inactive_file"),
    1: (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"),
}


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in SIGNS)


def free_memory(device: torch.device) -> None:
    """Gives back what torch, or the C library, caches in blocks that may be too small now."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


class KeptBuffers:
    """Running statistics as they were before a step, as half a forward pass moves some of them."""

    def __init__(self, network: nn.Module) -> None:
        self._buffers = list(network.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def keep(self) -> None:
        if self._buffers:
            torch._foreach_copy_(self._kept, self._buffers)

    @torch.no_grad()
    def restore(self) -> None:
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._kept)


def available_bytes(device: torch.device) -> int | None:
    """Memory that a program can still get; None where that is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    known = [_read_kilobytes("/proc/meminfo", "MemAvailable"), *_list_free()]
    return min((free for free in known if free is not None), default=None)


def _list_free() -> Iterator[int]:
    """Bytes that each control group with a limit still gives. Cached files that can be dropped count as free, as where
    Kubernetes evicts: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/."""
    for version, folder in list_groups("memory"):
        limits, usage, cached = GROUP_FILES[version]
        for limit in limits:
            with suppress(OSError, ValueError):  # not shown, or `max`
                most, used = (int((folder / name).read_text(encoding="ascii")) for name in (limit, usage))
                lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
                yield max(0, most - used + int(dict(line.split() for line in lines).get(cached, 0)))


def peak_bytes(device: torch.device) -> int | None:
    """The most memory that this process held at once; None where that is not known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return _read_kilobytes("/proc/self/status", "VmHWM") if device.type == "cpu" else None


def _read_kilobytes(path: str, name: str) -> int | None:
    """In bytes, of a line `NAME: 1234 kB` of Linux."""
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB", Path(path).read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
