"""What a data set looks like: a few images of each class, or images with their masks, chosen by a seed."""

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from finesight.data.audit import Audit
from finesight.data.images.image import UnreadableImage, read_image
from finesight.reporting.audit_masks import MaskPainter
from finesight.reporting.thumbnails import data_uri

IMAGES_OF_A_CLASS = 8
IMAGES_OF_ALL = 480  # thumbnails of samples; of more classes each has fewer, and the rarest have none
UNLABELLED = 24
PAIRS = 12
SIDE = 256  # pixels of the longest side of a pair
QUALITY = 78  # WebP


@dataclass(frozen=True)
class Sheet:
    """Some images of one class. count: its images in all splits."""

    name: str
    count: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """An image, its mask in colours, and one over the other, as data: addresses; "" where one cannot be read."""

    key: str
    image: str
    mask: str
    overlay: str


@dataclass(frozen=True)
class Samples:
    """sheets: of each class, or of all images without labels. pairs: of images with masks. left_out: classes without
    a sheet."""

    sheets: tuple[Sheet, ...] = ()
    pairs: tuple[Pair, ...] = ()
    left_out: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for sheet in self.sheets for key in sheet.keys) + tuple(pair.key for pair in self.pairs)


def choose_samples(audit: Audit, painter: MaskPainter, seed: int) -> Samples:
    readable = [key for key, file in audit.files.items() if not file.fault]
    if audit.looks:
        keys = _choose_pairs(audit, [key for key in readable if key in audit.looks], seed)
        return Samples(pairs=tuple(_draw_pair(audit, painter, key) for key in keys))
    members = _list_members(audit, readable)
    if audit.classes is None or not members:
        sheet = Sheet("", len(readable), _pick(readable, UNLABELLED, seed, 0))
        return Samples((sheet,) if readable else ())
    largest = sorted(members, key=lambda index: (-len(members[index]), index))[:IMAGES_OF_ALL]
    each = max(1, min(IMAGES_OF_A_CLASS, IMAGES_OF_ALL // len(members)))
    sheets = tuple(
        Sheet(audit.classes.labels[index], len(members[index]), _pick(members[index], each, seed, index))
        for index in sorted(largest)
    )
    return Samples(sheets, left_out=len(members) - len(largest))


def _list_members(audit: Audit, keys: Iterable[str]) -> dict[int, list[str]]:
    """Keys of the images of each class that has any; pixels of no known class have an index beyond the class list."""
    members: dict[int, list[str]] = defaultdict(list)
    num_classes = len(audit.classes or ())
    for key in keys:
        for index in audit.found.counts.get(key, ()):
            if index < num_classes:
                members[index].append(key)
    return members


def _pick(keys: Sequence[str], count: int, seed: int, stream: int) -> tuple[str, ...]:
    return tuple(sorted(Random(f"{seed} {stream}").sample(sorted(keys), min(count, len(keys)))))


def _choose_pairs(audit: Audit, keys: Sequence[str], seed: int) -> tuple[str, ...]:
    """One with each class, the class in fewest images first, as far as PAIRS reach; the others by chance alone."""
    members = _list_members(audit, keys)
    chosen: list[str] = []
    for index in sorted(members, key=lambda index: (len(members[index]), index)):
        if len(chosen) < PAIRS and set(members[index]).isdisjoint(chosen):
            chosen += _pick(members[index], 1, seed, index)
    rest = [key for key in keys if key not in set(chosen)]
    return tuple(sorted([*chosen, *_pick(rest, PAIRS - len(chosen), seed, -1)]))


def _draw_pair(audit: Audit, painter: MaskPainter, key: str) -> Pair:
    whole = painter.paint(key)
    if whole is None:
        return Pair(key, "", "", "")
    step = -(-max(whole.shape[:2]) // SIDE)
    mask = np.ascontiguousarray(whole[::step, ::step])
    try:
        image = Image.fromarray(read_image(audit.items[key].path, least=SIDE, scale=audit.scale))
    except UnreadableImage:
        return Pair(key, "", _encode(mask), "")
    small = np.asarray(image.resize((mask.shape[1], mask.shape[0]), Image.Resampling.LANCZOS))
    overlay = ((small.astype(np.uint16) + mask) // 2).astype(np.uint8)
    return Pair(key, _encode(small, QUALITY), _encode(mask), _encode(overlay, QUALITY))


def _encode(image: np.ndarray, quality: int | None = None) -> str:
    """As WebP; without loss where no quality is given."""
    file = io.BytesIO()
    how = {"lossless": True} if quality is None else {"quality": quality}
    Image.fromarray(image).save(file, "WEBP", method=2, **how)
    return data_uri("image/webp", file.getvalue())
