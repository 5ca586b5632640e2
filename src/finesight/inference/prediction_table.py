"""Predictions as a CSV file, a row an image; kept as they are made, so that a stopped command goes on."""

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from finesight import distributed
from finesight.backend.interrupt import StopRequest
from finesight.data.image_stream import stream_images
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.sample import Item
from finesight.errors import ConfigError, blame_files
from finesight.inference.continuation import Rows, claim, divide, gather_unreadable, stopped
from finesight.inference.network import Network
from finesight.progress import progress_bar
from finesight.run.files import write_csv
from finesight.run.results import Unreadable

DEFAULT_OUT = "predictions.csv"
Batch = list[tuple[Item, Any]]


def check_table(out: Path) -> None:
    """Raises ConfigError for what cannot be a CSV file."""
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; name the CSV file to write, e.g. --out {out / 'predictions.csv'}.")
    if out.suffix.lower() in IMAGE_SUFFIXES:
        raise ConfigError(f"{out} has the ending of an image; --out names the CSV file to write.")


def predict_table(
    network: Network,
    items: Sequence[Item],
    out: Path,
    header: Sequence[str],
    identity: dict[str, object],
    decide: Callable[[np.ndarray], Sequence[Any]],
    describe: Callable[[Any], Sequence[str]],
) -> Unreadable:
    """Writes a row for each image, the first as many columns as the header has, and returns what could not be read.

    identity: of `identify`. decide: float32 logits (n, C) → a prediction of each image that JSON can hold.
    describe: a prediction → the columns after the file's name. Of several ranks each predicts a shard.
    """
    rows = Rows(out.with_name(f".{out.name}.rows"))

    def find_done() -> set[str]:
        claim(rows.folder, identity)
        return {items[row].key for row in np.flatnonzero(rows.locate(items).is_current).tolist()}

    def describe_all() -> Iterator[Sequence[str]]:
        for item, prediction in rows.read(items, rows.locate(items)):
            with blame_files(rows.folder):
                columns = describe(prediction)
            yield (item.key, *columns)[: len(header)]

    unreadable: Unreadable = []
    try:
        left = divide(items, distributed.broadcast_result(find_done))
        with StopRequest() as stop, rows.open() as file:
            for batch in _predict_batches(network, left, unreadable, decide):
                rows.write(file, batch)
                if stop.signal:
                    raise stopped(stop.signal)
        unreadable = gather_unreadable(unreadable, items)
        if distributed.is_main():
            table = describe_all()
            if (first := next(table, None)) is not None:
                write_csv(out, header, chain([first], table))
            shutil.rmtree(rows.folder)
        distributed.barrier()
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}. Name another --out.") from None
    return unreadable


def _predict_batches(
    network: Network, items: Sequence[Item], unreadable: Unreadable, decide: Callable[[np.ndarray], Sequence[Any]]
) -> Iterator[Batch]:
    """In order; what cannot be read is added to `unreadable`."""
    taken = deque[Sequence[Item]]()

    def read() -> Iterator[np.ndarray]:
        for batch in stream_images(items, network.preprocessing, network.batch_size, distributed.num_cores()):
            unreadable.extend((item.key, reason) for item, reason in batch.bad)
            bar.advance(len(batch.bad))
            if batch.items:
                taken.append(batch.items)
                yield batch.pixels

    with progress_bar("Predicting", len(items), "images") as bar:
        for logits in network.compute_logits(read()):
            batch = taken.popleft()
            yield list(zip(batch, decide(logits), strict=True))
            bar.advance(len(batch))
