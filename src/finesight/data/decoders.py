"""What one item becomes in memory: a fitted RGB picture, or a mask of class indices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from finesight.classes import IGNORE_INDEX
from finesight.config import PixelScale
from finesight.data.masks import MaskRule, read_mask
from finesight.data.pictures import Fit, Interpolation, fit_picture, place_whole, read_picture
from finesight.data.sample import Item


class Decoder(Protocol):
    """What one item becomes. shape: of its uint8 row; settings: all that decides the row beside the file's bytes."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def settings(self) -> list[object]: ...

    def path(self, item: Item) -> Path:
        """The file that is read."""

    def decode(self, item: Item) -> np.ndarray:
        """Raises UnreadablePicture."""


@dataclass(frozen=True)
class Pictures:
    """RGB pictures (h, w, 3) fitted to `stored` (height, width). scale: as in Preprocessing."""

    stored: tuple[int, int]
    fit: Fit
    interpolation: Interpolation
    scale: PixelScale | None

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.stored, 3)

    @property
    def settings(self) -> list[object]:
        return [*self.stored, self.fit, self.interpolation, self.scale]

    def path(self, item: Item) -> Path:
        return item.path

    def decode(self, item: Item) -> np.ndarray:
        picture = read_picture(item.path, item.key, scale=self.scale)
        return fit_picture(picture, self.stored, self.fit, self.interpolation)


@dataclass(frozen=True)
class Masks:
    """Class indices (h, w) of masks, placed as whole pictures are, or squashed by nearest neighbour, to `stored`."""

    stored: tuple[int, int]
    fit: Fit
    rule: MaskRule

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored

    @property
    def settings(self) -> list[object]:
        rule = self.rule
        return ["masks", *self.stored, self.fit, sorted(rule.colours), sorted(rule.values), rule.palette_as]

    def path(self, item: Item) -> Path:
        assert item.mask is not None
        return item.mask

    def decode(self, item: Item) -> np.ndarray:
        path = self.path(item)
        indices = self.rule.apply(read_mask(path, path.name))
        if self.fit == "whole":
            return place_whole(indices, self.stored, fill=IGNORE_INDEX)
        rows, columns = (
            (np.arange(want) + 0.5) * have // want for have, want in zip(indices.shape, self.stored, strict=True)
        )
        squashed: np.ndarray = indices[rows.astype(int)[:, None], columns.astype(int)]
        return squashed
