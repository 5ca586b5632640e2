"""Between the host and a device without making the host wait for it.

A tensor made of a list on a GPU, a copy from ordinary memory and any copy back wait for all that the GPU has still to
do. A loop that waits cannot launch its next kernels meanwhile.
"""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers as a tensor (n,) on a device, made once. Nobody may write into it."""
    with torch.inference_mode(False):  # the first to ask may be a prediction, the next a training
        return torch.tensor(values, dtype=dtype).to(device, non_blocking=True)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A small tensor of the host on a device; on CUDA through pinned memory, which torch keeps and uses again."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class HostRows:
    """Rows of many batches that are wanted on the host. They stay on their device until they fill HELD_BYTES there."""

    HELD_BYTES = 64 << 20

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._held: list[Tensor] = []  # on the device, after _rows
        self._num_bytes = 0

    def add(self, rows: Tensor) -> None:
        """rows: (n, …), on any device."""
        if rows.device.type == "cpu":
            self.take([rows])
            return
        self._held.append(rows.detach())
        self._num_bytes += rows.nbytes
        if self._num_bytes > self.HELD_BYTES:
            self._fetch()

    def take(self, batches: list[Tensor]) -> None:
        """Adds batches that are on the host."""
        self._fetch()
        self._rows += batches

    def batches(self) -> list[Tensor]:
        """All rows in order, on the host, in some number of tensors."""
        self._fetch()
        return self._rows

    def join(self) -> Tensor:
        """All rows in order, on the host. There must be some."""
        if len(self.batches()) > 1:
            self._rows = [torch.cat(self._rows)]  # once, as the next to ask gets the same
        return self._rows[0]

    def arrange(self, order: Tensor) -> None:
        """Puts the rows into another order: the i-th becomes row order[i]."""
        self._rows = [self.join()[order]]

    def _fetch(self) -> None:
        if self._held:
            self._rows.append(torch.cat(self._held).cpu())
            self._held, self._num_bytes = [], 0

    def __getstate__(self) -> dict[str, object]:
        """For another process, which has devices of its own."""
        self._fetch()
        return vars(self)
