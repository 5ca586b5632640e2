"""What one item becomes in memory: a fitted RGB image, or a mask of class indices."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from finesight.classes import IGNORE_INDEX
from finesight.config import PixelScale
from finesight.data.images.image import Fit, Interpolation, fit_image, image_sizes, place_whole, read_image
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

    def path(self, item: Item) -> Path:
        """The file that is read."""

    def decode(self, item: Item) -> np.ndarray:
        """Raises UnreadableImage."""


@dataclass(frozen=True)
class Images:
    """RGB images (h, w, 3) fitted to `stored`; None: each in its own size. scale: as in Preprocessing."""

    stored: Size | None
    fit: Fit
    interpolation: Interpolation
    scale: PixelScale | None

    @property
    def settings(self) -> list[object]:
        return [*(self.stored or ("own",)), self.fit, self.interpolation, self.scale]

    def shapes(self, items: Sequence[Item]) -> list[tuple[int, ...]]:
        return [(*size, 3) for size in row_sizes(self.stored, items)]

    def path(self, item: Item) -> Path:
        return item.path

    def decode(self, item: Item) -> np.ndarray:
        image = read_image(item.path, item.key, scale=self.scale)
        return fit_image(image, self.stored, self.fit, self.interpolation) if self.stored else image


@dataclass(frozen=True)
class Masks:
    """Class indices (h, w) of masks, placed as whole images are, or squashed by nearest neighbour, to `stored`.

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
        ]

    def shapes(self, items: Sequence[Item]) -> list[tuple[int, ...]]:
        return list(row_sizes(self.stored, items))

    def path(self, item: Item) -> Path:
        assert isinstance(item.target, Path)
        return item.target

    def decode(self, item: Item) -> np.ndarray:
        path = self.path(item)
        indices = self.rule.apply(read_mask(path, path.name))
        (size,) = row_sizes(self.stored, [item])
        if self.fit == "native":
            return place_whole(indices, size, fill=IGNORE_INDEX)
        rows, columns = ((np.arange(want) + 0.5) * have // want for have, want in zip(indices.shape, size, strict=True))
        squashed: np.ndarray = indices[rows.astype(int)[:, None], columns.astype(int)]
        return squashed


def row_sizes(stored: Size | None, items: Sequence[Item]) -> list[Size]:
    """`stored`, or each image's own size, (0, 0) where it has none."""
    return [stored] * len(items) if stored else [size or (0, 0) for size in image_sizes(items)]
