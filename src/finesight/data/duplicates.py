"""Images that are the same in every pixel, or nearly: saved again, rescaled, brightened, or the next of a series.

Similarity is the scalar product of thumbnails: 16x16 colours minus each channel's mean (so that a common background
does not count), scaled to length one. Not found are images that were mirrored, rotated, or cropped by more than a few
percent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from PIL import Image

from finesight.config import PixelScale
from finesight.data.images.image import Progress, UnreadableImage, read_image
from finesight.data.images.scaling import AS_STORED
from finesight.data.sample import Item
from finesight.data.sketches import Sketches
from finesight.data.threads import map_in_threads
from finesight.progress import say

SIDE = 16  # of a thumbnail
# Looked at on 25,000 images of 32 px: of the 118 pairs from 0.96 up, 109 are one photograph twice and nine things of
# one kind photographed alike, such as two clocks; around 0.95 every second pair is not one photograph. Above it stay
# 99 % of copies saved as JPEG of quality 75, 94 % of quality 40, and all halved or enlarged ones. Of the two million
# pairs of 2,000 satellite images none reaches it.
NEAR = 0.96
MIN_CONTRAST = 2.0  # standard deviation in levels; what is flatter has no motif to compare, only noise
COARSE = 4  # side of the thumbnail's thumbnail, which is compared first
BLOCK = 256  # images compared at once with all others
EXACT_UP_TO = 10_000  # images; of more not all pairs are compared
SKETCHED = 4096  # images sketched at once
MANY = 0.02  # fraction of a block's pairs that coarse numbers leave, from which on comparing all is quicker
ROUNDING = 1e-4
MAX_PAIRS = 100_000  # after which the search for near pairs ends: nobody reads on
Near = tuple[np.ndarray, np.ndarray, np.ndarray]  # indices of one and other, one < other, and their similarity


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """digest: of all pixels. thumbnail: uint8 RGB (SIDE, SIDE, 3)."""

    digest: bytes
    thumbnail: np.ndarray


@dataclass(frozen=True)
class Duplicates:
    """Keys of images that are the same pixel for pixel, two or more; or of two that are nearly the same.

    similarity: 1.0 for the same pixels, from NEAR for nearly the same.
    """

    keys: tuple[str, ...]
    identical: bool
    similarity: float


def find_duplicates(
    items: Sequence[Item], progress: Progress | None = None, scale: PixelScale | None = AS_STORED
) -> list[Duplicates]:
    """Decodes every image once and finds those that are alike; unreadable ones are passed over.

    First all groups of identical images, then pairs of near ones, the most alike first. Of identical images only
    the first takes part in near pairs. The order of `items` is that of keys within a group. About 1 kB an image.
    """

    def take(item: Item) -> Fingerprint | None:
        try:
            return take_fingerprint(read_image(item.path, item.key, scale=scale))
        except UnreadableImage:
            return None

    prints: dict[str, Fingerprint] = {}
    for item, fingerprint in zip(items, map_in_threads(take, items), strict=True):
        if fingerprint is not None:
            prints[item.key] = fingerprint
        if progress:
            progress(1)
    return match_fingerprints(prints)


def take_fingerprint(image: np.ndarray) -> Fingerprint:
    """image: uint8 RGB (h, w, 3)."""
    digest = blake2b(str(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX)
    return Fingerprint(digest.digest(), np.asarray(small))


def match_fingerprints(prints: dict[str, Fingerprint]) -> list[Duplicates]:
    """prints: by key. As `find_duplicates`."""
    by_digest: dict[bytes, list[str]] = {}
    for key, fingerprint in prints.items():
        by_digest.setdefault(fingerprint.digest, []).append(key)
    found = [Duplicates(tuple(keys), True, 1.0) for keys in by_digest.values() if len(keys) > 1]
    firsts = [keys[0] for keys in by_digest.values()]
    near = [
        Duplicates((firsts[one], firsts[other]), False, similarity)
        for one, other, similarity in _find_near([prints[key].thumbnail for key in firsts])
    ]
    return [*found, *sorted(near, key=lambda pair: -pair.similarity)]


def _find_near(thumbnails: Sequence[np.ndarray]) -> list[tuple[int, int, float]]:
    """(one, other, similarity) of all pairs that are near. What has too little contrast is shorter than NEAR, and so
    is its product with any vector: it is like nothing."""
    blocks = (np.stack(thumbnails[start : start + BLOCK]) for start in range(0, len(thumbnails), BLOCK))
    long = [np.linalg.norm(_normalise(block), axis=1) >= NEAR for block in blocks]
    rows = np.flatnonzero(np.concatenate(long)) if long else np.empty(0, np.int64)
    if len(rows) < 2:
        return []
    search = _sort_sketches if len(rows) > EXACT_UP_TO else _compare_all
    if len(rows) > EXACT_UP_TO:
        say(f"Note: near copies among {len(rows):,} images are searched by sketches, which may miss a few.")
    pairs: dict[tuple[int, int], float] = {}
    for one, other, similarity in search(np.stack([thumbnails[row] for row in rows.tolist()])):
        kept = zip(rows[one].tolist(), rows[other].tolist(), strict=True)
        pairs.update(zip(kept, similarity.tolist(), strict=True))
        if len(pairs) >= MAX_PAIRS:
            say(f"Note: the search for near copies ended at {len(pairs):,} pairs; there may be more.")
            break
    return [(*pair, pairs[pair]) for pair in sorted(pairs)]


def _compare_all(packed: np.ndarray) -> Iterator[Near]:
    """Shrinking is a projection, which can only bring two closer: what is far apart when coarse is far apart. So all
    pairs are compared by 48 numbers, and few by 768; none is lost. Where coarse numbers tell little apart, as of fine
    textures, the rest of a block is compared at once."""
    coarse = np.concatenate([_shrink(_normalise(packed[i : i + BLOCK])) for i in range(0, len(packed), BLOCK)])
    lengths = np.einsum("ij,ij->i", coarse, coarse)
    for start in range(0, len(coarse), BLOCK):
        close = _are_close(coarse, lengths, start)
        if close.sum() > MANY * close.size:
            yield from _compare_block(packed, start)
            continue
        one, other = np.nonzero(close)
        yield from _measure(packed, one + start, other + start)


def _are_close(coarse: np.ndarray, lengths: np.ndarray, start: int) -> np.ndarray:
    """bool (BLOCK, n - start): pairs, one < other, whose coarse thumbnails are no farther apart than near ones can be.

    For vectors of length one |a - b|^2 = 2 - 2ab, so near ones are at most 2 - 2 NEAR apart.
    """
    apart = coarse[start : start + BLOCK] @ coarse[start:].T
    apart *= -2
    apart += lengths[start : start + BLOCK, None]
    apart += lengths[None, start:]
    return np.triu(apart <= 2 - 2 * NEAR, 1)


def _compare_block(packed: np.ndarray, start: int) -> Iterator[Near]:
    """All near pairs of the block at `start` with itself and what follows."""
    rows = _normalise(packed[start : start + BLOCK])
    for second in range(start, len(packed), BLOCK):
        products = rows @ _normalise(packed[second : second + BLOCK]).T
        one, other = np.nonzero(products >= NEAR - ROUNDING)
        one, other = one + start, other + second
        yield from _measure(packed, one[one < other], other[one < other])


def _sort_sketches(packed: np.ndarray) -> Iterator[Near]:
    sketches = Sketches(len(packed), SIDE * SIDE * 3)
    for start in range(0, len(packed), SKETCHED):
        sketches.draw(start, _normalise(packed[start : start + SKETCHED]))
    for one, other in sketches.find_close(NEAR):
        yield from _measure(packed, one, other)


def _measure(packed: np.ndarray, ones: np.ndarray, others: np.ndarray) -> Iterator[Near]:
    """Those of the pairs that are near, some at a time."""
    for start in range(0, len(ones), BLOCK):
        one, other = ones[start : start + BLOCK], others[start : start + BLOCK]
        similarity = np.einsum("ij,ij->i", _normalise(packed[one]), _normalise(packed[other]))
        near = similarity >= NEAR
        yield one[near], other[near], similarity[near]


def _normalise(thumbnails: np.ndarray) -> np.ndarray:
    """float32 (n, SIDE·SIDE·3) of length one; shorter, and so like nothing, where there is no contrast."""
    values = thumbnails.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    flat: np.ndarray = values.reshape(len(values), -1)
    contrast = MIN_CONTRAST * np.sqrt(flat.shape[1])
    normalised: np.ndarray = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), contrast)
    return normalised


def _shrink(normalised: np.ndarray) -> np.ndarray:
    """Sums of blocks, so scaled that no vector grows: (n, COARSE·COARSE·3)."""
    factor = SIDE // COARSE
    blocks = normalised.reshape(len(normalised), COARSE, factor, COARSE, factor, 3)
    sums: np.ndarray = blocks.sum(axis=(2, 4)).reshape(len(normalised), -1)
    return sums / factor
