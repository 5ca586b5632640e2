"""Between the host and a device without making the host wait for it.

A tensor made of a list on a GPU, a copy from ordinary memory and any copy back wait for all that the GPU has still to
do. A loop that waits cannot launch its next kernels meanwhile.
"""

from functools import lru_cache
from typing import IO
from weakref import finalize

import numpy as np
import torch
from torch import Tensor

from finesight.cache import open_scratch


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
    """Rows of many batches that are wanted on the host.

    They stay on their device until they fill HELD_BYTES there. On the host they stay in memory until they fill
    MEMORY_BYTES, and lie beyond that in a file of the cache folder, from which they are read where they are used.
    """

    HELD_BYTES = 64 << 20
    MEMORY_BYTES = 1 << 30

    def __init__(self) -> None:
        self._held: list[Tensor] = []  # on the device, after _rows
        self._rows: list[Tensor] = []  # in memory, after those of the file
        self._held_bytes = self._memory_bytes = 0
        self._file: IO[bytes] | None = None
        self._row = torch.empty(0)  # a tensor (0, …) of the file's dtype and shape

    def add(self, rows: Tensor) -> None:
        """rows: (n, …), on any device."""
        if rows.device.type == "cpu":
            self.take([rows])
            return
        self._held.append(rows.detach())
        self._held_bytes += rows.nbytes
        if self._held_bytes > self.HELD_BYTES:
            self._fetch()

    def take(self, batches: list[Tensor]) -> None:
        """Adds batches that are on the host."""
        self._fetch()
        self._rows += batches
        self._memory_bytes += sum(rows.nbytes for rows in batches)
        if self._memory_bytes > self.MEMORY_BYTES:
            self._write()

    def batches(self) -> list[Tensor]:
        """All rows in order, on the host, in some number of tensors."""
        self._fetch()
        return [self.join()] if self._file else self._rows

    def join(self) -> Tensor:
        """All rows in order, on the host. There must be some."""
        self._fetch()
        if self._file:
            return self._map(self._file)
        if len(self._rows) > 1:
            self._rows = [torch.cat(self._rows)]  # once, as the next to ask gets the same
        return self._rows[0]

    def arrange(self, order: Tensor) -> None:
        """Puts the rows into another order: the i-th becomes row order[i]."""
        if not torch.equal(order, torch.arange(len(order))):
            self._rows, self._file = [self.join()[order]], None

    def _fetch(self) -> None:
        if self._held:
            held, self._held, self._held_bytes = torch.cat(self._held).cpu(), [], 0
            self.take([held])

    def _write(self) -> None:
        """Puts the rows in memory at the end of the file."""
        if not self._file:
            self._file = open_scratch()
            finalize(self, self._file.close)
        for rows in self._rows:
            self._row = rows[:0]
            self._file.write(rows.contiguous().view(torch.uint8).numpy().data)
        self._rows, self._memory_bytes = [], 0

    def _map(self, file: IO[bytes]) -> Tensor:
        self._write()
        file.flush()
        held = torch.from_numpy(np.memmap(file, np.uint8, "c"))
        return held.view(self._row.dtype).view(-1, *self._row.shape[1:])

    def __getstate__(self) -> dict[str, object]:
        """For another process, which has devices and files of its own."""
        return vars(self) | {"_rows": self.batches(), "_held": [], "_file": None}
