"""Images one batch at a time, decoded ahead by threads, for work that must not grow with their number."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from finesight.config import Preprocessing
from finesight.data.images.image import UnreadableImage, read_fitted
from finesight.data.sample import Item
from finesight.data.threads import stoppable_pool

BYTES_AHEAD = 32 << 20  # what is decoded while a network gets ready


@dataclass(frozen=True)
class DecodedBatch:
    """items: those that could be read; pixels: uint8 (n, h, w, 3), theirs; bad: (item, reason) of the others."""

    items: tuple[Item, ...]
    pixels: np.ndarray
    bad: tuple[tuple[Item, str], ...]


def stream_images(
    items: Sequence[Item], preprocessing: Preprocessing, batch_size: int, threads: int = 2
) -> Iterator[DecodedBatch]:
    """Batches in the order of `items`, each fitted to the stored size as training's images were.

    Two batches or BYTES_AHEAD are decoded ahead; Pillow decodes outside the interpreter lock, so threads serve.
    """
    size = preprocessing.decoded_size()
    ahead = max(2, count_ahead(size) // batch_size)
    how = preprocessing.fit, preprocessing.interpolation, preprocessing.least_px, preprocessing.scale

    def decode(item: Item) -> np.ndarray | str:
        try:
            return read_fitted(item.path, item.key, size, *how)
        except UnreadableImage as error:
            return error.reason

    starts = range(0, len(items), batch_size)
    with stoppable_pool(threads) as pool:
        waiting: list[list[Future[np.ndarray | str]]] = []
        for start in starts:
            waiting.append([pool.submit(decode, item) for item in items[start : start + batch_size]])
            if len(waiting) > ahead:
                yield _collect(items, start - ahead * batch_size, waiting.pop(0))
        done = len(starts) - len(waiting)
        for position, futures in enumerate(waiting):
            yield _collect(items, (done + position) * batch_size, futures)


def count_ahead(size: tuple[int, int]) -> int:
    """How many RGB images of (height, width) take BYTES_AHEAD."""
    return BYTES_AHEAD // (3 * size[0] * size[1])


def _collect(items: Sequence[Item], start: int, futures: list[Future[np.ndarray | str]]) -> DecodedBatch:
    results = [future.result() for future in futures]
    read, pixels, bad = [], [], []
    for item, result in zip(items[start : start + len(results)], results, strict=True):
        if isinstance(result, str):
            bad.append((item, result))
        else:
            read.append(item)
            pixels.append(result)
    return DecodedBatch(tuple(read), np.stack(pixels) if pixels else np.empty((0, 0, 0, 3), np.uint8), tuple(bad))
