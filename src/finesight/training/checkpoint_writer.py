"""Checkpoints are written by a thread, while training goes on."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from finesight import distributed
from finesight.run.folder import RunFolder
from finesight.training import checkpoint
from finesight.training.checkpoint import Training

MOST_WAITING = 1  # checkpoints that are copied while another one is written: `best` and `last` come together


class CheckpointWriter:
    """Writes checkpoints in the order in which they were saved. Of several ranks the main one writes.

    Training waits for the copy of the tensors only. An error of the thread is raised by the next `save`, or at the end
    of the `with` block, which waits for all.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._unfinished: list[Future[None]] = []

    def __enter__(self) -> "CheckpointWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.wait()

    def save(self, name: str, weights: dict[str, Tensor], training: Training | None = None, twin: str = "") -> None:
        """As `save_checkpoint`."""
        if not distributed.is_main():
            return
        self.wait(MOST_WAITING)
        copied = training and replace(training, tensors=copy_tensors(training.tensors))
        arguments = (self.run, name, copy_tensors(weights), copied, twin)
        self._unfinished.append(self._thread.submit(checkpoint.save_checkpoint, *arguments))

    def wait(self, most: int = 0) -> None:
        """Until at most so many are unfinished."""
        while len(self._unfinished) > most or (self._unfinished and self._unfinished[0].done()):
            self._unfinished.pop(0).result()


def copy_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies in this machine's memory; of CUDA's tensors in pinned memory, all of them at once."""
    copies = {
        name: torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda).copy_(tensor, non_blocking=True)
        for name, tensor in tensors.items()
    }
    if any(tensor.is_cuda for tensor in tensors.values()):
        torch.cuda.synchronize()
    return copies
