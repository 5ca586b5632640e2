"""Out of memory: how to recognise it, and what a step needs to be repeated in micro-batches."""

import ctypes
import platform
import re
from pathlib import Path

import torch
from torch import nn

# torch.OutOfMemoryError is the accelerators'; other errors are known by their text: of c10 and C++; of oneDNN, whose
# text is the same for a kernel and for the data of a kernel; of cuDNN and cuBLAS where no algorithm finds room to work.
SIGNS = (
    *("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad allocation"),
    *("could not create a primitive", "could not create a memory"),
    *("was unable to find an engine to execute this computation", "_STATUS_ALLOC_FAILED"),
)


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
    return _read_kilobytes("/proc/meminfo", "MemAvailable") if device.type == "cpu" else None


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
