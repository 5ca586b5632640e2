"""Shapes of classes drawn into one mask, later ones over earlier ones; what is lost by it is counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finesight.classes import IGNORE_INDEX
from finesight.data.annotations.shapes import Shape, Size

UNANNOTATED = IGNORE_INDEX  # value of pixels that no shape covers


@dataclass(frozen=True)
class Drawing:
    """mask: uint8 (h, w) of values. covered: bool (h, w), where any shape lies.

    clipped: shapes that reach out of the image. empty: shapes that cover no pixel. overlapped: pixels that shapes of
    different values claim.
    """

    mask: np.ndarray
    covered: np.ndarray
    clipped: int
    empty: int
    overlapped: int


def draw(size: Size, shapes: Sequence[tuple[int, Shape]]) -> Drawing:
    """shapes: (value, shape) in draw order. Raises DataError, the end of a sentence on the image, for a bad shape."""
    mask = np.full(size, UNANNOTATED, np.uint8)
    covered, contested = np.zeros(size, bool), np.zeros(size, bool)
    clipped = empty = 0
    for value, shape in shapes:
        cover = shape.cover(size)
        clipped += shape.leaves(size)
        empty += not cover.pixels.any()
        below, is_covered = cover.window(mask), cover.window(covered)
        cover.window(contested)[cover.pixels & is_covered & (below != value)] = True
        below[cover.pixels] = value
        is_covered[cover.pixels] = True
    return Drawing(mask, covered, clipped, empty, int(contested.sum()))
