"""Too little memory: how it shows, and what a step needs to be done again in smaller parts."""

import ctypes
import platform

import torch
from torch import nn

# torch.OutOfMemoryError is the accelerators'; of the processor's memory only words tell: of c10 and C++, and of oneDNN,
# which says no more than that where it finds no room for a kernel or for what the kernel works on.
SIGNS = (
    *("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad allocation"),
    *("could not create a primitive", "could not create a memory"),
)


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in SIGNS)


def free_memory(device: torch.device) -> None:
    """Gives back what torch, or the C library, keeps for later, in pieces that may be too small now."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


class KeptBuffers:
    """Running statistics as they were before a step: half a forward pass moves some of them."""

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
