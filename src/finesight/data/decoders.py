"""What one item becomes in memory: a fitted RGB image, or a mask of class indices."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from finesight.classes import IGNORE_INDEX
from finesight.config import PixelScale
from finesight.data.images.image import Fit, Interpolation, image_sizes, place_whole, read_fitted, read_image
from finesight.data.masks.looks import read_mask
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item

Size = tuple[int, int]  # (height, width)


class Decoder(Protocol):
    """What one item becomes. settings: all that decides its uint8 row beside the file's bytes."""

    @property
    def settings(self) -> list[object]: ...

    def shapes(self, items: Sequence[Item]) -> list[tuple[int, ...]]:
        """Of each item's row; of an image that cannot be read and has no size of its own one without pixels."""

    def file(self, item: Item) -> str:
        """Path of the file that is read, as text."""

    def decode(self, item: Item) -> np.ndarray:
        """Raises UnreadableImage."""


@dataclass(frozen=True)
class Images:
    """RGB images (h, w, 3) fitted to `stored`; None: each in its own size. scale, least_px: as in Preprocessing."""

    stored: Size | None
    fit: Fit
    interpolation: Interpolation
    scale: PixelScale | None
    least_px: int = 0

    @property
    def settings(self) -> list[object]:
        reduced = [self.least_px] if self.least_px else []
        return [*(self.stored or ("own",)), self.fit, self.interpolation, self.scale, *reduced]

    def shapes(self, items: Sequence[Item]) -> list[tuple[int, ...]]:
        return [(*size, 3) for size in row_sizes(self.stored, items)]

    def file(self, item: Item) -> str:
        return item.file

    def decode(self, item: Item) -> np.ndarray:
        if self.stored is None:
            return read_image(item.path, item.key, self.least_px, self.scale)
        how = self.fit, self.interpolation, self.least_px, self.scale
        return read_fitted(item.path, item.key, self.stored, *how)


@dataclass(frozen=True)
class Masks:
    """Class indices (h, w) of masks, padded, cropped or stretched (by nearest neighbour) to `stored` as `fit` says.

    stored: None: the own size of the image that a mask goes with.
    """

    stored: Size | None
    fit: Fit
    rule: MaskRule

    @property
    def settings(self) -> list[object]:
        rule = self.rule
        return [
            "masks",
            *(self.stored or ("own",)),
            self.fit,
            sorted(rule.colours),
            sorted(rule.values),
            rule.palette_as,
            *([rule.named] if rule.named else []),
        ]

    def shapes(self, items: Sequence[Item]) -> list[tuple[int, ...]]:
        return list(row_sizes(self.stored, items))

    def file(self, item: Item) -> str:
        return os.fspath(_mask_of(item))

    def decode(self, item: Item) -> np.ndarray:
        path = _mask_of(item)
        indices = self.rule.apply(read_mask(path, path.name))
        (size,) = row_sizes(self.stored, [item])
        if self.fit == "native":
            return place_whole(indices, size, fill=IGNORE_INDEX)
        rows, columns = ((np.arange(want) + 0.5) * have // want for have, want in zip(indices.shape, size, strict=True))
        stretched: np.ndarray = indices[rows.astype(int)[:, None], columns.astype(int)]
        return stretched


def _mask_of(item: Item) -> Path:
    assert isinstance(item.target, Path)
    return item.target


def row_sizes(stored: Size | None, items: Sequence[Item]) -> list[Size]:
    """`stored`, or each image's own size, (0, 0) where it has none."""
    return [stored] * len(items) if stored else [size or (0, 0) for size in image_sizes(items)]


def stored_size(items: Sequence[Item], size: Size, fit: Fit, margin: float = 1.15) -> Size:
    """(height, width) at which images are cached for a model that sees `size`, in the shape that `fit` makes.

    Images of one size up to size × margin keep all their pixels; others are resized to that.
    native: the largest height and width there are, yet at most twice the median: smaller images are padded, larger
    ones cropped.
    """
    if fit == "native":
        known = [each for each in image_sizes(items) if each] or [size]
        height, width = (min(max(sides), 2 * sorted(sides)[len(sides) // 2]) for sides in zip(*known, strict=True))
        return height, width
    largest = round(size[0] * margin), round(size[1] * margin)
    sizes = filter(None, image_sizes(items))
    first = next(sizes, None)
    if first is None:
        return largest
    native = first
    if fit == "crop":  # what the centre crop in the shape of `size` leaves
        native = min(first[0], first[1] * size[0] // size[1]), min(first[1], first[0] * size[1] // size[0])
    fits = 0 < native[0] <= largest[0] and 0 < native[1] <= largest[1]
    return native if fits and all(other == first for other in sizes) else largest


def common_size(items: Sequence[Item], otherwise: Size | None) -> Size | None:
    """(height, width) of all images; `otherwise` if they differ, or none can be read."""
    sizes = {size for size in image_sizes(items) if size}
    return sizes.pop() if len(sizes) == 1 else otherwise
