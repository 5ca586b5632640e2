"""Batches of stored pixels and targets, in an order that is a function of seed and epoch."""

import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from finesight.data.store import Pixels


@dataclass(frozen=True)
class Batch:
    """images: uint8 (n, 3, h, w), channels_last; indices: of the pictures in their data set.

    targets: int64 (n,), of masks uint8 (n, h, w).
    """

    images: Tensor
    targets: Tensor
    indices: np.ndarray

    def pin_memory(self) -> "Batch":
        return Batch(self.images.pin_memory(), self.targets.pin_memory(), self.indices)


class Targets(Protocol):
    """One target a picture: an int64 array (n,), or masks that are read when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Any: ...


class MaskTargets:
    """Masks of one size, in a store or decoded at each reading."""

    def __init__(self, masks: Pixels) -> None:
        self.masks = masks

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 (n, h, w): class indices and IGNORE_INDEX."""
        return self.masks.read(indices)


class PictureDataset(Dataset[Batch]):
    """One split: its pixels, targets and keys. Read by whole batches."""

    def __init__(self, pixels: Pixels, targets: Targets, keys: Sequence[str]) -> None:
        assert len(pixels) == len(targets) == len(keys)
        self.pixels = pixels
        self.targets = targets
        self.keys = tuple(keys)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitems__(self, indices: list[int]) -> Batch:
        where = np.asarray(indices)
        images = torch.from_numpy(self.pixels.read(indices)).permute(0, 3, 1, 2)
        return Batch(images, torch.from_numpy(self.targets[where]), where)


def order_batches(num_samples: int, batch_size: int, shuffle: tuple[int, int] | None = None) -> list[list[int]]:
    """Indices of an epoch's batches; `shuffle` is (seed, epoch). No picture is dropped or repeated.

    A last batch of one joins the one before it: batch statistics of one sample mean nothing.
    """
    order = np.arange(num_samples) if shuffle is None else np.random.default_rng(shuffle).permutation(num_samples)
    batches = [order[start : start + batch_size].tolist() for start in range(0, num_samples, batch_size)]
    if shuffle is not None and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [batches[-2] + batches[-1]]
    return batches


def load_batches(
    dataset: PictureDataset, batches: list[list[int]], workers: int = 0, pin_memory: bool = False
) -> Iterator[Batch]:
    """Reads the batches in order, `workers` processes ahead."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")  # the user's own number of workers
        loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=min(workers, len(batches)),
            collate_fn=_same,  # __getitems__ has made the batch
            pin_memory=pin_memory,
            worker_init_fn=_leave_interrupts_to_parent,
        )
        yield from loader


def _leave_interrupts_to_parent(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; only the parent knows what to do about it.

    torchrun and Slurm send SIGTERM to a whole group of processes: this one leaves it.
    """
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _same(batch: Any) -> Any:
    return batch
