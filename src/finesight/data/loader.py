"""Batches of stored pixels and targets, in an order that is a function of seed and epoch."""

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from finesight.data.batches import batch_by_size
from finesight.data.image_cache import Pixels
from finesight.errors import DataError, FinesightError
from finesight.progress import say

THREAD_AHEAD = 2  # batches in pinned memory, beside the one in use
MAX_DEATHS = 3  # of reading processes without a batch between them


@dataclass(frozen=True)
class Batch:
    """images: uint8 (n, 3, h, w), channels_last; indices: of the images in their data set.

    targets: int64 (n,), of masks uint8 (n, h, w).
    """

    images: Tensor
    targets: Tensor
    indices: np.ndarray

    def pin_memory(self) -> "Batch":
        return Batch(self.images.pin_memory(), self.targets.pin_memory(), self.indices)


class Targets(Protocol):
    """One target an image: an int64 array (n,), or masks that are read when they are needed."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Any: ...


class MaskTargets:
    """Masks, cached or decoded at each reading; those that are read together are of one size."""

    def __init__(self, masks: Pixels) -> None:
        self.masks = masks

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 (n, h, w): class indices and IGNORE_INDEX."""
        return self.masks.read(indices)


class ImageDataset(Dataset[Batch]):
    """One split: its pixels, targets and keys. Read by whole batches.

    sizes: (height, width) of each target, in evaluation; only samples of one size can be read together.
    """

    sizes: tuple[tuple[int, int], ...] | None = None
    is_resident = False  # whether batches come from the device that uses them

    def __init__(
        self, pixels: Pixels, targets: Targets, keys: Sequence[str], sizes: Sequence[tuple[int, int]] | None = None
    ) -> None:
        assert len(pixels) == len(targets) == len(keys)
        self.pixels = pixels
        self.targets = targets
        self.keys = tuple(keys)
        self.sizes = None if sizes is None else tuple(sizes)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitems__(self, indices: list[int]) -> Batch:
        where = np.asarray(indices)
        images = torch.from_numpy(self.pixels.read(indices)).permute(0, 3, 1, 2)
        return Batch(images, torch.from_numpy(self.targets[where]), where)


def order_batches(num_samples: int, batch_size: int, shuffle: tuple[int, int] | None = None) -> list[list[int]]:
    """Indices of an epoch's batches; `shuffle` is (seed, epoch). No image is dropped or repeated.

    A last batch of one joins the one before it: batch statistics of one sample mean nothing.
    """
    order = np.arange(num_samples) if shuffle is None else np.random.default_rng(shuffle).permutation(num_samples)
    batches = [order[start : start + batch_size].tolist() for start in range(0, num_samples, batch_size)]
    if shuffle is not None and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [batches[-2] + batches[-1]]
    return batches


def evaluation_batches(dataset: ImageDataset, batch_size: int) -> list[list[int]]:
    """Indices of the batches in which a split is evaluated: in its order, masks of one size together."""
    if dataset.sizes is None:
        return order_batches(len(dataset), batch_size)
    return batch_by_size(dataset.sizes, batch_size)


class WorkerDied(Exception):
    """A reading process ended without an error: killed, usually because memory ran out."""


class Results(Dataset[Batch | FinesightError]):
    """A data set that returns its errors: a DataLoader would pass on the text of their traceback instead."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset

    def __getitems__(self, indices: list[int]) -> Batch | FinesightError:
        try:
            return self.dataset.__getitems__(indices)
        except FinesightError as error:
            return error


def load_batches(
    dataset: ImageDataset, batches: list[list[int]], workers: int = 0, pin_memory: bool = False
) -> Iterator[Batch]:
    """Reads the batches in order, `workers` processes ahead. A process that dies is replaced; no batch is lost.

    pin_memory: for copies that a GPU need not be waited for; without workers a thread then reads ahead. Raises what
    reading raises, such as UnreadableImage, and DataError where processes die again and again.
    """
    if dataset.is_resident:
        yield from map(dataset.__getitems__, batches)
        return
    if pin_memory and not workers:
        yield from _read_in_thread(dataset, batches)
        return
    done, deaths = 0, 0
    while done < len(batches):
        try:
            for batch in _read_ahead(dataset, batches[done:], workers, pin_memory):
                yield batch
                done += 1
                deaths = 0
        except WorkerDied:
            deaths += 1
            if deaths == MAX_DEATHS:
                raise DataError(
                    f"Processes that read images died {deaths} times in a row; memory may be too small for "
                    f"{workers} of them{_needs_guard()}. Set data.workers = 0."
                ) from None
            say("Note: a process that reads images was killed; it is replaced, and nothing is lost.")


def _needs_guard() -> str:
    """What else ends such processes where they import the caller's script, so everywhere but on Linux before 3.14."""
    if multiprocessing.get_start_method() == "fork":
        return ""
    return ", or the script calls finesight outside of `if __name__ == '__main__':`"


def _read_in_thread(dataset: ImageDataset, batches: list[list[int]]) -> Iterator[Batch]:
    """Pinned batches, THREAD_AHEAD of them ready while a step is launched. Their buffers are torch's, used again."""

    def read(indices: list[int]) -> Batch:
        return dataset.__getitems__(indices).pin_memory()

    reader = ThreadPoolExecutor(1, "read-ahead")
    try:
        ahead = deque(reader.submit(read, indices) for indices in batches[:THREAD_AHEAD])
        for number in range(len(batches)):
            ahead.extend(reader.submit(read, each) for each in batches[number + THREAD_AHEAD :][:1])
            yield ahead.popleft().result()
    finally:
        reader.shutdown(cancel_futures=True)


def _read_ahead(dataset: ImageDataset, batches: list[list[int]], workers: int, pin_memory: bool) -> Iterator[Batch]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")  # the user's own number of workers
        loader: DataLoader[Batch | FinesightError] = DataLoader(
            Results(dataset),
            batch_sampler=batches,
            num_workers=min(workers, len(batches)),
            collate_fn=_same,  # __getitems__ has made the batch
            pin_memory=pin_memory,
            worker_init_fn=_start_reading,
        )
        with _signals_untouched():
            results = iter(loader)
    while True:
        try:
            result = next(results)
        except StopIteration:
            return
        except Exception:
            if all(process.is_alive() for process in getattr(results, "_workers", ())):
                raise
            raise WorkerDied from None
        if isinstance(result, FinesightError):
            raise result
        yield result


@contextmanager
def _signals_untouched() -> Iterator[None]:
    """torch's handler of SIGCHLD raises wherever the main thread is, in the middle of a step or of a checkpoint.

    Without it a dead process is found when its batch is asked for, within five seconds.
    """
    known = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCHLD")
    before = signal.getsignal(signal.SIGCHLD) if known else None
    yield
    if before is not None:
        signal.signal(signal.SIGCHLD, before)


def _start_reading(worker: int) -> None:
    """What a reading process does about signals, and about the end of the one it reads for.

    Ctrl-C reaches every process of a terminal; only the parent knows what to do about it. torchrun and Slurm send
    SIGTERM to a whole group of processes: this one leaves it. And torch looks whether the process is alive that forked
    this one, which may be a server of processes (the default from Python 3.14 on) that lives as long as this one.
    """
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _same(batch: Any) -> Any:
    return batch
