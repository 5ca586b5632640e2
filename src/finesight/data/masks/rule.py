"""The rule by which the colours or values of masks become class indices: the only reader of masks."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le

from finesight.classes import IGNORE_INDEX, compose
from finesight.config import check
from finesight.data.masks.codes import MAX_VALUE, NUM_COLOURS, parse_colour, spell, unpack
from finesight.data.masks.looks import Look
from finesight.data.masks.pixels import Kind, RawMask

UNKNOWN = -1  # of a code that the rule does not name; IGNORE_INDEX as uint8
Index = Annotated[int, Ge(0), Le(IGNORE_INDEX)]
Value = Annotated[int, Ge(-MAX_VALUE), Le(MAX_VALUE)]


@dataclass(frozen=True)
class MaskRule:
    """How the codes of one data set become class indices; IGNORE_INDEX for all that no table names.

    colours, values: (code, index) pairs. palette_as: what a palette mask's pixels are taken for. tolerance: how far a
    value, or each channel of a colour, may be off the nearest one that is named. palette: (value, colour) pairs of the
    masks that were read by value; a mask whose palette contradicts them is refused. named: (name, index) pairs of masks
    that name their classes.
    """

    colours: tuple[tuple[int, int], ...] = ()
    values: tuple[tuple[int, int], ...] = ()
    palette_as: Literal["colour", "value"] = "value"
    tolerance: int = 0
    palette: tuple[tuple[int, int], ...] = ()
    named: tuple[tuple[str, int], ...] = ()

    def apply(self, mask: RawMask) -> np.ndarray:
        """uint8 (h, w)."""
        if mask.kind == "name":
            table = np.array([UNKNOWN, *map(self._find_name, mask.names)])
            return table.take(mask.codes + 1, mode="clip").astype(np.uint8)
        if self.is_by_colour(mask.kind):
            return self._colour_table.take(mask.colours() + 1, mode="clip").astype(np.uint8)
        low, table = self._value_table
        return table.take(mask.codes - low, mode="clip").astype(np.uint8)

    def is_by_colour(self, kind: Kind) -> bool:
        return kind == "colour" or (kind == "palette" and self.palette_as == "colour")

    def find(self, look: Look, code: int) -> int:
        """Class index of one code of a mask."""
        return self._look_up(look, code) & IGNORE_INDEX

    def knows(self, look: Look, code: int) -> bool:
        """Whether one code of a mask is named, be it as a class or as ignored, or near one that is."""
        return self._look_up(look, code) != UNKNOWN

    def names(self, look: Look, code: int) -> bool:
        """Whether it is named itself."""
        if look.kind == "name":
            return self.knows(look, code)
        if self.is_by_colour(look.kind):
            return look.colour(code) in self._named[0]
        return code in self._named[1]

    def count(self, look: Look) -> Counter[int]:
        """Pixels of each class index in a mask."""
        total: Counter[int] = Counter()
        for code, count in look.counts.items():
            total[self.find(look, code)] += count
        return total

    def _look_up(self, look: Look, code: int) -> int:
        if look.kind == "name":
            return self._find_name(look.names[code]) if code >= 0 else UNKNOWN
        if self.is_by_colour(look.kind):
            return int(self._colour_table.take(look.colour(code) + 1, mode="clip"))
        low, table = self._value_table
        return int(table.take(code - low, mode="clip"))

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, for JSON."""
        return {
            "colours": [[spell(code), index] for code, index in self.colours],
            "values": [[code, index] for code, index in self.values],
            "palette_as": self.palette_as,
            "tolerance": self.tolerance,
            "palette": [[value, spell(colour)] for value, colour in self.palette],
        } | ({"named": [list(pair) for pair in self.named]} if self.named else {})

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "MaskRule":
        """The rule that `to_dict` wrote. Raises ValueError for anything else."""
        stored = check(_StoredRule, dict(value))
        texts = [text for text, _ in stored.colours] + [text for _, text in stored.palette]
        if not all(re.fullmatch("#[0-9a-f]{6}", text) for text in texts):
            raise ValueError("a colour is not written as #ff8000")
        colours = tuple((parse_colour(text), index) for text, index in stored.colours)
        palette = tuple((value, parse_colour(text)) for value, text in stored.palette)
        return cls(colours, stored.values, stored.palette_as, stored.tolerance, palette, stored.named)

    def _find_name(self, name: str) -> int:
        """Index of a class by name, else of the only one that differs in case or Unicode form."""
        if (index := self._names.get(name)) is not None:
            return index
        near = {index for known, index in self.named if _fold(known) == _fold(name)}
        return near.pop() if len(near) == 1 else UNKNOWN

    @cached_property
    def _names(self) -> dict[str, int]:
        return dict(self.named)

    @cached_property
    def _named(self) -> tuple[set[int], set[int]]:
        return {code for code, _ in self.colours}, {code for code, _ in self.values}

    @cached_property
    def _colour_table(self) -> np.ndarray:
        """int16 (NUM_COLOURS + 2,): index of each colour, with UNKNOWN at both ends, where clipped codes arrive."""
        table = np.full(NUM_COLOURS + 2, UNKNOWN, np.int16)
        cube = table[1:-1].reshape(256, 256, 256)  # blue, green, red
        distances = np.full(cube.shape, 256, np.int16) if self.tolerance else None
        for code, index in self.colours:
            if distances is None:
                table[1 + code] = index
            else:
                _fill_near(cube, distances, unpack(code)[::-1], index, self.tolerance)
        return table

    @cached_property
    def _value_table(self) -> tuple[int, np.ndarray]:
        """(the code of its first entry, int16 table with UNKNOWN at both ends)."""
        codes = [code for code, _ in self.values] or [0]
        low, size = min(codes) - self.tolerance - 1, max(codes) - min(codes) + 2 * self.tolerance + 3
        table, distances = np.full(size, UNKNOWN, np.int16), np.full(size, 256, np.int16)
        for code, index in self.values:
            _fill_near(table, distances, (code - low,), index, self.tolerance)
        return low, table

    # Without the tables: they are 32 MB.
    def __reduce__(self) -> tuple[type["MaskRule"], tuple[object, ...]]:
        return MaskRule, (self.colours, self.values, self.palette_as, self.tolerance, self.palette, self.named)


def _fold(text: str) -> str:
    return compose(compose(text).casefold())


def _fill_near(table: np.ndarray, distances: np.ndarray, centre: tuple[int, ...], index: int, tolerance: int) -> None:
    """Sets `index` in the box around `centre`, where no other centre is nearer."""
    ranges = [
        range(max(0, at - tolerance), min(size, at + tolerance + 1))
        for at, size in zip(centre, table.shape, strict=True)
    ]
    box = tuple(slice(each.start, each.stop) for each in ranges)
    steps = [abs(np.array(each) - at).astype(np.int16) for each, at in zip(ranges, centre, strict=True)]
    off: np.ndarray = reduce(np.maximum, np.ix_(*steps))
    nearer = off < distances[box]
    table[box][nearer] = index
    distances[box][nearer] = off[nearer]


@dataclass(frozen=True)
class _StoredRule:
    """MaskRule in JSON, with colours as people write them."""

    colours: tuple[tuple[str, Index], ...]
    values: tuple[tuple[Value, Index], ...]
    palette_as: Literal["colour", "value"]
    tolerance: Annotated[int, Ge(0), Le(255)] = 0
    palette: tuple[tuple[Value, str], ...] = ()
    named: tuple[tuple[str, Index], ...] = ()
