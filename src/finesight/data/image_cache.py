"""Decoded images or masks, read by index: from the decoded-image cache, or decoded at each reading."""

import json
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from finesight.data.cache_files import StoredPixels, open_stored
from finesight.data.decoders import Decoder
from finesight.data.file_facts import find_facts
from finesight.data.images.image import BadImage, Progress, UnreadableImage
from finesight.data.sample import Item
from finesight.errors import DataError, list_problems

Mode = Literal["auto", "on", "off"]


class Pixels(Protocol):
    """Rows; those that are read together are of one shape.

    note: why they are decoded at each reading; "" if they are cached.
    """

    note: str

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 RGB images (n, h, w, 3), or masks (n, h, w), in the order of `indices`."""


class DecodedPixels:
    """Pixels decoded from their files at each reading. Raises UnreadableImage then."""

    def __init__(self, items: Sequence[Item], decoder: Decoder, note: str = "") -> None:
        self.items = tuple(items)
        self.decoder = decoder
        self.note = note

    def __len__(self) -> int:
        return len(self.items)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        if not len(indices):
            return np.empty((0, *self.decoder.shapes(self.items[:1])[0]), np.uint8)
        return np.stack([self.decoder.decode(self.items[index]) for index in indices])


def open_pixels(
    items: Sequence[Item],
    decoder: Decoder,
    *,
    limit_gb: float = 8.0,
    mode: Mode = "auto",
    on_bad: Literal["stop", "skip"] = "stop",
    progress: Progress | None = None,
) -> tuple[Pixels, tuple[Item, ...], tuple[BadImage, ...]]:
    """(pixels, the items they are of, the images left out), every file having been decoded once.

    auto: from a cache file, built now if it is missing, if it fits into `limit_gb` of all of them and on the disk; else
    decoded at each reading, and `pixels.note` says why. on: from a cache file or DataError. off: decoded at each
    reading. on_bad: stop raises DataError that lists all images that cannot be read; skip leaves them out.
    """
    stored, note = _try_cache(items, decoder, limit_gb, mode, progress)
    if stored is not None:
        bad = {items[index].key: reason for index, reason in stored.bad}
    else:
        bad = _decode_unchecked(items, decoder, progress)
    kept = tuple(item for item in items if item.key not in bad)
    if bad and (on_bad == "stop" or not kept):
        many, advice = f"{len(bad):,} of {len(items):,} images", "repair or remove them, or skip them"
        lines = [f"{key!r} {reason}" for key, reason in bad.items()]
        raise DataError(list_problems(f"{many} cannot be read; {advice} (--on-bad-image skip):", lines))
    left_out = tuple(BadImage(key, reason) for key, reason in bad.items())
    return stored or DecodedPixels(kept, decoder, note), kept, left_out


def _decode_unchecked(items: Sequence[Item], decoder: Decoder, progress: Progress | None) -> dict[str, str]:
    """By key why items cannot be read. Those that were decoded before, and have not changed, are not decoded again."""
    files = [decoder.file(item) for item in items]
    by_file = dict(zip(files, items, strict=True))
    reasons: dict[str, str] = {}

    def find_out(file: str) -> bytes | None:
        try:
            decoder.decode(by_file[file])
        except UnreadableImage as error:
            reasons[file] = error.reason
            return None
        return b"1"

    for _ in find_facts(f"decoded {json.dumps(decoder.settings)}", 1, find_out, items, files):
        if progress:
            progress(1)
    return {item.key: reasons[file] for item, file in zip(items, files, strict=True) if file in reasons}


def _try_cache(
    items: Sequence[Item], decoder: Decoder, limit_gb: float, mode: Mode, progress: Progress | None
) -> tuple[StoredPixels | None, str]:
    """(pixels of the cache, or why there are none)."""
    if mode == "off":
        return None, "Images are decoded every time they are read, as data.image_cache = off."
    try:
        return open_stored(items, decoder, round(limit_gb * 1e9), progress), ""
    except OSError as error:
        reason = error.strerror or str(error)
    if mode == "on":
        raise DataError(f"Images cannot be cached: {reason}; free some space, or set data.image_cache = auto.")
    return None, f"Images are decoded every time they are read: {reason}."
