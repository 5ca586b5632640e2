"""Shapes that people draw around objects, and the pixels that each covers.

A pixel belongs to a shape if its centre lies inside. Coordinates are x to the right and y down, in pixels of the
upright image, whose top left corner is (0, 0): the centre of the first pixel is (0.5, 0.5). Two polygons that share an
edge neither overlap nor leave a gap.

Written here, as Pillow's polygons are half a pixel off and one pixel too wide, and pycocotools rounds corners to a
fifth of a pixel; the latter is the reference in tests/parity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from finesight.errors import DataError

Size = tuple[int, int]  # (height, width)
FURTHEST = 1e9  # of a coordinate, in pixels


@dataclass(frozen=True)
class Cover:
    """The pixels of a shape inside an image: bool (h, w), whose top left pixel lies at (top, left)."""

    top: int
    left: int
    pixels: np.ndarray

    def window(self, mask: np.ndarray) -> np.ndarray:
        """The part of a mask below, as a view."""
        height, width = self.pixels.shape
        return mask[self.top : self.top + height, self.left : self.left + width]


class Shape(Protocol):
    def cover(self, size: Size) -> Cover:
        """Its pixels in an image of that size. Raises DataError, the end of a sentence, for a shape of another size."""

    def leaves(self, size: Size) -> bool:
        """Whether it reaches out of the image, by more than half a pixel."""

    @property
    def content(self) -> bytes:
        """All that decides what it covers."""


@dataclass(frozen=True, eq=False)
class Polygon:
    """rings: float64 (n, 2) of x, y each, closed by themselves. Inside is what an odd number of rings surrounds: a ring
    within another one is a hole."""

    rings: tuple[np.ndarray, ...]

    def cover(self, size: Size) -> Cover:
        rows, columns = _find_crossings(self.rings, size)
        if not rows.size:
            return Cover(0, 0, np.zeros((0, 0), bool))
        top, left = int(rows.min()), int(columns.min())
        crossed = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), bool)
        np.logical_xor.at(crossed, (rows - top, columns - left), True)
        return Cover(top, left, np.logical_xor.accumulate(crossed, axis=1)[:, :-1])

    def leaves(self, size: Size) -> bool:
        points = np.concatenate(self.rings) if self.rings else np.zeros((1, 2))
        return bool((points < -0.5).any() or (points > np.array(size[::-1]) + 0.5).any())

    @cached_property
    def content(self) -> bytes:
        return b"polygon" + b"".join(len(ring).to_bytes(4) + ring.astype("<f8").tobytes() for ring in self.rings)


def _find_crossings(rings: tuple[np.ndarray, ...], size: Size) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of the first pixel right of each place where an edge crosses the middle of a row."""
    corners = [ring for ring in rings if len(ring) > 2]
    if not corners:
        return np.zeros(0, int), np.zeros(0, int)
    one = np.concatenate(corners)
    other = np.concatenate([np.roll(ring, -1, axis=0) for ring in corners])
    falls = (one[:, 1] > other[:, 1])[:, None]  # each edge from its upper end, so that both neighbours agree on it
    upper, lower = np.where(falls, other, one), np.where(falls, one, other)
    height, width = size
    first = np.ceil(upper[:, 1] - 0.5).clip(0, height).astype(int)
    counts = np.ceil(lower[:, 1] - 0.5).clip(0, height).astype(int) - first
    edge = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    start, end = upper[edge], lower[edge]
    x = start[:, 0] + (rows + 0.5 - start[:, 1]) * (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
    return rows, np.ceil(x - 0.5).clip(0, width).astype(int)


def read_ring(numbers: Sequence[float]) -> np.ndarray:
    """float64 (n, 2) of x, y, x, y and so on. Raises ValueError, TypeError."""
    ring = np.array(numbers, np.float64)
    if ring.ndim != 1 or ring.size % 2:
        raise ValueError("a polygon should be a list of x, y, x, y and so on")
    if not (np.abs(ring) < FURTHEST).all():
        raise ValueError("a polygon has a corner that is not a number, or far away")
    return ring.reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Bitmap:
    """pixels: bool (h, w), whose top left pixel lies at (top, left), which may be outside the image."""

    top: int
    left: int
    pixels: np.ndarray

    def cover(self, size: Size) -> Cover:
        above, before = max(0, -self.top), max(0, -self.left)
        top, left = self.top + above, self.left + before
        bottom, right = max(0, size[0] - self.top), max(0, size[1] - self.left)
        return Cover(top, left, self.pixels[above:bottom, before:right])

    def leaves(self, size: Size) -> bool:
        height, width = self.pixels.shape
        return min(self.top, self.left) < 0 or self.top + height > size[0] or self.left + width > size[1]

    @property
    def content(self) -> bytes:
        shape = np.array([self.top, self.left, *self.pixels.shape], "<i8")
        return b"bitmap" + shape.tobytes() + np.packbits(self.pixels).tobytes()


@dataclass(frozen=True)
class Disc:
    """The pixels whose centres are no further than `radius` from (x, y)."""

    x: float
    y: float
    radius: float

    def cover(self, size: Size) -> Cover:
        top, bottom = np.clip(np.floor([self.y - self.radius, self.y + self.radius + 1]), 0, size[0]).astype(int)
        left, right = np.clip(np.floor([self.x - self.radius, self.x + self.radius + 1]), 0, size[1]).astype(int)
        rows, columns = np.arange(top, bottom)[:, None] + 0.5, np.arange(left, right) + 0.5
        return Cover(top, left, (rows - self.y) ** 2 + (columns - self.x) ** 2 <= self.radius**2)

    def leaves(self, size: Size) -> bool:
        ends = np.array([(self.y - self.radius, self.x - self.radius), (self.y + self.radius, self.x + self.radius)])
        return bool((ends[0] < -0.5).any() or (ends[1] > np.array(size) + 0.5).any())

    @property
    def content(self) -> bytes:
        return f"disc{self.x} {self.y} {self.radius}".encode()


@dataclass(frozen=True, eq=False)
class Runs:
    """COCO's run-length encoding: lengths of the runs of pixels outside and inside in turns, column by column.

    counts: the lengths, or the text that packs them (pycocotools, maskApi.c). size: of the whole image.
    """

    counts: tuple[int, ...] | str
    size: Size

    def cover(self, size: Size) -> Cover:
        lengths = unpack_runs(self.counts) if isinstance(self.counts, str) else np.array(self.counts, np.int64)
        height, width = self.size
        if self.size != size:
            raise DataError(f"has a run-length mask of {height}x{width} pixels, the image {size[0]}x{size[1]}")
        if (lengths < 0).any() or lengths.sum() != height * width:
            raise DataError(f"has a run-length mask whose runs do not add up to its {height}x{width} pixels")
        inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height).T
        return Cover(0, 0, inside)

    def leaves(self, size: Size) -> bool:
        return False

    @property
    def content(self) -> bytes:
        return f"runs{self.size}{self.counts}".encode()


def unpack_runs(text: str) -> np.ndarray:
    """Lengths of runs, int64, from COCO's text: groups of five bits from the lowest, each a character from `0`; a sixth
    bit says that more follow, the last group's fifth is the sign. From the fourth length on, each is the difference to
    the length two before. Raises DataError, the end of a sentence."""
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 30:
            raise DataError(f"has a run-length mask that is not COCO's text, at {character!r}")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        value -= (1 << shift) if group & 16 else 0
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError("has a run-length mask whose text is cut off")
    return np.array(lengths, np.int64)
